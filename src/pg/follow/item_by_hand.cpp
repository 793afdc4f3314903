// The trigger of item_order: turns what others write there into claims and releases of units, see
// item_by_hand.hpp.
#include "follow/item_by_hand.hpp"

#include "follow/commit_marks.hpp"
#include "follow/own_events.hpp"
#include "follow/trigger_entry.hpp"
#include "follow/wanted.hpp"
#include "load/directory.hpp"
#include "load/item_pins.hpp"
#include "pool/deadlines.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_claim.hpp"
#include "pool/stock_ledger.hpp"
#include "server/table_scan.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/epoch.hpp"
#include "tables/inventory_rows.hpp"
#include "tables/item_rows.hpp"

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------

[[noreturn]] void report_too_few(const WantedUnits& wanted, int64_t left) {
    if (wanted.order_id != 0) {
        ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
                        errmsg("inventory " INT64_FORMAT " of item " INT64_FORMAT
                               " has too few units left",
                               wanted.inventory_id, wanted.item_id),
                        errdetail("Order " INT64_FORMAT " would take " INT64_FORMAT
                                  " of " INT64_FORMAT " that are neither sold nor being bought.",
                                  wanted.order_id, wanted.units, left),
                        errhint("Write less, or add stock with item_add.")));
    }
    if (wanted.leaves) {
        ereport(ERROR, (errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
                        errmsg("inventory " INT64_FORMAT " of item " INT64_FORMAT
                               " has live orders, or is being bought from",
                               wanted.inventory_id, wanted.item_id),
                        errdetail("Only " INT64_FORMAT " of its " INT64_FORMAT " units are free.",
                                  left, wanted.units),
                        errhint("Delete or refund its orders first; set its status to closed to "
                                "stop its sale.")));
    }
    ereport(ERROR,
            (errcode(ERRCODE_CHECK_VIOLATION),
             errmsg("inventory " INT64_FORMAT " of item " INT64_FORMAT " has too few unsold units",
                    wanted.inventory_id, wanted.item_id),
             errdetail("Its quantity would fall by " INT64_FORMAT ", and " INT64_FORMAT
                       " units are neither sold nor being bought.",
                       wanted.units, left),
             errhint("Take out less, or refund orders first.")));
}

[[noreturn]] void report_oversold(int64_t item_id, const Inventory& row) {
    ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
                    errmsg("inventory " INT64_FORMAT " of item " INT64_FORMAT
                           " has more live orders than its quantity",
                           row.id, item_id),
                    errdetail("Orders take " INT64_FORMAT " units of " INT64_FORMAT ".", row.sold,
                              row.quantity),
                    errhint("Write a larger quantity, or fewer orders.")));
}

// ---------------------------------------------------------------------------------------------
// Units
// ---------------------------------------------------------------------------------------------

ItemRef item_of(const StockRef& stock) {
    return {stock.slot, shared.slots[stock.slot].item()};
}

bool try_claim_by_hand(const WantedUnits& wanted) {
    const ItemRef ref = item_of(wanted.stock);
    return claim_from_stock(ref, ref.item->stock_at(wanted.stock.offset), wanted.units);
}

void claim_wanted(const WantedUnits& wanted) {
    if (!try_claim_by_hand(wanted)) {
        const ItemRef ref = item_of(wanted.stock);
        const Stock* stock = ref.item->stock_at(wanted.stock.offset);
        report_too_few(wanted,
                       saturating_sum(count_free_units(*stock), stock_own_units(wanted.stock)));
    }
}

void add_live(const LiveOrder& order, void* context) {
    Inventory* row = static_cast<Inventories*>(context)->find(order.inventory_id);
    if (row != nullptr && order.units > 0) {
        row->sold = saturating_sum(row->sold, order.units);
    }
}

struct ItemToFit {
    Oid schema;
    uint32_t padding;
    int64_t item_id;
};

