// Which row events come from the extension's own statements.
//
// Triggers on the extension's tables tell the pool what others write there by hand. What the
// extension writes itself is in the ledger already, so its statements are announced here for as
// long as they run. Such a statement runs at some trigger depth; its own row events fire one level
// deeper, and whatever a user's trigger writes by hand in turn, two levels deeper or more.
//
// A user's rule may add a statement that fires at the same depth: what it writes is told by its
// table and, in a table of orders, by its row.
//
// A user's BEFORE trigger may have changed the row on its way to the table. Where that would make
// row and claim disagree, the event ends in an error.
#pragma once

#include "order_rows.hpp"
#include "pg.hpp"

namespace ticketpool {

enum class OwnChange {
    kInsert,  // of `row`
    kLive,    // tickets become live, or stay so
    kEnd,     // tickets, or an order of an item, stop being live
    kMove,    // tickets get other seats, and stay as live as they are
    kOther    // rows of other tables
};

struct OwnWrite {
    OwnChange change;
    int64_t departure_id;    // of the rows of ticket_order; of item_order: item_id
    int64_t order_id;        // 0: all orders of the departure
    const OrderValues* row;  // kInsert
    // What is written; departures stand for what is a part of them, too. Invalid: ticket_order, in
    // whichever partition.
    Oid table = InvalidOid;
};

// Runs a statement of our own by SPI; its plan is kept for the session, or not. `snapshot`: with
// kept plans, see execute_planned.
int execute_own(const OwnWrite& write, bool keep_plan, const char* sql, int count, Oid* types,
                Datum* values, const char* nulls, Snapshot snapshot = InvalidSnapshot);

// The same for kOther rows of this table, planned once; an error where SPI does not say `expected`.
void execute_own_on(Oid table, const char* sql, int count, Oid* types, Datum* values,
                    const char* nulls, int expected, Snapshot snapshot = InvalidSnapshot);

// After an UPDATE of ours, `sql`, that was for one row: was it changed? False: it did not meet the
// condition. 09000 where it does and was left out. The row is the one with id `id` in `column`.
bool was_changed(const char* sql, const char* table, const char* column, int64_t id,
                 const char* condition);

// Call in a trigger of this table: does the event come from a statement of ours that writes there?
bool is_own_event(Oid table);
// The same for a row of ticket_order; ereports where a trigger has changed what must not change.
bool is_own_event(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after);

// The same for a row of item_order.
bool is_own_item_event(TupleTableSlot* before, TupleTableSlot* after);

// Does the row say 'held' or 'sold'? 23514 where it says what is no status.
bool is_live_row(const OrderLeaf& leaf, TupleTableSlot* row);
// Do both rows name the same stretch of the same seat, sold by the same channel?
bool same_place(const OrderLeaf& leaf, TupleTableSlot* before, TupleTableSlot* after);
// The same of rows of item_order: is it live; are both so many units of one inventory?
bool is_live_item_row(TupleTableSlot* row);
bool same_units(TupleTableSlot* before, TupleTableSlot* after);

// How deep in triggers this session is.
int trigger_depth();

}  // namespace ticketpool
