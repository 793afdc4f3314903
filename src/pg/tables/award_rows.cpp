// Locks and ends a wait that is awarded: see award_rows.hpp.
#include "tables/award_rows.hpp"

#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/table_scan.hpp"
#include "tables/own_writes.hpp"
#include "tables/row_writer.hpp"
#include "tables/wait_queue.hpp"
#include "tables/wait_rows.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr uint32_t bit(int number) {
    return 1U << number;
}

enum WaitIndex { kWaitPkey, kWaitRequestIndex, kWaitUserIndex, kWaitOver };

const TableShape kWaitShape{"ticket_wait",
                            "the row of a wait was not stored",
                            kWaitColumns,
                            {{nullptr, InvalidOid, false},
                             {"wait_id", INT8OID, false},
                             {"user_id", INT8OID, false},
                             {"passengers", INT8ARRAYOID, true},
                             {"deadline", TIMESTAMPTZOID, true},
                             {"on_match", TEXTOID, false},
                             {"hold_ttl", INTERVALOID, true},
                             {"min_tickets", INT4OID, true},
                             {"request_id", UUIDOID, true},
                             {"status", TEXTOID, false},
                             {"order_id", INT8OID, true},
                             {"created_at", TIMESTAMPTZOID, false},
                             {"changed_at", TIMESTAMPTZOID, true}},
                            4,
                            {{{kWaitId}, 1, true, false, 0},
                             {{kWaitUser, kWaitRequest}, 2, true, true, kWaitRequest},
                             {{kWaitUser}, 1, false, true, 0},
                             {{kWaitChanged}, 1, false, true, 0}},
                            kWaitId,
                            kWaitUser,
                            kWaitStatus,
                            {"awarded"},
                            bit(kWaitStatus) | bit(kWaitOrder) | bit(kWaitChanged)};

enum OptionIndex { kOptionPkey, kOptionQueue, kOptionEnd, kOptionUser };

const TableShape kOptionShape{
    "ticket_wait_option",
    "the row of an option was not stored",
    kOptPassed,
    {{nullptr, InvalidOid, false},
     {"wait_id", INT8OID, false},
     {"option_no", INT4OID, false},
     {"queue_no", INT8OID, false},
     {"departure_id", INT8OID, false},
     {"from_stop", INT4OID, false},
     {"to_stop", INT4OID, false},
     {"seat_class", TEXTOID, false},
     {"seat_choice", TEXTOID, true},
     {"channel", TEXTOID, true},
     {"status", TEXTOID, false},
     {"user_id", INT8OID, false},
     {"need", INT4OID, false},
     {"ends_at", TIMESTAMPTZOID, true},
     {"passed", TEXTOID, true}},
    4,
    {{{kOptWait, kOptNo}, 2, true, false, 0},
     {{kOptDeparture, kOptFrom, kOptTo, kOptNeed, kOptQueue}, 5, false, true, 0},
     {{kOptEnds}, 1, false, true, 0},
     {{kOptUser, kOptDeparture, kOptClass, kOptFrom, kOptTo}, 5, true, true, 0}},
    kOptWait,
    kOptDeparture,
    kOptStatus,
    {"awarded", "cancelled"},
    bit(kOptStatus)};

constinit CachedTarget wait_cache{};
constinit CachedTarget option_cache{};

const RowTarget& wait_target(const Catalog& catalog) {
    if (unlikely(!wait_cache.is_of(catalog.wait))) {
        const Oid indexes[] = {catalog.wait_pkey, catalog.wait_request, catalog.wait_user,
                               catalog.wait_over};
        keep_target(catalog, kWaitShape, catalog.wait, indexes, &wait_cache);
    }
    return wait_cache.target;
}

const RowTarget& option_target(const Catalog& catalog) {
    if (unlikely(!option_cache.is_of(catalog.wait_option))) {
        const Oid indexes[] = {catalog.wait_option_pkey, catalog.wait_option_queue,
                               catalog.wait_option_end, catalog.wait_option_user};
        keep_target(catalog, kOptionShape, catalog.wait_option, indexes, &option_cache);
    }
    return option_cache.target;
}

// ---------------------------------------------------------------------------------------------
// Directly
// ---------------------------------------------------------------------------------------------

bool is_waiting(const RowValues& values, AttrNumber status) {
    return same_text(text_of(values.value[status]), {"waiting", 7});
}

// Where the rows of the wait are, as they are now.
ItemPointerData* find_rows(Oid table, Oid index, int64_t wait_id, int* count) {
    size_t room = 4;
    ItemPointerData* places = static_cast<ItemPointerData*>(palloc(room * sizeof *places));
    size_t found = 0;
    TableReader reader;
    open_now(&reader, table, index);
    reader_key_int64(&reader, wait_id);
    while (reader_next(&reader)) {
        if (found == room) {
            room *= 2;
            places = static_cast<ItemPointerData*>(repalloc(places, room * sizeof *places));
        }
        places[found++] = reader.row->tts_tid;
    }
    close_now(&reader);
    *count = static_cast<int>(found);
    return places;
}

