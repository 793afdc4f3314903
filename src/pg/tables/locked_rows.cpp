// The rows of one order, locked, changed and returned: see locked_rows.hpp.
#include "tables/locked_rows.hpp"

#include "server/call_scan.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_return.hpp"
#include "tables/order_days.hpp"
#include "tables/order_rows.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {

static int compare_ticket_numbers(const void* a, const void* b) {
    const int32_t left = *static_cast<const int32_t*>(a);
    const int32_t right = *static_cast<const int32_t*>(b);
    return left < right ? -1 : left > right;
}

bool is_named(int32_t number, const SortedNumbers& named) {
    return named.number == nullptr ||
           bsearch(&number, named.number, static_cast<size_t>(named.count), sizeof(int32_t),
                   compare_ticket_numbers) != nullptr;
}

namespace {

constexpr uint32_t column_bit(OrderColumn column) {
    return 1U << column;
}

[[noreturn]] void report_concurrent(TM_Result result) {
    ereport(ERROR,
            (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
             result == TM_Deleted ? errmsg("could not serialize access due to concurrent delete")
                                  : errmsg("could not serialize access due to concurrent update")));
}

// Locks the row that a reader has found; `slot` gets its newest version. False: the row is gone.
bool lock_version(Relation heap, ItemPointer place, LockWaitPolicy policy, TupleTableSlot* slot) {
    const bool follows = !IsolationUsesXactSnapshot();
    TM_FailureData failure;
    const TM_Result result = table_tuple_lock(
        heap, place, GetActiveSnapshot(), slot, GetCurrentCommandId(true), LockTupleNoKeyExclusive,
        policy, follows ? TUPLE_LOCK_FLAG_FIND_LAST_VERSION : 0, &failure);
    switch (result) {
        case TM_Ok:
            return true;
        case TM_SelfModified:
            return false;
        case TM_Updated:
        case TM_Deleted:
            if (!follows) {
                report_concurrent(result);
            }
            return false;
        default:
            elog(ERROR, "could not lock a row of \"%s\": %d", RelationGetRelationName(heap),
                 result);
    }
}

LockedRow* add_row(LockedRows* rows) {
    // Room for 1, 2, 4, 8, ... rows.
    const size_t count = static_cast<size_t>(rows->count++);
    if (count == 0) {
        rows->row = static_cast<LockedRow*>(palloc(sizeof(LockedRow)));
    } else if ((count & (count - 1)) == 0) {
        rows->row = static_cast<LockedRow*>(repalloc(rows->row, 2 * count * sizeof(LockedRow)));
    }
    return &rows->row[count];
}

// The places of the rows that a statement which begins now sees, in order of ticket number.
ItemPointerData* find_places(const LockedRows& rows, int64_t order_id, const SortedNumbers& named,
                             size_t* count) {
    size_t room = 8;
    ItemPointerData* places = static_cast<ItemPointerData*>(palloc(room * sizeof *places));
    TableReader reader;
    reader_open(&reader, rows.leaf.relation, rows.leaf.index[kPkeyIndex], GetActiveSnapshot());
    reader_key_int64(&reader, order_id);
    for (*count = 0; reader_next(&reader);) {
        if (is_named(row_int32(reader.row, rows.leaf.column[kTicketNo]), named)) {
            if (*count == room) {
                room *= 2;
                places = static_cast<ItemPointerData*>(repalloc(places, room * sizeof *places));
            }
            places[(*count)++] = reader.row->tts_tid;
        }
    }
    reader_close(&reader);
    return places;
}

// Pushes a snapshot of what a statement that begins now sees, including this transaction's own
// rows. The caller pops it.
void push_statement_snapshot() {
    CommandCounterIncrement();
    PushCopiedSnapshot(GetTransactionSnapshot());
    UpdateActiveSnapshotCommandId();
}

// Nothing of the scan is held while this waits for a lock. Otherwise VACUUM would wait for the
// page, and the server would not detect the deadlock if the lock's owner waited for VACUUM. (The
// snapshot keeps the versions.)
void lock_directly(Relation heap, int64_t order_id, const SortedNumbers& named,
                   LockWaitPolicy policy, LockedRows* rows) {
    push_statement_snapshot();
    size_t count;
    ItemPointerData* places = find_places(*rows, order_id, named, &count);
    TupleTableSlot* slot = table_slot_create(heap, nullptr);
    for (size_t i = 0; i < count; i++) {
        if (lock_version(heap, &places[i], policy, slot)) {
            LockedRow* row = add_row(rows);
            row->tuple = ExecCopySlotHeapTuple(slot);
            read_order(rows->leaf, heap, row->tuple, &row->values);
            if (DatumGetInt64(row->values.value[kOrderId]) != order_id ||
                !is_named(DatumGetInt32(row->values.value[kTicketNo]), named)) {
                rows->count--;  // somebody has made another ticket of the row
            }
        }
        ExecClearTuple(slot);
    }
    ExecDropSingleTupleTableSlot(slot);
    pfree(places);
    PopActiveSnapshot();
}

// The columns in order of OrderColumn.
const char* column_list() {
    return "order_id, ticket_no, departure_id, service_date, user_id, passenger_id, seat_class, "
           "coach, seat, from_stop, to_stop, status, held_until, channel, request_id, created_at, "
           "changed_at, changed_from, request_digest, changed_to, settled_at";
}

// Locks in order of ticket number, as every caller does, so two callers never wait for each other
// in a circle. The partition is locked already.
void lock_by_sql(Oid relation, int64_t order_id, const SortedNumbers& named, LockWaitPolicy policy,
                 LockedRows* rows) {
    const char* sql = psprintf(
        "SELECT %s FROM %s WHERE order_id = $1 AND ($2 IS NULL OR ticket_no = ANY ($2)) "
        "ORDER BY ticket_no FOR NO KEY UPDATE%s",
        column_list(), qualified_name(relation), policy == LockWaitError ? " NOWAIT" : "");
    Datum* numbers =
        static_cast<Datum*>(palloc(static_cast<size_t>(Max(named.count, 1)) * sizeof(Datum)));
    for (int i = 0; i < named.count; i++) {
        numbers[i] = Int32GetDatum(named.number[i]);
    }
    Oid types[] = {INT8OID, INT4ARRAYOID};
    Datum values[] = {
        Int64GetDatum(order_id),
        PointerGetDatum(construct_array(numbers, named.count, INT4OID, 4, true, TYPALIGN_INT))};
    if (execute_planned(sql, 2, types, values, named.number == nullptr ? " n" : "  ") !=
        SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order_id);
    }
    for (uint64 i = 0; i < SPI_processed; i++) {
        LockedRow* row = add_row(rows);
        row->tuple = nullptr;
        for (AttrNumber c = 1; c <= kOrderColumns; c++) {
            row->values.value[c] = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, c,
                                                 &row->values.is_null[c]);
        }
    }
}

