// What this backend reads right now without a lock: announced in its slot (shared_memory.hpp), so
// that nobody evicts it.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// A departure that this backend has announced: it stays in memory until end_announcement(), the
// next announcement, or, once pinned in the ledger, to the end of the transaction.
struct DepartureRef {
    uint32_t slot;
    Departure* departure;  // null: there is none
};

// The same of an item.
struct ItemRef {
    uint32_t slot;
    Item* item;
};

// Ends the announcement.
void end_announcement();

}  // namespace ticketpool
