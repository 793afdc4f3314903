// The loop around every claim, of seats and of units: when to try again, and when the answer holds.
#pragma once

#include "pool/prepared.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Calls attempt() until it returns an answer that holds, and says whether that is kOk. attempt()
// claims what is in the slot, all or nothing, and returns kLookAgain if it met an unfinished
// attempt of another process.
template <typename Attempt>
bool claim_until_decided(uint32_t slot, Attempt attempt) {
    for (;;) {
        const Status status = attempt();
        if (status == Status::kOk) {
            return true;
        }
        if (status != Status::kLookAgain) {
            if (prepared_resolve(slot)) {
                continue;  // a prepared transaction was decided: it may have left some
            }
            return false;
        }
        // An unfinished attempt takes microseconds, if its process is running.
        CHECK_FOR_INTERRUPTS();
        pg_usleep(50);
    }
}

}  // namespace ticketpool
