// ticket_search and ticket_trains.
//
// The stations' calls lead to the routes that serve a pair (ticket_route_call: a search costs by
// the trains that go there, not by all trains); a session keeps what it found until a route is
// added. A route's departures of a day are then looked up in the directory, and counted in memory.
#include "errors.hpp"
#include "order_rows.hpp"
#include "sale.hpp"
#include "stations.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// One route from here to there. Times in microseconds since midnight of the service date.
struct Connection {
    int64_t route_id;
    Trip trip;
    int32_t from_stop;
    int32_t to_stop;
    int64_t departs;
    int64_t arrives;
    uint32_t train_length;
    char train[kMaxNameBytes];
};

// The routes of a pair of stations, in order of departure within the day.
struct CachedPair {
    uint64_t generation;  // of the routes; 0: empty
    Oid relation;
    uint8_t from_length;
    uint8_t to_length;
    char from[kMaxNameBytes];
    char to[kMaxNameBytes];
    int count;
    Connection* connections;
};
constexpr uint32_t kCacheSize = 128;
CachedPair* cache;  // kCacheSize entries, allocated at first use

constexpr const char* kPairQuery =
    "SELECT p.route_id, p.from_index, p.to_index, r.train, r.stop_nos[p.from_index + 1], "
    "r.stop_nos[p.to_index + 1], "
    "t.departs, t.arrives FROM (SELECT DISTINCT ON (a.route_id) a.route_id, a.stop_index AS "
    "from_index, b.stop_index AS to_index "
    "FROM %s AS a JOIN %s AS b ON b.route_id = a.route_id AND b.stop_index > a.stop_index WHERE "
    "a.station = $1 AND b.station = $2 "
    "ORDER BY a.route_id, b.stop_index - a.stop_index, a.stop_index) AS p JOIN %s AS r USING "
    "(route_id), "
    "LATERAL (SELECT (extract(epoch FROM coalesce(r.departs[p.from_index + 1], "
    "r.arrives[p.from_index + 1])) * 1000000)::bigint AS departs, "
    "(extract(epoch FROM coalesce(r.arrives[p.to_index + 1], r.departs[p.to_index + 1])) * "
    "1000000)::bigint AS arrives) AS t "
    "ORDER BY t.departs %% 86400000000, t.arrives - t.departs, r.train COLLATE \"C\", p.route_id";

void read_connection(uint64 row, Connection* connection) {
    const auto value = [row](int number) {
        bool is_null;
        return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, &is_null);
    };
    connection->route_id = DatumGetInt64(value(1));
    connection->trip = {DatumGetInt32(value(2)), DatumGetInt32(value(3))};
    const Text train = text_of(value(4));
    connection->train_length =
        static_cast<uint32_t>(Min(train.length, static_cast<size_t>(kMaxNameBytes)));
    memcpy(connection->train, train.data, connection->train_length);
    connection->from_stop = DatumGetInt32(value(5));
    connection->to_stop = DatumGetInt32(value(6));
    connection->departs = DatumGetInt64(value(7));
    connection->arrives = DatumGetInt64(value(8));
}

void read_pair(const Catalog& catalog, CachedPair* pair) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    PushActiveSnapshot(
        GetLatestSnapshot());  // what is kept must be of now, whatever the isolation level
    SPI_connect();
    const char* calls = qualified_name(catalog.route_call);
    Oid types[] = {TEXTOID, TEXTOID};
    Datum values[] = {text_datum({pair->from, pair->from_length}),
                      text_datum({pair->to, pair->to_length})};
    if (SPI_execute_with_args(psprintf(kPairQuery, calls, calls, qualified_name(catalog.route)), 2,
                              types, values, nullptr, true, 0) != SPI_OK_SELECT) {
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
    if (cache == nullptr) {
        cache = static_cast<CachedPair*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedPair)));
    }
    CachedPair* pair = &cache[hash_combine(text_hash(from), text_hash(to)) % kCacheSize];
    if (pair->generation == route_generation && pair->relation == catalog.route_call &&
        same_text({pair->from, pair->from_length}, from) &&
        same_text({pair->to, pair->to_length}, to)) {
        return pair;
    }
    pair->generation = 0;
    if (pair->connections != nullptr) {
        pfree(pair->connections);
        pair->connections = nullptr;
    }
    const uint64_t generation = route_generation;
    pair->relation = catalog.route_call;
    pair->from_length = static_cast<uint8_t>(from.length);
    pair->to_length = static_cast<uint8_t>(to.length);
    memcpy(pair->from, from.data, from.length);
    memcpy(pair->to, to.data, to.length);
    read_pair(catalog, pair);
    pair->generation = generation;
    return pair;
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
    const int64_t day = connection.departs / USECS_PER_DAY * USECS_PER_DAY;
    const Timestamp midnight = static_cast<Timestamp>(travel_date) * USECS_PER_DAY;
    SearchRow row{};
    row.values[0] = text_datum({connection.train, connection.train_length});
    row.values[1] = DateADTGetDatum(ref.departure->service_date);
    row.values[2] = Int32GetDatum(connection.from_stop);
    row.values[3] = Int32GetDatum(connection.to_stop);
    row.values[4] = TimestampGetDatum(midnight + connection.departs - day);
    row.values[5] = TimestampGetDatum(midnight + connection.arrives - day);
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

// A copy: the next look-up may replace the cache entry that a code lies in.
Text copy_code(const StationCode& station, char* buffer) {
    memcpy(buffer, station.code.data, Min(station.code.length, static_cast<size_t>(kMaxNameBytes)));
    return {buffer, Min(station.code.length, static_cast<size_t>(kMaxNameBytes))};
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
    AcceptInvalidationMessages();  // what is remembered of absent departures must not be stale
    char from_code[kMaxNameBytes];
    char to_code[kMaxNameBytes];
    const Text from =
        copy_code(find_station(catalog, text_of(PG_GETARG_DATUM(0)), nullptr), from_code);
    const Text to = copy_code(find_station(catalog, text_of(PG_GETARG_DATUM(1)), nullptr), to_code);
    constexpr DateADT kMaxDate = 1 << 20;  // far beyond every departure, and safe as a timestamp
    if (same_text(from, to) || travel_date < -kMaxDate || travel_date > kMaxDate) {
        return 0;
    }
    const CachedPair* pair = find_pair(catalog, from, to);
    for (int i = 0; i < pair->count; i++) {
        CHECK_FOR_INTERRUPTS();
        const Connection& connection = pair->connections[i];
        const DateADT service_date =
            travel_date - static_cast<DateADT>(connection.departs / USECS_PER_DAY);
        const DepartureRef ref = directory_find_if_any(
            catalog, {connection.train, connection.train_length}, service_date);
        // A train may run with another stop list on that day.
        if (ref.departure != nullptr && ref.departure->route->head.id == connection.route_id &&
            is_in_range(connection.trip, ref.departure) && is_on_sale(ref)) {
            return_connection(ref, connection, travel_date, with_classes, result);
        }
        directory_done();
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
