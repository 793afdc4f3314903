// Takes and releases the locks of a load: see load_locks.hpp.
#include "load/load_locks.hpp"

#include "tables/order_leaf.hpp"

extern "C" {
#include "storage/lmgr.h"
}

namespace ticketpool {

static void lock_for_load(LoadLocks* locks, Oid relation) {
    Assert(locks->count < static_cast<int>(lengthof(locks->relations)));
    LockRelationOid(relation, AccessShareLock);
    locks->relations[locks->count++] = relation;
}

void lock_for_loading(const Catalog& catalog, DateADT date, LoadLocks* locks) {
    for (;;) {
        *locks = LoadLocks{{catalog.order}, 1};
        OrderLeaf leaf;
        if (lock_order_leaf(catalog, date, AccessShareLock, &leaf)) {
            locks->relations[locks->count++] = leaf.relation;
            lock_for_load(locks, leaf.live());
        }
        for (const Oid relation :
             {catalog.departure, catalog.reservation, catalog.route, catalog.layout_coach,
              catalog.departure_pkey, catalog.reservation_open, catalog.route_pkey,
              catalog.layout_coach_pkey}) {
            lock_for_load(locks, relation);
        }
        // If there was no partition, one may have been attached while we waited.
        OrderLeaf now;
        find_order_leaf(catalog, date, &now);
        if (now.relation == leaf.relation) {
            return;
        }
        unlock_after_loading(*locks);
    }
}

void lock_for_loading_item(const Catalog& catalog, LoadLocks* locks) {
    *locks = LoadLocks{{catalog.item_order, catalog.inventory, catalog.item_order_live,
                        catalog.inventory_root, catalog.inventory_item},
                       5};
    for (int i = 0; i < locks->count; i++) {
        LockRelationOid(locks->relations[i], AccessShareLock);
    }
}

void unlock_after_loading(const LoadLocks& locks) {
    for (int i = 0; i < locks.count; i++) {
        UnlockRelationOid(locks.relations[i], AccessShareLock);
    }
}

}  // namespace ticketpool
