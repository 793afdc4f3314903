// The layout of the shared memory: see pool_layout.cpp.
#pragma once

namespace ticketpool {

void install_shared_memory_hooks();

}  // namespace ticketpool
