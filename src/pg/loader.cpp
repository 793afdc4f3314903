#include "loader.hpp"

#include "eviction.hpp"
#include "loading.hpp"
#include "order_rows.hpp"
#include "parts.hpp"
#include "sources.hpp"
#include "table_scan.hpp"
#include "undecided.hpp"
#include "undecided_ledgers.hpp"

extern "C" {
#include "access/twophase.h"
#include "access/xlog.h"
#include "storage/lmgr.h"
}

namespace ticketpool {

namespace {

SaleStatus parse_status(Text status) {
    return same_text(status, {"open", 4})     ? SaleStatus::kOpen
           : same_text(status, {"closed", 6}) ? SaleStatus::kClosed
                                              : SaleStatus::kWithdrawn;
}

}  // namespace

SaleStatus sale_status_of_row(TupleTableSlot* row) {
    return parse_status(row_text(row, kDepStatus));
}

namespace {

// What is looked for: by id, or by name where `train` is set.
struct DepartureKey {
    Text train;
    DateADT date;
    int64_t departure_id;
};

bool read_with(const Catalog& catalog, const DepartureKey& key, Snapshot snapshot,
               DepartureRow* row) {
    TableReader reader;
    if (key.train.data == nullptr) {
        reader_open(&reader, catalog.departure, catalog.departure_pkey, snapshot);
        reader_key_int64(&reader, key.departure_id);
    } else {
        reader_open(&reader, catalog.departure, catalog.departure_train_date, snapshot);
        reader_key_text(&reader, key.train);
        reader_key_date(&reader, key.date);
    }
    const bool found = reader_next(&reader);
    if (found) {
        read_departure(reader.row, row);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

// First as others see it: what this transaction changed in the row by hand is not theirs yet. Only
// where there is no such row it may be one that this transaction inserted.
bool read_row(const Catalog& catalog, const DepartureKey& key, DepartureRow* row) {
    row->own_insert = false;
    if (read_with(catalog, key, take_others_snapshot(), row)) {
        return true;
    }
    row->own_insert = true;
    return TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
           read_with(catalog, key, take_fresh_snapshot(), row);
}

// Marks the seats of all committed live orders that are not noted as undecided; how many have no
// seat, or another's.
uint32_t load_orders(const Catalog& catalog, Departure* departure, Snapshot snapshot,
                     const Undecided& undecided) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, departure->service_date, &leaf)) {
        return 0;  // the day was detached: nothing of it is live
    }
    uint32_t bad_rows = 0;
    TableReader reader;
    reader_open(&reader, leaf.relation, leaf.live(), snapshot);
    reader_key_int64(&reader, departure->departure_id);
    while (reader_next(&reader)) {
        LiveTicket ticket;
        const char* problem;
        if (!is_noted_ticket(undecided, reader.row->tts_tid) &&
            (!read_live_ticket(reader.row, leaf, departure, &ticket, &problem) ||
             !mark_ticket(departure, ticket))) {
            bad_rows++;
        }
    }
    reader_close(&reader);
    return bad_rows;
}

// After the orders.
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

// What is sold of a quota's seats over its stretch was sold from it.
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

int stop_index(const Route* route, int32_t stop_no) {
    for (uint32_t i = 0; i < route->stop_count; i++) {
        if (route->stops()[i].stop_no == stop_no) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

int compare_seat_numbers(const void* a, const void* b) {
    const uint32_t left = *static_cast<const uint32_t*>(a);
    const uint32_t right = *static_cast<const uint32_t*>(b);
    return left < right ? -1 : static_cast<int>(left > right);
}

}  // namespace

bool mark_ticket(Departure* departure, const LiveTicket& ticket) {
    if (ticket.place_coach >= 0) {
        PlaceMap places = departure->place_map(static_cast<uint32_t>(ticket.place_coach));
        mark_place(places, ticket.bits);
        return true;
    }
    SeatMap map = departure->seat_map(ticket.class_index);
    const SegmentMask taken = load_seat(map, ticket.seat);
    try_claim(map, ticket.seat, ticket.bits & ~taken);
    return !(taken & ticket.bits).any();
}

void read_departure(TupleTableSlot* slot, DepartureRow* row) {
    bool is_null;
    row->departure_id = row_int64(slot, kDepDepartureId);
    row->service_date = DatumGetDateADT(row_datum(slot, kDepServiceDate));
    row->opens_at = DatumGetTimestampTz(row_datum(slot, kDepOpensAt));
    const Datum closes_at = row_value(slot, kDepClosesAt, &is_null);
    row->closes_at = is_null ? kNoTime : DatumGetTimestampTz(closes_at);
    row->status = sale_status_of_row(slot);
    row->route_id = row_int64(slot, kDepRouteId);
    row->layout_id = row_int64(slot, kDepLayoutId);
    const Text train = row_text(slot, kDepTrain);
    if (train.length > kMaxNameBytes) {
        report_damaged("ticket_departure", row->departure_id);
    }
    memcpy(row->train, train.data, train.length);
    row->train[train.length] = '\0';
}

bool read_departure_row(const Catalog& catalog, Text train, DateADT date, DepartureRow* row) {
    return read_row(catalog, DepartureKey{train, date, 0}, row);
}

bool read_departure_row(const Catalog& catalog, int64_t departure_id, DepartureRow* row) {
    return read_row(catalog, DepartureKey{{nullptr, 0}, 0, departure_id}, row);
}

bool read_own_departure_row(const Catalog& catalog, Text train, DateADT date, DepartureRow* row) {
    return read_with(catalog, DepartureKey{train, date, 0}, take_fresh_snapshot(), row);
}

bool read_own_departure_row(const Catalog& catalog, int64_t departure_id, DepartureRow* row) {
    return read_with(catalog, DepartureKey{{nullptr, 0}, 0, departure_id}, take_fresh_snapshot(),
                     row);
}

bool read_live_ticket(TupleTableSlot* row, const OrderLeaf& leaf, const Departure* departure,
                      LiveTicket* ticket, const char** problem) {
    const Route* route = departure->route.get();
    const Layout* layout = departure->layout.get();
    *ticket = LiveTicket{};
    ticket->order_id = row_int64(row, leaf.column[kOrderId]);
    ticket->ticket_no = row_int32(row, leaf.column[kTicketNo]);
    const Text seat_class = row_text(row, leaf.column[kSeatClass]);
    const Text coach = row_text(row, leaf.column[kCoach]);
    const int class_index = layout->find_class(seat_class.data, seat_class.length);
    const int from = stop_index(route, row_int32(row, leaf.column[kFromStop]));
    const int to = stop_index(route, row_int32(row, leaf.column[kToStop]));
    *problem = from < 0 || to <= from ? "is on stops that the departure does not have"
                                      : "is on a seat that the departure does not have";
    if (class_index < 0 || from < 0 || to <= from) {
        return false;
    }
    ticket->class_index = static_cast<uint32_t>(class_index);
    ticket->trip = {from, to};
    ticket->bits = trip_mask(from, to);
    bool is_place;
    const Datum seat = row_value(row, leaf.column[kSeat], &is_place);
    if (is_place) {
        ticket->place_coach =
            layout->find_place_coach(ticket->class_index, coach.data, coach.length);
        return ticket->place_coach >= 0;
    }
    const Text label = text_of(seat);
    const int64_t number =
        layout->find_seat(ticket->class_index, coach.data, coach.length, label.data, label.length);
    ticket->place_coach = -1;
    ticket->seat = static_cast<uint32_t>(number);
    return number >= 0;
}

bool has_live_rows(const OrderLeaf& leaf, int64_t departure_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.live(), snapshot);
    reader_key_int64(&reader, departure_id);
    const bool found = reader_next(&reader);
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

bool read_reservation(TupleTableSlot* slot, const Departure* departure, ReservationRow* row) {
    const Layout* layout = departure->layout.get();
    const Text seat_class = row_text(slot, kResClass);
    const int class_index = layout->find_class(seat_class.data, seat_class.length);
    row->reservation_id = row_int64(slot, kResId);
    row->channel = keep(row_text(slot, kResChannel));
    row->stretch = {stop_index(departure->route.get(), row_int32(slot, kResFrom)),
                    stop_index(departure->route.get(), row_int32(slot, kResTo))};
    const Elements seats =
        elements_of(row_datum(slot, kResSeatList), TEXTOID, -1, false, TYPALIGN_INT);
    if (class_index < 0 || row->stretch.from < 0 || row->stretch.to <= row->stretch.from ||
        row->channel.length > kMaxNameBytes) {
        return false;
    }
    row->class_index = static_cast<uint32_t>(class_index);
    row->numbers =
        static_cast<uint32_t*>(palloc(static_cast<size_t>(Max(seats.count, 1)) * sizeof(uint32_t)));
    row->count = 0;
    row->named = static_cast<uint32_t>(seats.count);
    for (int i = 0; i < seats.count; i++) {
        // coach/seat; a coach's name may have a slash, a seat's label has none
        const Text name = seats.nulls[i] ? Text{"", 0} : text_of(seats.values[i]);
        size_t slash = name.length;
        while (slash > 0 && name.data[slash - 1] != '/') {
            slash--;
        }
        const int64_t number = slash == 0
                                   ? -1
                                   : layout->find_seat(row->class_index, name.data, slash - 1,
                                                       name.data + slash, name.length - slash);
        if (number >= 0) {
            row->numbers[row->count++] = static_cast<uint32_t>(number);
        }
    }
    qsort(row->numbers, row->count, sizeof(uint32_t), compare_seat_numbers);
    return row->count > 0;
}

Quota* add_quota(const DepartureRef& ref, const ReservationRow& row, uint32_t maker) {
    Departure* departure = ref.departure;
    void* block = require_memory(Quota::bytes_required(row.count, departure->segments));
    Quota* quota = Quota::init_in_place(block, row.count, row.stretch.from, row.stretch.to,
                                        departure->segments);
    quota->reservation_id = row.reservation_id;
    quota->class_index = row.class_index;
    quota->maker.store(maker, std::memory_order_relaxed);
    quota->channel_length = static_cast<uint8_t>(row.channel.length);
    memcpy(quota->channel, row.channel.data, row.channel.length);
    for (uint32_t i = 0; i < row.count; i++) {
        quota->numbers()[i] = row.numbers[i];
        quota->geometry()[i] = departure->layout->geometry(row.class_index)[row.numbers[i]];
    }
    link_quota(departure, quota);
    return quota;
}

static bool has_row(Oid heap, Oid index, int64_t id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, heap, index, snapshot);
    reader_key_int64(&reader, id);
    const bool found = reader_next(&reader);
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

bool is_loadable(const Catalog& catalog, int64_t departure_id) {
    DepartureRow row;
    return read_departure_row(catalog, departure_id, &row) &&
           has_row(catalog.route, catalog.route_pkey, row.route_id) &&
           has_row(catalog.layout_coach, catalog.layout_coach_pkey, row.layout_id);
}

static void lock_for_load(LoadLocks* locks, Oid relation) {
    Assert(locks->count < static_cast<int>(lengthof(locks->relations)));
    LockRelationOid(relation, AccessShareLock);
    locks->relations[locks->count++] = relation;
}

void lock_for_loading(const Catalog& catalog, DateADT date, LoadLocks* locks) {
    for (;;) {
        *locks = LoadLocks{{catalog.order}, 1};
        OrderLeaf leaf;
        if (lock_order_leaf(catalog, date, AccessShareLock, &leaf)) {
            locks->relations[locks->count++] = leaf.relation;
            lock_for_load(locks, leaf.live());
        }
        for (const Oid relation :
             {catalog.departure, catalog.reservation, catalog.route, catalog.layout_coach,
              catalog.departure_pkey, catalog.reservation_open, catalog.route_pkey,
              catalog.layout_coach_pkey}) {
            lock_for_load(locks, relation);
        }
        // Where there was none, one may have been attached while we waited.
        OrderLeaf now;
        find_order_leaf(catalog, date, &now);
        if (now.relation == leaf.relation) {
            return;
        }
        unlock_after_loading(*locks);
    }
}

void lock_for_loading_item(const Catalog& catalog, LoadLocks* locks) {
    *locks = LoadLocks{{catalog.item_order, catalog.inventory, catalog.item_order_live,
                        catalog.inventory_root, catalog.inventory_item},
                       5};
    for (int i = 0; i < locks->count; i++) {
        LockRelationOid(locks->relations[i], AccessShareLock);
    }
}

void unlock_after_loading(const LoadLocks& locks) {
    for (int i = 0; i < locks.count; i++) {
        UnlockRelationOid(locks.relations[i], AccessShareLock);
    }
}

Departure* load_departure(const Catalog& catalog, const DepartureRow& row, uint32_t slot,
                          uint32_t* bad_rows) {
    // A context of its own: parts under construction may be large, and the caller may load many.
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticketpool loader", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(context);
    Route* route = reinterpret_cast<Route*>(shared_route(catalog, row.route_id));
    Layout* layout = reinterpret_cast<Layout*>(shared_layout(catalog, row.layout_id));
    void* block = require_memory(Departure::bytes_required(*layout, route->segments()));
    Departure* departure = Departure::init_in_place(block, route, layout);
    load_set_block(departure);
    departure->departure_id = row.departure_id;
    departure->service_date = row.service_date;
    departure->set_sale({row.opens_at, row.closes_at, row.status});
    Undecided undecided{};
    if (max_prepared_xacts > 0 && !RecoveryInProgress()) {
        DepartureRow again;
        read_undecided(catalog, departure, &undecided);
        if (read_departure_row(catalog, row.departure_id, &again)) {
            departure->set_sale({again.opens_at, again.closes_at, again.status});
        }
    }
    // What this transaction wrote by hand is not others' yet: its triggers claim it.
    Snapshot snapshot = row.own_insert ? take_fresh_snapshot() : take_others_snapshot();
    *bad_rows = load_orders(catalog, departure, snapshot, undecided);
    mark_undecided_tickets(departure, undecided);
    load_quotas(catalog, departure, snapshot, undecided);
    add_undecided_quotas(departure, &undecided);
    drop_snapshot(snapshot);
    mark_sold_of_quotas(departure);
    make_prepared_ledgers(departure, slot, undecided);
    mark_quotas(departure);
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(context);
    return departure;
}

}  // namespace ticketpool
