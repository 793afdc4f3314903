// Builds an item from its rows: the root inventory, the ones that were split off, and the live
// orders of all of them in one pass over the index item_order_live.
//
// What is free of an inventory is its quantity less its live orders. A merged one that has neither
// units nor live orders has no stock in memory.
#pragma once

#include "catalog.hpp"
#include "pg.hpp"
#include "ticketpool/stock.hpp"

extern "C" {
#include "storage/itemptr.h"
}

namespace ticketpool {

enum InventoryColumn : AttrNumber {
    kInvId = 1,
    kInvItem,
    kInvQuantity,
    kInvParent,
    kInvRoot,
    kInvUser,
    kInvStatus
};

enum class InventoryStatus { kOpen, kClosed, kMerged };

// A row of item_inventory with the sum of its live orders.
struct Inventory {
    int64_t id;
    int64_t quantity;
    int64_t user_id;
    bool is_root;
    bool has_seller;
    InventoryStatus status;
    int64_t sold;
    ItemPointerData tid;
};

// The current row of the reader, nothing sold.
Inventory copy_inventory(TupleTableSlot* slot);

// All inventories of an item, in order of id, but the root first; palloc'd.
struct Inventories {
    Inventory* rows;
    int count;

    // Null: none.
    Inventory* find(int64_t id) const;
};

inline int64_t free_of(const Inventory& row) {
    return row.quantity > row.sold ? row.quantity - row.sold : 0;
}

// Never beyond INT64_MAX: rows written by hand may say anything.
inline int64_t saturating_sum(int64_t a, int64_t b) {
    return b > INT64_MAX - a ? INT64_MAX : a + b;
}

// Is there such an item? First as others see it; `own_insert`: only this transaction sees it.
bool read_item_row(const Catalog& catalog, int64_t item_id, bool* own_insert);

// Which row versions a reader leaves out.
struct UndecidedItem;

// As the snapshot sees them, but for those that are noted (may be null), whose old versions are
// taken instead; false: the item has no root.
bool read_inventories(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      const UndecidedItem* noted, Inventories* inventories);

// Is its status 'merged', as of now, whatever the isolation level?
bool is_merged_inventory(const Catalog& catalog, int64_t id);

// A live order, as the loader and item_verify read it.
struct LiveOrder {
    int64_t order_id;
    int64_t inventory_id;
    int64_t units;
    ItemPointerData tid;
};
LiveOrder copy_order(TupleTableSlot* slot);
using LiveOrderFound = void (*)(const LiveOrder& order, void* context);
// Those that the snapshot sees; null: those of transactions that run (not of prepared ones).
void read_live_orders(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      LiveOrderFound found, void* context);

// An empty stock for an inventory, not linked yet; evicts as needed.
Stock* new_stock(const Inventory& row);

// Allocates and fills the item.
Item* load_item(const Catalog& catalog, int64_t item_id, uint32_t slot, bool own_insert);

}  // namespace ticketpool
