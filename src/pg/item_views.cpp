// item_verify, the proof that pool and tables agree about items; and the function behind the view
// item_pool.
//
// Of each stock, what is free by its rows (quantity less live orders) is compared with what is free
// in the pool. Sales go on meanwhile, so a difference counts only if it is there in every one of
// several looks: a claim comes a moment before its row, a release a moment after its commit.
#include "errors.hpp"
#include "item.hpp"
#include "item_loader.hpp"
#include "monitoring.hpp"

namespace ticketpool {
namespace {

struct Proof {
    const Catalog* catalog;
    ItemRef ref;
    Inventories inventories;
    uint64_t undecided_rows;
    int64_t unknown_orders;  // live, of inventories that do not exist
    ReturnSetInfo* result;
};

void report(const Proof& proof, const char* problem) {
    Datum values[] = {Int64GetDatum(proof.ref.item->item_id), CStringGetTextDatum(problem)};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(proof.result->setResult, proof.result->setDesc, values, nulls);
}

void count_undecided(const LiveOrder&, void* context) {
    static_cast<Proof*>(context)->undecided_rows++;
}

void add_sold(const LiveOrder& order, void* context) {
    Proof* proof = static_cast<Proof*>(context);
    Inventory* row = proof->inventories.find(order.inventory_id);
    if (row == nullptr) {
        proof->unknown_orders++;
    } else if (order.units > 0) {
        row->sold = saturating_sum(row->sold, order.units);
    }
}

// False: the item has no rows any more.
bool read_tables(Proof* proof) {
    const int64_t item_id = proof->ref.item->item_id;
    proof->undecided_rows = 0;
    proof->unknown_orders = 0;
    read_live_orders(*proof->catalog, item_id, nullptr, count_undecided, proof);
    Snapshot snapshot = take_fresh_snapshot();
    const bool found = read_inventories(*proof->catalog, item_id, snapshot, &proof->inventories);
    if (found) {
        read_live_orders(*proof->catalog, item_id, snapshot, add_sold, proof);
    }
    drop_snapshot(snapshot);
    return found;
}

// What is wrong with one inventory, or null. Claims of others explain that too little is free.
const char* problem_of(const Proof& proof, const Inventory& row, bool claims_explain) {
    if (row.sold > row.quantity) {
        return psprintf("inventory " INT64_FORMAT " has " INT64_FORMAT
                        " units in live orders and " INT64_FORMAT " on sale",
                        row.id, row.sold, row.quantity);
    }
    Stock* stock = proof.ref.item->find(row.id);
    const bool here = stock != nullptr && is_usable(stock);
    if (!here && row.status != InventoryStatus::kMerged) {
        return psprintf("inventory " INT64_FORMAT " is not in the pool", row.id);
    }
    const int64_t free = here ? count_free_units(*stock) : 0;
    const int64_t own = here ? stock_own_units(stock_ref(proof.ref, stock)) : 0;
    const int64_t expected = free_of(row) - own;
    if (free == expected || (free < expected && claims_explain)) {
        return nullptr;
    }
    return psprintf("inventory " INT64_FORMAT " has " INT64_FORMAT
                    " units free in the pool and " INT64_FORMAT " by its rows",
                    row.id, free, expected);
}

// One look; reports what is wrong where asked to. True: something is wrong.
bool look(Proof* proof, bool last) {
    if (!read_tables(proof)) {
        if (last) {
            report(*proof, "has no rows in item_inventory");
        }
        return true;
    }
    // Not only claims whose row is still to be written: splits and item_add take units out, too.
    const bool claims_explain = claims_of_others(proof->ref.slot) > 0;
    bool wrong = proof->unknown_orders > 0;
    if (wrong && last) {
        report(*proof, psprintf(INT64_FORMAT " live orders are of inventories that do not exist",
                                proof->unknown_orders));
    }
    for (int i = 0; i < proof->inventories.count; i++) {
        const char* problem = problem_of(*proof, proof->inventories.rows[i], claims_explain);
        wrong = wrong || problem != nullptr;
        if (problem != nullptr && last) {
            report(*proof, problem);
        }
    }
    return wrong;
}

void verify(const Catalog& catalog, int64_t item_id, bool required, ReturnSetInfo* result) {
    constexpr int kLooks = 12;
    constexpr long kFirstPauseMicros = 500;  // doubles: one second in all
    Proof proof{};
    proof.catalog = &catalog;
    proof.result = result;
    proof.ref = directory_find_item(catalog, item_id);
    if (proof.ref.item == nullptr) {
        if (required) {
            report_no_item(item_id);
        }
        return;  // gone since the list was made
    }
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "item_verify", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(context);
    bool wrong = look(&proof, false);
    for (int i = 1; wrong && i < kLooks; i++) {
        CHECK_FOR_INTERRUPTS();
        pg_usleep(kFirstPauseMicros << Min(i, 9));
        MemoryContextReset(context);
        wrong = look(&proof, i == kLooks - 1);
    }
    directory_done();
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(context);
}

// The ids of all items, as of now.
int64_t* list_items(const Catalog& catalog, size_t* count) {
    size_t room = 1024;
    int64_t* ids = static_cast<int64_t*>(palloc(room * sizeof(int64_t)));
    *count = 0;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.inventory, catalog.inventory_root, snapshot);
    while (reader_next(&reader)) {
        if (*count == room) {
            room *= 2;
            ids = static_cast<int64_t*>(repalloc_huge(ids, room * sizeof(int64_t)));
        }
        ids[(*count)++] = row_int64(reader.row, 2);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return ids;
}

void return_item(const Catalog& catalog, const ItemRef& ref, ReturnSetInfo* result) {
    Snapshot snapshot = take_fresh_snapshot();
    Inventories inventories;
    int64_t quantity = 0;
    read_inventories(catalog, ref.item->item_id, snapshot, &inventories);
    drop_snapshot(snapshot);
    for (int i = 0; i < inventories.count; i++) {
        quantity = saturating_sum(quantity, inventories.rows[i].quantity);
    }
    int32_t stocks = 0;
    for (Stock* stock = ref.item->root(); stock != nullptr; stock = ref.item->after(stock)) {
        stocks += is_usable(stock) && !is_merged(ref, stock) ? 1 : 0;
    }
    Datum values[] = {Int64GetDatum(ref.item->item_id),
                      Int32GetDatum(stocks),
                      Int64GetDatum(quantity),
                      Int64GetDatum(item_remaining_units(ref)),
                      Int64GetDatum(claims_in_flight(ref.slot)),
                      Int64GetDatum(static_cast<int64_t>(ref.item->bytes.load())),
                      TimestampTzGetDatum(last_use_of(ref.slot))};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_verify) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    if (!PG_ARGISNULL(0)) {
        verify(catalog, PG_GETARG_INT64(0), true, result);
        return 0;
    }
    size_t count;
    const int64_t* ids = list_items(catalog, &count);
    for (size_t i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        verify(catalog, ids[i], false, result);
    }
    return 0;
}

TICKETPOOL_FUNCTION(item_pool) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        ItemRef ref;
        CHECK_FOR_INTERRUPTS();
        if (directory_announce_item(catalog, i, &ref)) {
            return_item(catalog, ref, result);
            directory_done();
        }
    }
    return 0;
}
