// Idempotency: the calls of one request are serialized to the end of the transaction that made the
// first, by an advisory transaction lock on its key (objsubid 3 in pg_locks, so that it meets no
// advisory lock of a user's).
#pragma once

#include "server/advisory_locks.hpp"
#include "server/pg.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

void lock_request(uint64_t key);
// 40001 where the isolation level hides the current row.
void require_visible_first_call(TableReader* reader);

// Sorts the keys and takes their locks in this order, each once, so that two sessions that lock
// many never wait for each other in a circle. True: some are the same.
bool lock_keys(AdvisoryLock what, uint64_t* keys, size_t count);

}  // namespace ticketpool