void require_fit(const ItemToFit& what) {
    const Catalog& catalog = catalog_in(what.schema);
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticketpool fit", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(context);
    Snapshot snapshot = snapshot_after_this_command();
    Inventories inventories;
    read_inventories(catalog, what.item_id, snapshot, nullptr, &inventories);
    if (inventories.count > 0) {
        read_live_orders(catalog, what.item_id, snapshot, add_live, &inventories);
    }
    drop_snapshot(snapshot);
    for (int i = 0; i < inventories.count; i++) {
        if (inventories.rows[i].sold > inventories.rows[i].quantity) {
            report_oversold(what.item_id, inventories.rows[i]);
        }
    }
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(context);
}

// ---------------------------------------------------------------------------------------------
// Orders
// ---------------------------------------------------------------------------------------------

// The item's inventory as the snapshot sees it; drops the snapshot.
bool read_inventory(const Catalog& catalog, const WantedUnits& wanted, Snapshot snapshot,
                    Inventory* row) {
    TableReader reader;
    reader_open(&reader, catalog.inventory, catalog.inventory_pkey, snapshot);
    reader_key_int64(&reader, wanted.inventory_id);
    const bool found = reader_next(&reader) && row_int64(reader.row, kInvItem) == wanted.item_id;
    if (found) {
        *row = copy_inventory(reader.row);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

void release_row(const Catalog& catalog, TupleTableSlot* row) {
    const int64_t units = row_int64(row, kItemQuantity);
    const int64_t item_id = row_int64(row, kItemId);
    if (is_noted_missing(Arrival::kInventory, item_id)) {
        return;
    }
    const ItemRef ref = pin_item_or_lock(catalog, item_id);
    Stock* stock = ref.item == nullptr
                       ? nullptr
                       : find_stock(ref, row_int64(row, kItemInventory), OfLeaving::kTake);
    // An order without an inventory has no claim: the loader left it out, too.
    if (stock != nullptr && units > 0) {
        stock_reserve(1);
        stock_add_release(stock_ref(ref, stock), units);
    }
}

// There is no stock in memory to claim from. Either the inventory does not exist; or this
// transaction has written its row itself, and the item is loaded again after the commit; or the
// inventory is merged and empty; or others have just inserted it, and what this transaction has in
// memory is too old.
void accept_orphan(const Catalog& catalog, const WantedUnits& wanted) {
    Inventory of_others;
    Inventory own;
    lock_item_orphan(catalog, wanted.item_id);
    if (!read_inventory(catalog, wanted, snapshot_after_this_command(), &own)) {
        return;
    }
    if (!read_inventory(catalog, wanted, take_others_snapshot(), &of_others) ||
        !ItemPointerEquals(&own.tid, &of_others.tid)) {
        stale_item_at_commit(catalog, wanted.item_id);
        want_item_to_fit(catalog, wanted.item_id);
    } else if (own.quantity == 0) {
        report_too_few(wanted, 0);
    } else {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("inventory " INT64_FORMAT " of item " INT64_FORMAT
                               " has just been inserted",
                               wanted.inventory_id, wanted.item_id),
                        errdetail("This transaction uses the item as it was before."),
                        errhint("Retry the transaction.")));
    }
}

void claim_row(const Catalog& catalog, TupleTableSlot* row) {
    WantedUnits wanted{catalog.schema,
                       row_int64(row, kItemOrderId),
                       row_int64(row, kItemId),
                       row_int64(row, kItemInventory),
                       {},
                       row_int64(row, kItemQuantity),
                       false};
    if (wanted.units <= 0) {
        ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
                        errmsg("order " INT64_FORMAT " of item " INT64_FORMAT " takes " INT64_FORMAT
                               " units",
                               wanted.order_id, wanted.item_id, wanted.units),
                        errdetail("A live order has one unit or more."),
                        errhint("Write another buy_quantity.")));
    }
    if (is_noted_missing(Arrival::kInventory, wanted.item_id)) {
        return;
    }
    const ItemRef ref = pin_item_or_lock(catalog, wanted.item_id);
    if (ref.item == nullptr) {
        note_missing(Arrival::kInventory, wanted.item_id);
        // Inventories that were split off may be there without their root.
        want_item_to_fit(catalog, wanted.item_id);
        return;
    }
    const Stock* stock = find_stock(ref, wanted.inventory_id, OfLeaving::kLeaveOut);
    if (stock == nullptr) {
        accept_orphan(catalog, wanted);
        return;
    }
    wanted.stock = stock_ref(ref, stock);
    claim_by_hand(wanted);
}

