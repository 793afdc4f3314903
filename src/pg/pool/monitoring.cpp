// Counts claims under way and tells the last use of a slot (monitoring.hpp).
#include "pool/monitoring.hpp"

#include "pool/prepared.hpp"

namespace ticketpool {

static int64_t sum_claims(uint32_t slot, const BackendSlot* except) {
    int64_t claims = 0;
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const BackendSlot& backend = shared.backends[i];
        for (int p = 0; &backend != except && p < kBackendPins; p++) {
            if (backend.pins[p].load(std::memory_order_acquire) == slot + 1) {
                claims += backend.pin_claims[p].load(std::memory_order_acquire);
            }
        }
    }
    return claims;
}

int64_t claims_in_flight(uint32_t slot) {
    return sum_claims(slot, nullptr) + prepared_claims_on(slot);
}

int64_t claims_of_others(uint32_t slot) {
    int64_t claims = sum_claims(slot, shared.mine);
    if (shared.slots[slot].shared_pins.load(std::memory_order_acquire) == 0) {
        return claims;
    }
    // If a transaction has pinned more than its BackendSlot shows, any of its claims may be here.
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const BackendSlot& backend = shared.backends[i];
        if (&backend != shared.mine &&
            backend.pin_count.load(std::memory_order_acquire) > kBackendPins) {
            claims += backend.claims.load(std::memory_order_acquire);
        }
    }
    return claims;
}

TimestampTz last_use_of(uint32_t slot) {
    return int64_t{shared.slots[slot].last_use.load(std::memory_order_relaxed)} * USECS_PER_SEC;
}

}  // namespace ticketpool
