// The locks in which orders and the rows that they belong to meet: see arrival_locks.hpp.
#include "tables/arrival_locks.hpp"

#include "server/advisory_locks.hpp"

namespace ticketpool {

namespace {

struct Missing {
    LocalTransactionId transaction;
    int64_t id;
};
constinit Missing missing[2]{};

Missing& missing_of(Arrival kind) {
    return missing[static_cast<int>(kind)];
}

LOCKTAG departures_tag(const Catalog& catalog) {
    return advisory_tag(AdvisoryLock::kNewRows, catalog.departure, 0);
}

void lock_departures(const Catalog& catalog, LOCKMODE mode) {
    const LOCKTAG tag = departures_tag(catalog);
    LockAcquire(&tag, mode, false, false);
}

constexpr uint32_t kAllItems = 0;
// At most this many, so that a restore of any number of items does not fill the server's table of
// locks.
constexpr uint32_t kItemLocks = 128;

uint32_t lock_of_item(int64_t item_id) {
    const uint64_t hash =
        hash_bytes_extended(reinterpret_cast<const unsigned char*>(&item_id), sizeof item_id, 0);
    return 1 + static_cast<uint32_t>(hash % kItemLocks);
}

void lock_inventories(const Catalog& catalog, uint32_t which, LOCKMODE mode) {
    const LOCKTAG tag = advisory_tag(AdvisoryLock::kNewRows, catalog.inventory, which);
    LockAcquire(&tag, mode, false, false);
}

}  // namespace

void lock_new_departures(const Catalog& catalog) {
    lock_departures(catalog, RowExclusiveLock);
    missing_of(Arrival::kDeparture).transaction = InvalidLocalTransactionId;
}

bool holds_new_departures(const Catalog& catalog) {
    return holds_lock(departures_tag(catalog), RowExclusiveLock);
}

void lock_orphans(const Catalog& catalog) {
    lock_departures(catalog, ShareLock);
}

void lock_new_inventory(const Catalog& catalog, int64_t item_id, bool by_hand) {
    lock_inventories(catalog, by_hand ? kAllItems : lock_of_item(item_id), RowExclusiveLock);
    missing_of(Arrival::kInventory).transaction = InvalidLocalTransactionId;
}

void lock_item_orphan(const Catalog& catalog, int64_t item_id) {
    lock_inventories(catalog, kAllItems, ShareLock);
    lock_inventories(catalog, lock_of_item(item_id), ShareLock);
}

bool is_noted_missing(Arrival kind, int64_t id) {
    const Missing& noted = missing_of(kind);
    return noted.transaction == my_local_transaction() && noted.id == id;
}

void note_missing(Arrival kind, int64_t id) {
    missing_of(kind) = Missing{my_local_transaction(), id};
}

void forget_missing() {
    for (Missing& noted : missing) {
        noted.transaction = InvalidLocalTransactionId;
    }
}

}  // namespace ticketpool
