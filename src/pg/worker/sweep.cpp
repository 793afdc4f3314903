// What runs out by itself: holds whose time is over expire, quotas return at their release_at, and
// waits end (sweep_waits.cpp). Called by the worker, and by hand as ticket_sweep().
//
// Holds are searched for partition by partition, in the index of held rows by time
// (ticket_order_held). A partition is locked for the search only and unlocked at once, so the
// number of locks of a sweep does not grow with the days on sale, and nothing is planned. The same
// search finds the next deadline, so the two cannot disagree. The orders found then expire, a few
// in each transaction, all of one partition.
//
// Holds of units are found and expire in the same way, with item_order as one more partition and
// its index item_order_held.
//
// Whether a ticket is due is said by its own row, whatever its ticket number is: held tickets of an
// order expire even if other tickets of the order were cancelled, paid, moved or deleted by hand.
// Tickets of the order that are held without a time expire with them.
//
// Nothing here waits for a client. An order of which another session has a row locked, or a
// partition that another session has locked, is passed over and looked at again in the next round:
// a payment in progress decides about its order, and one idle client cannot stop the sweep.
//
// Row security does not apply to a sweep, not even under FORCE: an expired hold must not keep its
// seat because a policy hides its row from a worker that has no tenant. A sweep's statements are
// planned that way (RowScope::kEvery); triggers of the user's run under the policies as always.
#include "worker/sweep_steps.hpp"

#include <algorithm>

#include "items/item_orders.hpp"
#include "pool/shared_memory.hpp"
#include "pool/wait_list.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"
#include "tables/events.hpp"
#include "tables/item_rows.hpp"
#include "tickets/orders.hpp"
#include "tickets/reserve.hpp"

extern "C" {
#include "catalog/index.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/syscache.h"
}

namespace ticketpool {
namespace {

const char* of_partition(int64_t oid, const ErrorData& error) {
    return psprintf(_("holds in the partition with OID %u stay as they are: %s"),
                    static_cast<Oid>(oid), error.message);
}

const char* of_hold(int64_t order_id, const ErrorData& error) {
    return psprintf(_("hold " INT64_FORMAT " stays as it is: %s"), order_id, error.message);
}

const char* of_reservation(int64_t id, const ErrorData& error) {
    return psprintf(_("reservation " INT64_FORMAT " stays as it is: %s"), id, error.message);
}

// Locks are taken in the order in which the server's own statements take them: ticket_order, then a
// partition.
bool try_lock_orders(const Catalog& catalog) {
    return ConditionalLockRelationOid(catalog.order, RowExclusiveLock);
}

// ---------------------------------------------------------------------------------------------
// Holds: the look
// ---------------------------------------------------------------------------------------------

DueHold* add_hold(Sweep* sweep) {
    if (sweep->count == sweep->room) {
        sweep->room = Max(sweep->room * 2, size_t{64});
        const Size bytes = sweep->room * sizeof(DueHold);
        sweep->holds = static_cast<DueHold*>(sweep->holds == nullptr
                                                 ? MemoryContextAllocHuge(sweep->context, bytes)
                                                 : repalloc_huge(sweep->holds, bytes));
    }
    return &sweep->holds[sweep->count++];
}

// Reads a table's held rows, the earliest first, up to the first that is not due, and calls
// due_row(held_until) with those before it.
template <typename DueRow>
void read_held_rows(TableReader* reader, AttrNumber held_column, Sweep* sweep, size_t limit,
                    DueRow due_row) {
    const TimestampTz now = GetCurrentTimestamp();
    for (size_t found = 0; reader_next(reader); found++) {
        bool is_null;
        const TimestampTz held_until =
            DatumGetTimestampTz(row_value(reader->row, held_column, &is_null));
        if (is_null) {
            return;  // held without a time, and so are the rest
        }
        if (held_until > now || found == limit) {
            sweep->soonest = Min(sweep->soonest, held_until);
            return;
        }
        due_row(held_until);
    }
}

void read_held_tickets(TableReader* reader, Sweep* sweep, size_t limit) {
    OrderLeaf leaf{};
    find_order_columns(reader->heap, &leaf);
    read_held_rows(reader, leaf.column[kHeldUntil], sweep, limit, [&](TimestampTz held_until) {
        *add_hold(sweep) =
            DueHold{row_int64(reader->row, leaf.column[kOrderId]),
                    row_int64(reader->row, leaf.column[kDepartureId]), held_until,
                    DatumGetDateADT(row_datum(reader->row, leaf.column[kServiceDate])),
                    RelationGetRelid(reader->heap)};
    });
}

int compare_orders(const void* a, const void* b) {
    const DueHold* left = static_cast<const DueHold*>(a);
    const DueHold* right = static_cast<const DueHold*>(b);
    if (left->order_id != right->order_id) {
        return left->order_id < right->order_id ? -1 : 1;
    }
    if (left->departure_id != right->departure_id) {
        return left->departure_id < right->departure_id ? -1 : 1;
    }
    return left->held_until < right->held_until ? -1 : left->held_until > right->held_until;
}

int compare_deadlines(const void* a, const void* b) {
    const TimestampTz left = static_cast<const DueHold*>(a)->held_until;
    const TimestampTz right = static_cast<const DueHold*>(b)->held_until;
    return left < right ? -1 : left > right;
}

// Of the rows from `first` on, keeps one for each order and departure, the one with the earliest
// deadline; sorts them by deadline.
void rows_to_orders(Sweep* sweep, size_t first) {
    DueHold* rows = sweep->holds + first;
    const size_t count = sweep->count - first;
    if (count == 0) {
        return;
    }
    qsort(rows, count, sizeof(DueHold), compare_orders);
    size_t kept = 1;
    for (size_t i = 1; i < count; i++) {
        if (rows[i].order_id != rows[kept - 1].order_id ||
            rows[i].departure_id != rows[kept - 1].departure_id) {
            rows[kept++] = rows[i];
        }
    }
    qsort(rows, kept, sizeof(DueHold), compare_deadlines);
    sweep->count = first + kept;
}

bool exists(Oid relation) {
    return SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relation));
}

