// One order id, one service date.
//
// An order is found by its id alone. An id that the extension drew names its day, and the partition
// of that day is looked into first. So all tickets of an order have to be on one day. SQL by hand
// could put them on several days, of which only one would be found. Of two days with one id, at
// least one is not the day that the id names. Such rows (mostly imported orders) are entered in a
// table, ticket_order_day, with their id and day. So one probe of a small index tells where an id
// is, instead of a probe of every partition, each with its locks:
//
//   row written by hand   its id names its day      its id does not
//   entered               no                        yes, for the first of its tickets
//   looked into           ticket_order_day, unless  ticket_order_day, and the partition of the day
//                         it is empty               that the id names
//
// If a row with the id is found on another day, the statement is refused (23505). What the
// extension's functions write needs no look: nobody else has a new id of ours.
//
// Two sessions at once: each one first writes (its row, its entry) and then looks, also at rows of
// transactions in progress, for which it waits. So at least one of the two sees the row of the
// other. The look is made in the event of the row, after all rows of its statement are in the
// table, so tickets may move to another day together.
//
// An entry says only where to look. Deleting rows and dropping or detaching partitions leave it
// behind, and there may be several entries of one order. When a partition is attached, new entries
// take the place of the old ones, so that attaching it again and again does not add entries. Before
// an entry is believed, the partition of its day is looked into. Rows that fired no trigger have no
// entry. They are found by a search of all partitions, but nothing keeps their id from a second
// day.
//
// No look is made in a restore or when logical replication applies rows: there the rows were looked
// at where they were written, rows of one statement arrive one by one, and neither may fail half
// way. Entries are made there all the same, so dumps leave ticket_order_day out.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

// A row was inserted or changed by hand (`before` is null for a new row).
void follow_order_day(const Catalog& catalog, const OrderLeaf& leaf, TupleTableSlot* before,
                      TupleTableSlot* after);

// A partition has been attached: the same for all its rows.
void follow_order_days(const Catalog& catalog, Oid partition);

// The day that ticket_order_day names for an order, and whose partition has the order now. False:
// there is no such day.
bool day_of_order(const Catalog& catalog, int64_t order_id, DateADT* day);

}  // namespace ticketpool
