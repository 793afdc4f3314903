// Decodes rows of inventories and live orders of items: see inventory_rows.hpp.
#include "tables/inventory_rows.hpp"

#include "pool/prepared.hpp"
#include "server/table_scan.hpp"
#include "tables/item_rows.hpp"
#include "ticketpool/order_status.hpp"

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

int compare_places(const void* a, const void* b) {
    return ItemPointerCompare(
        const_cast<ItemPointer>(&static_cast<const UndecidedOrder*>(a)->order.tid),
        const_cast<ItemPointer>(&static_cast<const UndecidedOrder*>(b)->order.tid));
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

void UndecidedItem::sort_orders() {
    if (order_count > 0) {
        qsort(orders, order_count, sizeof(UndecidedOrder), compare_places);
    }
}

bool UndecidedItem::has_order(const ItemPointerData& tid) const {
    UndecidedOrder key{};
    key.order.tid = tid;
    return order_count > 0 &&
           bsearch(&key, orders, order_count, sizeof(UndecidedOrder), compare_places) != nullptr;
}

bool UndecidedItem::has_inventory(const ItemPointerData& tid) const {
    for (size_t i = 0; i < inventory_count; i++) {
        if (ItemPointerEquals(const_cast<ItemPointer>(&inventories[i].row.tid),
                              const_cast<ItemPointer>(&tid))) {
            return true;
        }
    }
    return false;
}

bool read_item_row(const Catalog& catalog, int64_t item_id, bool* own_insert) {
    int64_t of_others;
    int64_t own;
    const bool found = read_root(catalog, item_id, take_others_snapshot(), &of_others);
    *own_insert = false;
    if (!TransactionIdIsValid(GetTopTransactionIdIfAny())) {
        return found;
    }
    // A root that others do not see was inserted by this transaction, perhaps in place of one that
    // it deleted.
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

bool is_live_status(Text status) {
    OrderStatus parsed;
    return parse_order_status(status.data, status.length, &parsed) && is_live(parsed);
}

LiveOrder copy_order(TupleTableSlot* slot) {
    return {row_int64(slot, kItemOrderId), row_int64(slot, kItemInventory),
            row_int64(slot, kItemQuantity), slot->tts_tid};
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

}  // namespace ticketpool
