// What this backend reads right now without a lock. It is announced in the backend's own slot
// (shared_memory.hpp), so that no other process evicts it.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// A departure that this backend has announced. It stays in memory until end_announcement() or the
// next announcement; once it is pinned (pins.hpp), it stays to the end of the transaction.
struct DepartureRef {
    uint32_t slot;
    Departure* departure;  // null: not found
};

// The same for an item.
struct ItemRef {
    uint32_t slot;
    Item* item;
};

// A slot in the version that it has now: where another process finds what this one has announced.
struct SlotVersion {
    uint32_t slot;
    uint64_t version;
};
SlotVersion version_of(uint32_t slot);

void end_announcement();

}  // namespace ticketpool
