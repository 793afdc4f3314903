// Checks the stop list that ticket_open sells, and keeps it as a route (kept_route.hpp).
#include "tickets/kept_route.hpp"

#include "load/shared_parts.hpp"
#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// The md5 of the rows in their order.
constexpr const char* kStopsDigest =
    "md5(train || '/' || string_agg(concat_ws('/', stop_no, octet_length(station), station, "
    "coalesce(extract(epoch FROM arrives)::text, '-'), coalesce(extract(epoch FROM departs)::text, "
    "'-')), '/' ORDER BY stop_no))::uuid";

// Columns of the query in check_stops(), after the ones that it reads by number.
enum { kStopNumber = 5, kStopArrives, kStopDeparts, kStopUnknown };

// `detail` is translated, here and below.
[[noreturn]] void report_bad_stops(Text train, const char* detail) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the stop list of train \"%s\" cannot be sold", printable(train)),
                    errdetail_internal("%s", detail), errhint("Correct its rows in ticket_stop.")));
}

// Times may fall this much: a clock that is put back in autumn, or a feed that is a little wrong,
// is not a reason to refuse a train.
constexpr int64_t kLargestFall = 2 * USECS_PER_HOUR;

// Refuses times that fall. A night train whose times were written as a clock shows them would be
// found on the wrong day.
void check_order(Text train, uint64 row, const Interval** latest) {
    for (const int column : {kStopArrives, kStopDeparts}) {
        bool is_null;
        const Datum value =
            SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
        if (is_null) {
            continue;
        }
        const Interval* time = DatumGetIntervalP(value);
        if (*latest != nullptr &&
            interval_microseconds(*latest) - interval_microseconds(time) > kLargestFall) {
            const auto text = [](const Interval* t) {
                return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(t)));
            };
            bool no_number;
            const int32_t stop_no = DatumGetInt32(SPI_getbinval(
                SPI_tuptable->vals[row], SPI_tuptable->tupdesc, kStopNumber, &no_number));
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("the stop list of train \"%s\" cannot be sold", printable(train)),
                     errdetail("At stop %d its time falls from %s to %s.", stop_no, text(*latest),
                               text(time)),
                     errhint("Times count from midnight of the service date: add 24 hours to those "
                             "after the next midnight.")));
        }
        *latest = time;
    }
}

// Is this the train's first call at the station?
bool is_first_call(uint64 row, Text station) {
    bool is_null;
    for (uint64 i = 0; i < row; i++) {
        if (same_text(text_column(i, 1, &is_null), station)) {
            return false;
        }
    }
    return true;
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
void note_unknown_stations(Text train, const pg_uuid_t& route, const char* codes, int count) {
    if (count > 0 && !was_noted(route)) {
        ereport(NOTICE,
                (errmsg_plural("train \"%s\" calls at a station that ticket_station does not have: "
                               "%s",
                               "train \"%s\" calls at stations that ticket_station does not have: "
                               "%s",
                               static_cast<unsigned long>(count), printable(train), codes),
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

pg_uuid_t check_stops(const KeptSource& source, StringInfo unknown, int* unknown_count) {
    const Text train = source.name;
    const char* stop = qualified_name(source.catalog.stop);
    const Interval* latest = nullptr;
    select_rows(
        source,
        psprintf("SELECT station, arrives IS NULL AND departs IS NULL, "
                 "coalesce(extract(month FROM arrives) <> 0 OR extract(year FROM arrives) "
                 "<> 0 OR arrives < interval '0' OR arrives > interval '366 days', false) OR "
                 "coalesce(extract(month FROM departs) <> 0 OR extract(year FROM departs) "
                 "<> 0 OR departs < interval '0' OR departs > interval '366 days', false), "
                 "(SELECT %s FROM %s WHERE train = $1 GROUP BY train), stop_no, arrives, departs, "
                 "NOT EXISTS (SELECT FROM %s AS k WHERE k.station = t.station) "
                 "FROM %s AS t WHERE train = $1 ORDER BY stop_no",
                 kStopsDigest, stop, qualified_name(source.catalog.station), stop));
    if (SPI_processed == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("train \"%s\" does not exist", printable(train)),
                        errdetail("ticket_stop has no row of it."),
                        errhint("Load its stops into ticket_stop first.")));
    }
    if (SPI_processed > kMaxStops) {
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("train \"%s\" has too many stops", printable(train)),
                        errdetail("It has " UINT64_FORMAT " stops; the limit is %d.", SPI_processed,
                                  kMaxStops),
                        errhint("Sell it as two trains.")));
    }
    if (SPI_processed < 2) {
        report_bad_stops(train, _("It has one stop only."));
    }
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Text station = text_column(i, 1, &is_null);
        check_name(NameOf::kStation, station);
        if (DatumGetBool(
                SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &is_null))) {
            report_bad_stops(train, _("A stop has neither an arrival nor a departure time."));
        }
        if (DatumGetBool(
                SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &is_null))) {
            report_bad_stops(train,
                             _("A time is negative, counts in months, or is more than 366 days."));
        }
        check_order(train, i, &latest);
        if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, kStopUnknown,
                                       &is_null)) &&
            is_first_call(i, station)) {
            appendStringInfo(unknown, "%s\"%s\"", (*unknown_count)++ > 0 ? ", " : "",
                             printable(station));
        }
    }
    return digest_column(4);
}

int64_t keep_route(const KeptSource& source, const pg_uuid_t& digest) {
    const Catalog& catalog = source.catalog;
    return keep_part(
        source, {catalog.route, catalog.route_digest, kRouteTrain, digest},
        psprintf("WITH r AS (INSERT INTO %s (digest, train, stop_nos, stations, arrives, departs) "
                 "SELECT $2, train, array_agg(stop_no ORDER BY stop_no), "
                 "array_agg(station ORDER BY stop_no), array_agg(arrives ORDER BY stop_no), "
                 "array_agg(departs ORDER BY stop_no) FROM %s WHERE train = $1 GROUP BY train "
                 "ON CONFLICT (digest) DO NOTHING RETURNING route_id, stations) "
                 "INSERT INTO %s (station, route_id, stop_index) "
                 "SELECT c.station, r.route_id, c.n - 1 FROM r, unnest(r.stations) WITH "
                 "ORDINALITY AS c (station, n)",
                 qualified_name(catalog.route), qualified_name(catalog.stop),
                 qualified_name(catalog.route_call)));
}

}  // namespace ticketpool
