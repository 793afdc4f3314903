// The launcher: the background worker that starts the others.
#pragma once

namespace ticketpool {

// Call while the server loads its shared_preload_libraries.
void register_launcher();

}  // namespace ticketpool
