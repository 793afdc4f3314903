// ticket_retime and ticket_skip_stop: a departure on sale gets another stop list, with the same
// stops.
//
// 1. The new stop list is made from the one in the departure's row, and kept as a route: a session
//    that keeps the same one at this moment is waited for.
// 2. The row gets the new route_id, on the condition that it still has the old one. A session that
//    changes the row is waited for, with nothing announced or pinned; if it has given the departure
//    another stop list, step 1 follows again.
// 3. The departure in memory is pinned and gets the new route with the commit; this session sees it
//    at once ("Which stop list a departure has" in departure.hpp).
//
// The waits for the departure get their new ends between 2 and 3 (wait_ends.hpp).
//
// Then each live ticket that is affected gets an event: of all by new times, of those that start or
// end at a stop that this call has taken away.
//
// Nobody waits for buyers: who has found a trip before the commit may buy it. (Such a ticket has no
// event: what happened was there before it.) A skipped stop keeps its flags in the row, so that
// ticket_retime can bring it back.
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "load/shared_parts.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/waiting.hpp"
#include "server/arrays.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_return.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/events.hpp"
#include "tables/moved_away.hpp"
#include "tables/order_leaf.hpp"
#include "tables/own_writes.hpp"
#include "tables/wait_ends.hpp"
#include "tickets/kept_route.hpp"
#include "tickets/stations.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/snapmgr.h"
}

namespace ticketpool {
namespace {

// The departure, and what is asked of its stop list.
struct Change {
    const Catalog& catalog;
    Text train;
    DateADT date;
    int64_t departure_id;
    const bool* skipped;  // for each stop: pass through it; null: ticket_retime
};

struct KeptStops {
    int64_t route_id;
    Text train;  // the code in ticket_stop
    RouteStops stops;
};

// The departure's stop list, as a statement that begins now sees it.
KeptStops present_stops(const Change& change) {
    const Catalog& catalog = change.catalog;
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(change.departure_id)};
    const char* sql = psprintf(
        "SELECT r.route_id, r.train, r.stop_nos, r.stations, r.arrives, r.departs, r.boarding, "
        "r.alighting, r.skipped FROM %s AS d JOIN %s AS r USING (route_id) WHERE departure_id = $1",
        qualified_name(catalog.departure), qualified_name(catalog.route));
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read the stop list of departure " INT64_FORMAT, change.departure_id);
    }
    if (SPI_processed != 1) {
        report_no_departure(catalog, change.train, change.date);
    }
    const auto column = [](int number) {
        bool is_null;
        const Datum value =
            SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &is_null);
        return is_null ? Datum{0} : value;
    };
    return {DatumGetInt64(column(1)),
            text_of(column(2)),
            {column(3), column(4), column(5), column(6), column(7), column(8), column(9)}};
}

bool are_same_stops(const RouteStops& a, const RouteStops& b) {
    const Elements numbers = elements_of(a.stop_nos, INT4OID, 4, true, TYPALIGN_INT);
    const Elements other_numbers = elements_of(b.stop_nos, INT4OID, 4, true, TYPALIGN_INT);
    const Elements stations = elements_of(a.stations, TEXTOID, -1, false, TYPALIGN_INT);
    const Elements other_stations = elements_of(b.stations, TEXTOID, -1, false, TYPALIGN_INT);
    bool same = numbers.count == other_numbers.count;
    for (int i = 0; same && i < numbers.count; i++) {
        same = numbers.values[i] == other_numbers.values[i] &&
               same_text(text_of(stations.values[i]), text_of(other_stations.values[i]));
    }
    return same;
}

// The times of ticket_stop, and the flags that the departure was opened with.
RouteStops retimed(const Change& change, const KeptStops& present) {
    Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
    RouteStops now;
    // A departure of an import, or a list that was deleted.
    if (!find_stops({change.catalog, snapshot, present.train}, &now)) {
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("train \"%s\" of %s has no times in ticket_stop", printable(change.train),
                    date_text(change.date)),
             errdetail("It was opened with the stops of \"%s\", of which ticket_stop has no row.",
                       printable(present.train)),
             errhint("Write all of its stops with their new times into ticket_stop, as train "
                     "\"%s\".",
                     printable(present.train))));
    }
    if (!are_same_stops(now, present.stops)) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("train \"%s\" of %s has other stops than ticket_stop",
                        printable(change.train), date_text(change.date)),
                 errdetail("It was opened with the stops of \"%s\", whose numbers or stations "
                           "differ now.",
                           printable(present.train)),
                 errhint("Only times can be changed. Give ticket_stop the stops that the departure "
                         "was opened with; a stop that is left out is one for "
                         "ticket_skip_stop.")));
    }
    UnregisterSnapshot(snapshot);
    RouteStops stops = present.stops;
    stops.arrives = now.arrives;
    stops.departs = now.departs;
    stops.skipped = 0;
    return stops;
}

