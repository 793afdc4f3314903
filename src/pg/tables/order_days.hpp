// One order id, one service date.
//
// An order is found by its id alone: ids of our own name their day, and the partition of that day
// is looked into first. So all tickets of an order have to be on one day; SQL by hand could give
// them several, of which only one would be found. Of two days with one id, at least one is not the
// day that the id names. Such rows (imported orders, mostly) are entered in a table,
// ticket_order_day, with their id and day, so that one probe of a small index tells where an id is,
// instead of a probe of every partition, each with its locks:
//
//   row comes by hand   its id names its day      its id does not
//   entered             no                        yes, for the first of its tickets
//   looked into         ticket_order_day, unless  ticket_order_day, and the partition of the day
//                       it is empty               that the id names
//
// If a row with the id is found on another day, the statement is refused (23505). What the
// extension's functions write needs no look: a new id of ours is nobody's.
//
// Two sessions at once: each writes first (its row, its entry) and looks then, at rows of
// transactions under way, too, which it waits for. So one of the two sees the other's. The look
// comes with the event of the row, after all rows of its statement are in the table: tickets may
// move to another day together.
//
// An entry says where to look, no more: deleting rows, dropping or detaching partitions leaves it
// behind, and there may be several of one order. Where a partition is attached, new entries take
// the place of those from before, so that attaching it again and again does not add to them. Before
// an entry is believed, the partition of its day is asked. Rows that fired no trigger have none;
// they are found in whichever partition, but nothing keeps their id from a second day. No look in a
// restore and where logical replication applies rows: what comes has been looked at where it was
// written, rows of one statement come one by one there, and neither may fail half way. Entries are
// made there all the same, so dumps leave ticket_order_day out.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

// A row has come or changed by hand (before: null where it is new).
void follow_order_day(const Catalog& catalog, const OrderLeaf& leaf, TupleTableSlot* before,
                      TupleTableSlot* after);

// A partition has been attached: the same for all its rows.
void follow_order_days(const Catalog& catalog, Oid partition);

// The day that ticket_order_day names for an order, and whose partition has it now. False: none.
bool day_of_order(const Catalog& catalog, int64_t order_id, DateADT* day);

}  // namespace ticketpool
