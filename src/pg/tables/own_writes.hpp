// Statements that the extension runs itself, announced to its triggers.
//
// Triggers on the extension's tables tell the pool what others write there by hand. What the
// extension writes itself is in the ledger already, so its statements are announced here for as
// long as they run. Such a statement runs at some trigger depth; its own row events fire one level
// deeper, and whatever a user's trigger writes by hand in turn, two levels deeper or more.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

enum class OwnChange {
    kInsert,  // of `row`
    kLive,    // tickets become live, or stay so
    kEnd,     // tickets, or an order of an item, stop being live
    kMove,    // tickets get other seats, and stay as live as they are
    kOther    // rows of other tables
};

struct RowValues;

struct OwnWrite {
    OwnChange change;
    int64_t departure_id;  // of the rows of ticket_order; of item_order: item_id
    int64_t order_id;      // 0: all orders of the departure
    const RowValues* row;  // kInsert
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

// The statement of ours whose row event fires right now; null: it comes from another statement, or
// from a rule of the user's at the same depth as ours (own_events.hpp tells these apart).
const OwnWrite* own_write_of_event();

// How deep in triggers this session is.
int trigger_depth();

}  // namespace ticketpool