// The partition that has the order, among all partitions; InvalidOid: none has it. ticket_order is
// locked already, by lock_in_leaf(); the query locks all partitions after it.
Oid find_partition(const Catalog& catalog, int64_t order_id) {
    const char* sql = psprintf("SELECT tableoid FROM %s WHERE order_id = $1 LIMIT 1",
                               qualified_name(catalog.order));
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(order_id)};
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not look for order " INT64_FORMAT, order_id);
    }
    bool is_null;
    return SPI_processed == 0 ? InvalidOid
                              : DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
                                                               SPI_tuptable->tupdesc, 1, &is_null));
}

// Locks the order's rows in the partition of a date.
bool lock_in_leaf(const Catalog& catalog, int64_t order_id, DateADT date,
                  const SortedNumbers& named, LockWaitPolicy policy, LockedRows* rows) {
    if (!lock_order_leaf(catalog, date, RowExclusiveLock, &rows->leaf)) {
        return false;
    }
    if (rows->leaf.direct && !IsolationIsSerializable()) {
        Relation heap = table_open(rows->leaf.relation, NoLock);
        lock_directly(heap, order_id, named, policy, rows);
        table_close(heap, NoLock);
        rows->relation = rows->leaf.relation;
        return rows->count > 0;
    }
    lock_by_sql(rows->leaf.relation, order_id, named, policy, rows);
    // If policies or triggers apply, the rows have to be changed through the parent table.
    rows->relation = rows->leaf.direct ? rows->leaf.relation : catalog.order;
    return rows->count > 0;
}

}  // namespace

SortedNumbers sort_numbers(ArrayType* array) {
    if (array == nullptr) {
        return {nullptr, 0};
    }
    const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    const size_t size = static_cast<size_t>(count) * sizeof(int32_t);
    int32_t* numbers = static_cast<int32_t*>(palloc(Max(size, 1)));
    memcpy(numbers, ARR_DATA_PTR(array), size);
    qsort(numbers, static_cast<size_t>(count), sizeof(int32_t), compare_ticket_numbers);
    return {numbers, count};
}

