// Waiting for the sessions that use a departure.
#pragma once

#include "pg.hpp"

namespace ticketpool {

// Does the session wait for a lock that this session has, or for one who waits for this session?
bool waits_for_me(int pid);

// Until nobody else has announced or pinned the departure in this slot, interruptibly; or until the
// slot has changed hands. A circle of such waits is found by the server's deadlock detector.
void wait_for_others(uint32_t slot);

}  // namespace ticketpool
