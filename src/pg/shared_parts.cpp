// Routes and layouts in memory: found or added by the load that needs them.
#include "directory.hpp"
#include "errors.hpp"
#include "eviction.hpp"
#include "loading.hpp"

namespace ticketpool {

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
    SharedPart* part = part_find(table, built->database, built->relation, built->id);
    if (part == nullptr) {
        part = static_cast<SharedPart*>(allocate_or_evict(built->bytes));
        if (part == nullptr) {
            LWLockRelease(shared.control->lock);
            report_out_of_memory(built->bytes);
        }
        memcpy(static_cast<void*>(part), built, built->bytes);
        SharedPtr<SharedPart>* head =
            part_bucket(table, built->database, built->relation, built->id);
        part->departures = 0;
        part->next = *head;
        *head = part;
    }
    part->departures++;
    *mine = part;
    LWLockRelease(shared.control->lock);
    return part;
}

}  // namespace

SharedPart* directory_find_route(const Catalog& catalog, int64_t route_id) {
    return find_part(shared.routes, &loading.route, catalog, route_id);
}

SharedPart* directory_find_layout(const Catalog& catalog, int64_t layout_id) {
    return find_part(shared.layouts, &loading.layout, catalog, layout_id);
}

SharedPart* directory_add_route(const SharedPart* part) {
    return add_part(shared.routes, &loading.route, part);
}

SharedPart* directory_add_layout(const SharedPart* part) {
    return add_part(shared.layouts, &loading.layout, part);
}

}  // namespace ticketpool
