// Routes: built from their rows in private memory, copied into the pool, shared by all departures
// that were opened with them.
#include "load/shared_parts.hpp"

#include "pool/unfinished_load.hpp"
#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

namespace {

// Writes strings behind a block under construction.
struct BlockWriter {
    char* block;
    uint32_t end;
};

TextRef put_text(BlockWriter* writer, Text value) {
    const TextRef ref{writer->end, static_cast<uint32_t>(value.length)};
    memcpy(writer->block + writer->end, value.data, value.length);
    writer->end += static_cast<uint32_t>(value.length);
    return ref;
}

// The flags of a stop list; none if the column is NULL, which says the usual of every stop.
Elements flags_of(TupleTableSlot* row, RouteColumn column) {
    bool is_null;
    const Datum value = row_value(row, column, &is_null);
    return is_null ? Elements{} : elements_of(value, BOOLOID, 1, true, TYPALIGN_CHAR);
}

bool flag_of(const Elements& flags, int stop, bool usual) {
    return stop >= flags.count || flags.nulls[stop] ? usual : DatumGetBool(flags.values[stop]);
}

// The time at a stop; kNoTime if it has none. False: sums of such a time could overflow.
bool read_time(const Elements& times, int stop, int64_t* time) {
    constexpr int64_t kMostDays = 100000;
    *time = kNoTime;
    if (times.nulls[stop]) {
        return true;
    }
    const Interval* interval = DatumGetIntervalP(times.values[stop]);
    if (interval->day < -kMostDays || interval->day > kMostDays ||
        interval->time < -kMostDays * USECS_PER_DAY || interval->time > kMostDays * USECS_PER_DAY) {
        return false;
    }
    *time = interval_microseconds(interval);
    return true;
}

SharedPart* build_route(const Catalog& catalog, TupleTableSlot* row) {
    const int64_t route_id = row_int64(row, kRouteId);
    const Elements numbers =
        elements_of(row_datum(row, kRouteStopNos), INT4OID, 4, true, TYPALIGN_INT);
    const Elements stations =
        elements_of(row_datum(row, kRouteStations), TEXTOID, -1, false, TYPALIGN_INT);
    const Elements arrives =
        elements_of(row_datum(row, kRouteArrives), INTERVALOID, 16, false, TYPALIGN_DOUBLE);
    const Elements departs =
        elements_of(row_datum(row, kRouteDeparts), INTERVALOID, 16, false, TYPALIGN_DOUBLE);
    const Elements boarding = flags_of(row, kRouteBoarding);
    const Elements alighting = flags_of(row, kRouteAlighting);
    const Elements skipped = flags_of(row, kRouteSkipped);
    const int count = numbers.count;
    if (count < 2 || count > kMaxStops || stations.count != count || arrives.count != count ||
        departs.count != count) {
        report_damaged("ticket_route", route_id);
    }
    const Text train = row_text(row, kRouteTrain);
    size_t bytes = sizeof(Route) + static_cast<size_t>(count) * sizeof(Stop) + train.length;
    for (int i = 0; i < count; i++) {
        if (stations.nulls[i] || numbers.nulls[i]) {
            report_damaged("ticket_route", route_id);
        }
        bytes += text_of(stations.values[i]).length;
    }
    Route* route = static_cast<Route*>(palloc0(bytes));
    route->head.database = MyDatabaseId;
    route->head.relation = catalog.order;
    route->head.id = route_id;
    route->head.bytes = static_cast<uint32_t>(bytes);
    route->stop_count = static_cast<uint32_t>(count);
    BlockWriter writer{
        reinterpret_cast<char*>(route),
        static_cast<uint32_t>(sizeof(Route) + static_cast<size_t>(count) * sizeof(Stop))};
    route->train = put_text(&writer, train);
    for (int i = 0; i < count; i++) {
        const Text station = text_of(stations.values[i]);
        Stop* stop = &route->stops()[i];
        stop->station = put_text(&writer, station);
        stop->code_hash = text_hash(station);
        stop->stop_no = DatumGetInt32(numbers.values[i]);
        if (!read_time(arrives, i, &stop->arrives) || !read_time(departs, i, &stop->departs)) {
            report_damaged("ticket_route", route_id);
        }
        const bool passes = flag_of(skipped, i, false);
        stop->no_boarding = passes || !flag_of(boarding, i, true);
        stop->no_alighting = passes || !flag_of(alighting, i, true);
    }
    return &route->head;
}

}  // namespace

// Null: there is no such row.
static SharedPart* find_route(const Catalog& catalog, int64_t route_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.route, catalog.route_pkey, snapshot);
    reader_key_int64(&reader, route_id);
    SharedPart* part = reader_next(&reader) ? build_route(catalog, reader.row) : nullptr;
    reader_close(&reader);
    drop_snapshot(snapshot);
    return part;
}

SharedPart* read_route(const Catalog& catalog, int64_t route_id) {
    SharedPart* part = find_route(catalog, route_id);
    if (part == nullptr) {
        report_damaged("ticket_route", route_id);
    }
    return part;
}

bool have_same_stops(const Catalog& catalog, int64_t route_id, int64_t other_id) {
    const auto* route = reinterpret_cast<const Route*>(find_route(catalog, route_id));
    const auto* other = reinterpret_cast<const Route*>(find_route(catalog, other_id));
    bool same = route != nullptr && other != nullptr && route->stop_count == other->stop_count;
    for (uint32_t i = 0; same && i < route->stop_count; i++) {
        const Stop& stop = route->stops()[i];
        const Stop& other_stop = other->stops()[i];
        same =
            stop.stop_no == other_stop.stop_no &&
            same_text(text_of(route->head, stop.station), text_of(other->head, other_stop.station));
    }
    return same;
}

SharedPart* shared_route(const Catalog& catalog, int64_t route_id) {
    SharedPart* part = loading_find_route(catalog, route_id);
    return part != nullptr ? part : loading_add_route(read_route(catalog, route_id));
}

}  // namespace ticketpool
