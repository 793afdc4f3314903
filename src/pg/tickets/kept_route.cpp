// Reads and checks stop lists, and keeps them as routes (kept_route.hpp).
#include "tickets/kept_route.hpp"

#include "load/shared_parts.hpp"
#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
#include "lib/stringinfo.h"
}

namespace ticketpool {
namespace {

// The md5 of the stops in their order, and of the flags if they say something. $1: the train; $2 to
// $5: arrays of the stops; $6: the flags.
constexpr const char* kCheckQuery =
    "SELECT (SELECT md5($1 || '/' || string_agg(concat_ws('/', t.stop_no, octet_length(t.station), "
    "t.station, coalesce(extract(epoch FROM t.arrives)::text, '-'), "
    "coalesce(extract(epoch FROM t.departs)::text, '-')), '/' ORDER BY t.n) || $6)::uuid "
    "FROM unnest($2, $3, $4, $5) WITH ORDINALITY AS t (stop_no, station, arrives, departs, n)), "
    "ARRAY(SELECT t.station FROM unnest($3) WITH ORDINALITY AS t (station, n) "
    "WHERE NOT EXISTS (SELECT FROM %s AS k WHERE k.station = t.station) "
    "GROUP BY t.station ORDER BY min(t.n))";

// `detail` is translated, here and below.
[[noreturn]] void report_bad_stops(Text train, const char* detail) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the stop list of train \"%s\" cannot be sold", printable(train)),
                    errdetail_internal("%s", detail), errhint("Correct its rows in ticket_stop.")));
}

// Times may fall this much: a clock that is put back in autumn, or a feed that is a little wrong,
// is not a reason to refuse a train.
constexpr int64_t kLargestFall = 2 * USECS_PER_HOUR;
constexpr int64_t kLatestTime = 366 * USECS_PER_DAY;

// The stops, taken apart.
struct StopElements {
    Elements stop_nos;
    Elements stations;
    Elements arrives;
    Elements departs;
};

StopElements elements_of_stops(const RouteStops& stops) {
    return {elements_of(stops.stop_nos, INT4OID, 4, true, TYPALIGN_INT),
            elements_of(stops.stations, TEXTOID, -1, false, TYPALIGN_INT),
            elements_of(stops.arrives, INTERVALOID, 16, false, TYPALIGN_DOUBLE),
            elements_of(stops.departs, INTERVALOID, 16, false, TYPALIGN_DOUBLE)};
}

const char* time_text(const Interval* time) {
    return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(time)));
}

void check_time(Text train, const Interval* time) {
    constexpr int32_t kAnyDays = 1000000;  // more would overflow
    if (time->month != 0 || time->day < -kAnyDays || time->day > kAnyDays ||
        interval_microseconds(time) < 0 || interval_microseconds(time) > kLatestTime) {
        report_bad_stops(train,
                         _("A time is negative, counts in months, or is more than 366 days."));
    }
}

// Refuses times that fall below the nearest known one before them. A night train whose times were
// written as a clock shows them would be found on the wrong day.
void check_order(Text train, const StopElements& stops, int stop, const Interval** latest) {
    for (const Elements* times : {&stops.arrives, &stops.departs}) {
        if (times->nulls[stop]) {
            continue;
        }
        const Interval* time = DatumGetIntervalP(times->values[stop]);
        check_time(train, time);
        if (*latest != nullptr &&
            interval_microseconds(*latest) - interval_microseconds(time) > kLargestFall) {
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("the stop list of train \"%s\" cannot be sold", printable(train)),
                     errdetail("At stop %d its time falls from %s to %s.",
                               DatumGetInt32(stops.stop_nos.values[stop]), time_text(*latest),
                               time_text(time)),
                     errhint("Times count from midnight of the service date: add 24 hours to those "
                             "after the next midnight.")));
        }
        *latest = time;
    }
}

