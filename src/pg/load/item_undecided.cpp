// Undecided rows of an item, and the prepared ledgers made from them: see item_undecided.hpp.
#include "load/item_undecided.hpp"

#include "load/fill.hpp"
#include "load/undecided.hpp"
#include "pool/prepared.hpp"
#include "pool/stock_claim.hpp"
#include "pool/unfinished_load.hpp"
#include "tables/item_rows.hpp"

extern "C" {
#include "common/int.h"
}

namespace ticketpool {

namespace {

// ---------------------------------------------------------------------------------------------
// Reading
// ---------------------------------------------------------------------------------------------

bool is_live_order_of(TupleTableSlot* row, int64_t item_id) {
    return row_int64(row, kItemId) == item_id && is_live_status(row_text(row, kItemStatus));
}

void read_orders(const Catalog& catalog, int64_t item_id, UndecidedItem* undecided) {
    TableReader reader;
    reader_open(&reader, catalog.item_order, catalog.item_order_live, SnapshotAny);
    reader_key_int64(&reader, item_id);
    reader_in_heap_order(&reader);  // an item may have millions
    for_each_undecided(&reader, [&](TransactionId xid, bool after) {
        if (is_live_order_of(reader.row, item_id)) {
            *append(&undecided->orders, &undecided->order_count) =
                UndecidedOrder{xid, after, copy_order(reader.row)};
        }
    });
}

void read_inventories_of(const Catalog& catalog, int64_t item_id, UndecidedItem* undecided) {
    TableReader reader;
    reader_open(&reader, catalog.inventory, catalog.inventory_item, SnapshotAny);
    reader_key_int64(&reader, item_id);
    for_each_undecided(&reader, [&](TransactionId xid, bool after) {
        *append(&undecided->inventories, &undecided->inventory_count) =
            UndecidedInventory{xid, after, copy_inventory(reader.row)};
    });
}

bool all_in_progress(const UndecidedItem& undecided) {
    return all_in_progress(undecided.orders, undecided.order_count) &&
           all_in_progress(undecided.inventories, undecided.inventory_count);
}

// ---------------------------------------------------------------------------------------------
// Ledgers
// ---------------------------------------------------------------------------------------------

// What one row says of a transaction and an inventory. After sum_up(): what all rows say of them.
struct Change {
    TransactionId xid;
    int64_t inventory_id;
    int64_t more_free;
    const Inventory* inserted;  // the row as it is if xid commits; null: xid did not write the row
};

struct Changes {
    Change* entries;
    size_t count;
};

int64_t clamped_sum(int64_t a, int64_t b) {
    int64_t sum;
    return pg_add_s64_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : -INT64_MAX) : sum;
}

int compare_changes(const void* a, const void* b) {
    const Change* left = static_cast<const Change*>(a);
    const Change* right = static_cast<const Change*>(b);
    return left->xid != right->xid ? (left->xid < right->xid ? -1 : 1)
           : left->inventory_id != right->inventory_id
               ? (left->inventory_id < right->inventory_id ? -1 : 1)
               : 0;
}

// One change for each transaction and inventory, ordered by transaction and then inventory.
Changes sum_up(const UndecidedItem& undecided) {
    Changes changes{};
    for (size_t i = 0; i < undecided.order_count; i++) {
        const UndecidedOrder& noted = undecided.orders[i];
        const int64_t units = Max(noted.order.units, 0);
        *append(&changes.entries, &changes.count) =
            Change{noted.xid, noted.order.inventory_id, noted.after ? -units : units, nullptr};
    }
    for (size_t i = 0; i < undecided.inventory_count; i++) {
        const UndecidedInventory& noted = undecided.inventories[i];
        const int64_t units = Max(noted.row.quantity, 0);
        *append(&changes.entries, &changes.count) =
            Change{noted.xid, noted.row.id, noted.after ? units : -units,
                   noted.after ? &noted.row : nullptr};
    }
    if (changes.count > 0) {
        qsort(changes.entries, changes.count, sizeof(Change), compare_changes);
    }
    size_t left = 0;
    for (size_t i = 0; i < changes.count; i++) {
        Change* sum = left > 0 ? &changes.entries[left - 1] : nullptr;
        const Change& change = changes.entries[i];
        if (sum != nullptr && compare_changes(sum, &change) == 0) {
            sum->more_free = clamped_sum(sum->more_free, change.more_free);
            sum->inserted = change.inserted != nullptr ? change.inserted : sum->inserted;
        } else {
            changes.entries[left++] = change;
        }
    }
    changes.count = left;
    return changes;
}

struct Draft {
    Item* item;
    uint32_t slot;
    StockEntry* entries;  // of one transaction at a time
    size_t count;
};

void enter(Draft* draft, StockKind kind, const Stock* stock, int64_t units) {
    *append(&draft->entries, &draft->count) =
        StockEntry{kind, 1, {draft->slot, draft->item->offset_of(stock)}, units, 0};
}

// Takes units, or all that there are. Nobody else sees the item yet.
int64_t take_units(Stock* stock, int64_t units) {
    return claim_units(*stock, units, 0) == Status::kOk ? units : claim_all_units(*stock);
}

void draft_new_stock(Draft* draft, const Change& change) {
    const Inventory& row = *change.inserted;
    if (row.status == InventoryStatus::kMerged && row.quantity == 0) {
        return;  // it was split off, sold nothing, and was merged again
    }
    Stock* stock = new_stock(row);
    stock->maker.store(change.xid, std::memory_order_relaxed);
    fill_units(*stock, change.more_free);
    link_stock(draft->item, stock);
    enter(draft, StockKind::kMade, stock, 0);
}

void draft_change(Draft* draft, const Inventories& before, const Change& change) {
    const Inventory* row = before.find(change.inventory_id);
    Stock* stock = row == nullptr ? nullptr : draft->item->find(change.inventory_id);
    if (row == nullptr && change.inserted != nullptr) {
        draft_new_stock(draft, change);
    }
    if (stock == nullptr) {
        return;
    }
    if (change.more_free < 0) {
        enter(draft, StockKind::kClaim, stock, take_units(stock, -change.more_free));
    } else if (change.more_free > 0) {
        enter(draft, StockKind::kRelease, stock, change.more_free);
    }
    if (change.inserted != nullptr && change.inserted->status == InventoryStatus::kMerged &&
        row->status != InventoryStatus::kMerged) {
        stock->sale_writers.fetch_add(1, std::memory_order_relaxed);
        enter(draft, StockKind::kMerging, stock, 0);
    }
}

// A transaction without entries gets a ledger, too: the item stays in memory, as for every prepared
// transaction that uses it.
void make_ledger(const Draft& draft, TransactionId xid) {
    PreparedLedger* block = prepared_allocate(0, static_cast<uint32_t>(draft.count), 1);
    block->xid = xid;
    block->since = GetCurrentTimestamp();
    block->deadline = INT64_MAX;
    block->prepared = true;
    block->slots()[0] = draft.slot;
    for (size_t i = 0; i < draft.count; i++) {
        block->stock_entries()[i] = draft.entries[i];
    }
    loading_add_prepared(block);
}

}  // namespace

void read_undecided_item(const Catalog& catalog, int64_t item_id, UndecidedItem* undecided) {
    do {
        CHECK_FOR_INTERRUPTS();
        *undecided = UndecidedItem{};
        read_orders(catalog, item_id, undecided);
        read_inventories_of(catalog, item_id, undecided);
    } while (!all_in_progress(*undecided));
    undecided->sort_orders();
}

void make_item_ledgers(Item* item, uint32_t slot, const Inventories& before,
                       const UndecidedItem& undecided) {
    const Changes changes = sum_up(undecided);
    Draft draft{item, slot, nullptr, 0};
    for (size_t i = 0; i < changes.count; i++) {
        draft_change(&draft, before, changes.entries[i]);
        if (i + 1 == changes.count || changes.entries[i + 1].xid != changes.entries[i].xid) {
            make_ledger(draft, changes.entries[i].xid);
            draft.count = 0;
        }
    }
}

}  // namespace ticketpool
