#include "item_loader.hpp"

#include <unistd.h>

#include "eviction.hpp"
#include "item_rows.hpp"
#include "item_undecided.hpp"
#include "loading.hpp"
#include "stock_claim.hpp"
#include "table_scan.hpp"
#include "undecided.hpp"

extern "C" {
#include "access/twophase.h"
#include "access/xlog.h"
}

namespace ticketpool {

namespace {

InventoryStatus parse_status(Text status) {
    return same_text(status, {"open", 4})     ? InventoryStatus::kOpen
           : same_text(status, {"merged", 6}) ? InventoryStatus::kMerged
                                              : InventoryStatus::kClosed;
}

bool read_root(const Catalog& catalog, int64_t item_id, Snapshot snapshot, int64_t* id) {
    TableReader reader;
    reader_open(&reader, catalog.inventory, catalog.inventory_root, snapshot);
    reader_key_int64(&reader, item_id);
    const bool found = reader_next(&reader);
    *id = found ? row_int64(reader.row, kInvId) : 0;
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

int compare_inventories(const void* a, const void* b) {
    const Inventory* left = static_cast<const Inventory*>(a);
    const Inventory* right = static_cast<const Inventory*>(b);
    if (left->is_root != right->is_root) {
        return left->is_root ? -1 : 1;
    }
    return left->id < right->id ? -1 : static_cast<int>(left->id > right->id);
}

int compare_id(const void* key, const void* row) {
    const int64_t left = *static_cast<const int64_t*>(key);
    const int64_t right = static_cast<const Inventory*>(row)->id;
    return left < right ? -1 : static_cast<int>(left > right);
}

uint32_t lanes_of(const Inventory& row) {
    constexpr uint32_t kMostOfChild = 4;  // few buy from one seller at once
    const uint32_t cores = static_cast<uint32_t>(Max(sysconf(_SC_NPROCESSORS_ONLN), 1));
    return lanes_for(row.quantity, row.is_root ? cores : Min(cores, kMostOfChild));
}

void describe(const Inventory& row, Stock* stock) {
    stock->inventory_id = row.id;
    stock->has_seller = row.has_seller;
    stock->user_id = row.user_id;
    stock->on_sale = row.status != InventoryStatus::kClosed;
    stock->state.store(
        row.status == InventoryStatus::kMerged ? StockState::kMerged : StockState::kOpen,
        std::memory_order_relaxed);
}

// Sums up; orders mostly come from one inventory after the other.
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

Inventory copy_inventory(TupleTableSlot* slot) {
    Inventory row{};
    bool is_null;
    row.id = row_int64(slot, kInvId);
    row.quantity = row_int64(slot, kInvQuantity);
    row_value(slot, kInvParent, &row.is_root);
    const Datum user = row_value(slot, kInvUser, &is_null);
    row.has_seller = !is_null;
    row.user_id = is_null ? 0 : DatumGetInt64(user);
    row.status = parse_status(row_text(slot, kInvStatus));
    row.tid = slot->tts_tid;
    return row;
}

Inventory* Inventories::find(int64_t id) const {
    if (rows[0].id == id) {
        return &rows[0];
    }
    return static_cast<Inventory*>(
        bsearch(&id, rows + 1, static_cast<size_t>(count - 1), sizeof(Inventory), compare_id));
}

bool read_item_row(const Catalog& catalog, int64_t item_id, bool* own_insert) {
    int64_t of_others;
    int64_t own;
    const bool found = read_root(catalog, item_id, take_others_snapshot(), &of_others);
    *own_insert = false;
    if (!TransactionIdIsValid(GetTopTransactionIdIfAny())) {
        return found;
    }
    // A root that is not there for others was inserted here, perhaps in place of one that was
    // deleted here.
    *own_insert =
        read_root(catalog, item_id, take_fresh_snapshot(), &own) && (!found || own != of_others);
    return found || *own_insert;
}

static void add_inventory(Inventories* inventories, int* room, const Inventory& row) {
    if (inventories->count == *room) {
        *room *= 2;
        inventories->rows = static_cast<Inventory*>(
            repalloc_huge(inventories->rows, static_cast<size_t>(*room) * sizeof(Inventory)));
    }
    inventories->rows[inventories->count++] = row;
}

bool read_inventories(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      const UndecidedItem* noted, Inventories* inventories) {
    int room = 16;
    *inventories = Inventories{
        static_cast<Inventory*>(palloc(static_cast<size_t>(room) * sizeof(Inventory))), 0};
    TableReader reader;
    reader_open(&reader, catalog.inventory, catalog.inventory_item, snapshot);
    reader_key_int64(&reader, item_id);
    while (reader_next(&reader)) {
        if (noted == nullptr || !noted->has_inventory(reader.row->tts_tid)) {
            add_inventory(inventories, &room, copy_inventory(reader.row));
        }
    }
    reader_close(&reader);
    for (size_t i = 0; noted != nullptr && i < noted->inventory_count; i++) {
        if (!noted->inventories[i].after) {
            add_inventory(inventories, &room, noted->inventories[i].row);
        }
    }
    qsort(inventories->rows, static_cast<size_t>(inventories->count), sizeof(Inventory),
          compare_inventories);
    return inventories->count > 0 && inventories->rows[0].is_root;
}

void read_live_orders(const Catalog& catalog, int64_t item_id, Snapshot snapshot,
                      LiveOrderFound found, void* context) {
    TableReader reader;
    reader_open(&reader, catalog.item_order, catalog.item_order_live, snapshot);
    reader_key_int64(&reader, item_id);
    if (snapshot != nullptr) {
        reader_in_heap_order(&reader);  // an item may have millions
    }
    while (reader_next(&reader)) {
        if (snapshot != nullptr || !is_prepared(fate_of_version(reader).inserter)) {
            found(copy_order(reader.row), context);
        }
    }
    reader_close(&reader);
}

LiveOrder copy_order(TupleTableSlot* slot) {
    return {row_int64(slot, kItemOrderId), row_int64(slot, kItemInventory),
            row_int64(slot, kItemQuantity), slot->tts_tid};
}

Stock* new_stock(const Inventory& row) {
    const uint32_t lanes = lanes_of(row);
    Stock* stock = Stock::init_in_place(require_memory(Stock::bytes_required(lanes)), lanes);
    describe(row, stock);
    return stock;
}

bool is_merged_inventory(const Catalog& catalog, int64_t id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.inventory, catalog.inventory_pkey, snapshot);
    reader_key_int64(&reader, id);
    const bool merged = reader_next(&reader) &&
                        parse_status(row_text(reader.row, kInvStatus)) == InventoryStatus::kMerged;
    reader_close(&reader);
    drop_snapshot(snapshot);
    return merged;
}

// Inventories with the sums of their orders: as they are where none of the undecided transactions
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
    Item* item = Item::init_in_place(require_memory(Item::bytes_required(lanes)), lanes);
    load_set_block(item);
    item->item_id = item_id;
    describe(inventories.rows[0], item->root());
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
