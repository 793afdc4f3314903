// Pins: the departures and items that this transaction keeps in memory until it has ended, and the
// count of its claims on each, both in this backend's own slot (shared_memory.hpp says who reads
// them). What does not fit there is counted in the pinned slot itself.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

struct Pins {
    uint32_t* slots;
    size_t count;
    size_t room;
    uint64_t* bits;  // one a slot of the directory, to ask quickly; null: nothing was ever reserved
    int own;         // how many of the pins are in our BackendSlot; the rest are shared pins
};
extern constinit Pins my_pins;

// Room for one more; ereports.
void reserve_pin();

// Everything below is no-fail.

// Keeps what is in the slot in memory to the end of the transaction. The caller has it announced,
// and has reserved.
void pin_slot(uint32_t slot);

inline bool is_pinned(uint32_t slot) {
    return my_pins.count > 0 && (my_pins.bits[slot / 64] >> (slot % 64) & 1) != 0;
}

// Counts claims for the views, in this backend's own slot.
void publish_claims(uint32_t slot, int change);

// At the transaction's end: everything that it has pinned.
void unpin_all();

}  // namespace ticketpool