void check_stops(Text train, const RouteStops& list) {
    const StopElements stops = elements_of_stops(list);
    const int count = stops.stop_nos.count;
    if (count > kMaxStops) {
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("train \"%s\" has too many stops", printable(train)),
                        errdetail("It has %d stops; the limit is %d.", count, kMaxStops),
                        errhint("Sell it as two trains.")));
    }
    if (count < 2) {
        report_bad_stops(train, _("It has one stop only."));
    }
    if (stops.stations.count != count || stops.arrives.count != count ||
        stops.departs.count != count) {
        elog(ERROR, "the arrays of a stop list have different lengths");
    }
    const Interval* latest = nullptr;
    for (int i = 0; i < count; i++) {
        if (stops.stop_nos.nulls[i] || stops.stations.nulls[i] ||
            (i > 0 && DatumGetInt32(stops.stop_nos.values[i]) <=
                          DatumGetInt32(stops.stop_nos.values[i - 1]))) {
            report_bad_stops(train, _("A stop has no number or no station, or its number does not "
                                      "rise."));
        }
        check_name(NameOf::kStation, text_of(stops.stations.values[i]));
        check_order(train, stops, i, &latest);
    }
}

// Appends the flags to what is hashed, unless all are `usual`. What is appended cannot be mistaken
// for a stop, which begins with a number. Returns the array, or 0 for one that says nothing.
Datum append_flags(StringInfo text, char name, Datum flags, bool usual, int count) {
    if (flags == 0) {
        return 0;
    }
    const Elements elements = elements_of(flags, BOOLOID, 1, true, TYPALIGN_CHAR);
    if (elements.count != count) {
        elog(ERROR, "the arrays of a stop list have different lengths");
    }
    bool all_usual = true;
    for (int i = 0; i < count; i++) {
        all_usual = all_usual && !elements.nulls[i] && DatumGetBool(elements.values[i]) == usual;
    }
    if (all_usual) {
        return 0;
    }
    appendStringInfo(text, "/%c", name);
    for (int i = 0; i < count; i++) {
        const bool set = elements.nulls[i] ? usual : DatumGetBool(elements.values[i]);
        appendStringInfoChar(text, set ? '1' : '0');
    }
    return flags;
}

// The stop lists whose unknown stations were reported in a transaction.
struct NotedRoutes {
    TimestampTz transaction;  // the time of its start
    uint32_t count;
    pg_uuid_t digest[64];  // the last ones
};
constinit NotedRoutes noted{};

// Has this transaction reported this stop list already? A statement that opens many days then does
// not repeat the notice for each day; with more stop lists than are kept here it may.
bool was_noted(const pg_uuid_t& route) {
    if (noted.transaction != GetCurrentTransactionStartTimestamp()) {
        noted.transaction = GetCurrentTransactionStartTimestamp();
        noted.count = 0;
    }
    for (uint32_t i = 0; i < Min(noted.count, lengthof(noted.digest)); i++) {
        if (memcmp(&noted.digest[i], &route, sizeof(route)) == 0) {
            return true;
        }
    }
    noted.digest[noted.count++ % lengthof(noted.digest)] = route;
    return false;
}

}  // namespace

// A code that is not in ticket_station is sold like any other, but it may be a typing error.
void note_unknown_stations(Text train, const CheckedRoute& route) {
    const int count = route.unknown_count;
    if (count > 0 && !was_noted(route.digest)) {
        ereport(NOTICE,
                (errmsg_plural("train \"%s\" calls at a station that ticket_station does not have: "
                               "%s",
                               "train \"%s\" calls at stations that ticket_station does not have: "
                               "%s",
                               static_cast<unsigned long>(count), printable(train), route.unknown),
                 errdetail_plural("It is sold and found by this code.",
                                  "They are sold and found by these codes.",
                                  static_cast<unsigned long>(count)),
                 errhint_plural("Add it to ticket_station, which gives it a name, or correct "
                                "ticket_stop.",
                                "Add them to ticket_station, which gives them names, or correct "
                                "ticket_stop.",
                                static_cast<unsigned long>(count))));
    }
}

bool find_stops(const KeptSource& source, RouteStops* stops) {
    select_rows(
        source,
        psprintf("SELECT array_agg(stop_no ORDER BY stop_no), array_agg(station ORDER BY "
                 "stop_no), array_agg(arrives ORDER BY stop_no), array_agg(departs ORDER BY "
                 "stop_no), array_agg(boarding ORDER BY stop_no), array_agg(alighting ORDER "
                 "BY stop_no) FROM %s WHERE train = $1",
                 qualified_name(source.catalog.stop)));
    const auto column = [](int number) {
        bool is_null;
        return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &is_null);
    };
    bool none;
    SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &none);
    *stops = {column(1), column(2), column(3), column(4), column(5), column(6), 0};
    return !none;
}

