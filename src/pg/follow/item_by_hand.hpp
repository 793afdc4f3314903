// What others write into item_order and item_inventory by hand: the same for plain quantities as
// by_hand.hpp is for tickets. Row triggers on both tables, which also fire under
// session_replication_role = replica, make of each event
//
//   an order was live                 its units are released at commit, like a refund's
//   an order is live                  its units are claimed from its inventory, like a purchase's,
//                                     or taken over from own releases
//   a quantity rises, falls           the difference is released at commit, or claimed
//   an inventory is closed or opened, it is so at commit
//   gets another seller or none
//   an inventory comes                the item is loaded anew after the commit. Its orders, which
//                                     may be there already, must fit into its quantity
//   an inventory goes                 all of it is claimed, so nothing of it is sold or being
//                                     bought; the item is loaded anew after the commit
//   an inventory is merged            it is so at commit; no longer merged: loaded anew
//   an inventory becomes another one  refused: a function does it
//
// A claim that fails is tried again when its statement has ended (wanted.hpp), and then refused.
//
// An order whose inventory is not there is accepted: a restore brings tables in any order. The
// transaction that writes, changes or deletes it holds a lock (orphans) that whoever inserts an
// inventory waits for, and the other way round, so an item is never loaded without an order that
// commits later. An inventory that this transaction itself has inserted into an item in memory is
// in nobody's memory yet: its orders are added up at the statement's end.
//
// An item that is loaded meanwhile is loaded as others see it, without what this transaction has
// written by hand, unless it is this transaction's own; then, without the rows of the statement
// that is running. So every row is claimed for once. An item that this transaction has written
// about stays pinned.
#pragma once

#include "pool/announcement.hpp"
#include "pool/stock_entry.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The stock of an inventory, unless it is gone; null: none. One that goes by this transaction takes
// back what is released, and has nothing to claim from.
enum class OfLeaving { kTake, kLeaveOut };
Stock* find_stock(const ItemRef& ref, int64_t inventory_id, OfLeaving of_leaving);

// Units that an order or an inventory takes. Claims them, now or at the statement's end.
struct WantedUnits {
    Oid schema;        // of the extension
    int64_t order_id;  // 0: the inventory's row is changed
    int64_t item_id;
    int64_t inventory_id;
    StockRef stock;
    int64_t units;
    bool leaves;  // the row was deleted
};
void claim_by_hand(const WantedUnits& wanted);

// What the statement that is running has written, too; registered.
Snapshot snapshot_after_this_command();

// At a TRUNCATE: calls follow_item() with each item in memory. The table is locked against
// everybody, so its rows are what they are. Items that are not in memory need nothing: others
// cannot load one before this transaction ends.
void follow_truncated_items(const Catalog& catalog,
                            void (*follow_item)(const Catalog& catalog, int64_t item_id));

// At the statement's end: are there more live orders of an inventory than its quantity?
void want_item_to_fit(const Catalog& catalog, int64_t item_id);

}  // namespace ticketpool