bool lock_order_rows(const Catalog& catalog, int64_t order_id, const SortedNumbers& named,
                     LockedRows* rows) {
    *rows = LockedRows{};
    if (lock_in_leaf(catalog, order_id, date_of_order(order_id), named, LockWaitBlock, rows)) {
        return true;
    }
    // The id's date names no partition, or one that does not have the order.
    DateADT date;
    if (day_of_order(catalog, order_id, &date) &&
        lock_in_leaf(catalog, order_id, date, named, LockWaitBlock, rows)) {
        return true;
    }
    const Oid partition = find_partition(catalog, order_id);
    if (OidIsValid(partition)) {
        lock_by_sql(partition, order_id, named, LockWaitBlock, rows);
    }
    rows->relation = catalog.order;
    return rows->count > 0;
}

bool try_lock_order_rows_of(const Catalog& catalog, int64_t order_id, DateADT date,
                            LockedRows* rows) {
    *rows = LockedRows{};
    return lock_in_leaf(catalog, order_id, date, SortedNumbers{nullptr, 0}, LockWaitError, rows);
}

// A server with assertions insists that an update may wait, although the server's code also handles
// one that may not.
#ifdef USE_ASSERT_CHECKING
constexpr bool kMayTry = false;
#else
constexpr bool kMayTry = true;
#endif

bool read_single_row(const Catalog& catalog, int64_t order_id, LockedRows* rows) {
    *rows = LockedRows{};
    const DateADT date = date_of_order(order_id);
    if (!kMayTry || IsolationUsesXactSnapshot() || !find_order_leaf(catalog, date, &rows->leaf) ||
        !rows->leaf.direct) {
        return false;
    }
    Relation heap = open_order_leaf(catalog, date, &rows->leaf);
    push_statement_snapshot();
    TableReader reader;
    reader_open(&reader, rows->leaf.relation, rows->leaf.index[kPkeyIndex], GetActiveSnapshot());
    reader_key_int64(&reader, order_id);
    while (rows->leaf.direct && rows->count < 2 && reader_next(&reader)) {
        LockedRow* row = add_row(rows);
        row->tuple = ExecCopySlotHeapTuple(reader.row);
        read_order(rows->leaf, heap, row->tuple, &row->values);
    }
    reader_close(&reader);
    PopActiveSnapshot();
    table_close(heap, NoLock);
    return rows->count == 1;
}

// The columns of a row in the status `to`; which of them are new, bit by OrderColumn.
static uint32_t set_row_status(OrderValues* row, OrderStatus to) {
    set_value(row, kStatus, CStringGetTextDatum(status_name(to)));
    set_value(row, kChangedAt, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
    row->is_null[kHeldUntil] |= to == OrderStatus::kSold;
    return column_bit(kStatus) | column_bit(kChangedAt) | column_bit(kHeldUntil);
}

bool try_write_single_status(const LockedRows& rows, OrderStatus to) {
    LockedRow* row = rows.row;
    const uint32_t changed = set_row_status(&row->values, to);
    Relation heap = table_open(rows.leaf.relation, NoLock);  // locked since the row was read
    const bool done = try_update_order(rows.leaf, heap, row->values, changed, &row->tuple);
    table_close(heap, NoLock);
    return done;
}

void return_single_order(const LockedRows& rows, ReturnSetInfo* result) {
    const OrderValues& values = rows.row->values;
    // The user's own columns have values, too.
    if (result->setDesc->natts != kOrderColumns ||
        !return_single_row(result, &values.value[1], &values.is_null[1], kOrderColumns)) {
        LockedRow* row = rows.row;
        return_locked_rows(rows, &row, 1, result);
    }
}

// ---------------------------------------------------------------------------------------------
// Changing and returning what is locked
// ---------------------------------------------------------------------------------------------

namespace {

bool is_direct(const LockedRows& rows) {
    return rows.row[0].tuple != nullptr;
}

// The numbers of the tickets, as an int[].
Datum ticket_array(LockedRow* const* rows, int count) {
    Datum* numbers =
        static_cast<Datum*>(palloc(static_cast<size_t>(Max(count, 1)) * sizeof(Datum)));
    for (int i = 0; i < count; i++) {
        numbers[i] = rows[i]->values.value[kTicketNo];
    }
    return PointerGetDatum(construct_array(numbers, count, INT4OID, 4, true, TYPALIGN_INT));
}

int64_t departure_of(const LockedRow& row) {
    return DatumGetInt64(row.values.value[kDepartureId]);
}

[[noreturn]] void report_left_out(int64_t order_id) {
    ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                    errmsg("order " INT64_FORMAT " was not changed", order_id),
                    errdetail("A trigger or a policy on ticket_order left rows out."),
                    errhint("Let a trigger raise an error where a change may not happen.")));
}