// The present stops, with those that are to be skipped besides.
RouteStops skipping(const Change& change, const KeptStops& present) {
    const Elements numbers = elements_of(present.stops.stop_nos, INT4OID, 4, true, TYPALIGN_INT);
    Elements before{};
    if (present.stops.skipped != 0) {
        before = elements_of(present.stops.skipped, BOOLOID, 1, true, TYPALIGN_CHAR);
    }
    Datum* flags = static_cast<Datum*>(palloc(static_cast<Size>(numbers.count) * sizeof(Datum)));
    for (int i = 0; i < numbers.count; i++) {
        flags[i] = BoolGetDatum(change.skipped[i] || (i < before.count && !before.nulls[i] &&
                                                      DatumGetBool(before.values[i])));
    }
    RouteStops stops = present.stops;
    stops.skipped =
        PointerGetDatum(construct_array(flags, numbers.count, BOOLOID, 1, true, TYPALIGN_CHAR));
    return stops;
}

// Gives the departure's row the new route in place of the old one. False: it has another one by
// now, or is gone.
bool write_route(const Change& change, int64_t old_route, int64_t new_route) {
    Oid types[] = {INT8OID, INT8OID, INT8OID};
    Datum values[] = {Int64GetDatum(change.departure_id), Int64GetDatum(old_route),
                      Int64GetDatum(new_route)};
    const Oid table = change.catalog.departure;
    const char* sql =
        psprintf("UPDATE %s SET route_id = $3 WHERE departure_id = $1 AND route_id = $2",
                 qualified_name(table));
    execute_own_on(table, sql, 3, types, values, nullptr, SPI_OK_UPDATE);
    return was_changed(sql, table, "departure_id", change.departure_id,
                       psprintf("route_id = " INT64_FORMAT, old_route),
                       psprintf("route_id = " INT64_FORMAT, new_route));
}

// In memory the departure gets the route with the commit.
void reroute(const Change& change, int64_t route_id) {
    const SharedPart* built = read_route(change.catalog, route_id);
    const DepartureRef ref = find_settled(change.catalog, change.departure_id);
    if (ref.departure == nullptr) {
        return;  // the departure is leaving by hand
    }
    ledger_reserve(1);
    pin_slot(ref.slot);
    end_announcement();
    wait_for_sale_turn(ref.slot);
    ledger_add_route(ref.slot, begin_rerouting(built));
}

struct Routes {
    int64_t before;
    int64_t after;  // the same: nothing has changed
};

// Call inside SPI and owner_begin().
Routes change_stops(const Change& change) {
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        const KeptStops present = present_stops(change);
        const RouteStops stops =
            change.skipped == nullptr ? retimed(change, present) : skipping(change, present);
        const int64_t route_id = keep_route(change.catalog, present.train, stops);
        if (route_id == present.route_id) {
            return {route_id, route_id};
        }
        if (write_route(change, present.route_id, route_id)) {
            follow_times_of(change.catalog, change.departure_id);
            reroute(change, route_id);
            return {present.route_id, route_id};
        }
    }
}

// Writes an event for each live ticket that the new stop list concerns, as `snapshot` shows the
// tickets. `detail` and `condition` may use the ticket t, the stop lists o (before) and n (after),
// and the places of the ticket's stops in them, p.a and p.b.
void write_events_of_change(const Change& change, Routes routes, const char* kind,
                            const char* detail, const char* condition, Snapshot snapshot) {
    if (routes.before == routes.after) {
        return;
    }
    Oid types[] = {INT8OID, DATEOID, INT8OID, INT8OID};
    Datum values[] = {Int64GetDatum(change.departure_id), DateADTGetDatum(change.date),
                      Int64GetDatum(routes.before), Int64GetDatum(routes.after)};
    const char* route = qualified_name(change.catalog.route);
    const char* query = psprintf(
        "SELECT '%s', t.order_id, t.ticket_no, t.departure_id, %s FROM %s AS t, %s AS o, %s AS n, "
        "LATERAL (SELECT array_position(n.stop_nos, t.from_stop), "
        "array_position(n.stop_nos, t.to_stop)) AS p (a, b) "
        "WHERE t.departure_id = $1 AND t.service_date = $2 AND t.status IN ('held', 'sold') "
        "AND o.route_id = $3 AND n.route_id = $4 AND %s ORDER BY t.order_id, t.ticket_no",
        kind, detail, qualified_name(change.catalog.order), route, route, condition);
    write_events_of(change.catalog, query, 4, types, values, snapshot);
}

// The times of its stops, where they are known: "25:10:00", whatever IntervalStyle is.
void write_retimed(const Change& change, Routes routes) {
    const auto time = [](const char* interval) {
        return psprintf(
            "to_char(make_interval(secs => extract(epoch FROM %s)::float8), "
            "'HH24:MI:SS')",
            interval);
    };
    const char* detail = psprintf(
        "jsonb_strip_nulls(jsonb_build_object('old_departs', %s, 'departs', %s, 'old_arrives', "
        "%s, 'arrives', %s))",
        time("o.departs[p.a]"), time("n.departs[p.a]"), time("o.arrives[p.b]"),
        time("n.arrives[p.b]"));
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    write_events_of_change(change, routes, "retimed", detail, "true", snapshot);
    UnregisterSnapshot(snapshot);
}

