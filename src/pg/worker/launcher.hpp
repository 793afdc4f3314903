// The launcher: the background worker that starts the others.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace ticketpool {

// Call while the server loads its shared_preload_libraries.
void register_launcher();

// Fills in the registration of a worker of ours; `function` is its main function.
void fill_worker(BackgroundWorker* worker, const char* name, const char* function);

}  // namespace ticketpool
