// The trigger of item_inventory: what others write there by hand, see item_by_hand.hpp.
#include "follow/commit_marks.hpp"
#include "follow/item_by_hand.hpp"
#include "follow/own_events.hpp"
#include "follow/trigger_entry.hpp"
#include "follow/wanted.hpp"
#include "load/item_pins.hpp"
#include "pool/stock_claim.hpp"
#include "pool/stock_ledger.hpp"
#include "pool/waiting.hpp"
#include "server/table_scan.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/inventory_rows.hpp"
#include "tables/item_rows.hpp"

namespace ticketpool {
namespace {

// 0A000 if a row would become that of another stock.
void require_same_stock(const RowEvent& rows, const Inventory& before) {
    if (!same_column(rows, kInvId) || !same_column(rows, kInvItem)) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("the id of inventory " INT64_FORMAT " cannot be changed by hand",
                               before.id),
                        errdetail("The pool would have to move its units to another stock."),
                        errhint("Delete the row, and insert another one.")));
    }
    if (!same_column(rows, kInvParent)) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("the parent of inventory " INT64_FORMAT " cannot be changed by hand",
                               before.id),
                        errdetail("The pool would have to move its units to another stock."),
                        errhint("item_split and item_merge move units.")));
    }
}

// The stock of an inventory, with its item pinned. False if there is none to claim from: the item
// is not there, or the inventory is merged and empty, or this transaction has inserted it.
bool pin_stock(const Catalog& catalog, int64_t item_id, int64_t inventory_id, StockRef* at) {
    const ItemRef ref = pin_item_by_hand(catalog, item_id);
    const Stock* stock =
        ref.item == nullptr ? nullptr : find_stock(ref, inventory_id, OfLeaving::kLeaveOut);
    if (stock != nullptr) {
        *at = stock_ref(ref, stock);
    }
    return stock != nullptr;
}

// All of an inventory that leaves must be free: nothing of it is sold or being bought.
void follow_leaving(const Catalog& catalog, int64_t item_id, const Inventory& row) {
    StockRef at;
    const bool found = pin_stock(catalog, item_id, row.id, &at);
    stale_item_at_commit(catalog, item_id);
    if (!found) {
        return;
    }
    if (row.quantity > 0) {
        claim_by_hand(WantedUnits{catalog.schema, 0, item_id, row.id, at, row.quantity, true});
    }
    stock_reserve(1);
    stock_add_leaving(at);
}

// At the statement's end, an inventory that was split off must have its root, and a live order its
// item. To be called in the ereport for one that does not.
int detail_of_left_over() {
    errdetail("Its root inventory was deleted.");
    return errhint("Delete them first, or in the same statement.");
}

struct DeletedRoot {
    Oid schema;
    uint32_t padding;
    int64_t item_id;
};

void require_no_children(const DeletedRoot& root) {
    Snapshot snapshot = snapshot_after_this_command();
    Inventories left;
    const bool has_root =
        read_inventories(catalog_in(root.schema), root.item_id, snapshot, nullptr, &left);
    drop_snapshot(snapshot);
    if (left.count > 0 && !has_root) {
        ereport(ERROR,
                (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                 errmsg("item " INT64_FORMAT " has inventories that were split off", root.item_id),
                 detail_of_left_over()));
    }
    pfree(left.rows);
}

struct Truncated {
    Oid schema;
};

void require_no_orders(const Truncated& truncated) {
    const Catalog& catalog = catalog_in(truncated.schema);
    TableReader reader;
    Snapshot snapshot = snapshot_after_this_command();
    reader_open(&reader, catalog.item_order, catalog.item_order_live, snapshot);
    bool first = true;
    int64_t last = 0;
    while (reader_next(&reader)) {
        const int64_t item_id = row_int64(reader.row, kItemId);
        if (first || item_id != last) {
            TableReader roots;
            reader_open(&roots, catalog.inventory, catalog.inventory_root, snapshot);
            reader_key_int64(&roots, item_id);
            if (!reader_next(&roots)) {
                ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                                errmsg("item " INT64_FORMAT " has live orders", item_id),
                                detail_of_left_over()));
            }
            reader_close(&roots);
        }
        first = false;
        last = item_id;
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
}

