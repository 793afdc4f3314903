// The trigger of ticket_order: turns what others write there into claims and releases, see
// by_hand.hpp.
#include "follow/by_hand.hpp"

#include "follow/own_events.hpp"
#include "follow/reformed.hpp"
#include "follow/trigger_entry.hpp"
#include "follow/wanted.hpp"
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/claim.hpp"
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/sources.hpp"
#include "pool/wait_list.hpp"
#include "server/row_origin.hpp"
#include "server/table_scan.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/departure_rows.hpp"
#include "tables/epoch.hpp"
#include "tables/order_days.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "catalog/partition.h"
}

namespace ticketpool {

// ---------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------

void report_taken(const DepartureRef& ref, const LiveTicket& ticket) {
    const Layout* layout = ref.departure->layout.get();
    const Stop* stops = ref.departure->route()->stops();
    const bool is_place = ticket.place_coach >= 0;
    const char* coach =
        printable(is_place ? text_of(layout->head, layout->coaches()[ticket.place_coach].name)
                           : coach_name(layout, ticket.class_index, ticket.seat));
    const char* seat =
        is_place ? nullptr : printable(seat_label(layout, ticket.class_index, ticket.seat));
    ereport(ERROR,
            (errcode(ERRCODE_EXCLUSION_VIOLATION),
             is_place ? errmsg("coach %s has no place left", coach)
                      : errmsg("seat %s of coach %s is taken", seat, coach),
             errdetail("Ticket %d of order " INT64_FORMAT
                       " would travel between stops %d and %d of departure " INT64_FORMAT
                       ", where another live ticket, a quota or a running transaction has it.",
                       ticket.ticket_no, ticket.order_id, stops[ticket.trip.from].stop_no,
                       stops[ticket.trip.to].stop_no, ref.departure->departure_id),
             errhint("Write a seat that is free there, or let ticket_buy choose one.")));
}

void report_misfit(int64_t departure_id, const LiveTicket& ticket, Misfit misfit) {
    ereport(ERROR,
            (errcode(ERRCODE_CHECK_VIOLATION),
             misfit == Misfit::kStops  ? errmsg("ticket %d of order " INT64_FORMAT
                                                " is on stops that the departure does not have",
                                                ticket.ticket_no, ticket.order_id)
             : misfit == Misfit::kSeat ? errmsg("ticket %d of order " INT64_FORMAT
                                                " is on a seat that the departure does not have",
                                                ticket.ticket_no, ticket.order_id)
                                       : errmsg("ticket %d of order " INT64_FORMAT
                                                " is on another day than its departure",
                                                ticket.ticket_no, ticket.order_id),
             errdetail("A live ticket must be on a seat, between stops and on the service "
                       "date of its departure, here " INT64_FORMAT ".",
                       departure_id),
             errhint("ticket_layout_coach has its seats, ticket_route its stops.")));
}

namespace {

// A claim that waits for the end of its statement; its departure is pinned.
struct WantedSeat {
    uint32_t slot;
    LiveTicket ticket;
    SeatSource source;
    uint32_t seat;  // number in the source
};

// ---------------------------------------------------------------------------------------------
// Claims
// ---------------------------------------------------------------------------------------------

Demand demand_for(const DepartureRef& ref, const LiveTicket& ticket) {
    Demand demand{};
    demand.ref = ref;
    demand.class_index = ticket.class_index;
    demand.trip = ticket.trip;
    demand.party = 1;
    return demand;
}

void claim_wanted(const WantedSeat& entry) {
    if (is_following_reform(entry.slot)) {
        return;  // the rows have come with other seats since
    }
    const DepartureRef ref{entry.slot, shared.slots[entry.slot].departure()};
    Claimed claimed;
    if (!claim_exact(demand_for(ref, entry.ticket), entry.source, entry.seat, &claimed)) {
        report_taken(ref, entry.ticket);
    }
}

// The departure of an order's row, pinned. If there is none, the lock of orphans is held: none is
// inserted unseen, and none is loaded with the row as it was.
DepartureRef pin_or_lock(const Catalog& catalog, int64_t departure_id, Writing writing) {
    if (is_noted_missing(Arrival::kDeparture, departure_id)) {
        return {kNoSlot, nullptr};
    }
    DepartureRef ref = pin_departure(catalog, departure_id, writing);
    if (ref.departure == nullptr) {
        lock_orphans(catalog);
        ref = pin_departure(catalog, departure_id, writing);
        if (ref.departure == nullptr) {
            note_missing(Arrival::kDeparture, departure_id);
        }
    }
    return ref;
}

void release_row(const Catalog& catalog, const OrderLeaf& leaf, TupleTableSlot* row) {
    const DepartureRef ref =
        pin_or_lock(catalog, row_int64(row, leaf.column[kDepartureId]), Writing::kLocked);
    LiveTicket ticket;
    // A row that does not fit the departure has no claim: the loader left it out, too.
    if (ref.departure == nullptr || is_following_reform(ref.slot) ||
        DatumGetDateADT(row_datum(row, leaf.column[kServiceDate])) != ref.departure->service_date ||
        read_live_ticket(row, leaf, ref.departure, &ticket) != Misfit::kNone) {
        return;
    }
    uint32_t seat = ticket.seat;
    const SeatSource source =
        ticket.place_coach >= 0 ? SeatSource{ref.slot, ticket.class_index, 0, ticket.place_coach}
                                : source_of_live_seat(ref, ticket.class_index, ticket.bits, &seat);
    ledger_reserve(1);
    ledger_add_release(source, seat, ticket.bits);
    serve_after_statement();
}

// The source in which a new live row claims its seat. Sets *seat to the seat's number there.
SeatSource source_of_row(const DepartureRef& ref, const OrderLeaf& leaf, TupleTableSlot* row,
                         const LiveTicket& ticket, uint32_t* seat) {
    if (ticket.place_coach >= 0) {
        return {ref.slot, ticket.class_index, 0, ticket.place_coach};
    }
    if (rows_come_in_any_order()) {
        // As the loader does it if the ticket was there before the quota.
        return source_of_live_seat(ref, ticket.class_index, ticket.bits, seat);
    }
    bool no_channel;
    const Datum channel = row_value(row, leaf.column[kChannel], &no_channel);
    return source_of_seat(ref, ticket.class_index, no_channel ? Text{nullptr, 0} : text_of(channel),
                          ticket.bits, seat);
}

void claim_row(const Catalog& catalog, const OrderLeaf& leaf, TupleTableSlot* row,
               Writing writing) {
    const int64_t departure_id = row_int64(row, leaf.column[kDepartureId]);
    const DepartureRef ref = pin_or_lock(catalog, departure_id, writing);
    if (ref.departure == nullptr || is_following_reform(ref.slot)) {
        return;
    }
    LiveTicket ticket;
    Misfit misfit = read_live_ticket(row, leaf, ref.departure, &ticket);
    if (misfit == Misfit::kNone &&
        DatumGetDateADT(row_datum(row, leaf.column[kServiceDate])) != ref.departure->service_date) {
        misfit = Misfit::kDay;
    }
    if (misfit != Misfit::kNone) {
        report_misfit(departure_id, ticket, misfit);
    }
    uint32_t seat = ticket.seat;
    const SeatSource source = source_of_row(ref, leaf, row, ticket, &seat);
    Claimed claimed;
    if (!claim_exact(demand_for(ref, ticket), source, seat, &claimed)) {
        want<WantedSeat, claim_wanted>(WantedSeat{ref.slot, ticket, source, seat});
    }
}

void follow(const Catalog& catalog, const OrderLeaf& leaf, TupleTableSlot* before,
            TupleTableSlot* after) {
    const bool was_live = before != nullptr && is_live_row(leaf, before);
    const bool live = after != nullptr && is_live_row(leaf, after);
    if (live) {
        note_deadline(after, leaf.column[kHeldUntil]);
    }
    if (was_live && live && same_place(leaf, before, after)) {
        return;
    }
    if (was_live) {
        release_row(catalog, leaf, before);
    }
    if (live) {
        const bool stays = was_live && row_int64(before, leaf.column[kDepartureId]) ==
                                           row_int64(after, leaf.column[kDepartureId]);
        claim_row(catalog, leaf, after, stays ? Writing::kLocked : Writing::kNew);
    }
}

// ---------------------------------------------------------------------------------------------
// TRUNCATE: no other session can use the partition, which is locked, so its rows do not change.
// Departures that are not in memory need nothing: no other session can load one before this
// transaction ends.
// ---------------------------------------------------------------------------------------------

void release_all(const Catalog& catalog, Relation relation) {
    OrderLeaf leaf{};
    find_order_columns(relation, &leaf);
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, RelationGetRelid(relation), live_index(catalog, relation), snapshot);
    int64_t departure_id = 0;
    bool in_memory = false;
    while (reader_next(&reader)) {
        const int64_t next = row_int64(reader.row, leaf.column[kDepartureId]);
        if (next != departure_id) {
            departure_id = next;
            in_memory = directory_has(catalog, departure_id);
        }
        if (in_memory) {
            release_row(catalog, leaf, reader.row);
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    note_truncate();
}

// ---------------------------------------------------------------------------------------------
// Events
// ---------------------------------------------------------------------------------------------

bool is_partition_of_orders(const Catalog& catalog, Relation relation) {
    return relation->rd_rel->relispartition &&
           get_partition_parent(RelationGetRelid(relation), true) == catalog.order;
}

// The columns of a partition, which its trigger finds once for a whole statement.
const OrderLeaf* columns_of(FunctionCallInfo fcinfo, const Catalog& catalog, Relation relation) {
    OrderLeaf* leaf = static_cast<OrderLeaf*>(fcinfo->flinfo->fn_extra);
    if (leaf == nullptr || leaf->relation != RelationGetRelid(relation)) {
        OrderLeaf found{};
        if (!is_partition_of_orders(catalog, relation)) {
            ereport(ERROR,
                    (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                     errmsg("\"%s\" is not a partition of ticket_order",
                            RelationGetRelationName(relation)),
                     errdetail("Function ticket_follow_order() serves the extension's triggers."),
                     errhint("Drop the trigger.")));
        }
        find_order_columns(relation, &found);
        found.relation = RelationGetRelid(relation);
        leaf =
            static_cast<OrderLeaf*>(MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(OrderLeaf)));
        *leaf = found;
        fcinfo->flinfo->fn_extra = leaf;
    }
    return leaf;
}

void follow_event(FunctionCallInfo fcinfo, const Catalog& catalog, const TriggerData* trigger) {
    Relation relation = trigger->tg_relation;
    if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)) {
        // A table that is not a partition any more may still have the trigger.
        if (is_partition_of_orders(catalog, relation)) {
            release_all(catalog, relation);
        }
        return;
    }
    const auto [before, after] = rows_of(trigger);
    const OrderLeaf& leaf = *columns_of(fcinfo, catalog, relation);
    if (!is_own_event(leaf, before, after)) {
        follow(catalog, leaf, before, after);
        follow_order_day(catalog, leaf, before, after);
    } else if (own_write_of_event()->change == OwnChange::kArrive) {
        // The row was another node's. It gets its claim when its departure is loaded.
        if (is_live_row(leaf, after)) {
            note_deadline(after, leaf.column[kHeldUntil]);
        }
        follow_order_day(catalog, leaf, before, after);
    }
}

}  // namespace

