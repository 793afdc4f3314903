// Finds the columns of a result in the rows of a table, and returns the rows (row_return.hpp).
#include "server/row_return.hpp"

#include "server/call_scan.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/typcache.h"
}

namespace ticketpool {

namespace {

bool same_column(const FormData_pg_attribute* a, const FormData_pg_attribute* b) {
    return a->attisdropped == b->attisdropped && a->atttypid == b->atttypid &&
           (a->attisdropped || strcmp(NameStr(a->attname), NameStr(b->attname)) == 0);
}

bool same_columns(TupleDesc a, TupleDesc b) {
    bool same = a->natts == b->natts;
    for (int i = 0; same && i < a->natts; i++) {
        same = same_column(TupleDescAttr(a, i), TupleDescAttr(b, i));
    }
    return same;
}

// The column of this name; 0: none.
AttrNumber find_column(TupleDesc columns, const char* name) {
    for (int i = 0; i < columns->natts; i++) {
        const FormData_pg_attribute* column = TupleDescAttr(columns, i);
        if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0) {
            return static_cast<AttrNumber>(i + 1);
        }
    }
    return 0;
}

[[noreturn]] void report_changed(const char* column) {
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("could not serialize access due to a change of column \"%s\"", column),
                    errdetail("It got another type after the query had begun."),
                    errhint("Retry the transaction.")));
}

// `table`: its columns as they are now.
AttrNumber* match_columns(TupleDesc columns, TupleDesc table, TupleDesc wanted) {
    AttrNumber* from =
        static_cast<AttrNumber*>(palloc0(static_cast<size_t>(wanted->natts) * sizeof *from));
    for (int i = 0; i < Min(wanted->natts, table->natts); i++) {
        const FormData_pg_attribute* now = TupleDescAttr(table, i);
        const FormData_pg_attribute* then = TupleDescAttr(wanted, i);
        if (now->attisdropped || then->attisdropped) {
            continue;
        }
        from[i] = find_column(columns, NameStr(now->attname));
        if (from[i] != 0 && TupleDescAttr(columns, from[i] - 1)->atttypid != then->atttypid) {
            report_changed(NameStr(then->attname));
        }
    }
    return from;
}

}  // namespace

RowReturn begin_rows(TupleDesc columns, ReturnSetInfo* result) {
    TupleDesc wanted = result->setDesc;
    RowReturn rows{result, columns, nullptr};
    if (same_columns(columns, wanted)) {
        return rows;
    }
    if (wanted->tdtypeid == RECORDOID) {
        rows.from = match_columns(columns, wanted, wanted);
        return rows;
    }
    TupleDesc table = lookup_rowtype_tupdesc(wanted->tdtypeid, wanted->tdtypmod);
    rows.from = match_columns(columns, table, wanted);
    ReleaseTupleDesc(table);
    return rows;
}

void return_row(const RowReturn& rows, HeapTuple tuple) {
    Tuplestorestate* store = result_rows(rows.result);
    if (rows.from == nullptr) {
        tuplestore_puttuple(store, tuple);
        return;
    }
    const size_t present = static_cast<size_t>(rows.columns->natts);
    const size_t wanted = static_cast<size_t>(rows.result->setDesc->natts);
    Datum* all = static_cast<Datum*>(palloc(present * (sizeof(Datum) + sizeof(bool))));
    bool* all_null = reinterpret_cast<bool*>(all + present);
    Datum* values = static_cast<Datum*>(palloc0(wanted * (sizeof(Datum) + sizeof(bool))));
    bool* nulls = reinterpret_cast<bool*>(values + wanted);
    heap_deform_tuple(tuple, rows.columns, all, all_null);
    for (size_t i = 0; i < wanted; i++) {
        const AttrNumber from = rows.from[i];
        nulls[i] = from == 0 || all_null[from - 1];
        values[i] = nulls[i] ? 0 : all[from - 1];
    }
    tuplestore_putvalues(store, rows.result->setDesc, values, nulls);
    pfree(values);
    pfree(all);
}

void return_current_row(TableReader* reader, ReturnSetInfo* result) {
    bool should_free = false;
    HeapTuple tuple = ExecFetchSlotHeapTuple(reader->row, true, &should_free);
    return_row(begin_rows(RelationGetDescr(reader->heap), result), tuple);
}

void return_spi_rows(ReturnSetInfo* result) {
    if (SPI_processed == 0) {
        return;
    }
    const RowReturn rows = begin_rows(SPI_tuptable->tupdesc, result);
    for (uint64 i = 0; i < SPI_processed; i++) {
        return_row(rows, SPI_tuptable->vals[i]);
    }
}

}  // namespace ticketpool