// Looks into one partition. Table and index are locked.
void look_into(Oid heap, Oid index, Sweep* sweep, size_t limit) {
    if (!exists(heap) || IndexGetRelation(index, true) != heap ||
        get_rel_relkind(index) != RELKIND_INDEX) {
        return;  // dropped or detached since they were listed
    }
    const size_t first = sweep->count;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, heap, index, snapshot);
    read_held_tickets(&reader, sweep, limit);
    reader_close(&reader);
    drop_snapshot(snapshot);
    rows_to_orders(sweep, first);
}

void lock_for_look(Oid relation) {
    if (!ConditionalLockRelationOid(relation, AccessShareLock)) {
        ereport(ERROR, (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
                        errmsg("somebody has relation %u locked", relation)));
    }
}

void lock_and_look_into(Oid heap, Oid index, Sweep* sweep, size_t limit) {
    lock_for_look(heap);
    lock_for_look(index);
    look_into(heap, index, sweep, limit);
    UnlockRelationOid(index, AccessShareLock);
    UnlockRelationOid(heap, AccessShareLock);
}

// The same for orders of items, which are in one table.
void lock_and_look_into_items(const Catalog& catalog, Sweep* sweep, size_t limit) {
    lock_for_look(catalog.item_order);
    lock_for_look(catalog.item_order_held);
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.item_order, catalog.item_order_held, snapshot);
    read_held_rows(&reader, item_held_column(catalog), sweep, limit, [&](TimestampTz held_until) {
        *add_hold(sweep) =
            DueHold{row_int64(reader.row, kItemOrderId), 0, held_until, 0, catalog.item_order};
    });
    reader_close(&reader);
    drop_snapshot(snapshot);
    UnlockRelationOid(catalog.item_order_held, AccessShareLock);
    UnlockRelationOid(catalog.item_order, AccessShareLock);
}

void find_due_items(const Catalog& catalog, Sweep* sweep, size_t limit) {
    const Outcome outcome = guarded([&] { lock_and_look_into_items(catalog, sweep, limit); },
                                    of_partition, static_cast<int64_t>(catalog.item_order));
    if (outcome != Outcome::kDone) {
        note_left(sweep, outcome, GetCurrentTimestamp());
    }
}

// ---------------------------------------------------------------------------------------------
// Holds: expiry
// ---------------------------------------------------------------------------------------------

// Keeps the tickets of the order that expire: held ones whose time is over and, if there is one of
// these, those that are held without a time.
void keep_due_tickets(Order* order) {
    const TimestampTz now = GetCurrentTimestamp();
    int due = 0;
    int kept = 0;
    for (int i = 0; i < order->count; i++) {
        const Ticket& ticket = order->tickets[i];
        const OrderValues& values = ticket.row->values;
        const bool timeless = values.is_null[kHeldUntil];
        const bool over = !timeless && DatumGetTimestampTz(values.value[kHeldUntil]) <= now;
        if (ticket.status == OrderStatus::kHeld && (over || timeless)) {
            due += over ? 1 : 0;
            order->tickets[kept++] = ticket;
        }
    }
    order->count = due > 0 ? kept : 0;  // it may have been paid, or held for longer
}

bool expire_item(const Catalog& catalog, int64_t order_id) {
    ItemOrder order;
    const bool due = lock_item_order(catalog, order_id, OfLocked::kFail, &order) && order.is_due;
    if (due) {  // otherwise it was paid or given up, or is held for longer
        end_item_order(catalog, order, OrderStatus::kExpired, OfLocked::kFail);
    }
    return due;
}

