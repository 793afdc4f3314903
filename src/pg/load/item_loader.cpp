// Builds an item in memory from its rows: see item_loader.hpp.
#include "load/item_loader.hpp"

#include "load/fill.hpp"
#include "load/item_undecided.hpp"
#include "pool/eviction.hpp"
#include "pool/stock_claim.hpp"
#include "pool/unfinished_load.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "access/twophase.h"
#include "access/xlog.h"
}

namespace ticketpool {

namespace {

// Sums up the orders. Neighbouring orders are mostly of the same inventory.
struct Summing {
    const Inventories* inventories;
    const UndecidedItem* noted;
    Inventory* last;
};

void add_order(const LiveOrder& order, void* context) {
    Summing* summing = static_cast<Summing*>(context);
    if (summing->noted->has_order(order.tid)) {
        return;
    }
    if (summing->last == nullptr || summing->last->id != order.inventory_id) {
        summing->last = summing->inventories->find(order.inventory_id);
    }
    if (summing->last != nullptr && order.units > 0) {
        summing->last->sold = saturating_sum(summing->last->sold, order.units);
    }
}

}  // namespace

// The inventories with the sums of their orders, as they are if none of the undecided transactions
// commits.
static Inventories read_item(const Catalog& catalog, int64_t item_id, bool own_insert,
                             const UndecidedItem& undecided) {
    Snapshot snapshot = own_insert ? take_fresh_snapshot() : take_others_snapshot();
    Inventories inventories;
    if (!read_inventories(catalog, item_id, snapshot, &undecided, &inventories)) {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("item " INT64_FORMAT " has just been deleted", item_id),
                        errhint("Retry the transaction.")));
    }
    Summing summing{&inventories, &undecided, nullptr};
    read_live_orders(catalog, item_id, snapshot, add_order, &summing);
    drop_snapshot(snapshot);
    for (size_t i = 0; i < undecided.order_count; i++) {
        const UndecidedOrder& noted = undecided.orders[i];
        Inventory* row = inventories.find(noted.order.inventory_id);
        if (!noted.after && row != nullptr && noted.order.units > 0) {
            row->sold = saturating_sum(row->sold, noted.order.units);
        }
    }
    return inventories;
}

Item* load_item(const Catalog& catalog, int64_t item_id, uint32_t slot, bool own_insert) {
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticketpool loader", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(context);
    UndecidedItem undecided{};
    if (max_prepared_xacts > 0 && !RecoveryInProgress()) {
        read_undecided_item(catalog, item_id, &undecided);
    }
    const Inventories inventories = read_item(catalog, item_id, own_insert, undecided);
    const uint32_t lanes = lanes_of(inventories.rows[0]);
    Item* item =
        Item::init_in_place(require_memory(Item::bytes_required(lanes), MemoryKind::kItems), lanes);
    loading_set_block(item);
    item->item_id = item_id;
    describe_stock(inventories.rows[0], item->root());
    fill_units(*item->root(), free_of(inventories.rows[0]));
    for (int i = 1; i < inventories.count; i++) {
        const Inventory& row = inventories.rows[i];
        if (row.status != InventoryStatus::kMerged || row.quantity > 0 || row.sold > 0) {
            Stock* stock = new_stock(row);
            fill_units(*stock, free_of(row));
            link_stock(item, stock);
        }
    }
    make_item_ledgers(item, slot, inventories, undecided);
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(context);
    return item;
}

}  // namespace ticketpool
