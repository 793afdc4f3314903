// ticket_search and ticket_trains.
//
// The routes that serve a pair of stations are found by the stations' calls in ticket_route_call,
// so the cost of a search depends on the trains that go there, not on all trains. A session keeps
// the routes of a pair until a route is added or the stations change. A route's departures of a
// day, whatever train they are sold as, are then found in ticket_departure. A session keeps these
// until a departure is added, removed, gets another stop list or is changed by hand. What is left
// is counted in memory.
//
// What is kept may be a moment behind memory: a departure gets its new stop list at the commit, and
// other sessions learn of it a moment later. Such a departure is shown by the new list, in the
// place of the old one. If a session learns of changes while it searches, it searches again, so
// that no departure is missing or there twice because it was looked for with what was kept before
// and after.
#include "load/directory.hpp"
#include "pool/claim.hpp"
#include "pool/ledger.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/stations.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// A route from one station to the other. Times are in microseconds since midnight of the service
// date; kNoTime: none.
struct Connection {
    int64_t route_id;
    Trip trip;
    int32_t from_stop;
    int32_t to_stop;
    int32_t day;  // on which it leaves, from the service date on
    int64_t departs;
    int64_t arrives;
};

constexpr size_t kMaxArgumentBytes = 80;  // code#stop_no

// The routes of a pair of stations, in order of departure within the day. The stations are kept as
// the caller wrote them.
struct CachedPair {
    uint64_t routes;  // generations of the routes and of the stations; 0: empty
    uint64_t stations;
    Oid relation;
    uint8_t from_length;
    uint8_t to_length;
    char from[kMaxArgumentBytes];
    char to[kMaxArgumentBytes];
    int count;
    Connection* connections;
};
constexpr uint32_t kPairCacheSize = 128;
constinit CachedPair* pair_cache = nullptr;  // kPairCacheSize entries, allocated at first use

// The departures of a route on a day.
struct CachedRuns {
    uint64_t generation;  // of the departures; 0: empty
    int64_t route_id;
    DateADT date;
    Oid relation;
    int count;
    int64_t* departure_ids;  // in TopMemoryContext; null: none
};
constexpr uint32_t kRunCacheSize = 4096;
constinit CachedRuns* run_cache = nullptr;  // kRunCacheSize entries, allocated at first use

// Each call at which a passenger may board, with the next call at the other station where one may
// alight. $1, $2: the stations. %s: tables and further conditions. A call without a time is on the
// day of the nearest known time before it.
constexpr const char* kPairQuery =
    "SELECT p.route_id, p.from_index, p.to_index, r.stop_nos[p.from_index + 1], "
    "r.stop_nos[p.to_index + 1], t.departs, t.arrives, coalesce(t.departs, (SELECT "
    "extract(epoch FROM coalesce(r.departs[n], r.arrives[n])) * 1000000 "
    "FROM generate_series(p.from_index, 1, -1) AS n "
    "WHERE coalesce(r.departs[n], r.arrives[n]) IS NOT NULL LIMIT 1)::bigint, 0) / 86400000000 "
    "FROM (SELECT DISTINCT ON (a.route_id, a.stop_index) a.route_id, a.stop_index AS from_index, "
    "b.stop_index AS to_index "
    "FROM %s AS a JOIN %s AS b ON b.route_id = a.route_id AND b.stop_index > a.stop_index%s "
    "JOIN %s AS f ON f.route_id = a.route_id "
    "WHERE a.station = ANY ($1) AND b.station = ANY ($2)%s "
    "AND coalesce(f.boarding[a.stop_index + 1], true) "
    "AND coalesce(f.alighting[b.stop_index + 1], true) "
    "AND NOT coalesce(f.skipped[a.stop_index + 1], false) "
    "AND NOT coalesce(f.skipped[b.stop_index + 1], false) "
    "ORDER BY a.route_id, a.stop_index, b.stop_index) AS p JOIN %s AS r USING (route_id), "
    "LATERAL (SELECT (extract(epoch FROM coalesce(r.departs[p.from_index + 1], "
    "r.arrives[p.from_index + 1])) * 1000000)::bigint AS departs, "
    "(extract(epoch FROM coalesce(r.arrives[p.to_index + 1], r.departs[p.to_index + 1])) * "
    "1000000)::bigint AS arrives) AS t "
    "ORDER BY t.departs %% 86400000000, t.arrives - t.departs, r.train COLLATE \"C\", p.route_id, "
    "p.from_index";

