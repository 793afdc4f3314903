// The memory of the directory: how it is freed, and what is evicted when there is no room. Callers
// hold the directory lock exclusively. The exceptions are part_bucket() and part_find(), which
// read, and require_memory() and discard_slot(), which take the lock themselves.
#pragma once

#include "pool/shared_memory.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Evicts the departure of a slot unless somebody uses it.
bool try_evict(uint32_t index);

// Memory for a block of the pool. Evicts the coldest departures that nobody uses, as needed. Null:
// all are in use.
void* allocate_or_evict(size_t bytes, MemoryKind kind);
// Gives it back.
void free_block(void* block, MemoryKind kind);

// A free slot, evicting as needed; kNoSlot: all are in use.
uint32_t take_slot();

// Takes a slot out of its chains and frees what it has; `version` is its present one.
void free_slot(uint32_t index, uint64_t version);
// The same for a slot that may still be read: from now on nobody finds it, and its memory is freed
// after its last reader. Nobody may have pinned it, except the transaction that made it and is
// being rolled back.
void retire_slot(uint32_t index);
// Frees the retired slots that nobody reads any more.
void free_retired();
// Free a departure with its quotas; an item with its stocks.
void free_departure(Departure* departure);
void free_item(Item* item);

// Routes and layouts: found by id, dropped with their last departure.
SharedPtr<SharedPart>* part_bucket(SharedPtr<SharedPart>* table, Oid database, Oid relation,
                                   int64_t id);
SharedPart* part_find(SharedPtr<SharedPart>* table, Oid database, Oid relation, int64_t id);
void part_drop(SharedPtr<SharedPart>* table, SharedPart* part);
// The part in the pool that is equal to `built`, which is copied there unless it is there already.
// It counts the caller as a user. Null: there is no memory.
SharedPart* part_use(SharedPtr<SharedPart>* table, const SharedPart* built);

// As allocate_or_evict(), but takes the lock itself and ereports 53200.
void* require_memory(size_t bytes, MemoryKind kind);

// Retires the slot of a departure or item whose making was rolled back. Takes the lock itself.
void discard_slot(uint32_t slot);

}  // namespace ticketpool
