// The loop around a claim of named seats in a departure that may be unserved (wait_control.hpp).
#pragma once

#include "pool/ledger.hpp"
#include "pool/wait_list.hpp"

namespace ticketpool {

// Calls claim(), which returns whether it got the seats; in a departure that is unserved only if
// are_unwanted() says that no waiter fits one of them. If the departure has become unserved
// meanwhile, the seats may be those that a waiter should have had: they are given back, and looked
// at again.
template <typename AreUnwanted, typename Claim>
bool claim_if_unwanted(const DepartureRef& ref, AreUnwanted are_unwanted, Claim claim) {
    constexpr int kMostTries = 16;
    for (int i = 0; i < kMostTries; i++) {
        const uint64_t seen = ref.departure->waits()->look();
        const size_t mark = ledger_mark();
        if ((WaitControl::is_unserved(seen) && !are_unwanted()) || !claim()) {
            return false;
        }
        const uint64_t now = ref.departure->waits()->look();
        if (likely(!WaitControl::is_unserved(now)) ||
            (WaitControl::is_unserved(seen) &&
             WaitControl::version_of(now) == WaitControl::version_of(seen))) {
            return true;
        }
        ledger_undo_to(mark);
        CHECK_FOR_INTERRUPTS();
    }
    return false;
}

}  // namespace ticketpool