// Of stops that were not skipped before: a second call has nothing to tell.
void write_skipped(const Change& change, Routes routes, Snapshot snapshot) {
    const char* gone =
        "(coalesce(n.skipped[p.%c], false) AND NOT coalesce(o.skipped[p.%c], false))";
    const char* start = psprintf(gone, 'a', 'a');
    const char* end = psprintf(gone, 'b', 'b');
    write_events_of_change(
        change, routes, "stop_skipped",
        psprintf("jsonb_build_object('stations', array_remove(ARRAY[CASE WHEN %s THEN "
                 "n.stations[p.a] END, CASE WHEN %s THEN n.stations[p.b] END], NULL))",
                 start, end),
        psprintf("(%s OR %s)", start, end), snapshot);
}

// Locks in the order of ticket_open, because stop lists are written.
void begin_change(Change* change) {
    require_shared_memory();
    change->departure_id = require_departure_id(change->catalog, change->train, change->date);
    refuse_prepared_change(change->catalog, change->departure_id);
    OrderLeaf leaf;
    if (find_order_leaf(change->catalog, change->date, &leaf)) {
        lock_order_leaf(change->catalog, change->date, AccessShareLock, &leaf);
    } else {
        lock_orders(change->catalog, AccessShareLock);
    }
    lock_new_departures(change->catalog);
}

// The live tickets that begin or end at the stops, as the snapshot shows them.
void return_tickets(const Change& change, Datum stop_nos, Snapshot snapshot,
                    ReturnSetInfo* result) {
    Oid types[] = {INT8OID, DATEOID, INT4ARRAYOID};
    Datum values[] = {Int64GetDatum(change.departure_id), DateADTGetDatum(change.date), stop_nos};
    const char* sql = psprintf(
        "SELECT * FROM %s WHERE departure_id = $1 AND service_date = $2 AND status IN ('held', "
        "'sold') AND (from_stop = ANY ($3) OR to_stop = ANY ($3)) ORDER BY order_id, ticket_no",
        qualified_name(change.catalog.order));
    if (execute_planned(sql, 3, types, values, nullptr, snapshot) != SPI_OK_SELECT) {
        elog(ERROR, "could not read the tickets of departure " INT64_FORMAT, change.departure_id);
    }
    return_spi_rows(result);
}

// Finds the stops that are meant. Sets change->skipped and returns their numbers, int[].
Datum find_stops_to_skip(Change* change, Text station) {
    const DepartureRef ref = directory_find_id(change->catalog, change->departure_id);
    if (ref.departure == nullptr) {
        report_no_departure(change->catalog, change->train, change->date);
    }
    change->skipped = find_calls(change->catalog, ref, station);
    const Route* route = route_of(ref);
    Datum* numbers = static_cast<Datum*>(palloc(route->stop_count * sizeof(Datum)));
    int count = 0;
    for (uint32_t i = 0; i < route->stop_count; i++) {
        if (change->skipped[i]) {
            numbers[count++] = Int32GetDatum(route->stops()[i].stop_no);
        }
    }
    end_announcement();
    return PointerGetDatum(construct_array(numbers, count, INT4OID, 4, true, TYPALIGN_INT));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_retime) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    PreventCommandIfReadOnly("ticket_retime()");
    Change change{catalog_of(fcinfo), text_of(PG_GETARG_DATUM(0)), PG_GETARG_DATEADT(1), 0,
                  nullptr};
    begin_change(&change);
    OwnerScope scope;
    owner_begin(change.catalog, &scope);
    SPI_connect();
    write_retimed(change, change_stops(change));
    SPI_finish();
    owner_end(scope);
    PG_RETURN_VOID();
}

TICKETPOOL_FUNCTION(ticket_skip_stop) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    require_argument(fcinfo, 2, "station");
    PreventCommandIfReadOnly("ticket_skip_stop()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    Change change{catalog_of(fcinfo), text_of(PG_GETARG_DATUM(0)), PG_GETARG_DATEADT(1), 0,
                  nullptr};
    begin_change(&change);
    const Datum stop_nos = find_stops_to_skip(&change, text_of(PG_GETARG_DATUM(2)));
    begin_result(fcinfo);
    OwnerScope scope;
    owner_begin(change.catalog, &scope);
    SPI_connect();
    const Routes routes = change_stops(change);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());  // as everybody sees them by now
    write_skipped(change, routes, snapshot);
    return_tickets(change, stop_nos, snapshot, result);
    UnregisterSnapshot(snapshot);
    SPI_finish();
    owner_end(scope);
    return 0;
}
