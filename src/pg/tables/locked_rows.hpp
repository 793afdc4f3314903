// The rows of one order, locked to the end of the transaction.
//
// Two ways lead there. SQL, wherever something asks for the executor (row_writer.hpp), and under
// SERIALIZABLE, whose predicate locks are the executor's. Otherwise table and index directly: the
// rows are found by primary key, with the snapshot of a statement that begins now, and locked one
// by one in order of ticket number, like
//
//   SELECT ... WHERE order_id = $1 ORDER BY ticket_no FOR NO KEY UPDATE
//
// A row that somebody changed since the snapshot is waited for, followed to its newest version and
// judged again; under REPEATABLE READ that ends in 40001. What is locked nobody else changes, so
// an update of it cannot fail.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

struct LockedRow {
    HeapTuple tuple;  // null: SQL reads and writes it
    OrderValues values;
};

struct LockedRows {
    OrderLeaf leaf;  // of the rows with a tuple
    Oid relation;    // what SQL is to name
    LockedRow* row;  // in order of ticket number
    int count;
};

// Ticket numbers in order; null: all.
struct SortedNumbers {
    const int32_t* number;
    int count;
};
SortedNumbers sort_numbers(ArrayType* array);  // one dimension, no NULL; null: all

// Finds the order's rows, in whichever partition, and locks those that are named. False: none.
// Call inside SPI and owner_begin().
bool lock_order_rows(const Catalog& catalog, int64_t order_id, const SortedNumbers& named,
                     LockedRows* rows);

// All of the order's rows in the partition of a date, without a wait: 55P03 where somebody has one
// of them locked. False: none is there.
bool try_lock_order_rows_of(const Catalog& catalog, int64_t order_id, DateADT date,
                            LockedRows* rows);

// Gives rows of the order the status `to`, in the table; rows with a tuple also in their values.
void write_status(const LockedRows& rows, LockedRow* const* wanted, int count, OrderStatus to);

// Writes the coach and the seat in the row's values into the table.
void write_seat(const LockedRows& rows, LockedRow* row);

// Appends rows of the order, as they are now in the table, to the result set.
void return_locked_rows(const LockedRows& rows, LockedRow* const* wanted, int count,
                        ReturnSetInfo* result);

// An order of a single ticket can be changed without that lock: it is read, and written on the
// condition that nobody has come in between, which the update itself finds out. That saves a record
// of WAL, and is worth it where nothing else has to happen between the two.
//
// The order's only row as a statement that begins now sees it. False: there is none or are several,
// or SQL has to read it, or a transaction that keeps its snapshot: lock_order_rows() then.
bool read_single_row(const Catalog& catalog, int64_t order_id, LockedRows* rows);
// Gives it the status `to`; false: somebody is in between, and nothing was written. Does not wait.
bool try_write_single_status(const LockedRows& rows, OrderStatus to);
// The function's whole result, where it has the row in the memory that it was called in.
void return_single_order(const LockedRows& rows, ReturnSetInfo* result);

}  // namespace ticketpool