// `slot` gets the newest version.
Opened lock_row(Relation heap, ItemPointer place, TupleTableSlot* slot) {
    TM_FailureData failure;
    switch (table_tuple_lock(heap, place, GetActiveSnapshot(), slot, GetCurrentCommandId(true),
                             LockTupleNoKeyExclusive, LockWaitSkip,
                             TUPLE_LOCK_FLAG_FIND_LAST_VERSION, &failure)) {
        case TM_Ok:
            return Opened::kYes;
        case TM_WouldBlock:
            return Opened::kBusy;
        default:
            return Opened::kGone;
    }
}

// Locks those of the rows that are waiting; *count is how many.
Opened lock_rows(const TableShape& shape, const RowTarget& target, AttrNumber status,
                 ItemPointerData* places, OpenRow* rows, int* count) {
    Relation heap = table_open(target.relation, RowExclusiveLock);
    TupleTableSlot* slot = table_slot_create(heap, nullptr);
    Opened result = Opened::kYes;
    int waiting = 0;
    for (int i = 0; i < *count && result != Opened::kBusy; i++) {
        result = lock_row(heap, &places[i], slot);
        if (result == Opened::kYes) {
            OpenRow* row = &rows[waiting];
            row->tuple = ExecCopySlotHeapTuple(slot);
            read_row(shape, target, heap, row->tuple, &row->values);
            waiting += is_waiting(row->values, status) ? 1 : 0;
        }
        ExecClearTuple(slot);
    }
    ExecDropSingleTupleTableSlot(slot);
    table_close(heap, NoLock);
    *count = waiting;
    return result == Opened::kBusy ? Opened::kBusy : waiting > 0 ? Opened::kYes : Opened::kGone;
}

Opened lock_wait_row(const Catalog& catalog, OpenWait* wait) {
    int count;
    ItemPointerData* places = find_rows(catalog.wait, catalog.wait_pkey, wait->wait_id, &count);
    count = Min(count, 1);
    return lock_rows(kWaitShape, wait_target(catalog), kWaitStatus, places, &wait->row, &count);
}

// Once the row of the wait is locked, nobody adds an option.
Opened lock_options(const Catalog& catalog, OpenWait* wait) {
    ItemPointerData* places =
        find_rows(catalog.wait_option, catalog.wait_option_pkey, wait->wait_id, &wait->count);
    wait->options =
        static_cast<OpenRow*>(palloc(static_cast<size_t>(Max(wait->count, 1)) * sizeof(OpenRow)));
    return lock_rows(kOptionShape, option_target(catalog), kOptStatus, places, wait->options,
                     &wait->count);
}

const OpenRow* asked_option(const OpenWait& wait) {
    for (int i = 0; i < wait.count; i++) {
        if (DatumGetInt32(wait.options[i].values.value[kOptNo]) == wait.option_no) {
            return &wait.options[i];
        }
    }
    return nullptr;
}

void take_column(OpenWait* wait, AwardColumn to, const RowValues& from, AttrNumber column) {
    wait->value[to] = from.value[column];
    wait->is_null[to] = from.is_null[column];
}

Opened open_directly(const Catalog& catalog, OpenWait* wait) {
    Opened opened = lock_wait_row(catalog, wait);
    opened = opened == Opened::kYes ? lock_options(catalog, wait) : opened;
    if (opened != Opened::kYes) {
        return opened;
    }
    const OpenRow* option = asked_option(*wait);
    if (option == nullptr) {
        return Opened::kGone;
    }
    take_column(wait, kAwardUser, wait->row.values, kWaitUser);
    take_column(wait, kAwardPassengers, wait->row.values, kWaitPassengers);
    take_column(wait, kAwardMatch, wait->row.values, kWaitOnMatch);
    take_column(wait, kAwardTtl, wait->row.values, kWaitHoldTtl);
    take_column(wait, kAwardChoice, option->values, kOptChoice);
    return Opened::kYes;
}

// Has no trigger or rule of the award changed the rows that this transaction has locked?
bool are_unchanged(Relation heap, const OpenRow* rows, int count) {
    TupleTableSlot* slot = table_slot_create(heap, nullptr);
    bool unchanged = true;
    for (int i = 0; i < count && unchanged; i++) {
        unchanged = table_tuple_fetch_row_version(heap, &rows[i].tuple->t_self, SnapshotSelf, slot);
        ExecClearTuple(slot);
    }
    ExecDropSingleTupleTableSlot(slot);
    return unchanged;
}

