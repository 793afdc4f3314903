// Runs the extension's own statements, announced to its triggers: see own_writes.hpp.
#include "tables/own_writes.hpp"

#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/fmgrprotos.h"
}

namespace ticketpool {

namespace {

constinit const OwnWrite* own_write = nullptr;
constinit int own_depth = 0;

}  // namespace

int execute_own(const OwnWrite& write, bool keep_plan, const char* sql, int count, Oid* types,
                Datum* values, const char* nulls, Snapshot snapshot) {
    Assert(keep_plan || snapshot == InvalidSnapshot);
    const OwnWrite* previous = own_write;
    const int previous_depth = own_depth;
    volatile int result = 0;
    own_write = &write;
    own_depth = trigger_depth();
    PG_TRY();
    {
        result = keep_plan ? execute_planned(sql, count, types, values, nulls, snapshot)
                           : SPI_execute_with_args(sql, count, types, values, nulls, false, 0);
    }
    PG_FINALLY();
    {
        own_write = previous;
        own_depth = previous_depth;
    }
    PG_END_TRY();
    return result;
}

void execute_own_on(Oid table, const char* sql, int count, Oid* types, Datum* values,
                    const char* nulls, int expected, Snapshot snapshot) {
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, table};
    const int result = execute_own(write, true, sql, count, types, values, nulls, snapshot);
    if (result != expected) {
        report_not_written(sql);
    }
}

void execute_own_now(Oid table, const char* sql, int count, Oid* types, Datum* values,
                     const char* nulls, int expected) {
    Snapshot snapshot = take_fresh_snapshot();
    execute_own_on(table, sql, count, types, values, nulls, expected, snapshot);
    drop_snapshot(snapshot);
}

static bool is_so(Oid table, const char* column, int64_t id, const char* condition) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(id)};
    const char* look =
        psprintf("SELECT FROM %s WHERE %s = $1 AND %s", qualified_name(table), column, condition);
    if (SPI_execute_with_args(look, 1, types, values, nullptr, false, 1) != SPI_OK_SELECT) {
        elog(ERROR, "could not read a row of ticketpool");
    }
    return SPI_processed > 0;
}

bool was_changed(const char* sql, Oid table, const char* column, int64_t id, const char* condition,
                 const char* result) {
    if (SPI_processed > 0) {
        if (!is_so(table, column, id, result)) {
            report_changed_by_trigger(table);
        }
        return true;
    }
    if (is_so(table, column, id, condition)) {
        report_not_written(sql);
    }
    return false;
}

void require_as_written(Oid table, int column) {
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        if (!DatumGetBool(
                SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, column, &is_null))) {
            report_changed_by_trigger(table);
        }
    }
}

const OwnWrite* own_write_of_event() {
    return own_write != nullptr && trigger_depth() == own_depth + 1 ? own_write : nullptr;
}

int trigger_depth() {
    return DatumGetInt32(pg_trigger_depth(nullptr));
}

}  // namespace ticketpool
