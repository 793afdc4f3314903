// What others write into ticket_departure and ticket_reservation by hand.
//
//   departure inserted          found by its id from now on. Orders that are waiting for it are
//                               loaded with it; they must be in the partition of its day (23514),
//                               and no two of them may overlap on a seat (23P01)
//   sale times, status changed  in memory at commit (commit_marks.hpp)
//   formation changed           refused (0A000), except that logical replication brings it
//   other seats, by logical replication
//                               followed (reformed.hpp)
//   train changed               others find it under its new name from the commit on, this
//                               transaction at once
//   other times and flags for the same stops
//                               the departure is to be loaded again from the commit on
//   deleted, or its id, date, stops or seats changed
//                               refused while it has live orders (23503). New claims are barred at
//                               once (a rollback undoes that), and transactions that have claims
//                               are waited for, interruptibly, as ticket_withdraw does. A live row
//                               that another session writes by hand meanwhile waits as for a
//                               reform, and is then refused (TK003)
//   any of these, except inserted
//                               waits get another end, or the worker ends them (wait_ends.hpp)
//   reservation changed         the departure is to be loaded again from the commit on, with the
//                               quotas that its rows then name. A reservation that names seats,
//                               stops or a class which the departure does not have is refused
//                               (23514), and so is one that cuts through a live ticket or overlaps
//                               another quota (23P01). What is free of its seats is claimed until
//                               that load, except in the following case
//
// A restore and logical replication write a quota and the tickets that were sold from it in any
// order and, with several processes, at the same time (pg_restore -j; the first copy of a
// subscription). A claim for the quota would be in the way of its own tickets: those that another
// process writes before the quota's transaction has ended, or after that and before the departure
// is loaded again, which the pin of that process delays. Nor can the session that writes tickets
// wait for the session that writes quotas, because the latter may be waiting for a partition that
// the former has emptied and locked (pg_restore does so, to save WAL). So in this case the quota
// claims nothing. Tickets claim their seats among the departure's own, nothing depends on how the
// other transaction ends, and nobody waits for it:
//
//   quota first      the ticket's claim is in the departure's map. The load that follows the
//                    quota's commit waits until no other session has the departure pinned, so it
//                    finds both rows, and counts the ticket as sold from the quota
//   ticket first     the same
//   quota in memory  the ticket is the quota's, whatever its channel, as the loader would have it
//
// What this leaves open: from the quota's row until that load, others can buy its seats, as they
// could before. No seat is sold twice, because every ticket has a claim. A ticket that lies whole
// on the quota's seat and stretch is then the quota's, and the quota has as much less to sell. A
// ticket that cuts through the stretch keeps its part of it, and the quota does not sell that part.
#include "follow/by_hand.hpp"
#include "follow/commit_marks.hpp"
#include "follow/early_orders.hpp"
#include "follow/own_events.hpp"
#include "follow/reformed.hpp"
#include "follow/trigger_entry.hpp"
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "load/shared_parts.hpp"
#include "pool/ledger.hpp"
#include "pool/sources.hpp"
#include "pool/waiting.hpp"
#include "server/errors.hpp"
#include "server/row_origin.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/live_rows.hpp"
#include "tables/wait_ends.hpp"

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// ticket_departure
// ---------------------------------------------------------------------------------------------

// 23503 if the departure has a live order, also one of a transaction that was in progress. No other
// session can add one before this transaction ends: neither a purchase nor a hand-written row.
void require_no_orders(const Catalog& catalog, const DepartureRow& row) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, row.service_date, &leaf)) {
        return;  // the partition of its day is gone, with all orders
    }
    const DepartureRef ref = pin_departure(catalog, row.departure_id, Writing::kDeparture);
    if (ref.departure != nullptr) {
        ledger_reserve(1);
        wait_for_sale_turn(ref.slot);
        ledger_bar(ref.slot);
        bar_claims(ref.slot);
    }
    if (has_live_rows(leaf, row.departure_id)) {
        ereport(ERROR,
                (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                 errmsg("departure " INT64_FORMAT " has live orders", row.departure_id),
                 errdetail("Train \"%s\" of %s has tickets that are held or sold.", row.train,
                           date_text(row.service_date)),
                 errhint("Withdraw it with ticket_withdraw, or detach the partition of a day that "
                         "is over, before its departures are deleted or get other ids, dates, "
                         "stops or seats.")));
    }
}

