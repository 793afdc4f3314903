// Reads and ends a wait that is awarded: see award_rows.hpp.
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

void copy_row(const TableShape& shape, const RowTarget& target, const TableReader& reader,
              OpenRow* row) {
    row->tuple = ExecCopySlotHeapTuple(reader.row);
    read_row(shape, target, reader.heap, row->tuple, &row->values);
}

Opened read_wait(const Catalog& catalog, OpenWait* wait) {
    TableReader reader;
    open_now(&reader, catalog.wait, catalog.wait_pkey);
    reader_key_int64(&reader, wait->wait_id);
    Opened result = Opened::kGone;
    if (reader_next(&reader)) {
        copy_row(kWaitShape, wait_target(catalog), reader, &wait->row);
        result = !is_waiting(wait->row.values, kWaitStatus) ? Opened::kGone
                 : is_row_in_use(reader)                    ? Opened::kBusy
                                                            : Opened::kYes;
    }
    close_now(&reader);
    return result;
}

// The open options. Null: the one that is asked for is not among them.
const OpenRow* read_options(const Catalog& catalog, OpenWait* wait) {
    const RowTarget& target = option_target(catalog);
    int room = 4;
    wait->options = static_cast<OpenRow*>(palloc(static_cast<size_t>(room) * sizeof(OpenRow)));
    wait->count = 0;
    int asked = -1;
    TableReader reader;
    open_now(&reader, catalog.wait_option, catalog.wait_option_pkey);
    reader_key_int64(&reader, wait->wait_id);
    while (reader_next(&reader)) {
        if (wait->count == room) {
            room *= 2;
            wait->options = static_cast<OpenRow*>(
                repalloc(wait->options, static_cast<size_t>(room) * sizeof(OpenRow)));
        }
        OpenRow* row = &wait->options[wait->count];
        copy_row(kOptionShape, target, reader, row);
        if (is_waiting(row->values, kOptStatus)) {
            asked =
                DatumGetInt32(row->values.value[kOptNo]) == wait->option_no ? wait->count : asked;
            wait->count++;
        }
    }
    close_now(&reader);
    return asked < 0 ? nullptr : &wait->options[asked];
}

void take_column(OpenWait* wait, AwardColumn to, const RowValues& from, AttrNumber column) {
    wait->value[to] = from.value[column];
    wait->is_null[to] = from.is_null[column];
}

Opened open_directly(const Catalog& catalog, OpenWait* wait) {
    const Opened opened = read_wait(catalog, wait);
    if (opened != Opened::kYes) {
        return opened;
    }
    const OpenRow* option = read_options(catalog, wait);
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

bool end_options(const Catalog& catalog, OpenWait* wait) {
    const RowTarget& target = option_target(catalog);
    Relation heap = table_open(catalog.wait_option, RowExclusiveLock);
    bool ended = true;
    for (int i = 0; i < wait->count && ended; i++) {
        OpenRow* row = &wait->options[i];
        const bool served = DatumGetInt32(row->values.value[kOptNo]) == wait->option_no;
        set_value(&row->values, kOptStatus, CStringGetTextDatum(served ? "awarded" : "cancelled"));
        ended = try_update_row(kOptionShape, target, heap, row->values, bit(kOptStatus),
                               bit(kOptionPkey), &row->tuple);
    }
    table_close(heap, NoLock);
    return ended;
}

bool end_directly(const Catalog& catalog, OpenWait* wait, int64_t order_id) {
    Relation heap = table_open(catalog.wait, RowExclusiveLock);
    RowValues* values = &wait->row.values;
    set_value(values, kWaitStatus, CStringGetTextDatum("awarded"));
    set_value(values, kWaitOrder, Int64GetDatum(order_id));
    set_value(values, kWaitChanged, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
    const uint32_t entries = bit(kWaitPkey) | bit(kWaitOver) |
                             (values->is_null[kWaitRequest] ? 0 : bit(kWaitRequestIndex));
    const bool ended = try_update_row(kWaitShape, wait_target(catalog), heap, *values,
                                      kWaitShape.changes, entries, &wait->row.tuple);
    table_close(heap, NoLock);
    return ended && end_options(catalog, wait);
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

bool end_as_awarded(const Catalog& catalog, OpenWait* wait, int64_t order_id) {
    if (wait->direct) {
        return end_directly(catalog, wait, order_id);
    }
    end_by_sql(catalog, *wait, order_id);
    return true;
}

}  // namespace ticketpool