void write_expired(const Catalog& catalog, const Order& order) {
    TicketEvent* events = static_cast<TicketEvent*>(
        palloc(static_cast<size_t>(Max(order.count, 1)) * sizeof(TicketEvent)));
    for (int i = 0; i < order.count; i++) {
        const Ticket& ticket = order.tickets[i];
        events[i] = {"expired", order.order_id, ticket.ticket_no, ticket.departure_id, 0, nullptr};
    }
    write_events(catalog, events, order.count);
}

// False: nothing of the order is due any more.
bool expire(const Catalog& catalog, const DueHold& hold) {
    if (hold.leaf == catalog.item_order) {
        return expire_item(catalog, hold.order_id);
    }
    Order order;
    if (!try_lock_order_of(catalog, hold.order_id, hold.date, hold.departure_id, &order)) {
        return false;
    }
    keep_due_tickets(&order);
    set_status(&order, OrderStatus::kHeld, OrderStatus::kExpired);
    write_expired(catalog, order);
    return order.count > 0;
}

// The end of the next holds that are of one table, at most `limit`.
size_t end_of_batch(const Sweep& sweep, size_t limit) {
    size_t end = sweep.next;
    while (end < sweep.count && end < sweep.next + limit &&
           sweep.holds[end].leaf == sweep.holds[sweep.next].leaf) {
        end++;
    }
    return end;
}

// ---------------------------------------------------------------------------------------------
// Quotas
// ---------------------------------------------------------------------------------------------

TimestampTz result_time(SPITupleTable* rows, uint64 row, int column) {
    bool is_null;
    const Datum value = SPI_getbinval(rows->vals[row], rows->tupdesc, column, &is_null);
    return is_null ? INT64_MAX : DatumGetTimestampTz(value);
}

}  // namespace

void note_left(Sweep* sweep, Outcome outcome, TimestampTz deadline) {
    sweep->busy += outcome == Outcome::kBusy ? 1 : 0;
    sweep->failed += outcome == Outcome::kFailed ? 1 : 0;
    sweep->overdue = Min(sweep->overdue, deadline);
}

void scope_begin(const Catalog& catalog, OwnerScope* scope) {
    owner_begin(catalog, scope, RowScope::kEvery);
    SPI_connect();
}

void scope_end(const OwnerScope& scope) {
    SPI_finish();
    owner_end(scope);
}

void begin_sweep(Sweep* sweep, MemoryContext context) {
    *sweep = Sweep{};
    sweep->context = context;
    sweep->waits.context = context;
    sweep->soonest = INT64_MAX;
    sweep->overdue = INT64_MAX;
    sweep->progress = progress_begin(ProgressCommand::kSweep, ProgressPhase::kListing);
}

int64_t count_left(const Sweep& sweep) {
    return static_cast<int64_t>(sweep.busy) + sweep.failed +
           static_cast<int64_t>(sweep.count - sweep.next) +
           static_cast<int64_t>(sweep.waits.count - sweep.next_wait);
}

namespace {

void find_due_tickets(const Catalog& catalog, Sweep* sweep, size_t limit) {
    if (!try_lock_orders(catalog)) {
        note_left(sweep, Outcome::kBusy, GetCurrentTimestamp());
        return;
    }
    List* indexes = find_inheritance_children(catalog.order_held, NoLock);
    ListCell* cell;
    foreach (cell, indexes) {
        CHECK_FOR_INTERRUPTS();
        const Oid index = lfirst_oid(cell);
        const Oid heap = IndexGetRelation(index, true);
        if (!OidIsValid(heap)) {
            continue;
        }
        const Outcome outcome =
            guarded([&] { lock_and_look_into(heap, index, sweep, limit); }, of_partition, heap);
        if (outcome != Outcome::kDone) {
            note_left(sweep, outcome, GetCurrentTimestamp());
        }
    }
    list_free(indexes);
}

// Locks what the next holds are rows of, and the table of events, without waiting.
bool try_lock_for_expiry(const Catalog& catalog, Oid leaf) {
    const bool of_item = leaf == catalog.item_order;
    return (of_item || try_lock_orders(catalog)) &&
           ConditionalLockRelationOid(leaf, RowExclusiveLock) &&
           (of_item || ConditionalLockRelationOid(catalog.event, RowExclusiveLock));
}

}  // namespace

void find_due_holds(const Catalog& catalog, Sweep* sweep, size_t limit) {
    CommandCounterIncrement();  // so that this transaction's own holds are seen, too
    find_due_tickets(catalog, sweep, limit);
    find_due_items(catalog, sweep, limit);
}

