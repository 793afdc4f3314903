// Returns rows of a table as the calling query expects them.
//
// The query began with the row type that the table had then, and a call may have waited for ALTER
// TABLE since. So a column is found by its number in the table, which never changes: a column that
// was renamed is the same column, one that was dropped is NULL, one that was added is not asked
// for.
#pragma once

#include "server/pg.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

struct RowReturn {
    ReturnSetInfo* result;
    TupleDesc columns;  // of the rows that are to be returned
    AttrNumber* from;   // for each column of the result, its number in `columns`, or 0; null: the
                        // columns are the same
};

// For rows of the table whose row type the result has, or of a partition of it, or of SQL that
// names all its columns. The caller has locked the relation, so its columns do not change. Ereports
// 40001 if a column has got another type.
RowReturn begin_rows(TupleDesc columns, ReturnSetInfo* result);

// Appends a row to the result set.
void return_row(const RowReturn& rows, HeapTuple tuple);

// Appends the rows that SPI has just returned to the result set.
void return_spi_rows(ReturnSetInfo* result);

// Appends the current row of a reader to the result set.
void return_current_row(TableReader* reader, ReturnSetInfo* result);

}  // namespace ticketpool