void read_connection(uint64 row, Connection* connection) {
    bool is_null;
    const auto value = [row, &is_null](int number) {
        return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &is_null);
    };
    connection->route_id = DatumGetInt64(value(1));
    connection->trip = {DatumGetInt32(value(2)), DatumGetInt32(value(3))};
    connection->from_stop = DatumGetInt32(value(4));
    connection->to_stop = DatumGetInt32(value(5));
    const int64_t departs = DatumGetInt64(value(6));
    connection->departs = is_null ? kNoTime : departs;
    const int64_t arrives = DatumGetInt64(value(7));
    connection->arrives = is_null ? kNoTime : arrives;
    connection->day = static_cast<int32_t>(DatumGetInt64(value(8)));
}

Datum code_array(const StationArgument& station) {
    Datum* codes = static_cast<Datum*>(palloc(static_cast<Size>(station.count) * sizeof(Datum)));
    for (int i = 0; i < station.count; i++) {
        codes[i] = text_datum(station.codes[i].code());
    }
    return PointerGetDatum(construct_array(codes, station.count, TEXTOID, -1, false, TYPALIGN_INT));
}

// A trip from a station to itself exists only if both calls are named.
const char* pair_query(const Catalog& catalog, const StationArgument& from,
                       const StationArgument& to) {
    const char* calls = qualified_name(catalog.route_call);
    const char* routes = qualified_name(catalog.route);
    const char* named = "";
    if (from.has_stop_no || to.has_stop_no) {
        named = psprintf(
            " AND (SELECT%s%s%s FROM %s AS n WHERE n.route_id = a.route_id)",
            from.has_stop_no ? psprintf(" n.stop_nos[a.stop_index + 1] = %d", from.stop_no) : "",
            from.has_stop_no && to.has_stop_no ? " AND" : "",
            to.has_stop_no ? psprintf(" n.stop_nos[b.stop_index + 1] = %d", to.stop_no) : "",
            routes);
    }
    return psprintf(kPairQuery, calls, calls,
                    from.has_stop_no && to.has_stop_no ? "" : " AND a.station <> b.station", routes,
                    named, routes);
}

void read_pair(const Catalog& catalog, Text from_text, Text to_text, CachedPair* pair) {
    const StationArgument from = find_stations(catalog, from_text);
    const StationArgument to = find_stations(catalog, to_text);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    PushActiveSnapshot(
        GetLatestSnapshot());  // what is kept must be current, whatever the isolation level
    SPI_connect();
    Oid types[] = {TEXTARRAYOID, TEXTARRAYOID};
    Datum values[] = {code_array(from), code_array(to)};
    if (SPI_execute_with_args(pair_query(catalog, from, to), 2, types, values, nullptr, true, 0) !=
        SPI_OK_SELECT) {
        elog(ERROR, "could not read the routes of a pair of stations");
    }
    pair->connections = static_cast<Connection*>(MemoryContextAllocHuge(
        TopMemoryContext, Max(SPI_processed, static_cast<uint64>(1)) * sizeof(Connection)));
    pair->count = static_cast<int>(SPI_processed);
    for (int i = 0; i < pair->count; i++) {
        read_connection(static_cast<uint64>(i), &pair->connections[i]);
    }
    SPI_finish();
    PopActiveSnapshot();
    owner_end(scope);
}

const CachedPair* find_pair(const Catalog& catalog, Text from, Text to) {
    if (pair_cache == nullptr) {
        pair_cache = static_cast<CachedPair*>(
            MemoryContextAllocZero(TopMemoryContext, kPairCacheSize * sizeof(CachedPair)));
    }
    static constinit CachedPair uncached{};
    const bool cacheable = from.length <= kMaxArgumentBytes && to.length <= kMaxArgumentBytes;
    CachedPair* pair =
        cacheable ? &pair_cache[hash_combine(text_hash(from), text_hash(to)) % kPairCacheSize]
                  : &uncached;
    if (cacheable && pair->routes == route_generation && pair->stations == station_generation &&
        pair->relation == catalog.route_call && same_text({pair->from, pair->from_length}, from) &&
        same_text({pair->to, pair->to_length}, to)) {
        return pair;
    }
    pair->routes = 0;
    if (pair->connections != nullptr) {
        pfree(pair->connections);
        pair->connections = nullptr;
    }
    const uint64_t routes = route_generation;
    const uint64_t stations = station_generation;
    read_pair(catalog, from, to, pair);
    if (cacheable) {
        pair->relation = catalog.route_call;
        pair->from_length = static_cast<uint8_t>(from.length);
        pair->to_length = static_cast<uint8_t>(to.length);
        memcpy(pair->from, from.data, from.length);
        memcpy(pair->to, to.data, to.length);
        pair->stations = stations;
        pair->routes = routes;
    }
    return pair;
}