RouteStops read_stops(const KeptSource& source) {
    RouteStops stops;
    if (!find_stops(source, &stops)) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("train \"%s\" does not exist", printable(source.name)),
                        errdetail("ticket_stop has no row of it."),
                        errhint("Load its stops into ticket_stop first.")));
    }
    return stops;
}

CheckedRoute check_route(const KeptSource& source, const RouteStops& stops) {
    check_stops(source.name, stops);
    CheckedRoute route{};
    route.stops = stops;
    const int count = elements_of(stops.stop_nos, INT4OID, 4, true, TYPALIGN_INT).count;
    StringInfoData flags;
    initStringInfo(&flags);
    route.stops.boarding = append_flags(&flags, 'b', stops.boarding, true, count);
    route.stops.alighting = append_flags(&flags, 'a', stops.alighting, true, count);
    route.stops.skipped = append_flags(&flags, 's', stops.skipped, false, count);
    Oid types[] = {TEXTOID,          INT4ARRAYOID,     TEXTARRAYOID,
                   INTERVALARRAYOID, INTERVALARRAYOID, TEXTOID};
    Datum values[] = {text_datum(source.name), stops.stop_nos, stops.stations,
                      stops.arrives,           stops.departs,  CStringGetTextDatum(flags.data)};
    execute_own_on(source.catalog.departure,
                   psprintf(kCheckQuery, qualified_name(source.catalog.station)), lengthof(types),
                   types, values, nullptr, SPI_OK_SELECT, source.snapshot);
    route.digest = digest_column(1);
    bool is_null;
    const Elements unknown =
        elements_of(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null),
                    TEXTOID, -1, false, TYPALIGN_INT);
    StringInfoData codes;
    initStringInfo(&codes);
    for (int i = 0; i < unknown.count; i++) {
        appendStringInfo(&codes, "%s\"%s\"", i > 0 ? ", " : "",
                         printable(text_of(unknown.values[i])));
    }
    route.unknown = codes.data;
    route.unknown_count = unknown.count;
    return route;
}

int64_t keep_route(const KeptSource& source, const CheckedRoute& route) {
    const Catalog& catalog = source.catalog;
    const RouteStops& stops = route.stops;
    Oid types[] = {TEXTOID,          UUIDOID,      INT4ARRAYOID, TEXTARRAYOID, INTERVALARRAYOID,
                   INTERVALARRAYOID, BOOLARRAYOID, BOOLARRAYOID, BOOLARRAYOID};
    Datum values[] = {text_datum(source.name),
                      UUIDPGetDatum(&route.digest),
                      stops.stop_nos,
                      stops.stations,
                      stops.arrives,
                      stops.departs,
                      stops.boarding,
                      stops.alighting,
                      stops.skipped};
    char nulls[lengthof(values) + 1] = "         ";
    for (int i = 6; i < static_cast<int>(lengthof(values)); i++) {
        nulls[i] = values[i] == 0 ? 'n' : ' ';
    }
    const char* sql = psprintf(
        "WITH r AS (INSERT INTO %s (digest, train, stop_nos, stations, arrives, departs, "
        "boarding, alighting, skipped) VALUES ($2, $1, $3, $4, $5, $6, $7, $8, $9) "
        "ON CONFLICT (digest) DO NOTHING RETURNING route_id, stations) "
        "INSERT INTO %s (station, route_id, stop_index) "
        "SELECT c.station, r.route_id, c.n - 1 FROM r, unnest(r.stations) WITH "
        "ORDINALITY AS c (station, n)",
        qualified_name(catalog.route), qualified_name(catalog.route_call));
    return keep_part(source, {catalog.route, catalog.route_digest, kRouteTrain, route.digest},
                     KeptInsert{sql, lengthof(types), types, values, nulls});
}

int64_t keep_route(const Catalog& catalog, Text train, const RouteStops& stops) {
    Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
    const KeptSource source{catalog, snapshot, train};
    const CheckedRoute route = check_route(source, stops);
    const int64_t id = keep_route(source, route);
    UnregisterSnapshot(snapshot);
    return id;
}

}  // namespace ticketpool
