// Writing rows of the order tables straight into table and indexes, without the executor.
//
// That is right as long as nothing there asks for the executor: no trigger, generated column, rule,
// forced row security, or column with a default of the user's, no check that could fail, and no
// index but plain ones: b-trees over columns as they are, not unique, of all rows or of just the
// live ones; and as long as nobody watches the executor's checks of rights. Otherwise SQL does it.
// A table is described once by its shape, and again as it is in this database by a target.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/row_target.hpp"

namespace ticketpool {

// Inserts rows; the relation is open for writing. `table`: what SQL is to name. What was stored is
// appended to the result set (may be null).
void write_rows(const Catalog& catalog, const TableShape& shape, const RowTarget& target,
                Relation heap, Oid table, const RowValues* rows, int count, ReturnSetInfo* result);

// Changes a row that this transaction has locked, without the executor: `values` is all of it, with
// the new values in the columns of `changed` (bit by number of the column). *tuple becomes the new
// version. `entries`: the indexes that the row belongs into (bit by number in the shape). The
// relation is open for writing. Visible after CommandCounterIncrement().
void update_row(const TableShape& shape, const RowTarget& target, Relation heap,
                const RowValues& values, uint32_t changed, uint32_t entries, HeapTuple* tuple);

// The same of a row that nobody has locked: *tuple is what a snapshot shows. False: somebody else
// has locked or changed it since, or is about to, and nothing was written. Does not wait.
bool try_update_row(const TableShape& shape, const RowTarget& target, Relation heap,
                    const RowValues& values, uint32_t changed, uint32_t entries, HeapTuple* tuple);

// Our columns of a tuple of the relation.
void read_row(const TableShape& shape, const RowTarget& target, Relation heap, HeapTuple tuple,
              RowValues* values);

}  // namespace ticketpool