void read_runs(const Catalog& catalog, CachedRuns* runs) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.departure, catalog.departure_day, snapshot);
    reader_key_date(&reader, runs->date);
    reader_key_int64(&reader, runs->route_id);
    int room = 0;
    while (reader_next(&reader)) {
        DepartureRow row;
        read_departure(reader.row, &row);
        if (runs->count == room) {
            room = Max(room * 2, 1);
            const Size bytes = static_cast<Size>(room) * sizeof(int64_t);
            runs->departure_ids = static_cast<int64_t*>(
                runs->departure_ids == nullptr ? MemoryContextAlloc(TopMemoryContext, bytes)
                                               : repalloc(runs->departure_ids, bytes));
        }
        runs->departure_ids[runs->count++] = row.departure_id;
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    if (runs->count > 1) {
        qsort(runs->departure_ids, static_cast<size_t>(runs->count), sizeof(int64_t), compare_ids);
    }
}

const CachedRuns& find_runs(const Catalog& catalog, int64_t route_id, DateADT date) {
    if (run_cache == nullptr) {
        run_cache = static_cast<CachedRuns*>(
            MemoryContextAllocZero(TopMemoryContext, kRunCacheSize * sizeof(CachedRuns)));
    }
    const uint64_t key = static_cast<uint64_t>(route_id) << 16 ^ static_cast<uint32_t>(date);
    CachedRuns* runs = &run_cache[key * 0x9E3779B97F4A7C15u >> 32 & (kRunCacheSize - 1)];
    if (runs->generation == departure_generation && runs->route_id == route_id &&
        runs->date == date && runs->relation == catalog.departure) {
        return *runs;
    }
    const uint64_t generation = departure_generation;
    int64_t* old = runs->departure_ids;
    *runs = CachedRuns{0, route_id, date, catalog.departure, 0, nullptr};
    if (old != nullptr) {
        pfree(old);
    }
    read_runs(catalog, runs);
    runs->generation = generation;
    return *runs;
}

// ticket_route_call may have been edited by hand.
bool is_in_range(Trip trip, const Departure* departure) {
    return trip.from >= 0 && trip.from < trip.to && trip.to <= departure->segments;
}

struct SearchRow {
    Datum values[8];
    bool nulls[8];
};

void return_connection(const DepartureRef& ref, const Connection& connection, DateADT travel_date,
                       bool with_classes, ReturnSetInfo* result) {
    const Timestamp midnight = static_cast<Timestamp>(travel_date - connection.day) * USECS_PER_DAY;
    SearchRow row{};
    row.values[0] = text_datum(directory_train(ref));
    row.values[1] = DateADTGetDatum(ref.departure->service_date);
    row.values[2] = Int32GetDatum(connection.from_stop);
    row.values[3] = Int32GetDatum(connection.to_stop);
    const int64_t times[] = {connection.departs, connection.arrives};
    for (int i = 0; i < 2; i++) {
        row.nulls[4 + i] = times[i] == kNoTime;
        row.values[4 + i] = TimestampGetDatum(row.nulls[4 + i] ? 0 : midnight + times[i]);
    }
    if (!with_classes) {
        tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls);
        return;
    }
    const Layout* layout = ref.departure->layout.get();
    for (uint32_t i = 0; i < layout->class_count; i++) {
        row.values[6] = text_datum(text_of(layout->head, layout->classes()[i].name));
        row.values[7] = Int32GetDatum(
            static_cast<int32_t>(count_remaining(ref, i, connection.trip, Text{nullptr, 0})));
        tuplestore_putvalues(result->setResult, result->setDesc, row.values, row.nulls);
    }
}

// Does what is kept have the departure among those of the route?
bool is_run_of(const Catalog& catalog, int64_t route_id, DateADT date, int64_t departure_id) {
    const CachedRuns& runs = find_runs(catalog, route_id, date);
    for (int i = 0; i < runs.count; i++) {
        if (runs.departure_ids[i] == departure_id) {
            return true;
        }
    }
    return false;
}

int64_t departure_of(const Stop& stop) {
    return stop.departs != kNoTime ? stop.departs : stop.arrives;
}

