// Keeps what a load in progress has taken, and gives it back if the load fails
// (unfinished_load.hpp).
#include "pool/unfinished_load.hpp"

#include "pool/announcement.hpp"
#include "pool/eviction.hpp"
#include "pool/pool_full.hpp"

namespace ticketpool {

constinit Loading loading{};

namespace {

SharedPart* find_part(SharedPtr<SharedPart>* table, SharedPart** mine, const Catalog& catalog,
                      int64_t id) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    SharedPart* part = part_find(table, MyDatabaseId, catalog.order, id);
    if (part != nullptr) {
        part->departures++;
        *mine = part;
    }
    LWLockRelease(shared.control->lock);
    return part;
}

SharedPart* add_part(SharedPtr<SharedPart>* table, SharedPart** mine, const SharedPart* built) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    SharedPart* part = part_use(table, built);
    if (part == nullptr) {
        LWLockRelease(shared.control->lock);
        report_pool_full(built->bytes);
    }
    *mine = part;
    LWLockRelease(shared.control->lock);
    return part;
}

}  // namespace

SharedPart* loading_find_route(const Catalog& catalog, int64_t route_id) {
    return find_part(shared.routes, &loading.route, catalog, route_id);
}

SharedPart* loading_find_layout(const Catalog& catalog, int64_t layout_id) {
    return find_part(shared.layouts, &loading.layout, catalog, layout_id);
}

SharedPart* loading_add_route(const SharedPart* part) {
    return add_part(shared.routes, &loading.route, part);
}

SharedPart* loading_add_layout(const SharedPart* part) {
    return add_part(shared.layouts, &loading.layout, part);
}

void loading_set_block(void* block) {
    loading.block = block;
}

void loading_add_prepared(PreparedLedger* block) {
    block->next = loading.prepared;
    loading.prepared = block;
}

// Gives back what the load has taken, its slot included.
static void give_back_load() {
    part_drop(shared.routes, loading.route);
    part_drop(shared.layouts, loading.layout);
    if (loading.block != nullptr && shared.slots[loading.slot].has_item()) {
        free_item(static_cast<Item*>(loading.block));
    } else if (loading.block != nullptr) {
        free_departure(static_cast<Departure*>(loading.block));
    }
    for (PreparedLedger* block = loading.prepared; block != nullptr;) {
        PreparedLedger* next = block->next.get();
        free_block(block, MemoryKind::kPrepared);
        block = next;
    }
    free_slot(loading.slot, loading.version);
}

void loading_abandon() {
    if (loading.active) {
        LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
        // A session that has taken the load over (it had not begun in earnest) has its slot.
        if (shared.slots[loading.slot].version.load(std::memory_order_relaxed) == loading.version) {
            give_back_load();
        }
        loading.active = false;
        LWLockRelease(shared.control->lock);
        ConditionVariableBroadcast(&shared.control->loaded);
    }
    end_announcement();
}

}  // namespace ticketpool
