// The launcher: the background worker that starts the others.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "postmaster/bgworker.h"
}

namespace ticketpool {

// At preload.
void register_launcher();

// Describes one of our workers, whose main function is named so.
void fill_worker(BackgroundWorker* worker, const char* name, const char* function);

}  // namespace ticketpool
