// Sets and drops the pins of this transaction (pins.hpp).
#include "pool/pins.hpp"

#include "pool/shared_memory.hpp"
#include "pool/undo_log.hpp"

namespace ticketpool {

constinit Pins my_pins{};

void pins_start() {
    if (my_pins.bits == nullptr) {
        my_pins.bits = static_cast<uint64_t*>(MemoryContextAllocZero(
            TopMemoryContext, (shared.control->slot_count / 64 + 1) * sizeof(uint64_t)));
    }
}

void reserve_pin() {
    if (my_pins.count == my_pins.room) {
        const size_t room = Max(my_pins.room * 2, static_cast<size_t>(64));
        my_pins.slots = static_cast<uint32_t*>(grow_kept(my_pins.slots, room, sizeof(uint32_t)));
        my_pins.room = room;
    }
}

void pin_slot(uint32_t slot) {
    if (is_pinned(slot)) {
        return;
    }
    if (unlikely(my_pins.count >= my_pins.room)) {
        report_no_room();
    }
    if (my_pins.own < kBackendPins) {
        shared.mine->pins[my_pins.own++].store(slot + 1, std::memory_order_seq_cst);
    } else {
        shared.slots[slot].shared_pins.fetch_add(1, std::memory_order_seq_cst);
    }
    my_pins.slots[my_pins.count++] = slot;
    shared.mine->pin_count.store(static_cast<uint32_t>(my_pins.count), std::memory_order_release);
    my_pins.bits[slot / 64] |= uint64_t{1} << (slot % 64);
}

void publish_claims(uint32_t slot, int change) {
    BackendSlot* mine = shared.mine;
    const uint32_t claims = mine->claims.load(std::memory_order_relaxed);
    if (claims == 0) {
        mine->since.store(GetCurrentStatementStartTimestamp(), std::memory_order_relaxed);
    }
    mine->claims.store(claims + static_cast<uint32_t>(change), std::memory_order_release);
    for (int i = 0; i < my_pins.own; i++) {
        if (mine->pins[i].load(std::memory_order_relaxed) == slot + 1) {
            const uint32_t of_slot = mine->pin_claims[i].load(std::memory_order_relaxed);
            mine->pin_claims[i].store(of_slot + static_cast<uint32_t>(change),
                                      std::memory_order_relaxed);
            return;
        }
    }
}

void unpin_all() {
    BackendSlot* mine = shared.mine;
    mine->claims.store(0, std::memory_order_relaxed);
    for (size_t i = 0; i < my_pins.count; i++) {
        const uint32_t slot = my_pins.slots[i];
        my_pins.bits[slot / 64] &= ~(uint64_t{1} << (slot % 64));
        if (i < static_cast<size_t>(my_pins.own)) {
            mine->pin_claims[i].store(0, std::memory_order_relaxed);
            mine->pins[i].store(0, std::memory_order_seq_cst);
        } else {
            shared.slots[slot].shared_pins.fetch_sub(1, std::memory_order_seq_cst);
        }
    }
    my_pins.count = 0;
    my_pins.own = 0;
    mine->pin_count.store(0, std::memory_order_release);
}

}  // namespace ticketpool
