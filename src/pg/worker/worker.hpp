// What the launcher (launcher.cpp) and the workers that it starts (worker.cpp) share.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Overrides what server, database or role may have set and would stop a worker: worker.cpp has the
// list. Before it connects.
void override_settings();

inline constexpr TimestampTz kRetry = 5 * USECS_PER_SEC;  // after a sweep that failed

}  // namespace ticketpool
