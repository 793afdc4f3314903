// The background workers: the launcher (launcher.cpp), which starts the others (worker.cpp).
#pragma once

#include "pg.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace ticketpool {

// At preload.
void register_launcher();

// Describes one of our workers, whose main function is named so.
void fill_worker(BackgroundWorker* worker, const char* name, const char* function);

// Overrides what server, database or role may have set and would stop a worker: worker.cpp has the
// list. Before it connects.
void override_settings();

inline constexpr TimestampTz kRetry = 5 * USECS_PER_SEC;  // after a sweep that failed

}  // namespace ticketpool