void follow_insert(const Catalog& catalog, int64_t item_id) {
    stale_item_at_commit(catalog, item_id);
    want_item_to_fit(catalog, item_id);
}

void follow_delete(const Catalog& catalog, int64_t item_id, const Inventory& row) {
    follow_leaving(catalog, item_id, row);
    if (row.is_root) {
        want_once<DeletedRoot, require_no_children>(DeletedRoot{catalog.schema, 0, item_id});
    }
}

void follow_quantity(const Catalog& catalog, int64_t item_id, const Inventory& before,
                     const Inventory& after) {
    StockRef at;
    if (!pin_stock(catalog, item_id, after.id, &at)) {
        follow_insert(catalog, item_id);
    } else if (after.quantity > before.quantity) {
        stock_reserve(1);
        stock_add_release(at, after.quantity - before.quantity);
    } else {
        claim_by_hand(WantedUnits{catalog.schema, 0, item_id, after.id, at,
                                  before.quantity - after.quantity, false});
    }
}

// As item_merge does it, perhaps in another database whose rows are replicated here.
void follow_merging(const Catalog& catalog, int64_t item_id, int64_t id) {
    StockRef at;
    if (!pin_stock(catalog, item_id, id, &at)) {
        follow_insert(catalog, item_id);
    } else {
        stock_reserve(1);
        wait_for_stock_turn(at);
        stock_add_merging(at);
    }
}

void follow_update(const Catalog& catalog, const RowEvent& rows) {
    const Inventory before = copy_inventory(rows.before);
    const Inventory after = copy_inventory(rows.after);
    const int64_t item_id = row_int64(rows.after, kInvItem);
    require_same_stock(rows, before);
    if (before.status != after.status && before.status == InventoryStatus::kMerged) {
        follow_insert(catalog, item_id);
    } else if (before.status != after.status && after.status == InventoryStatus::kMerged) {
        follow_merging(catalog, item_id, after.id);
    } else if (before.status != after.status || before.has_seller != after.has_seller) {
        item_sale_at_commit(
            catalog, item_id,
            StockSale{after.id, after.status != InventoryStatus::kClosed, after.has_seller});
    }
    if (before.quantity != after.quantity) {
        follow_quantity(catalog, item_id, before, after);
    }
}

void follow(const Catalog& catalog, const RowEvent& rows) {
    const bool by_hand = !is_own_event(catalog.inventory);
    if (rows.before == nullptr) {
        lock_new_inventory(catalog, row_int64(rows.after, kInvItem), by_hand);
    }
    if (!by_hand) {
        return;
    }
    if (rows.before == nullptr) {
        follow_insert(catalog, row_int64(rows.after, kInvItem));
    } else if (rows.after == nullptr) {
        follow_delete(catalog, row_int64(rows.before, kInvItem), copy_inventory(rows.before));
    } else {
        follow_update(catalog, rows);
    }
}

void follow_truncated_item(const Catalog& catalog, int64_t item_id) {
    Snapshot snapshot = take_fresh_snapshot();
    Inventories inventories;
    read_inventories(catalog, item_id, snapshot, nullptr, &inventories);
    drop_snapshot(snapshot);
    for (int i = 0; i < inventories.count; i++) {
        follow_leaving(catalog, item_id, inventories.rows[i]);
    }
    pfree(inventories.rows);
}

void follow_truncate(const Catalog& catalog) {
    follow_truncated_items(catalog, follow_truncated_item);
    want_once<Truncated, require_no_orders>(Truncated{catalog.schema});
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_follow_inventory) {
    using namespace ticketpool;
    return enter_trigger(
        fcinfo, "item_follow_inventory", [](const Catalog& catalog, const TriggerData* trigger) {
            follow_table(catalog, trigger, catalog.inventory, follow_truncate, follow);
        });
}