// Runs an UPDATE of ours that must change `count` rows of the order.
void update_by_sql(const OwnWrite& write, bool keep_plan, const char* sql, int arguments,
                   Oid* types, Datum* values, const char* nulls, int count) {
    if (execute_own(write, keep_plan, sql, arguments, types, values, nulls) != SPI_OK_UPDATE ||
        SPI_processed != static_cast<uint64>(count)) {
        report_left_out(write.order_id);
    }
}

// Writes the tickets of one departure: our own row events are told from others by the departure
// (own_writes.hpp).
void write_status_on_departure(const LockedRows& rows, LockedRow* const* wanted, int count,
                               OrderStatus to, int64_t changed_to) {
    const RowValues& order = rows.row[0].values;
    const char* sql = psprintf(
        "UPDATE %s SET status = $4, changed_at = now()%s%s WHERE order_id = $1 AND ticket_no = ANY "
        "($2) AND service_date = $3",
        qualified_name(rows.relation), to == OrderStatus::kSold ? ", held_until = NULL" : "",
        changed_to != 0 ? ", changed_to = $5" : "");
    Oid types[] = {INT8OID, INT4ARRAYOID, DATEOID, TEXTOID, INT8OID};
    Datum values[] = {order.value[kOrderId], ticket_array(wanted, count), order.value[kServiceDate],
                      CStringGetTextDatum(status_name(to)), Int64GetDatum(changed_to)};
    const OwnWrite write{is_live(to) ? OwnChange::kLive : OwnChange::kEnd, departure_of(*wanted[0]),
                         DatumGetInt64(order.value[kOrderId]), nullptr};
    update_by_sql(write, true, sql, changed_to != 0 ? 5 : 4, types, values, nullptr, count);
}

void write_status_by_sql(const LockedRows& rows, LockedRow* const* wanted, int count,
                         OrderStatus to, int64_t changed_to) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(LockedRow*);
    LockedRow** left = static_cast<LockedRow**>(palloc(bytes));
    LockedRow** alike = static_cast<LockedRow**>(palloc(bytes));
    memcpy(left, wanted, bytes);
    while (count > 0) {
        const int64_t departure_id = departure_of(*left[0]);
        int gathered = 0;
        int others = 0;
        for (int i = 0; i < count; i++) {
            if (departure_of(*left[i]) == departure_id) {
                alike[gathered++] = left[i];
            } else {
                left[others++] = left[i];
            }
        }
        write_status_on_departure(rows, alike, gathered, to, changed_to);
        count = others;
    }
}

// A trigger on the row of another ticket may have refunded this one meanwhile, or moved it.
void write_seat_by_sql(const LockedRows& rows, const LockedRow& row, const OrderValues& before) {
    const RowValues& order = rows.row[0].values;
    Oid types[] = {INT8OID, INT4OID, DATEOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};
    Datum values[] = {order.value[kOrderId],     row.values.value[kTicketNo],
                      order.value[kServiceDate], row.values.value[kCoach],
                      row.values.value[kSeat],   before.value[kCoach],
                      before.value[kSeat],       before.value[kStatus]};
    char nulls[] = "        ";
    nulls[4] = row.values.is_null[kSeat] ? 'n' : ' ';
    nulls[6] = before.is_null[kSeat] ? 'n' : ' ';
    const char* sql = psprintf(
        "UPDATE %s SET coach = $4, seat = $5 WHERE order_id = $1 AND ticket_no = $2 AND "
        "service_date = $3 AND coach = $6 AND seat IS NOT DISTINCT FROM $7 AND status = $8",
        qualified_name(rows.relation));
    const OwnWrite write{OwnChange::kMove, departure_of(row), DatumGetInt64(order.value[kOrderId]),
                         &row.values};
    update_by_sql(write, false, sql, lengthof(types), types, values, nulls, 1);
}

enum class Column { kDetail, kNote };

// To the trigger that follows hand-written rows, this is nothing.
void write_column_by_sql(const LockedRows& rows, LockedRow* const* wanted, int count, Column kind,
                         OrderColumn column, Datum value, bool is_null) {
    const RowValues& order = rows.row[0].values;
    const char* sql = psprintf(
        "UPDATE %s SET %s = $4%s WHERE order_id = $1 AND ticket_no = ANY ($2) AND service_date = "
        "$3",
        qualified_name(rows.relation), order_shape.column[column].name,
        kind == Column::kDetail ? ", changed_at = now()" : "");
    Oid types[] = {INT8OID, INT4ARRAYOID, DATEOID, order_shape.column[column].type};
    Datum values[] = {order.value[kOrderId], ticket_array(wanted, count), order.value[kServiceDate],
                      value};
    if (execute_planned(sql, 4, types, values, is_null ? "   n" : "    ") != SPI_OK_UPDATE ||
        SPI_processed != static_cast<uint64>(count)) {
        report_left_out(DatumGetInt64(order.value[kOrderId]));
    }
}

