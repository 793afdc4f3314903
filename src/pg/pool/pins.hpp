// Pins: the departures and items that this transaction keeps in memory until it has ended, and the
// count of its claims on each. Both are in this backend's own BackendSlot (shared_memory.hpp says
// who reads them). A pin that does not fit there is counted in the pinned slot itself.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

struct Pins {
    uint32_t* slots;
    size_t count;
    size_t room;
    uint64_t* bits;  // one for each slot, for is_pinned()
    int own;         // how many of the pins are in our BackendSlot; the rest are shared pins
};
extern constinit Pins my_pins;

// In the postmaster, which pins nothing: makes the bits. Other processes share their memory until
// they pin something, and then get a page of it to themselves.
void pins_start();

// Room for one more; ereports.
void reserve_pin();

// Everything below is no-fail.

// Keeps what is in the slot in memory to the end of the transaction. The caller has announced it
// and has called reserve_pin().
void pin_slot(uint32_t slot);

inline bool is_pinned(uint32_t slot) {
    return my_pins.count > 0 && (my_pins.bits[slot / 64] >> (slot % 64) & 1) != 0;
}

// Counts claims for the views, in this backend's own slot.
void publish_claims(uint32_t slot, int change);

// At the transaction's end: drops all of its pins.
void unpin_all();

}  // namespace ticketpool
