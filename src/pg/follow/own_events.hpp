// Which row events come from the extension's own statements (own_writes.hpp), and what the rows of
// an event say.
//
// A user's rewrite rule may add a statement that fires at the same trigger depth. Its events are
// told from ours by table and, in a table of orders, by row.
//
// A user's BEFORE trigger may have changed the row on its way to the table. If row and claim would
// then disagree, the event ends in an error.
#pragma once

#include "server/pg.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

// Call in a trigger of this table: does the event come from a statement of ours that writes there?
bool is_own_event(Oid table);
// The same for a row of ticket_order; ereports if a trigger has changed what must not change.
bool is_own_event(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after);

// The same for a row of item_order.
bool is_own_item_event(TupleTableSlot* before, TupleTableSlot* after);

// Is the status of the row 'held' or 'sold'? 23514 if it is not a status.
bool is_live_row(const OrderLeaf& leaf, TupleTableSlot* row);
// Do both rows name the same stretch of the same seat, sold by the same channel?
bool same_place(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after);
// The same for rows of item_order: is the row live; do both rows take the same number of units from
// the same inventory?
bool is_live_item_row(TupleTableSlot* row);
bool same_units(TupleTableSlot* before, TupleTableSlot* after);

}  // namespace ticketpool
