// Statements that the extension runs itself, announced to its triggers.
//
// Triggers on the extension's tables tell the pool what others write there by hand. What the
// extension writes itself is in the ledger already, so its statements are announced here while they
// run. Such a statement runs at some trigger depth. Its own row events fire one level deeper;
// events of what a user's trigger writes by hand in turn fire two levels deeper or more.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

enum class OwnChange {
    kInsert,  // of `row`
    kLive,    // tickets, or an order of an item, become live, or stay live
    kEnd,     // these stop being live
    kMove,    // tickets get other seats, and stay as live as they are
    kLeave,   // rows of a departure that leaves this node are deleted
    kArrive,  // rows of a departure that nobody can use yet are inserted
    kOther    // rows of other tables change
};

struct RowValues;

struct OwnWrite {
    OwnChange change;
    int64_t departure_id;  // of the rows of ticket_order; of item_order: item_id
    int64_t order_id;      // 0: all orders of the departure
    const RowValues* row;  // kInsert; kLive of an order of an item: its new units, null: the same;
                           // kMove of one ticket: as it becomes, null: several, whose coaches and
                           // seats the writer compares itself
    // The table that is written; ticket_departure also for the tables of a departure's parts.
    // InvalidOid: ticket_order, whichever partition.
    Oid table = InvalidOid;
};

// Runs a statement of our own by SPI; `keep_plan`: its plan is kept for the session. `snapshot`,
// only with kept plans: see execute_planned.
int execute_own(const OwnWrite& write, bool keep_plan, const char* sql, int count, Oid* types,
                Datum* values, const char* nulls, Snapshot snapshot = InvalidSnapshot);

// The same for kOther rows of this table, planned once. An error if SPI does not return `expected`.
void execute_own_on(Oid table, const char* sql, int count, Oid* types, Datum* values,
                    const char* nulls, int expected, Snapshot snapshot = InvalidSnapshot);

// The same as a statement of now, whatever the isolation level.
void execute_own_now(Oid table, const char* sql, int count, Oid* types, Datum* values,
                     const char* nulls, int expected);

// After an UPDATE of ours, `sql`, that was for one row, the one with `id` in `column`: was the row
// changed? False: it does not meet the condition. 09000: it meets the condition, but was left out,
// or it was changed and does not meet `result`, because of a trigger.
bool was_changed(const char* sql, Oid table, const char* column, int64_t id, const char* condition,
                 const char* result);

// After a statement of ours with RETURNING: 09000 if `column` says of a row that it is not what the
// statement wrote, because a trigger has changed it. Nothing if there is no row.
void require_as_written(Oid table, int column);

// The statement of ours whose row event may be firing right now. Null: the event belongs to another
// statement. An event of a user's rewrite rule at the same depth is taken for ours here;
// own_events.hpp tells the two apart.
const OwnWrite* own_write_of_event();

// How deep in triggers this session is.
int trigger_depth();

}  // namespace ticketpool
