// Takes what a change of a departure's route needs, swaps the pointer at commit, and keeps old
// routes until nobody can look at them (reroute.hpp).
#include "pool/reroute.hpp"

#include "pool/eviction.hpp"
#include "pool/pool_full.hpp"

namespace ticketpool {

Rerouting begin_rerouting(const SharedPart* built) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    // The route first: it counts this change as a user, so that making room for the node cannot
    // evict it.
    Rerouting rerouting{part_use(shared.routes, built), nullptr};
    if (rerouting.route != nullptr) {
        rerouting.node =
            static_cast<OldRoute*>(allocate_or_evict(sizeof(OldRoute), MemoryKind::kRoutes));
        if (rerouting.node == nullptr) {
            part_drop(shared.routes, rerouting.route);
        } else {
            new (rerouting.node) OldRoute{};
        }
    }
    LWLockRelease(shared.control->lock);
    if (rerouting.node == nullptr) {
        report_pool_full(built->bytes);
    }
    return rerouting;
}

static bool is_in_chain(uint32_t slot, const SharedPart* route) {
    const OldRoute* node = shared.old_routes[slot].get();
    while (node != nullptr && node->route.get() != route) {
        node = node->next.get();
    }
    return node != nullptr;
}

void finish_rerouting(uint32_t slot, const Rerouting& rerouting) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    Departure* departure = shared.slots[slot].departure();
    SharedPart* old = part_of(departure->route());
    departure->set_route(reinterpret_cast<const Route*>(rerouting.route));
    if (old == rerouting.route || is_in_chain(slot, old)) {
        part_drop(shared.routes, old);  // it has another user, so it stays
        free_block(rerouting.node, MemoryKind::kRoutes);
    } else {
        rerouting.node->route = old;
        rerouting.node->next = shared.old_routes[slot];
        shared.old_routes[slot] = rerouting.node;
    }
    LWLockRelease(shared.control->lock);
}

void give_up_rerouting(const Rerouting& rerouting) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    part_drop(shared.routes, rerouting.route);
    free_block(rerouting.node, MemoryKind::kRoutes);
    LWLockRelease(shared.control->lock);
}

void drop_old_routes(uint32_t slot) {
    OldRoute* node = shared.old_routes[slot].get();
    shared.old_routes[slot] = nullptr;
    while (node != nullptr) {
        OldRoute* next = node->next.get();
        part_drop(shared.routes, node->route.get());
        free_block(node, MemoryKind::kRoutes);
        node = next;
    }
}

}  // namespace ticketpool
