// Every expected outcome of the core. The core never throws and never reports an error; it returns
// one of these.
#pragma once

#include <cstdint>

namespace ticketpool {

enum class Status : std::uint8_t {
    kOk,         // done; what was asked for is now the caller's
    kSoldOut,    // certain: too few seats are free, and no unfinished attempt is to blame
    kLookAgain,  // met another's unfinished attempt or lost too many races; the caller holds
                 // nothing, may process interrupts, pause, and call again
    kNoMemory,   // the arena has no room
    kMalformed,  // the request makes no sense, whatever the stock
};

}  // namespace ticketpool
