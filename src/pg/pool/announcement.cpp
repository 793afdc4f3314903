// Ends the announcement of what this backend reads (announcement.hpp).
#include "pool/announcement.hpp"

#include "pool/shared_memory.hpp"

namespace ticketpool {

SlotVersion version_of(uint32_t slot) {
    return {slot, shared.slots[slot].version.load(std::memory_order_acquire)};
}

void end_announcement() {
    shared.mine->reading.store(0, std::memory_order_release);
}

}  // namespace ticketpool