// The day of a call, as kPairQuery has it.
int32_t day_of_call(const Route* route, int stop) {
    while (stop > 0 && departure_of(route->stops()[stop]) == kNoTime) {
        stop--;
    }
    const int64_t time = departure_of(route->stops()[stop]);
    return time == kNoTime ? 0 : static_cast<int32_t>(time / USECS_PER_DAY);
}

// A departure that was kept as one of a route has another one by now. Sets *connection to the same
// calls by that one. False: no passenger may travel between them any more, or not on this day, or
// the departure is found by its new route, too.
bool follow_route(const Catalog& catalog, const CachedPair* pair, const Route* route, DateADT date,
                  int64_t departure_id, Connection* connection) {
    if (connection->trip.from < 0 || connection->trip.to > route->segments()) {
        return false;
    }
    const Stop& from = route->stops()[connection->trip.from];
    const Stop& to = route->stops()[connection->trip.to];
    for (int i = 0; i < pair->count; i++) {
        if (pair->connections[i].route_id == route->head.id &&
            pair->connections[i].trip.from == connection->trip.from &&
            is_run_of(catalog, route->head.id, date, departure_id)) {
            return false;
        }
    }
    connection->route_id = route->head.id;
    connection->departs = departure_of(from);
    connection->arrives = to.arrives != kNoTime ? to.arrives : to.departs;
    return from.stop_no == connection->from_stop && to.stop_no == connection->to_stop &&
           !from.no_boarding && !to.no_alighting &&
           day_of_call(route, connection->trip.from) == connection->day;
}

// Returns the route's departures that leave on the day.
void return_runs(const Catalog& catalog, const CachedPair* pair, const Connection& connection,
                 DateADT travel_date, bool with_classes, ReturnSetInfo* result) {
    const DateADT date = travel_date - connection.day;
    // The ids are copied: loading a departure may replace what is kept.
    const CachedRuns& runs = find_runs(catalog, connection.route_id, date);
    const int count = runs.count;
    int64_t one;
    int64_t* ids = count <= 1
                       ? &one
                       : static_cast<int64_t*>(palloc(static_cast<Size>(count) * sizeof(int64_t)));
    if (count > 0) {
        memcpy(ids, runs.departure_ids, static_cast<Size>(count) * sizeof(int64_t));
    }
    for (int i = 0; i < count; i++) {
        const DepartureRef ref = directory_find_id(catalog, ids[i]);
        Connection now = connection;
        if (ref.departure != nullptr && ref.departure->service_date == date &&
            is_in_range(connection.trip, ref.departure) &&
            (likely(route_of(ref)->head.id == connection.route_id) ||
             follow_route(catalog, pair, route_of(ref), date, ids[i], &now)) &&
            shows_seats(ref, connection.trip)) {
            return_connection(ref, now, travel_date, with_classes, result);
        }
        end_announcement();
    }
}

Datum search(FunctionCallInfo fcinfo, bool with_classes) {
    require_shared_memory();
    require_argument(fcinfo, 0, "from_station");
    require_argument(fcinfo, 1, "to_station");
    require_argument(fcinfo, 2, "travel_date");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    const DateADT travel_date = PG_GETARG_DATEADT(2);
    constexpr DateADT kMaxDate = 1 << 20;  // later than every departure, and safe as a timestamp
    if (travel_date < -kMaxDate || travel_date > kMaxDate) {
        find_pair(catalog, text_of(PG_GETARG_DATUM(0)), text_of(PG_GETARG_DATUM(1)));
        return 0;
    }
    // Under a storm of changes the last attempt counts.
    for (int attempts = 0; attempts < 5; attempts++) {
        tuplestore_clear(result->setResult);
        AcceptInvalidationMessages();  // notes of departures that do not exist must not be stale
        const uint64_t routes = route_generation;
        const uint64_t departures = departure_generation;
        const CachedPair* pair =
            find_pair(catalog, text_of(PG_GETARG_DATUM(0)), text_of(PG_GETARG_DATUM(1)));
        for (int i = 0; i < pair->count; i++) {
            CHECK_FOR_INTERRUPTS();
            return_runs(catalog, pair, pair->connections[i], travel_date, with_classes, result);
        }
        AcceptInvalidationMessages();
        if (likely(routes == route_generation && departures == departure_generation)) {
            break;
        }
    }
    return 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_search) {
    return ticketpool::search(fcinfo, true);
}

TICKETPOOL_FUNCTION(ticket_trains) {
    return ticketpool::search(fcinfo, false);
}