// The worker has to know when a hold that was written by hand runs out.
void note_deadline_of_hold(const Catalog& catalog, TupleTableSlot* row) {
    bool no_deadline;
    const Datum held_until = row_value(row, item_held_column(catalog), &no_deadline);
    if (!no_deadline && same_text(row_text(row, kItemStatus), {"held", 4})) {
        deadline_at_commit(DatumGetTimestampTz(held_until));
    }
}

void follow(const Catalog& catalog, const RowEvent& rows) {
    const auto [before, after] = rows;
    if (is_own_item_event(before, after)) {
        return;
    }
    const bool was_live = before != nullptr && is_live_item_row(before);
    const bool live = after != nullptr && is_live_item_row(after);
    if (live) {
        note_deadline_of_hold(catalog, after);
    }
    if (was_live && live && same_units(before, after)) {
        return;
    }
    if (was_live) {
        release_row(catalog, before);
    }
    if (live) {
        claim_row(catalog, after);
    }
}

// ---------------------------------------------------------------------------------------------
// TRUNCATE
// ---------------------------------------------------------------------------------------------

void release_inventories(const ItemRef& ref, const Inventories& sold) {
    for (int i = 0; i < sold.count; i++) {
        const Stock* stock = find_stock(ref, sold.rows[i].id, OfLeaving::kTake);
        if (stock != nullptr && sold.rows[i].sold > 0) {
            stock_reserve(1);
            stock_add_release(stock_ref(ref, stock), sold.rows[i].sold);
        }
    }
}

void release_item(const Catalog& catalog, int64_t item_id) {
    const ItemRef ref = pin_item_by_hand(catalog, item_id);
    if (ref.item == nullptr) {
        return;
    }
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticketpool truncate", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(context);
    Snapshot snapshot = take_fresh_snapshot();
    Inventories inventories;
    read_inventories(catalog, item_id, snapshot, nullptr, &inventories);
    if (inventories.count > 0) {
        read_live_orders(catalog, item_id, snapshot, add_live, &inventories);
        release_inventories(ref, inventories);
    }
    drop_snapshot(snapshot);
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(context);
}

void follow_truncate(const Catalog& catalog) {
    follow_truncated_items(catalog, release_item);
}

}  // namespace

void follow_truncated_items(const Catalog& catalog,
                            void (*follow_item)(const Catalog& catalog, int64_t item_id)) {
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        int64_t item_id;
        CHECK_FOR_INTERRUPTS();
        if (directory_item_in(catalog, i, &item_id)) {
            follow_item(catalog, item_id);
        }
    }
    note_truncate();
}

Stock* find_stock(const ItemRef& ref, int64_t inventory_id, OfLeaving of_leaving) {
    for (Stock* stock = ref.item->root(); stock != nullptr; stock = ref.item->after(stock)) {
        if (stock->inventory_id == inventory_id && is_usable(stock) &&
            (of_leaving == OfLeaving::kTake || !stock_is_leaving(stock_ref(ref, stock)))) {
            return stock;
        }
    }
    return nullptr;
}

void claim_by_hand(const WantedUnits& wanted) {
    if (!try_claim_by_hand(wanted)) {
        want<WantedUnits, claim_wanted>(wanted);
    }
}

void want_item_to_fit(const Catalog& catalog, int64_t item_id) {
    want_once<ItemToFit, require_fit>(ItemToFit{catalog.schema, 0, item_id});
}

Snapshot snapshot_after_this_command() {
    Snapshot snapshot = take_fresh_snapshot();
    snapshot->curcid = GetCurrentCommandId(true) + 1;
    return snapshot;
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_follow_order) {
    using namespace ticketpool;
    return enter_trigger(
        fcinfo, "item_follow_order", [](const Catalog& catalog, const TriggerData* trigger) {
            follow_table(catalog, trigger, catalog.item_order, follow_truncate, follow);
        });
}