// The seats of a departure are those of its layout: the column only names where they came from.
[[noreturn]] void report_formation_change(const DepartureRow& row) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("the formation of a departure cannot be changed by hand"),
             errdetail("Train \"%s\" of %s is sold with the seats that its formation had when it "
                       "was opened or last reformed.",
                       row.train, date_text(row.service_date)),
             errhint("ticket_reform gives it the seats of another formation, and its tickets "
                     "seats there.")));
}

void follow_new_departure(const Catalog& catalog, const DepartureRow& row) {
    require_orders_in_place(catalog, row);
    stale_at_commit(catalog, row.departure_id);
}

// An UPDATE may only write a name that ticket_open would accept. What is inserted, as by a restore,
// may be older than that rule; it must only not be too long for the pool.
void require_name(const RowEvent& rows) {
    const Text train = row_text(rows.after, kDepTrain);
    if (train.length > kMaxNameBytes || (rows.before != nullptr && !same_column(rows, kDepTrain))) {
        check_name(NameOf::kTrain, train);
    }
}

// Has the departure only got other times and flags for its stops? A subscriber writes so what
// ticket_retime and ticket_skip_stop did where the row comes from.
bool is_rerouted(const Catalog& catalog, const DepartureRow& before, const DepartureRow& after) {
    return before.departure_id == after.departure_id && before.service_date == after.service_date &&
           before.layout_id == after.layout_id && before.route_id != after.route_id &&
           have_same_stops(catalog, before.route_id, after.route_id);
}

// Does the row say another end of the sale of its trips?
bool has_other_times(const DepartureRow& before, const DepartureRow& after) {
    return before.closes_at != after.closes_at || before.margin != after.margin ||
           before.route_id != after.route_id || before.service_date != after.service_date;
}

// Whoever waits for the departure may wait for longer now, or less long, or no more.
void follow_for_waits(const Catalog& catalog, const DepartureRow& before,
                      const DepartureRow* after) {
    if (after == nullptr || before.departure_id != after->departure_id ||
        before.status != after->status) {
        have_sale_looked_at(catalog, before.departure_id);
    }
    if (after != nullptr && before.departure_id == after->departure_id &&
        has_other_times(before, *after)) {
        follow_times_of(catalog, after->departure_id);
    }
}

// Statements of ours change the status, the stop list, or the seats with the name of their
// formation, and tell memory of that alone. Whether the change is there they look themselves.
void check_own_change(const Catalog& catalog, const RowEvent& rows) {
    if (rows.before == nullptr || rows.after == nullptr) {
        return;
    }
    DepartureRow before;
    DepartureRow after;
    read_departure(rows.before, &before);
    read_departure(rows.after, &after);
    const int changes =
        static_cast<int>(before.status != after.status) +
        static_cast<int>(before.route_id != after.route_id) +
        static_cast<int>(before.layout_id != after.layout_id || !same_column(rows, kDepFormation));
    if (changes > 1 || strcmp(before.train, after.train) != 0 ||
        before.departure_id != after.departure_id || before.service_date != after.service_date ||
        before.opens_at != after.opens_at || before.closes_at != after.closes_at ||
        before.margin != after.margin) {
        report_changed_by_trigger(catalog.departure);
    }
}

