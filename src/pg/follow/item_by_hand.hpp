// What others write into item_order and item_inventory by hand: the same for plain quantities as
// by_hand.hpp is for tickets. Row triggers on both tables, which also fire under
// session_replication_role = replica, turn each event into the following:
//
//   an order was live                 its units are released at commit, as a refund releases them
//   an order is live                  its units are claimed from its inventory, as by a purchase,
//                                     or taken over from releases of this transaction
//   a quantity rises, falls           the difference is released at commit, or claimed at once
//   an inventory is closed or opened, in memory at commit
//   or gets another seller or none
//   an inventory is inserted          the item is loaded again after the commit. Its orders, which
//                                     may be there already, must fit into its quantity
//   an inventory is deleted           all of it is claimed, so nothing of it is sold or being
//                                     bought; the item is loaded again after the commit
//   an inventory is merged            in memory at commit; if it is no longer merged, the item is
//                                     loaded again after the commit
//   an inventory gets another id,     refused (0A000): item_split and item_merge move units
//   item or parent
//
// A claim that fails is tried again when its statement has ended (wanted.hpp), and then refused.
//
// An order whose inventory does not exist is accepted, because a restore writes the tables in any
// order. The transaction that writes, changes or deletes such an order holds a lock of orphans
// (arrival_locks.hpp). A session that inserts an inventory waits for that lock, and the other way
// round, so an item is never loaded without an order that commits later. An inventory that this
// transaction itself has inserted into an item in memory is in no session's memory yet: its orders
// are added up at the statement's end.
//
// An item that is loaded in the meantime is loaded as others see it, without what this transaction
// has written by hand. The exception is an item that this transaction has inserted itself: it is
// loaded with that, but without the rows of the statement that is running. So every row is claimed
// for once. An item that this transaction has written about stays pinned.
#pragma once

#include "pool/announcement.hpp"
#include "pool/stock_entry.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The stock of an inventory, or null if it is gone. The stock of an inventory that this transaction
// has deleted takes back what is released (kTake), and there is nothing to claim from it
// (kLeaveOut).
enum class OfLeaving { kTake, kLeaveOut };
Stock* find_stock(const ItemRef& ref, int64_t inventory_id, OfLeaving of_leaving);

// Units that an order takes, or that a change of an inventory takes out of its stock.
struct WantedUnits {
    Oid schema;        // of the extension
    int64_t order_id;  // 0: the inventory's row is changed
    int64_t item_id;
    int64_t inventory_id;
    StockRef stock;
    int64_t units;
    bool leaves;  // the inventory's row was deleted
};
// Claims them, now or at the statement's end.
void claim_by_hand(const WantedUnits& wanted);

// A fresh snapshot that also shows what the running statement has written; registered.
Snapshot snapshot_after_this_command();

// TRUNCATE: calls follow_item() with each item in memory. No other session can use the table, which
// is locked, so its rows do not change. Items that are not in memory need nothing: no other session
// can load one before this transaction ends.
void follow_truncated_items(const Catalog& catalog,
                            void (*follow_item)(const Catalog& catalog, int64_t item_id));

// 23514 at the statement's end if the live orders of an inventory take more than its quantity.
void want_item_to_fit(const Catalog& catalog, int64_t item_id);

}  // namespace ticketpool
