// The locks of a load.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The relations that a load reads, locked before it reads anything. A session that has these locks
// knows of every change that committed before (epoch.hpp). A loader that waits for these locks may
// be waiting for a session that waits for the load. In that case the other session takes the load
// over, because nothing of it has been done yet.
struct LoadLocks {
    Oid relations[12];
    int count;
};
void lock_for_loading(const Catalog& catalog, DateADT date, LoadLocks* locks);
void lock_for_loading_item(const Catalog& catalog, LoadLocks* locks);
void unlock_after_loading(const LoadLocks& locks);

}  // namespace ticketpool
