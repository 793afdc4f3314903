// The rows of one order: locked to the end of the transaction, changed, and returned.
//
// There are two ways to do that. Callers do not know which one is used.
//
// SQL is used if something asks for the executor (row_writer.hpp), and under SERIALIZABLE, whose
// predicate locks are taken by the executor. Otherwise table and index are used directly: the rows
// are found by primary key, with the snapshot of a statement that begins now, and locked one by one
// in order of ticket number, like
//
//   SELECT ... WHERE order_id = $1 ORDER BY ticket_no FOR NO KEY UPDATE
//
// If somebody has changed a row since the snapshot, we wait for that transaction, follow the row to
// its newest version and judge it again; under REPEATABLE READ that ends in 40001. Nobody else
// changes a locked row, so a direct update of it cannot fail.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

struct LockedRow {
    HeapTuple tuple;  // null: the row is read and written by SQL
    OrderValues values;
};

struct LockedRows {
    OrderLeaf leaf;  // the partition of rows with a tuple
    Oid relation;    // the table that SQL is to name
    LockedRow* row;  // in order of ticket number
    int count;
};

// Ticket numbers in ascending order; null: all tickets.
struct SortedNumbers {
    const int32_t* number;
    int count;
};
SortedNumbers sort_numbers(ArrayType* array);  // one dimension, no NULL; null: all tickets
bool is_named(int32_t number, const SortedNumbers& named);

// Finds the order's rows, whichever partition has them, and locks those that are named. False:
// there are none. Call inside SPI and owner_begin().
bool lock_order_rows(const Catalog& catalog, int64_t order_id, const SortedNumbers& named,
                     LockedRows* rows);

// Locks all of the order's rows in the partition of a date without waiting: 55P03 if somebody has
// one of them locked. False: there are none.
bool try_lock_order_rows_of(const Catalog& catalog, int64_t order_id, DateADT date,
                            LockedRows* rows);

// Gives rows of the order the status `to`. `changed_to`: the order on another node that replaces
// them; 0: none. (The `values` of rows that SQL writes stay as they were.)
void write_status(const LockedRows& rows, LockedRow* const* wanted, int count, OrderStatus to,
                  int64_t changed_to);

// Gives a column that means nothing to the pool this value in rows of the order. A detail is the
// customer's: changed_at says when it was changed. A note is our own.
void write_detail(const LockedRows& rows, LockedRow* const* wanted, int count, OrderColumn column,
                  Datum value);
void write_note(const LockedRows& rows, LockedRow* const* wanted, int count, OrderColumn column,
                Datum value, bool is_null);

// Writes the coach and the seat in the row's values into the table. `before`: the values so far.
void write_seat(const LockedRows& rows, LockedRow* row, const OrderValues& before);

// Appends rows of the order, as they are now in the table, to the result set.
void return_locked_rows(const LockedRows& rows, LockedRow* const* wanted, int count,
                        ReturnSetInfo* result);

// An order of a single ticket can be changed without that lock. Its row is read, and written on the
// condition that nobody has changed or locked it in between; the update itself finds that out. That
// saves a WAL record, and is worth it if nothing else has to happen between the two.
//
// Reads the order's only row as a statement that begins now sees it. False: there is none, or there
// are several, or SQL has to read it, or the transaction keeps its snapshot. Then call
// lock_order_rows().
bool read_single_row(const Catalog& catalog, int64_t order_id, LockedRows* rows);
// Gives that row the status `to`. False: somebody was quicker, and nothing was written. Does not
// wait.
bool try_write_single_status(const LockedRows& rows, OrderStatus to);
// Returns that row as the function's whole result, built in the memory context that the function
// was called in.
void return_single_order(const LockedRows& rows, ReturnSetInfo* result);

}  // namespace ticketpool
