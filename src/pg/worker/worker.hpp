// What the launcher (launcher.cpp) and the workers that it starts (worker.cpp) share.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Overrides settings of server, database or role that would stop a worker; worker.cpp has the list.
// Call before the worker connects.
void override_settings();

inline constexpr TimestampTz kRetry = 5 * USECS_PER_SEC;  // after a sweep that failed

}  // namespace ticketpool
