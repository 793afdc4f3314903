// Rows of item_inventory and live rows of item_order, decoded.
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

// A row of the reader, with nothing sold.
Inventory copy_inventory(TupleTableSlot* slot);

// All inventories of an item, the root first, the others in order of id; palloc'd.
struct Inventories {
    Inventory* rows;
    int count;

    // Null: there is none.
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
// Is an order with this status live? It then takes its units, like a ticket its seat.
bool is_live_status(Text status);

// Rows of an item whose transaction is prepared: item_undecided.hpp.
struct UndecidedOrder {
    TransactionId xid;  // top level
    bool after;         // the version is live if xid commits; otherwise, if xid rolls back
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
    // Was this row version noted in step 1 of undecided.hpp?
    bool has_order(const ItemPointerData& tid) const;
    bool has_inventory(const ItemPointerData& tid) const;
};

// Is there such an item? Looks first as others see it. *own_insert: only this transaction sees it.
bool read_item_row(const Catalog& catalog, int64_t item_id, bool* own_insert);

// The inventories as the snapshot sees them, except those that are noted (`noted` may be null),
// whose old versions are taken instead. False: the item has no root.
bool read_inventories(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      const UndecidedItem* noted, Inventories* inventories);

// Is the inventory's status 'merged' now, whatever the isolation level?
bool is_merged_inventory(const Catalog& catalog, int64_t id);

using LiveOrderFound = void (*)(const LiveOrder& order, void* context);
// The live orders that the snapshot sees. Null: the orders of transactions in progress, except
// prepared ones.
void read_live_orders(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      LiveOrderFound found, void* context);

}  // namespace ticketpool
