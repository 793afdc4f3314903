// Reads, locks and writes rows of waits: see wait_rows.hpp.
#include "tables/wait_rows.hpp"

#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_return.hpp"
#include "server/table_scan.hpp"
#include "tables/own_writes.hpp"
#include "tables/wait_ends.hpp"
#include "tables/wait_queue.hpp"

extern "C" {
#include "access/multixact.h"
#include "access/xlog.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------

bool column_text(TupleTableSlot* row, AttrNumber column, const char* expected) {
    return same_text(row_text(row, column), {expected, strlen(expected)});
}

}  // namespace

bool is_row_in_use(const TableReader& reader) {
    if (RecoveryInProgress() || !TTS_IS_BUFFERTUPLE(reader.row)) {
        return false;
    }
    const BufferHeapTupleTableSlot* slot =
        reinterpret_cast<const BufferHeapTupleTableSlot*>(reader.row);
    HeapTupleHeaderData header;
    LockBuffer(slot->buffer, BUFFER_LOCK_SHARE);
    memcpy(static_cast<void*>(&header), slot->base.tuple->t_data, SizeofHeapTupleHeader);
    LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
    if ((header.t_infomask & HEAP_XMAX_INVALID) != 0) {
        return false;
    }
    if (HEAP_XMAX_IS_LOCKED_ONLY(header.t_infomask) &&
        HEAP_XMAX_IS_KEYSHR_LOCKED(header.t_infomask)) {
        return false;  // by a row elsewhere that refers to it, which does not keep it from changing
    }
    const TransactionId locker = HeapTupleHeaderGetRawXmax(&header);
    if ((header.t_infomask & HEAP_XMAX_IS_MULTI) == 0) {
        return TransactionIdIsNormal(locker) && !TransactionIdIsCurrentTransactionId(locker) &&
               TransactionIdIsInProgress(locker);
    }
    return MultiXactIdIsRunning(locker, HEAP_XMAX_IS_LOCKED_ONLY(header.t_infomask));
}

WaitState look_at_wait(const Catalog& catalog, int64_t wait_id) {
    WaitState state{};
    TableReader reader;
    open_now(&reader, catalog.wait, catalog.wait_pkey);
    reader_key_int64(&reader, wait_id);
    if (reader_next(&reader)) {
        state = WaitState{true, column_text(reader.row, kWaitStatus, "waiting"),
                          is_row_in_use(reader), row_int64(reader.row, kWaitUser)};
    }
    close_now(&reader);
    return state;
}

bool return_wait_of_request(const Catalog& catalog, int64_t user_id, const pg_uuid_t* request_id,
                            ReturnSetInfo* result) {
    TableReader reader;
    open_now(&reader, catalog.wait, catalog.wait_request);
    reader_key_int64(&reader, user_id);
    reader_key_uuid(&reader, UUIDPGetDatum(request_id));
    const bool found = reader_next(&reader);
    if (found && IsolationUsesXactSnapshot() &&
        !table_tuple_satisfies_snapshot(reader.heap, reader.row, GetTransactionSnapshot())) {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to a concurrent ticket_wait with "
                               "the same request_id"),
                        errdetail("It committed, or its wait was changed, after this "
                                  "transaction's snapshot was taken."),
                        errhint("Retry the transaction.")));
    }
    if (found) {
        return_current_row(&reader, result);
    }
    close_now(&reader);
    return found;
}

int count_open_waits(const Catalog& catalog, int64_t user_id, int most) {
    TableReader reader;
    open_now(&reader, catalog.wait, catalog.wait_user);
    reader_key_int64(&reader, user_id);
    int count = 0;
    while (count < most && reader_next(&reader)) {
        count += column_text(reader.row, kWaitStatus, "waiting") ? 1 : 0;
    }
    close_now(&reader);
    return count;
}

