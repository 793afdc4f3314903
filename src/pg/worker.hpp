// See worker.cpp.
#pragma once

namespace ticketpool {

// At preload.
void register_launcher();

}  // namespace ticketpool
