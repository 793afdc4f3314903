// What others write into ticket_departure and ticket_reservation by hand.
//
//   departure inserted          found by its id from now on; orders that wait for it are loaded
//   with
//                               it, and must be in the partition of its day (23514)
//   sale times, status changed  in memory at commit (commit_marks.hpp)
//   formation changed           refused (0A000)
//   train changed               found under its new name by others from the commit on, and by this
//                               transaction at once
//   deleted, or its id, date, stop list or seats changed
//                               refused while it has live orders (23503). New claims are barred at
//                               once (undone by a rollback) and transactions that have claims are
//                               waited for, interruptibly, as ticket_withdraw does
//   reservation changed         loaded anew at commit, with the quotas that its rows name then. One
//                               that names seats which the departure does not have is refused
//                               (23514), and so is one that cuts through a live ticket or another
//                               quota (23P01); what is free of its seats is claimed until then,
//                               except as follows
//
// A restore and logical replication bring a quota and the tickets that were sold from it in any
// order and, with several processes, at once (pg_restore -j; the first copy of a subscription). A
// claim for the quota would be in the way of its own tickets: of a process that meets them before
// the quota's transaction has ended, or after that and before the departure is loaded again, which
// its own pin puts off. Nor can the writer of tickets wait for the writer of quotas, which may be
// waiting for a partition that the former has emptied and locked (pg_restore does so, to save WAL).
// So there the quota claims nothing. Tickets claim their seats among the departure's own, nothing
// depends on how the other one's transaction ends, and nobody waits for it:
//
//   quota first      the ticket's claim is in the departure's map; the load that follows the
//                    quota's commit comes after all who have the departure pinned, so it finds both
//                    rows, and takes the ticket for sold from the quota
//   ticket first     the same
//   quota in memory  the ticket is the quota's, whatever its channel: as the loader would have it
//
// What this leaves open: from the quota's row until that load others can buy its seats, as they
// could before. None is sold twice, because every ticket has a claim; a ticket that is whole on the
// quota's seat and stretch is then the quota's, and the quota has as much less to sell. One that
// cuts through the stretch keeps its part of it: the quota does not sell that.
#include "follow/by_hand.hpp"
#include "follow/commit_marks.hpp"
#include "follow/early_orders.hpp"
#include "follow/own_events.hpp"
#include "follow/row_event.hpp"
#include "load/directory.hpp"
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/sources.hpp"
#include "pool/waiting.hpp"
#include "server/errors.hpp"
#include "server/row_origin.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/live_rows.hpp"

extern "C" {
#include "commands/trigger.h"
#include "utils/datum.h"
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// ticket_departure
// ---------------------------------------------------------------------------------------------

bool same_column(TupleTableSlot* a, TupleTableSlot* b, AttrNumber column) {
    bool a_null;
    bool b_null;
    const Datum left = row_value(a, column, &a_null);
    const Datum right = row_value(b, column, &b_null);
    Form_pg_attribute attribute = TupleDescAttr(a->tts_tupleDescriptor, column - 1);
    return a_null || b_null ? a_null == b_null
                            : datum_image_eq(left, right, attribute->attbyval, attribute->attlen);
}

// No live order, now or from a transaction that is under way; none comes before this one ends.
void require_no_orders(const Catalog& catalog, const DepartureRow& row) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, row.service_date, &leaf)) {
        return;  // its day has gone, with all orders
    }
    const DepartureRef ref = pin_departure(catalog, row.departure_id);
    if (ref.departure != nullptr) {
        ledger_reserve(1);
        wait_for_sale_turn(ref.slot);
        ledger_bar(ref.slot);
        wait_for_others(ref.slot, OfPrepared::kRefuse);
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

// Its seats are those of the layout: the column only names where they came from.
[[noreturn]] void report_formation_change(const DepartureRow& row) {
    ereport(ERROR,
            (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
             errmsg("the formation of a departure cannot be changed by hand"),
             errdetail("Train \"%s\" of %s is sold with the seats that its formation had when it "
                       "was opened.",
                       row.train, date_text(row.service_date)),
             errhint("Give the departure another train, open one with the new formation, and "
                     "exchange the tickets with ticket_change.")));
}

void follow_new_departure(const Catalog& catalog, const DepartureRow& row) {
    require_orders_in_place(catalog, row);
    stale_at_commit(catalog, row.departure_id);
}

// A new name is one that ticket_open would take. What a restore brings may be older than that.
void require_name(const RowEvent& rows) {
    const Text train = row_text(rows.after, kDepTrain);
    if (train.length > kMaxNameBytes ||
        (rows.before != nullptr && !same_column(rows.before, rows.after, kDepTrain))) {
        check_name(NameOf::kTrain, train);
    }
}

void follow_departure(const Catalog& catalog, const RowEvent& rows) {
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
    if (!same_column(rows.before, rows.after, kDepFormation)) {
        report_formation_change(after);
    }
    const bool renamed = strcmp(before.train, after.train) != 0;
    if (renamed) {
        directory_note_own_names();
        train_at_commit(catalog, after.departure_id, after.train);
    }
    // A new name is stored in the turn of the sale words: two renames come to memory in their
    // order.
    if (renamed || before.opens_at != after.opens_at || before.closes_at != after.closes_at ||
        before.status != after.status) {
        sale_at_commit(catalog, after.departure_id,
                       SaleTimes{after.opens_at, after.closes_at, after.status});
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
        stale_at_commit(catalog, row.departure_id);
    }
    directory_note_own_names();
    reader_close(&reader);
    drop_snapshot(snapshot);
}

// ---------------------------------------------------------------------------------------------
// ticket_reservation
// ---------------------------------------------------------------------------------------------

[[noreturn]] void report_bad_reservation(const ReservationRow& row, int code, const char* problem,
                                         const char* hint) {
    ereport(ERROR, (errcode(code),
                    errmsg("reservation " INT64_FORMAT " cannot be set up", row.reservation_id),
                    errdetail("%s", problem), errhint("%s", hint)));
}

bool is_of_reservation(const ReservationRow& row, const LiveTicket& ticket) {
    for (uint32_t i = 0; i < row.count && ticket.place_coach < 0; i++) {
        if (row.numbers[i] == ticket.seat && row.class_index == ticket.class_index) {
            return true;
        }
    }
    return false;
}

// A live ticket is inside the stretch, and then sold from the quota, or outside.
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
            report_bad_reservation(row, ERRCODE_EXCLUSION_VIOLATION,
                                   psprintf("Ticket %d of order " INT64_FORMAT
                                            " has one of its seats over a part of the stretch.",
                                            ticket->ticket_no, ticket->order_id),
                                   "Name seats that are free over the whole stretch.");
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
                report_bad_reservation(row, ERRCODE_EXCLUSION_VIOLATION,
                                       psprintf("Reservation " INT64_FORMAT
                                                " has one of its seats over the same stretch.",
                                                quota->reservation_id),
                                       "Name seats that are free over the whole stretch.");
            }
        }
    }
}