int64_t find_wait_for_trip(const Catalog& catalog, int64_t user_id, int64_t departure_id,
                           Text seat_class, int32_t from_stop, int32_t to_stop) {
    TableReader reader;
    open_now(&reader, catalog.wait_option, catalog.wait_option_user);
    reader_key_int64(&reader, user_id);
    reader_key_int64(&reader, departure_id);
    reader_key_text(&reader, seat_class);
    reader_key_int32(&reader, from_stop);
    reader_key_int32(&reader, to_stop);
    const int64_t wait_id = reader_next(&reader) ? row_int64(reader.row, kOptWait) : int64_t{0};
    close_now(&reader);
    return wait_id;
}

int count_options(const Catalog& catalog, int64_t wait_id, int32_t* last_no) {
    TableReader reader;
    open_now(&reader, catalog.wait_option, catalog.wait_option_pkey);
    reader_key_int64(&reader, wait_id);
    int count = 0;
    *last_no = 0;
    for (; reader_next(&reader); count++) {
        *last_no = Max(*last_no, row_int32(reader.row, kOptNo));
    }
    close_now(&reader);
    return count;
}

void report_no_wait(int64_t wait_id) {
    ereport(ERROR,
            (errcode(kErrorOrder), errmsg("wait " INT64_FORMAT " does not exist", wait_id),
             IsolationUsesXactSnapshot()
                 ? errdetail("No row of ticket_wait that this transaction's snapshot shows has "
                             "this wait_id.")
                 : errdetail("No row of ticket_wait has this wait_id."),
             errhint("Check the wait_id. Waits that are over are deleted after "
                     "\"ticketpool.event_days\".")));
}

// ---------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------

void insert_wait(const Catalog& catalog, const NewWait& wait) {
    Oid types[] = {INT8OID, INT8OID,     INT8ARRAYOID, TIMESTAMPTZOID,
                   TEXTOID, INTERVALOID, INT4OID,      UUIDOID};
    Datum values[lengthof(types)];
    char nulls[lengthof(types) + 1];
    for (size_t i = 0; i < lengthof(types); i++) {
        values[i] = wait.value[i + 1];
        nulls[i] = wait.is_null[i + 1] ? 'n' : ' ';
    }
    nulls[lengthof(types)] = '\0';
    const char* sql = psprintf(
        "INSERT INTO %s (wait_id, user_id, passengers, deadline, on_match, hold_ttl, min_tickets, "
        "request_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        qualified_name(catalog.wait));
    execute_own_on(catalog.wait, sql, lengthof(types), types, values, nulls, SPI_OK_INSERT);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
}

TimestampTz insert_option(const Catalog& catalog, const NewWaitOption& option) {
    Oid types[] = {INT8OID, INT4OID, INT8OID, INT8OID, INT4OID,        INT4OID, TEXTOID,
                   TEXTOID, TEXTOID, INT8OID, INT4OID, TIMESTAMPTZOID, TEXTOID};
    const bool no_choice = option.seat_choice.data == nullptr;
    const bool no_channel = option.channel.data == nullptr;
    Datum values[] = {Int64GetDatum(option.wait_id),
                      Int32GetDatum(option.option_no),
                      Int64GetDatum(nextval_internal(catalog.wait_queue, false)),
                      Int64GetDatum(option.departure_id),
                      Int32GetDatum(option.from_stop),
                      Int32GetDatum(option.to_stop),
                      text_datum(option.seat_class),
                      no_choice ? Datum{0} : text_datum(option.seat_choice),
                      no_channel ? Datum{0} : text_datum(option.channel),
                      Int64GetDatum(option.user_id),
                      Int32GetDatum(option.need),
                      TimestampTzGetDatum(option.deadline),
                      name_of_sale_timezone()};
    char nulls[] = "             ";
    static_assert(sizeof nulls == lengthof(types) + 1 && lengthof(values) == lengthof(types));
    nulls[7] = no_choice ? 'n' : ' ';
    nulls[8] = no_channel ? 'n' : ' ';
    nulls[11] = option.has_deadline ? ' ' : 'n';
    const char* sql = psprintf(
        "INSERT INTO %s (wait_id, option_no, queue_no, departure_id, from_stop, to_stop, "
        "seat_class, seat_choice, channel, user_id, need, ends_at) SELECT $1, $2, $3, $4, $5, $6, "
        "$7, $8, $9, $10, $11, %s FROM %s AS d JOIN %s AS r USING (route_id) WHERE d.departure_id "
        "= $4 RETURNING ends_at",
        qualified_name(catalog.wait_option), end_of_option_sql("$5", "$12", "$13"),
        qualified_name(catalog.departure), qualified_name(catalog.route));
    execute_own_now(catalog.wait_option, sql, lengthof(types), types, values, nulls,
                    SPI_OK_INSERT_RETURNING);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
    bool is_null;
    const Datum ends_at = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    return is_null ? DT_NOEND : DatumGetTimestampTz(ends_at);
}

LockedWait lock_wait(const Catalog& catalog, int64_t wait_id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(wait_id)};
    const char* sql = psprintf(
        "SELECT user_id, status, passengers, deadline, min_tickets FROM %s WHERE wait_id = $1 FOR "
        "UPDATE",
        qualified_name(catalog.wait));
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read wait " INT64_FORMAT, wait_id);
    }
    if (SPI_processed == 0) {
        report_no_wait(wait_id);
    }
    bool is_null[6];
    const auto column = [&is_null](int number) {
        return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number,
                             &is_null[number]);
    };
    LockedWait wait{};
    wait.user_id = DatumGetInt64(column(1));
    wait.is_open = same_text(text_of(column(2)), {"waiting", 7});
    wait.passengers = column(3);
    wait.has_passengers = !is_null[3];
    const Datum deadline = column(4);
    wait.has_deadline = !is_null[4];
    wait.deadline = wait.has_deadline ? DatumGetTimestampTz(deadline) : 0;
    const Datum min_tickets = column(5);
    wait.min_tickets = is_null[5] ? 0 : DatumGetInt32(min_tickets);
    return wait;
}