void follow_departure(const Catalog& catalog, const RowEvent& rows) {
    if (is_own_event(catalog.departure)) {
        check_own_change(catalog, rows);
        return;
    }
    if (rows_come_in_any_order()) {
        // A subscriber fires no triggers of statements, which do this otherwise. The departure's
        // stop list may have come just before it.
        announce_change(catalog.departure);
        announce_change(catalog.route_call);
    }
    DepartureRow before;
    DepartureRow after;
    if (rows.before != nullptr) {
        read_departure(rows.before, &before);
    }
    if (rows.after != nullptr) {
        require_name(rows);
        read_departure(rows.after, &after);
    }
    if (rows.before == nullptr) {
        follow_new_departure(catalog, after);
        return;
    }
    follow_for_waits(catalog, before, rows.after == nullptr ? nullptr : &after);
    if (rows.after != nullptr && is_rerouted(catalog, before, after)) {
        stale_at_commit(catalog, before.departure_id);
        before.route_id = after.route_id;
    }
    if (rows.after != nullptr && is_reformed_elsewhere(before, after)) {
        follow_reform(catalog, before);
        before.layout_id = after.layout_id;
    }
    if (rows.after == nullptr || before.departure_id != after.departure_id ||
        before.service_date != after.service_date || before.route_id != after.route_id ||
        before.layout_id != after.layout_id) {
        require_no_orders(catalog, before);
        directory_note_own_names();
        stale_at_commit(catalog, before.departure_id);
        if (rows.after != nullptr) {
            lock_new_departures(catalog);
            follow_new_departure(catalog, after);
        }
        return;
    }
    if (!same_column(rows, kDepFormation) && !rows_come_in_any_order()) {
        report_formation_change(after);
    }
    const bool renamed = strcmp(before.train, after.train) != 0;
    if (renamed) {
        directory_note_own_names();
        train_at_commit(catalog, after.departure_id, after.train);
    }
    // A new name is stored in the turn of the sale words, so two renames reach memory in their
    // order.
    if (renamed || before.opens_at != after.opens_at || before.closes_at != after.closes_at ||
        before.status != after.status || before.margin != after.margin) {
        sale_at_commit(catalog, after.departure_id, sale_times(after));
    }
}

void follow_truncated_departures(const Catalog& catalog) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.departure, catalog.departure_pkey, snapshot);
    while (reader_next(&reader)) {
        DepartureRow row;
        read_departure(reader.row, &row);
        require_no_orders(catalog, row);
        have_sale_looked_at(catalog, row.departure_id);
        stale_at_commit(catalog, row.departure_id);
    }
    directory_note_own_names();
    reader_close(&reader);
    drop_snapshot(snapshot);
}

// ---------------------------------------------------------------------------------------------
// ticket_reservation
// ---------------------------------------------------------------------------------------------

// To be called in an ereport.
int error_of_reservation(const ReservationRow& row, int code) {
    errcode(code);
    return errmsg("reservation " INT64_FORMAT " cannot be set up", row.reservation_id);
}

bool is_of_reservation(const ReservationRow& row, const LiveTicket& ticket) {
    for (uint32_t i = 0; i < row.count && ticket.place_coach < 0; i++) {
        if (row.numbers[i] == ticket.seat && row.class_index == ticket.class_index) {
            return true;
        }
    }
    return false;
}

// A live ticket on the seats must be inside the stretch, and is then sold from the quota, or
// outside it.
void require_whole_tickets(const Catalog& catalog, const DepartureRef& ref,
                           const ReservationRow& row) {
    const SegmentMask stretch = trip_mask(row.stretch.from, row.stretch.to);
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, ref.departure->service_date, &leaf)) {
        return;
    }
    for_each_live_row(leaf, ref.departure, [&](TupleTableSlot*, const LiveTicket* ticket) {
        if (ticket != nullptr && is_of_reservation(row, *ticket) &&
            (ticket->bits & stretch).any() && !ticket->bits.is_subset_of(stretch)) {
            ereport(ERROR, (error_of_reservation(row, ERRCODE_EXCLUSION_VIOLATION),
                            errdetail("Ticket %d of order " INT64_FORMAT
                                      " has one of its seats over a part of the stretch.",
                                      ticket->ticket_no, ticket->order_id),
                            errhint("Name seats that are free over the whole stretch.")));
        }
    });
}

void require_no_other_quota(const DepartureRef& ref, const ReservationRow& row) {
    const SegmentMask stretch = trip_mask(row.stretch.from, row.stretch.to);
    for (Quota* quota = ref.departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        if (quota->reservation_id == row.reservation_id ||
            !quota_usable(ref, *quota, row.class_index) ||
            !(stretch & trip_mask(quota->from, quota->to)).any()) {
            continue;
        }
        for (uint32_t i = 0; i < row.count; i++) {
            if (quota->find(row.numbers[i]) >= 0) {
                ereport(ERROR, (error_of_reservation(row, ERRCODE_EXCLUSION_VIOLATION),
                                errdetail("Reservation " INT64_FORMAT
                                          " has one of its seats over the same stretch.",
                                          quota->reservation_id),
                                errhint("Name seats that are free over the whole stretch.")));
            }
        }
    }
}

