// Memory of the directory: what goes when there is no room. Callers hold the directory lock
// exclusively, but for part_bucket() and part_find(), which read.
#pragma once

#include "pool/shared_memory.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The head of a hash chain of slots.
inline uint32_t* directory_bucket(uint32_t* table, uint64_t hash) {
    return &table[hash & (shared.control->bucket_count - 1)];
}

// The hash of a slot's id in its chain.
uint32_t directory_id_hash(Oid relation, int64_t id);

// Puts a slot into the chain of its name, and takes it out again.
void link_name(uint32_t index, Text train, uint64_t hash);
void unlink_name(uint32_t index);

// Evicts the departure of a slot unless somebody uses it.
bool try_evict(uint32_t index);

// Memory for a block of the pool; evicts the coldest departures that nobody uses as needed. Null:
// all are in use.
void* allocate_or_evict(size_t bytes);

// A free slot, evicting as needed; kNoSlot: all are in use.
uint32_t take_slot();

// Takes a slot out of its chains and frees what it has; `version` is its present one.
void free_slot(uint32_t index, uint64_t version);
// The same of a slot that may still be read: from now on nobody finds it, and its memory goes with
// its last reader. Nobody may have pinned it.
void retire_slot(uint32_t index);
// Frees the retired slots that nobody reads any more.
void free_retired();
// A departure with its quotas; an item with its stocks.
void free_departure(Departure* departure);
void free_item(Item* item);

// Routes and layouts: found by id, dropped with their last departure.
SharedPtr<SharedPart>* part_bucket(SharedPtr<SharedPart>* table, Oid database, Oid relation,
                                   int64_t id);
SharedPart* part_find(SharedPtr<SharedPart>* table, Oid database, Oid relation, int64_t id);
void part_drop(SharedPtr<SharedPart>* table, SharedPart* part);

// Memory for a departure or a shared part; evicts as needed; ereports 53200.
void* require_memory(size_t bytes);

// Drops a departure or item whose making was rolled back.
void discard_slot(uint32_t slot);

}  // namespace ticketpool
