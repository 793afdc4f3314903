// Loading what is not in memory: who loads, who waits, and who takes a load over.
#pragma once

#include "load/load_locks.hpp"
#include "pool/directory_key.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

// The row that a key leads to.
struct Row {
    int64_t id;
    bool own_insert;  // by the running transaction
    DepartureRow departure;
};
bool read_row(const Key& key, Row* row);

// The epoch of what the key leads to: of the departure's day, or of all items.
uint32_t read_epoch(const Key& key, DateADT date);
// The same with the locks of a load, so it is the epoch of the tables as they are now.
uint32_t lock_and_read_epoch(const Key& key, DateADT date, LoadLocks* locks);

// Reads the row to learn the id, enters the slot, and only then reads what it builds from: once the
// slot is entered, nobody can change the departure without waiting for this load. *found is then
// announced; kNoSlot: there is nothing to load. False: another session was quicker; look again.
bool load_by_key(const Key& key, uint32_t* found);

// Sleeps until some load ends, but only for a moment: a departure that is hidden from us while its
// ticket_open commits is looked at again soon. Does not sleep if `key` has no slot any more.
void wait_for_loader(const Key& key);

}  // namespace ticketpool
