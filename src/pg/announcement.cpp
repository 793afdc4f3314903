// See announcement.hpp.
#include "announcement.hpp"

#include "shared_memory.hpp"

namespace ticketpool {

void end_announcement() {
    shared.mine->reading.store(0, std::memory_order_release);
}

}  // namespace ticketpool