void end_options(const Catalog& catalog, Relation heap, OpenWait* wait) {
    const RowTarget& target = option_target(catalog);
    for (int i = 0; i < wait->count; i++) {
        OpenRow* row = &wait->options[i];
        const bool served = DatumGetInt32(row->values.value[kOptNo]) == wait->option_no;
        set_value(&row->values, kOptStatus, CStringGetTextDatum(served ? "awarded" : "cancelled"));
        update_row(kOptionShape, target, heap, row->values, bit(kOptStatus), bit(kOptionPkey),
                   &row->tuple);
    }
}

void end_wait_row(const Catalog& catalog, Relation heap, OpenWait* wait, int64_t order_id) {
    RowValues* values = &wait->row.values;
    set_value(values, kWaitStatus, CStringGetTextDatum("awarded"));
    set_value(values, kWaitOrder, Int64GetDatum(order_id));
    set_value(values, kWaitChanged, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
    const uint32_t entries = bit(kWaitPkey) | bit(kWaitOver) |
                             (values->is_null[kWaitRequest] ? 0 : bit(kWaitRequestIndex));
    update_row(kWaitShape, wait_target(catalog), heap, *values, kWaitShape.changes, entries,
               &wait->row.tuple);
}

// False: a trigger of the award has changed a row. Nothing is ended then.
bool end_directly(const Catalog& catalog, OpenWait* wait, int64_t order_id) {
    Relation waits = table_open(catalog.wait, RowExclusiveLock);
    Relation options = table_open(catalog.wait_option, RowExclusiveLock);
    const bool unchanged =
        are_unchanged(waits, &wait->row, 1) && are_unchanged(options, wait->options, wait->count);
    if (unchanged) {
        end_options(catalog, options, wait);
        end_wait_row(catalog, waits, wait, order_id);
        CommandCounterIncrement();
    }
    table_close(options, NoLock);
    table_close(waits, NoLock);
    return unchanged;
}

// ---------------------------------------------------------------------------------------------
// By SQL
// ---------------------------------------------------------------------------------------------

Opened open_by_sql(const Catalog& catalog, OpenWait* wait) {
    Oid types[] = {INT8OID, INT4OID};
    Datum values[] = {Int64GetDatum(wait->wait_id), Int32GetDatum(wait->option_no)};
    const char* sql = psprintf(
        "SELECT w.user_id, w.passengers, w.on_match, w.hold_ttl, o.seat_choice FROM %s AS w "
        "JOIN %s AS o ON o.wait_id = w.wait_id WHERE w.wait_id = $1 AND o.option_no = $2 "
        "AND w.status = 'waiting' AND o.status = 'waiting' FOR NO KEY UPDATE SKIP LOCKED",
        qualified_name(catalog.wait), qualified_name(catalog.wait_option));
    execute_own_now(catalog.wait, sql, 2, types, values, nullptr, SPI_OK_SELECT);
    if (SPI_processed == 0) {
        return look_at_wait(catalog, wait->wait_id).is_open ? Opened::kBusy : Opened::kGone;
    }
    for (int i = 0; i < kAwardColumns; i++) {
        wait->value[i] =
            SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1, &wait->is_null[i]);
    }
    return Opened::kYes;
}

void end_by_sql(const Catalog& catalog, const OpenWait& wait, int64_t order_id) {
    Oid types[] = {INT8OID, INT4OID, INT8OID};
    Datum values[] = {Int64GetDatum(wait.wait_id), Int32GetDatum(wait.option_no),
                      Int64GetDatum(order_id)};
    const char* sql = psprintf(
        "WITH options AS (UPDATE %s SET status = CASE WHEN option_no = $2 THEN 'awarded' ELSE "
        "'cancelled' END WHERE wait_id = $1 AND status = 'waiting') "
        "UPDATE %s SET status = 'awarded', order_id = $3, changed_at = now() WHERE wait_id = $1 "
        "AND status = 'waiting'",
        qualified_name(catalog.wait_option), qualified_name(catalog.wait));
    execute_own_now(catalog.wait, sql, 3, types, values, nullptr, SPI_OK_UPDATE);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
}

}  // namespace

Opened open_wait(const Catalog& catalog, int64_t wait_id, int32_t option_no, OpenWait* wait) {
    *wait = OpenWait{};
    wait->wait_id = wait_id;
    wait->option_no = option_no;
    wait->direct =
        wait_target(catalog).direct && option_target(catalog).direct && !rights_are_watched();
    return wait->direct ? open_directly(catalog, wait) : open_by_sql(catalog, wait);
}

void end_as_awarded(const Catalog& catalog, OpenWait* wait, int64_t order_id) {
    if (!wait->direct || !end_directly(catalog, wait, order_id)) {
        end_by_sql(catalog, *wait, order_id);
    }
}

}  // namespace ticketpool