void put_off_holds(Sweep* sweep, size_t count) {
    DueHold* end = sweep->holds + sweep->count;
    if (count < sweep->count) {
        std::rotate(sweep->holds, sweep->holds + count, end);
    }
}

bool expire_some(const Catalog& catalog, Sweep* sweep, size_t limit) {
    const size_t end = end_of_batch(*sweep, limit);
    if (sweep->next == end) {
        return false;
    }
    const bool locked = try_lock_for_expiry(catalog, sweep->holds[sweep->next].leaf);
    const TimestampTz stop = GetCurrentTimestamp() + kMostTime;
    OwnerScope scope;
    scope_begin(catalog, &scope);
    for (; sweep->next < end && GetCurrentTimestamp() < stop; sweep->next++) {
        CHECK_FOR_INTERRUPTS();
        const DueHold& hold = sweep->holds[sweep->next];
        volatile bool expired = false;
        const Outcome outcome =
            !locked ? Outcome::kBusy
                    : guarded([&] { expired = expire(catalog, hold); }, of_hold, hold.order_id);
        if (outcome == Outcome::kDone) {
            sweep->done += expired ? 1 : 0;
        } else {
            note_left(sweep, outcome, hold.held_until);
        }
        progress_done(sweep->progress, static_cast<int64_t>(sweep->next) + 1);
    }
    serve_waiting();
    scope_end(scope);
    return true;
}

bool return_some_quotas(const Catalog& catalog, Sweep* sweep, int limit) {
    OwnerScope scope;
    scope_begin(catalog, &scope);
    Oid types[] = {INT4OID, INT4OID};
    Datum values[] = {Int32GetDatum(limit), Int32GetDatum(sweep->failed_quotas)};
    const char* sql = psprintf(
        "SELECT reservation_id, release_at FROM %s WHERE status = 'open' AND release_at <= "
        "clock_timestamp() ORDER BY release_at LIMIT $1 OFFSET $2 FOR UPDATE SKIP LOCKED",
        qualified_name(catalog.reservation));
    if (execute_planned(sql, 2, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read what is due");
    }
    SPITupleTable* rows = SPI_tuptable;
    const uint64 count = SPI_processed;
    for (uint64 i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        bool is_null;
        const int64_t id = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null));
        const TimestampTz release_at = result_time(rows, i, 2);
        const Outcome outcome =
            guarded([&catalog, id] { recycle(catalog, id); }, of_reservation, id);
        if (outcome == Outcome::kDone) {
            sweep->done++;
        } else {
            sweep->failed_quotas++;
            note_left(sweep, outcome, release_at);
        }
    }
    serve_waiting();
    scope_end(scope);
    return count > 0;
}

void note_quota_deadlines(const Catalog& catalog, Sweep* sweep) {
    OwnerScope scope;
    scope_begin(catalog, &scope);
    const char* sql = psprintf(
        "SELECT min(release_at) FILTER (WHERE release_at > clock_timestamp()), "
        "min(release_at) FILTER (WHERE release_at <= clock_timestamp()) FROM %s "
        "WHERE status = 'open'",
        qualified_name(catalog.reservation));
    if (execute_planned(sql, 0, nullptr, nullptr, nullptr) != SPI_OK_SELECT || SPI_processed != 1) {
        elog(ERROR, "could not read the next deadline");
    }
    sweep->soonest = Min(sweep->soonest, result_time(SPI_tuptable, 0, 1));
    const TimestampTz left = result_time(SPI_tuptable, 0, 2);
    if (left != INT64_MAX && sweep->failed_quotas == 0) {
        note_left(sweep, Outcome::kBusy, left);  // another session has its row locked
    }
    scope_end(scope);
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_sweep) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_sweep()");
    constexpr int kMostByHand = 500;
    const Catalog& catalog = catalog_of(fcinfo);
    Sweep sweep;
    begin_sweep(&sweep, CurrentMemoryContext);
    find_due_holds(catalog, &sweep, kMostByHand);
    sweep.count = Min(sweep.count, size_t{kMostByHand});
    progress_phase(sweep.progress, ProgressPhase::kHolds, static_cast<int64_t>(sweep.count));
    while (expire_some(catalog, &sweep, kMostByHand)) {
    }
    progress_phase(sweep.progress, ProgressPhase::kQuotas);
    (void)return_some_quotas(catalog, &sweep, kMostByHand);
    progress_phase(sweep.progress, ProgressPhase::kWaits);
    find_ended_waits(catalog, &sweep, kMostByHand, true);
    while (end_some_waits(catalog, &sweep, kMostByHand)) {
    }
    progress_phase(sweep.progress, ProgressPhase::kServing);
    while (serve_some(catalog, &sweep)) {
    }
    progress_end(sweep.progress);
    PG_RETURN_INT32(sweep.done);
}
