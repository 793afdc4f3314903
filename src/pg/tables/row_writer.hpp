// Writing rows of the orders, the waiting list and the events straight into table and indexes,
// without the executor.
//
// That is right only if nothing about the table requires the executor (row_target.hpp): the user
// has added no trigger, generated column, rule, forced row security or column with a default, and
// no check that could fail; all of the user's indexes are plain ones (b-trees over columns as they
// are, not unique, of all rows or of just the live ones); and nobody watches the executor's checks
// of rights. Otherwise SQL writes the rows.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/row_target.hpp"

namespace ticketpool {

// Inserts rows; the relation is open for writing. `table`: what SQL is to name. What was stored is
// appended to the result set (which may be null).
void write_rows(const Catalog& catalog, const TableShape& shape, const RowTarget& target,
                Relation heap, Oid table, const RowValues* rows, int count, ReturnSetInfo* result);

// Appends rows to the result set, as they were inserted into the target directly.
void return_rows(const TableShape& shape, const RowTarget& target, const RowValues* rows, int count,
                 ReturnSetInfo* result);

// Changes a row that this transaction has locked, without the executor. `values` is the whole row,
// with the new values in the columns of `changed` (a bit for each column's number). *tuple becomes
// the new version. `entries`: the indexes that the row belongs in (a bit for each number in the
// shape). The relation is open for writing. The change is visible after CommandCounterIncrement().
void update_row(const TableShape& shape, const RowTarget& target, Relation heap,
                const RowValues& values, uint32_t changed, uint32_t entries, HeapTuple* tuple);

// The same for a row that this transaction has not locked; *tuple is what a snapshot shows. False:
// somebody else has locked or changed the row since, or is about to, and nothing was written. Does
// not wait.
bool try_update_row(const TableShape& shape, const RowTarget& target, Relation heap,
                    const RowValues& values, uint32_t changed, uint32_t entries, HeapTuple* tuple);

// Reads our columns of a tuple of the relation.
void read_row(const TableShape& shape, const RowTarget& target, Relation heap, HeapTuple tuple,
              RowValues* values);

}  // namespace ticketpool