void return_by_sql(const LockedRows& rows, LockedRow* const* wanted, int count,
                   ReturnSetInfo* result) {
    const RowValues& order = rows.row[0].values;
    const char* sql = psprintf(
        "SELECT * FROM %s WHERE order_id = $1 AND ticket_no = ANY ($2) AND service_date = $3 ORDER "
        "BY ticket_no",
        qualified_name(rows.relation));
    Oid types[] = {INT8OID, INT4ARRAYOID, DATEOID};
    Datum values[] = {order.value[kOrderId], ticket_array(wanted, count),
                      order.value[kServiceDate]};
    if (execute_planned(sql, 3, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, DatumGetInt64(order.value[kOrderId]));
    }
    return_spi_rows(result);
}

void return_directly(const LockedRows& rows, LockedRow* const* wanted, int count,
                     ReturnSetInfo* result) {
    Relation heap = table_open(rows.leaf.relation, NoLock);
    const RowReturn columns = begin_rows(RelationGetDescr(heap), result);
    for (int i = 0; i < count; i++) {
        return_row(columns, wanted[i]->tuple);
    }
    table_close(heap, NoLock);
}

}  // namespace

void write_status(const LockedRows& rows, LockedRow* const* wanted, int count, OrderStatus to,
                  int64_t changed_to) {
    if (!is_direct(rows)) {
        write_status_by_sql(rows, wanted, count, to, changed_to);
        return;
    }
    Relation heap = table_open(rows.leaf.relation, NoLock);  // locked since the rows are
    for (int i = 0; i < count; i++) {
        LockedRow* row = wanted[i];
        uint32_t changed = set_row_status(&row->values, to);
        if (changed_to != 0) {
            set_value(&row->values, kChangedTo, Int64GetDatum(changed_to));
            changed |= column_bit(kChangedTo);
        }
        update_order(rows.leaf, heap, row->values, changed, &row->tuple);
    }
    table_close(heap, NoLock);
    CommandCounterIncrement();
}

static void write_column(const LockedRows& rows, LockedRow* const* wanted, int count, Column kind,
                         OrderColumn column, Datum value, bool is_null) {
    if (!is_direct(rows)) {
        write_column_by_sql(rows, wanted, count, kind, column, value, is_null);
        return;
    }
    Relation heap = table_open(rows.leaf.relation, NoLock);
    for (int i = 0; i < count; i++) {
        LockedRow* row = wanted[i];
        uint32_t changed = column_bit(column);
        row->values.value[column] = value;
        row->values.is_null[column] = is_null;
        if (kind == Column::kDetail) {
            set_value(&row->values, kChangedAt,
                      TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
            changed |= column_bit(kChangedAt);
        }
        update_order(rows.leaf, heap, row->values, changed, &row->tuple);
    }
    table_close(heap, NoLock);
    CommandCounterIncrement();
}

void write_detail(const LockedRows& rows, LockedRow* const* wanted, int count, OrderColumn column,
                  Datum value) {
    write_column(rows, wanted, count, Column::kDetail, column, value, false);
}

void write_note(const LockedRows& rows, LockedRow* const* wanted, int count, OrderColumn column,
                Datum value, bool is_null) {
    write_column(rows, wanted, count, Column::kNote, column, value, is_null);
}

void write_seat(const LockedRows& rows, LockedRow* row, const OrderValues& before) {
    if (!is_direct(rows)) {
        write_seat_by_sql(rows, *row, before);
        return;
    }
    Relation heap = table_open(rows.leaf.relation, NoLock);
    update_order(rows.leaf, heap, row->values, column_bit(kCoach) | column_bit(kSeat), &row->tuple);
    table_close(heap, NoLock);
    CommandCounterIncrement();
}

void return_locked_rows(const LockedRows& rows, LockedRow* const* wanted, int count,
                        ReturnSetInfo* result) {
    if (is_direct(rows)) {
        return_directly(rows, wanted, count, result);
    } else {
        return_by_sql(rows, wanted, count, result);
    }
}

}  // namespace ticketpool