// A row is not written for a departure whose deletion it has seen begin.
[[noreturn]] static void report_gone(int64_t departure_id) {
    ereport(ERROR,
            (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
             errmsg("departure " INT64_FORMAT " does not exist any more", departure_id),
             errdetail("It was deleted, or got another id, while a row for it was being written."),
             errhint("Write the departure first if the row is to be kept.")));
}

static DepartureRef find_for_new(const Catalog& catalog, int64_t departure_id) {
    DepartureRef ref = directory_find_id(catalog, departure_id);
    if (ref.departure != nullptr && is_barred(ref)) {
        ref = find_unbarred(catalog, departure_id);
        if (ref.departure == nullptr) {
            report_gone(departure_id);
        }
    }
    return ref;
}

static DepartureRef find_for(const Catalog& catalog, int64_t departure_id, Writing writing) {
    switch (writing) {
        case Writing::kNew:
            return find_for_new(catalog, departure_id);
        case Writing::kDeparture:
            return find_at_rest(catalog, departure_id);
        default:
            return find_settled(catalog, departure_id);
    }
}

// On a departure that this transaction has barred itself: by hand, or for a reform elsewhere.
static bool may_write_on(uint32_t slot) {
    return ledger_is_reforming(slot) && (shared.slots[slot].departure()->seat_change.load(
                                             std::memory_order_relaxed) == SeatChange::kBarred ||
                                         is_following_reform(slot));
}

DepartureRef pin_departure(const Catalog& catalog, int64_t departure_id, Writing writing) {
    if (!directory_has_current(catalog, departure_id) && !is_loadable(catalog, departure_id)) {
        return {kNoSlot, nullptr};
    }
    const DepartureRef ref = find_for(catalog, departure_id, writing);
    if (ref.departure != nullptr && writing == Writing::kNew && is_barred(ref) &&
        !may_write_on(ref.slot)) {
        report_barred(ref);
    }
    if (ref.departure != nullptr) {
        ledger_reserve(1);
        pin_slot(ref.slot);
    }
    end_announcement();
    return ref;
}

void note_deadline(TupleTableSlot* row, AttrNumber column) {
    bool no_deadline;
    const Datum deadline = row_value(row, column, &no_deadline);
    if (!no_deadline) {
        deadline_at_commit(DatumGetTimestampTz(deadline));
    }
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_follow_order) {
    using namespace ticketpool;
    return enter_trigger(fcinfo, "ticket_follow_order",
                         [fcinfo](const Catalog& catalog, const TriggerData* trigger) {
                             follow_event(fcinfo, catalog, trigger);
                         });
}
