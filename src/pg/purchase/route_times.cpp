// Times of stop lists, and the function ticket_route_days. It is the expression of the index
// ticket_route_days, in which the stop list that runs longest is first.
#include "purchase/route_times.hpp"

#include "load/shared_parts.hpp"
#include "pool/ledger.hpp"
#include "server/arrays.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {
namespace {

constexpr int64_t kMostDays = 366;  // ticket_open refuses later times

Elements times_of(Datum array) {
    return elements_of(array, INTERVALOID, 16, false, TYPALIGN_DOUBLE);
}

int64_t time_of(const Elements& times, int stop) {
    return stop >= times.count || times.nulls[stop]
               ? kNoTime
               : interval_microseconds(DatumGetIntervalP(times.values[stop]));
}

// At a stop with only one time, the train arrives and departs at that time.
bool set_times(DateADT date, int64_t departs, int64_t or_arrives, int64_t arrives,
               int64_t or_departs, TripTimes* times) {
    const int64_t from = departs != kNoTime ? departs : or_arrives;
    const int64_t to = arrives != kNoTime ? arrives : or_departs;
    if (from == kNoTime || to == kNoTime) {
        return false;
    }
    const int64_t midnight = static_cast<int64_t>(date) * USECS_PER_DAY;
    *times = TripTimes{midnight + from, midnight + to};
    return true;
}

int index_of(const Elements& stop_nos, int32_t stop_no) {
    for (int i = 0; i < stop_nos.count; i++) {
        if (!stop_nos.nulls[i] && DatumGetInt32(stop_nos.values[i]) == stop_no) {
            return i;
        }
    }
    return -1;
}

int days_of(Datum times) {
    const Elements elements = times_of(times);
    int64_t days = 0;
    for (int i = 0; i < elements.count; i++) {
        if (!elements.nulls[i]) {
            const Interval* time = DatumGetIntervalP(elements.values[i]);
            days = Max(days, time->day + time->time / USECS_PER_DAY);
        }
    }
    return static_cast<int>(Min(days, kMostDays));
}

int read_longest(const Catalog& catalog) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.route, catalog.route_days, snapshot);
    int days = 0;
    if (reader_next(&reader)) {
        days = Max(days_of(row_datum(reader.row, kRouteArrives)),
                   days_of(row_datum(reader.row, kRouteDeparts)));
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return days;
}

struct CachedLongest {
    uint64_t generation;  // of the routes; 0: empty
    Oid relation;
    int days;
};
constinit CachedLongest longest{};

}  // namespace

bool trip_times(const DepartureRef& ref, Trip trip, TripTimes* times) {
    const Stop* stops = route_of(ref)->stops();
    const Stop& from = stops[trip.from];
    const Stop& to = stops[trip.to];
    return set_times(ref.departure->service_date, from.departs, from.arrives, to.arrives,
                     to.departs, times);
}

bool trip_times(const Catalog& catalog, int64_t route_id, DateADT date, int32_t from_stop,
                int32_t to_stop, TripTimes* times) {
    TableReader reader;
    reader_open(&reader, catalog.route, catalog.route_pkey, GetActiveSnapshot());
    reader_key_int64(&reader, route_id);
    bool found = reader_next(&reader);
    if (found) {
        const Elements stop_nos =
            elements_of(row_datum(reader.row, kRouteStopNos), INT4OID, 4, true, TYPALIGN_INT);
        const Elements arrives = times_of(row_datum(reader.row, kRouteArrives));
        const Elements departs = times_of(row_datum(reader.row, kRouteDeparts));
        const int from = index_of(stop_nos, from_stop);
        const int to = index_of(stop_nos, to_stop);
        found = from >= 0 && to >= 0 &&
                set_times(date, time_of(departs, from), time_of(arrives, from),
                          time_of(arrives, to), time_of(departs, to), times);
    }
    reader_close(&reader);
    return found;
}

int longest_run_days(const Catalog& catalog) {
    while (longest.generation != route_generation || longest.relation != catalog.route) {
        const uint64_t generation = route_generation;
        longest = CachedLongest{};
        const int days = read_longest(catalog);
        longest = CachedLongest{generation, catalog.route, days};
    }
    return longest.days;
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_route_days) {
    using namespace ticketpool;
    PG_RETURN_INT32(Max(days_of(PG_GETARG_DATUM(0)), days_of(PG_GETARG_DATUM(1))));
}
