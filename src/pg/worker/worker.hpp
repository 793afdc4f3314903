// What the launcher (launcher.cpp) and the workers that it starts (worker.cpp, cashier.cpp) share.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace ticketpool {

// Overrides settings of server, database or role that would stop a worker; worker.cpp has the list.
// Call before the worker connects.
void override_settings();

// Fills in the registration of a worker of ours; `function` is its main function.
void fill_worker(BackgroundWorker* worker, const char* name, const char* function);

// The worker's own steps: connects, with these settings; asks whether another session holds, or
// waits for, a lock on the whole database.
void connect_worker(Oid database);
bool is_wanted_by_others();

inline constexpr TimestampTz kRetry = 5 * USECS_PER_SEC;  // after a sweep that failed

}  // namespace ticketpool
