// The rows of one order, read and not locked: found by the order's id alone, wherever they are.
//
// Places are tried in the same order as by lock_order_rows(): the partition of the day that the id
// names, the one that ticket_order_day names, then all. It is read directly, or by SQL if the
// table's policies or a serializable transaction's predicate locks are to count.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct OrderRows {
    TupleDesc columns;  // of the rows
    HeapTuple* row;     // in order of ticket number
    int count;
};

// Reads what the snapshot shows. False: no row. Works in recovery, too.
bool read_order_rows(const Catalog& catalog, int64_t order_id, Snapshot snapshot, OrderRows* rows);

}  // namespace ticketpool
