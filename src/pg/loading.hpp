// A load in progress: what this backend has taken for it so far.
#pragma once

#include "pg.hpp"
#include "prepared.hpp"

namespace ticketpool {

// Void after every load and every abort.
struct Loading {
    bool active;
    uint32_t slot;
    uint64_t version;  // another one now: somebody has taken the load over (directory_load.cpp)
    void* block;       // the Departure or Item
    SharedPart* route;
    SharedPart* layout;
    PreparedLedger* prepared;  // a chain: of prepared transactions that it found
};
extern constinit Loading loading;

}  // namespace ticketpool
