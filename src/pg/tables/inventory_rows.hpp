// Rows of item_inventory and live ones of item_order.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

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

// A live order, as the loader and item_verify read it.
struct LiveOrder {
    int64_t order_id;
    int64_t inventory_id;
    int64_t units;
    ItemPointerData tid;
};
LiveOrder copy_order(TupleTableSlot* slot);

struct UndecidedOrder {
    TransactionId xid;  // top level
    bool after;         // the version is live where xid commits; otherwise, where it rolls back
    LiveOrder order;
};

struct UndecidedInventory {
    TransactionId xid;
    bool after;
    Inventory row;
};

struct UndecidedItem {
    UndecidedOrder* orders;  // in order of their place in the table
    size_t order_count;
    UndecidedInventory* inventories;
    size_t inventory_count;

    void sort_orders();  // by place, for has_order()
    // Was this row version noted in step 1?
    bool has_order(const ItemPointerData& tid) const;
    bool has_inventory(const ItemPointerData& tid) const;
};

// Is there such an item? First as others see it; `own_insert`: only this transaction sees it.
bool read_item_row(const Catalog& catalog, int64_t item_id, bool* own_insert);

// As the snapshot sees them, but for those that are noted (may be null), whose old versions are
// taken instead; false: the item has no root.
bool read_inventories(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      const UndecidedItem* noted, Inventories* inventories);

// Is its status 'merged', as of now, whatever the isolation level?
bool is_merged_inventory(const Catalog& catalog, int64_t id);

using LiveOrderFound = void (*)(const LiveOrder& order, void* context);
// Those that the snapshot sees; null: those of transactions that run (not of prepared ones).
void read_live_orders(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      LiveOrderFound found, void* context);

}  // namespace ticketpool
