// Idempotency: calls with the same request_id are serialized until the end of the transaction that
// made the first call, by an advisory transaction lock on the request's key. Its objsubid in
// pg_locks is 3, so that it does not conflict with a user's advisory locks. The people of a
// purchase are locked in the same way, while rules are asked (rules.cpp).
#pragma once

#include "server/advisory_locks.hpp"
#include "server/pg.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

void lock_request(uint64_t key);
// The same without waiting. False: somebody has it, perhaps this transaction itself.
bool try_lock_request(uint64_t key);
// Ereports 40001 if the isolation level hides the current row.
void require_visible_first_call(TableReader* reader);

// Sorts the keys and takes their locks in this order, each once, so that sessions that take many
// never wait for each other in a circle. Returns true if two keys are the same.
bool lock_keys(AdvisoryLock what, uint64_t* keys, size_t count);
// The same without waiting. False: somebody has one of them, perhaps this transaction itself. Those
// that were taken stay until the transaction ends.
bool try_lock_keys(AdvisoryLock what, uint64_t* keys, size_t count);

}  // namespace ticketpool