// What is free of its seats stays so until the quota is there.
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
    const DepartureRef ref = pin_departure(catalog, departure_id);
    if (ref.departure == nullptr) {
        return;  // a restore: loaded with its departure
    }
    ReservationRow row{};
    if (!read_reservation(slot, ref.departure, &row) || row.count != row.named) {
        report_bad_reservation(row, ERRCODE_CHECK_VIOLATION,
                               "It names seats, stops or a class that its departure does not have.",
                               "ticket_reserve chooses seats.");
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
        if (!same_column(rows.before, rows.after, column)) {
            return false;
        }
    }
    return true;
}

void follow_reservation(const Catalog& catalog, const RowEvent& rows) {
    if (rows.after != nullptr) {
        bool no_deadline;
        const Datum deadline = row_value(rows.after, kResReleaseAt, &no_deadline);
        if (!no_deadline) {
            deadline_at_commit(DatumGetTimestampTz(deadline));
        }
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

}  // namespace

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_follow_departure) {
    using namespace ticketpool;
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        report_no_trigger("ticket_follow_departure");
    }
    if (shared.control == nullptr) {
        return Datum{0};  // no pool in this server: nothing to follow
    }
    require_shared_memory();
    const TriggerData* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    const Catalog& catalog = catalog_of(fcinfo);
    if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) {
        if (!is_own_event(catalog.departure) && !holds_new_departures(catalog)) {
            // Whoever fills a partition may hold it and wait for the lock of new departures.
            lock_all_order_leaves(catalog, AccessShareLock);
        }
        lock_new_departures(catalog);
    }
    if (RelationGetRelid(trigger->tg_relation) == catalog.route) {
        announce_change(catalog.route_call);  // what is known of all stop lists is void
    }
    if (TRIGGER_FIRED_FOR_STATEMENT(trigger->tg_event) &&
        RelationGetRelid(trigger->tg_relation) != catalog.departure) {
        return Datum{0};  // a stop list or seats: parts of departures
    }
    require_followed_table(trigger, catalog.departure);
    if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)) {
        follow_truncated_departures(catalog);
    } else if (!is_own_event(catalog.departure)) {
        follow_departure(catalog, rows_of(trigger));
    }
    return Datum{0};
}

TICKETPOOL_FUNCTION(ticket_follow_reservation) {
    using namespace ticketpool;
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        report_no_trigger("ticket_follow_reservation");
    }
    if (shared.control == nullptr) {
        return Datum{0};
    }
    require_shared_memory();
    const TriggerData* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    const Catalog& catalog = catalog_of(fcinfo);
    require_followed_table(trigger, catalog.reservation);
    if (TRIGGER_FIRED_BY_TRUNCATE(trigger->tg_event)) {
        follow_truncated_reservations(catalog);
    } else if (!is_own_event(catalog.reservation)) {
        follow_reservation(catalog, rows_of(trigger));
    }
    return Datum{0};
}
