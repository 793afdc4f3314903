// Builds a departure in memory from its rows: see departure_loader.hpp.
#include "load/departure_loader.hpp"

#include "load/fill.hpp"
#include "load/shared_layout.hpp"
#include "load/shared_parts.hpp"
#include "load/undecided.hpp"
#include "load/undecided_ledgers.hpp"
#include "pool/eviction.hpp"
#include "pool/unfinished_load.hpp"
#include "pool/wait_list.hpp"
#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"
#include "tables/wait_queue.hpp"

extern "C" {
#include "access/twophase.h"
#include "access/xlog.h"
}

namespace ticketpool {

namespace {

// Marks the seats of all committed live orders that are not noted as undecided. Returns how many of
// them have no seat, or one that another order has.
uint32_t load_orders(const Catalog& catalog, Departure* departure, Snapshot snapshot,
                     const Undecided& undecided) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, departure->service_date, &leaf)) {
        return 0;  // the day's partition was detached: nothing of the day is live
    }
    uint32_t bad_rows = 0;
    TableReader reader;
    reader_open(&reader, leaf.relation, leaf.live(), snapshot);
    reader_key_int64(&reader, departure->departure_id);
    while (reader_next(&reader)) {
        LiveTicket ticket;
        if (!is_noted_ticket(undecided, reader.row->tts_tid) &&
            (read_live_ticket(reader.row, leaf, departure, &ticket) != Misfit::kNone ||
             !mark_ticket(departure, ticket))) {
            bad_rows++;
        }
    }
    reader_close(&reader);
    return bad_rows;
}

// Call after the orders are loaded.
void load_quotas(const Catalog& catalog, Departure* departure, Snapshot snapshot,
                 const Undecided& undecided) {
    TableReader reader;
    reader_open(&reader, catalog.reservation, catalog.reservation_open, snapshot);
    reader_key_int64(&reader, departure->departure_id);
    while (reader_next(&reader)) {
        ReservationRow row;
        if (!is_noted_quota(undecided, reader.row->tts_tid) &&
            read_reservation(reader.row, departure, &row)) {
            add_quota({kNoSlot, departure}, row, 0);
        }
    }
    reader_close(&reader);
}

// What is sold of a quota's seats over its stretch counts as sold from the quota.
void mark_sold_of_quotas(Departure* departure) {
    for (Quota* quota = departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        const SeatMap map = departure->seat_map(quota->class_index);
        SeatMap own = quota->seat_map(map.control);
        for (uint32_t i = 0; i < quota->seats; i++) {
            try_claim(own, i,
                      load_seat(map, quota->numbers()[i]) & trip_mask(quota->from, quota->to));
        }
    }
}

// Takes the quotas' stretches out of the departure's own map.
void mark_quotas(Departure* departure) {
    for (Quota* quota = departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        SeatMap map = departure->seat_map(quota->class_index);
        for (uint32_t i = 0; i < quota->seats; i++) {
            const uint32_t seat = quota->numbers()[i];
            try_claim(map, seat, trip_mask(quota->from, quota->to) & ~load_seat(map, seat));
        }
    }
}

}  // namespace

Departure* load_departure(const Catalog& catalog, const DepartureRow& row, uint32_t slot,
                          uint32_t* bad_rows) {
    check_service_date(row.service_date);  // it may have been written by hand
    // A memory context of its own: parts under construction may be large, and the caller may load
    // many departures.
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticketpool loader", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(context);
    Route* route = reinterpret_cast<Route*>(shared_route(catalog, row.route_id));
    Layout* layout = reinterpret_cast<Layout*>(shared_layout(catalog, row.layout_id));
    void* block = require_memory(Departure::bytes_required(*layout, route->segments()),
                                 MemoryKind::kDepartures);
    Departure* departure = Departure::init_in_place(block, route, layout);
    loading_set_block(departure);
    departure->departure_id = row.departure_id;
    departure->service_date = static_cast<uint16_t>(row.service_date);
    departure->set_sale(sale_times(row));
    Undecided undecided{};
    if (max_prepared_xacts > 0 && !RecoveryInProgress()) {
        DepartureRow again;
        read_undecided(catalog, departure, &undecided);
        if (read_departure_row(catalog, row.departure_id, &again)) {
            departure->set_sale(sale_times(again));
        }
    }
    // What this transaction wrote by hand is not visible to others yet: its triggers claim it.
    Snapshot snapshot = row.own_insert ? take_fresh_snapshot() : take_others_snapshot();
    *bad_rows = load_orders(catalog, departure, snapshot, undecided);
    mark_undecided_tickets(departure, undecided);
    load_quotas(catalog, departure, snapshot, undecided);
    add_undecided_quotas(departure, &undecided);
    drop_snapshot(snapshot);
    mark_sold_of_quotas(departure);
    make_prepared_ledgers(departure, slot, undecided);
    mark_quotas(departure);
    // Not known is what was free when it left memory, or was freed by a transaction that did not
    // find it there.
    if (!RecoveryInProgress() &&
        (may_have_waiters(catalog, row.departure_id) ||
         (max_prepared_xacts > 0 && has_undecided_waiters(catalog, row.departure_id)))) {
        mark_loaded(departure);
    }
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(context);
    return departure;
}

Departure* private_departure(const Catalog& catalog, const DepartureRow& row, int64_t layout_id) {
    const Route* route = reinterpret_cast<const Route*>(read_route(catalog, row.route_id));
    Layout* layout = read_layout(catalog, layout_id);
    const size_t bytes = Departure::bytes_required(*layout, route->segments());
    char* memory = static_cast<char*>(MemoryContextAllocExtended(
        CurrentMemoryContext, bytes + alignof(Departure), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    void* block = reinterpret_cast<void*>(TYPEALIGN(alignof(Departure), memory));
    Departure* departure = Departure::init_in_place(block, route, layout);
    departure->departure_id = row.departure_id;
    departure->service_date = static_cast<uint16_t>(row.service_date);
    return departure;
}

}  // namespace ticketpool
