// item_verify: the proof that pool and tables agree about items.
//
// For each inventory, what is free in its stock is compared with what is free by its rows: the
// quantity less live orders, less the units that prepared transactions have claimed and those that
// this transaction releases at commit. Less may be free in the stock if running transactions
// explain it. Sales go on meanwhile, and reading the orders of an item takes time, so a difference
// counts only if
//   - what is free in the stock is the same before and after the look into the tables, and
//   - the difference is the same in every one of several looks.
// So an item that is sold fast raises no false alarm; a true difference shows in a quiet moment.
#include <algorithm>

#include "load/directory.hpp"
#include "load/item_pins.hpp"
#include "monitor/verify_each.hpp"
#include "pool/announcement.hpp"
#include "pool/monitoring.hpp"
#include "pool/prepared.hpp"
#include "pool/stock_claim.hpp"
#include "pool/stock_ledger.hpp"
#include "server/table_scan.hpp"
#include "tables/inventory_rows.hpp"

namespace ticketpool {
namespace {

// What one look says of an inventory.
struct Finding {
    int64_t inventory_id;  // kNoInventory: of live orders without an inventory, or of the item
    const char* problem;   // null: nothing is wrong
};
constexpr int64_t kNoInventory = INT64_MIN;

// What was free in a stock before the look into the tables.
struct Before {
    int64_t inventory_id;
    int64_t free;
};

struct Proof {
    const Catalog* catalog;
    ItemRef ref;
    Before* before;
    int before_count;
    LiveOrder* undecided;  // of running transactions, sorted by inventory
    int undecided_count;
    int undecided_room;
    Inventories inventories;
    int64_t unknown_orders;  // live orders of inventories that do not exist
};

int compare_inventory_of_order(const void* a, const void* b) {
    const int64_t left = static_cast<const LiveOrder*>(a)->inventory_id;
    const int64_t right = static_cast<const LiveOrder*>(b)->inventory_id;
    return left < right ? -1 : static_cast<int>(left > right);
}

void note_undecided(const LiveOrder& order, void* context) {
    Proof* proof = static_cast<Proof*>(context);
    if (proof->undecided_count == proof->undecided_room) {
        proof->undecided_room *= 2;
        proof->undecided = static_cast<LiveOrder*>(repalloc_huge(
            proof->undecided, static_cast<size_t>(proof->undecided_room) * sizeof(LiveOrder)));
    }
    proof->undecided[proof->undecided_count++] = order;
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

void read_pool(Proof* proof) {
    Item* item = proof->ref.item;
    int count = 0;
    for (Stock* stock = item->root(); stock != nullptr; stock = item->after(stock)) {
        count++;
    }
    proof->before = static_cast<Before*>(palloc(static_cast<size_t>(count) * sizeof(Before)));
    proof->before_count = 0;
    for (Stock* stock = item->root(); proof->before_count < count; stock = item->after(stock)) {
        proof->before[proof->before_count++] = {stock->inventory_id, count_free_units(*stock)};
    }
}

// False: the item has no inventory rows any more.
bool read_tables(Proof* proof) {
    constexpr int kFirstRoom = 64;
    const int64_t item_id = proof->ref.item->item_id;
    proof->unknown_orders = 0;
    proof->undecided_count = 0;
    proof->undecided_room = kFirstRoom;
    proof->undecided = static_cast<LiveOrder*>(palloc(kFirstRoom * sizeof(LiveOrder)));
    read_live_orders(*proof->catalog, item_id, nullptr, note_undecided, proof);
    qsort(proof->undecided, static_cast<size_t>(proof->undecided_count), sizeof(LiveOrder),
          compare_inventory_of_order);
    Snapshot snapshot = take_fresh_snapshot();
    const bool found =
        read_inventories(*proof->catalog, item_id, snapshot, nullptr, &proof->inventories);
    if (found) {
        read_live_orders(*proof->catalog, item_id, snapshot, add_sold, proof);
    }
    drop_snapshot(snapshot);
    return found;
}

int compare_before(const void* key, const void* element) {
    const int64_t left = *static_cast<const int64_t*>(key);
    const int64_t right = static_cast<const Before*>(element)->inventory_id;
    return left < right ? -1 : static_cast<int>(left > right);
}

// Was as much free before the look into the tables? In `before`, the root is first and the rest is
// in order of id.
bool is_unchanged(const Proof& proof, int64_t inventory_id, int64_t free) {
    const Before* before = &proof.before[0];
    if (before->inventory_id != inventory_id) {
        before = static_cast<const Before*>(bsearch(&inventory_id, proof.before + 1,
                                                    static_cast<size_t>(proof.before_count - 1),
                                                    sizeof(Before), compare_before));
    }
    return before != nullptr && before->free == free;
}

int64_t undecided_units(const Proof& proof, int64_t inventory_id) {
    const LiveOrder* end = proof.undecided + proof.undecided_count;
    const LiveOrder* order = std::lower_bound<const LiveOrder*>(
        proof.undecided, end, inventory_id,
        [](const LiveOrder& o, int64_t id) { return o.inventory_id < id; });
    int64_t units = 0;
    for (; order != end && order->inventory_id == inventory_id; order++) {
        units = order->units > 0 ? saturating_sum(units, order->units) : units;
    }
    return units;
}

const char* problem_of(const Proof& proof, const Inventory& row) {
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
    const int64_t prepared = here ? prepared_units_of(stock_ref(proof.ref, stock)) : 0;
    const int64_t expected = free_of(row) - own - prepared;
    // More claims than undecided rows: claims of a split, a merge or item_add, or claims whose rows
    // are not written yet.
    const bool any_claim_explains =
        claims_of_others(proof.ref.slot) > int64_t{proof.undecided_count};
    if (free == expected || (here && !is_unchanged(proof, row.id, free)) ||
        (free < expected &&
         (any_claim_explains || free >= expected - undecided_units(proof, row.id)))) {
        return nullptr;
    }
    return psprintf("inventory " INT64_FORMAT " has " INT64_FORMAT
                    " units free in the pool and " INT64_FORMAT " by its rows",
                    row.id, free, expected);
}

// One look: a finding for each inventory, and one for orders without an inventory; palloc'd.
// Returns how many.
int look(Proof* proof, Finding** findings) {
    prepared_resolve(proof->ref.slot);
    read_pool(proof);
    if (!read_tables(proof)) {
        *findings = static_cast<Finding*>(palloc(sizeof(Finding)));
        **findings = {kNoInventory, "has no rows in item_inventory"};
        return 1;
    }
    const int count = proof->inventories.count;
    *findings = static_cast<Finding*>(palloc(static_cast<size_t>(count + 1) * sizeof(Finding)));
    const char* unknown =
        proof->unknown_orders == 0
            ? nullptr
            : psprintf(INT64_FORMAT " live orders are of inventories that do not exist",
                       proof->unknown_orders);
    (*findings)[0] = {kNoInventory, unknown};
    for (int i = 0; i < count; i++) {
        const Inventory& row = proof->inventories.rows[i];
        (*findings)[i + 1] = {row.id, problem_of(*proof, row)};
    }
    return count + 1;
}

// Keeps the findings of `kept` that `now` has with the same problem. Returns how many are left.
int keep_common(Finding* kept, int kept_count, const Finding* now, int now_count) {
    int left = 0;
    int at = 0;
    for (int i = 0; i < kept_count; i++) {
        // Both lists have the same order; inventories may have been added or deleted.
        int found = at;
        while (found < now_count && now[found].inventory_id != kept[i].inventory_id) {
            found++;
        }
        if (found < now_count) {
            at = found + 1;
            if (now[found].problem != nullptr && strcmp(now[found].problem, kept[i].problem) == 0) {
                kept[left++] = kept[i];
            }
        }
    }
    return left;
}

// Keeps the findings that have a problem. Returns how many are left.
int drop_clean(Finding* findings, int count) {
    int left = 0;
    for (int i = 0; i < count; i++) {
        if (findings[i].problem != nullptr) {
            findings[left++] = findings[i];
        }
    }
    return left;
}

// The problems that every look has found; palloc'd. Returns how many. Later looks use memory that
// is freed after each.
int find_problems(Proof* proof, Finding** kept) {
    MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "item_verify look", ALLOCSET_DEFAULT_SIZES);
    int count = look(proof, kept);
    count = drop_clean(*kept, count);
    look_again(count > 0, kLooks, [&] {
        MemoryContext outer = MemoryContextSwitchTo(scratch);
        Finding* now;
        const int now_count = look(proof, &now);
        count = keep_common(*kept, count, now, now_count);
        MemoryContextSwitchTo(outer);
        MemoryContextReset(scratch);
        return count > 0;
    });
    return count;
}

void verify(const Catalog& catalog, int64_t item_id, bool required, ReturnSetInfo* result) {
    Proof proof{};
    proof.catalog = &catalog;
    proof.ref = directory_find_item(catalog, item_id);
    if (proof.ref.item == nullptr) {
        if (required) {
            report_no_item(item_id);
        }
        return;  // deleted since the ids were listed
    }
    Finding* findings;
    const int count = find_problems(&proof, &findings);
    for (int i = 0; i < count; i++) {
        report_problem(result, item_id, findings[i].problem);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_verify) {
    using namespace ticketpool;
    constexpr AllIds kItems{&Catalog::inventory, &Catalog::inventory_root, 2,
                            ProgressCommand::kItemVerify};
    return verify_each(fcinfo, kItems, verify);
}