// Claims what is free of its seats, so that nobody buys it before the quota is in memory.
void claim_free_seats(const DepartureRef& ref, const ReservationRow& row) {
    const SeatSource source = seats_of_class(ref.slot, row.class_index);
    const SegmentMask stretch = trip_mask(row.stretch.from, row.stretch.to);
    SeatMap map = ref.departure->seat_map(row.class_index);
    ledger_reserve(row.count);
    for (uint32_t i = 0; i < row.count; i++) {
        SegmentMask free = stretch & ~load_seat(map, row.numbers[i]);
        while (free.any() && !try_claim(map, row.numbers[i], free)) {
            free = stretch & ~load_seat(map, row.numbers[i]);
        }
        if (free.any()) {
            ledger_add_claim(source, row.numbers[i], free);
        }
    }
}

void follow_open_reservation(const Catalog& catalog, TupleTableSlot* slot, int64_t departure_id) {
    const DepartureRef ref = pin_departure(catalog, departure_id, Writing::kNew);
    if (ref.departure == nullptr || is_following_reform(ref.slot)) {
        return;  // the quota is loaded with its departure
    }
    ReservationRow row{};
    if (!read_reservation(slot, ref.departure, &row) || row.count != row.named) {
        ereport(ERROR,
                (error_of_reservation(row, ERRCODE_CHECK_VIOLATION),
                 errdetail("It names seats, stops or a class that its departure does not have."),
                 errhint("ticket_reserve chooses seats.")));
    }
    require_whole_tickets(catalog, ref, row);
    require_no_other_quota(ref, row);
    if (!rows_come_in_any_order()) {
        claim_free_seats(ref, row);
    }
}

bool same_quota(const RowEvent& rows) {
    for (const ReservationColumn column : {kResId, kResDepartureId, kResClass, kResChannel,
                                           kResFrom, kResTo, kResStatus, kResSeatList}) {
        if (!same_column(rows, column)) {
            return false;
        }
    }
    return true;
}

void follow_reservation(const Catalog& catalog, const RowEvent& rows) {
    if (is_own_event(catalog.reservation)) {
        return;
    }
    if (rows.after != nullptr) {
        note_deadline(rows.after, kResReleaseAt);
    }
    if (rows.before != nullptr && rows.after != nullptr && same_quota(rows)) {
        return;
    }
    for (TupleTableSlot* row : {rows.before, rows.after}) {
        if (row != nullptr) {
            const int64_t departure_id = row_int64(row, kResDepartureId);
            if (row == rows.after && same_text(row_text(row, kResStatus), {"open", 4})) {
                follow_open_reservation(catalog, row, departure_id);
            }
            stale_at_commit(catalog, departure_id);
        }
    }
}

void follow_truncated_reservations(const Catalog& catalog) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.reservation, catalog.reservation_open, snapshot);
    while (reader_next(&reader)) {
        stale_at_commit(catalog, row_int64(reader.row, kResDepartureId));
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
}

// ---------------------------------------------------------------------------------------------
// Events of ticket_departure, and of the tables of stop lists and seats
// ---------------------------------------------------------------------------------------------

void follow_departure_event(const Catalog& catalog, const TriggerData* trigger) {
    if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) {
        if (!is_own_event(catalog.departure) && !holds_new_departures(catalog)) {
            // Partitions first: a session that fills one may have it locked while it waits for the
            // lock of new departures.
            lock_all_order_leaves(catalog, AccessShareLock);
        }
        lock_new_departures(catalog);
    }
    if (RelationGetRelid(trigger->tg_relation) == catalog.route) {
        announce_change(catalog.route_call);  // what sessions know of stop lists becomes void
    }
    if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) &&
        RelationGetRelid(trigger->tg_relation) != catalog.departure) {
        return;  // a stop list or seats, which are parts of departures
    }
    follow_table(catalog, trigger, catalog.departure, follow_truncated_departures,
                 follow_departure);
}

}  // namespace

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_follow_departure) {
    using namespace ticketpool;
    return enter_trigger(fcinfo, "ticket_follow_departure", follow_departure_event);
}

TICKETPOOL_FUNCTION(ticket_follow_reservation) {
    using namespace ticketpool;
    return enter_trigger(fcinfo, "ticket_follow_reservation",
                         [](const Catalog& catalog, const TriggerData* trigger) {
                             follow_table(catalog, trigger, catalog.reservation,
                                          follow_truncated_reservations, follow_reservation);
                         });
}