TimestampTz set_wait_deadline(const Catalog& catalog, int64_t wait_id, TimestampTz deadline) {
    Oid types[] = {INT8OID, TIMESTAMPTZOID, TEXTOID};
    Datum values[] = {Int64GetDatum(wait_id), TimestampTzGetDatum(deadline),
                      name_of_sale_timezone()};
    const char* sql = psprintf("UPDATE %s SET deadline = $2, changed_at = now() WHERE wait_id = $1",
                               qualified_name(catalog.wait));
    execute_own_on(catalog.wait, sql, 2, types, values, nullptr, SPI_OK_UPDATE);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
    sql = psprintf(
        "WITH e AS (UPDATE %s AS o SET ends_at = %s FROM %s AS d JOIN %s AS r USING (route_id) "
        "WHERE o.wait_id = $1 AND o.status = 'waiting' AND d.departure_id = o.departure_id "
        "RETURNING o.ends_at) SELECT min(ends_at) FROM e",
        qualified_name(catalog.wait_option), end_of_option_sql("o.from_stop", "$2", "$3"),
        qualified_name(catalog.departure), qualified_name(catalog.route));
    execute_own_on(catalog.wait_option, sql, 3, types, values, nullptr, SPI_OK_SELECT);
    bool is_null;
    const Datum ends_at = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    return is_null ? deadline : DatumGetTimestampTz(ends_at);
}

void cancel_wait(const Catalog& catalog, int64_t wait_id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(wait_id)};
    const char* sql =
        psprintf("UPDATE %s SET status = 'cancelled' WHERE wait_id = $1 AND status = 'waiting'",
                 qualified_name(catalog.wait_option));
    execute_own_on(catalog.wait_option, sql, 1, types, values, nullptr, SPI_OK_UPDATE);
    sql = psprintf("UPDATE %s SET status = 'cancelled', changed_at = now() WHERE wait_id = $1",
                   qualified_name(catalog.wait));
    execute_own_on(catalog.wait, sql, 1, types, values, nullptr, SPI_OK_UPDATE);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
}

void return_wait(const Catalog& catalog, int64_t wait_id, ReturnSetInfo* result) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(wait_id)};
    const char* sql = psprintf("SELECT * FROM %s WHERE wait_id = $1", qualified_name(catalog.wait));
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read wait " INT64_FORMAT, wait_id);
    }
    return_spi_rows(result);
}

}  // namespace ticketpool
