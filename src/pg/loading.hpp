// The load that is under way in this backend; private to the directory.
#pragma once

#include "prepared.hpp"
#include "shared_memory.hpp"

namespace ticketpool {

// What this backend is loading; void after every load and every abort.
struct Loading {
    bool active;
    uint32_t slot;
    Departure* departure;
    SharedPart* route;
    SharedPart* layout;
    PreparedLedger* prepared;  // a chain: of prepared transactions that it found
};
extern constinit Loading loading;

}  // namespace ticketpool
