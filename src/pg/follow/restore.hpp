// See restore.cpp.
#pragma once

namespace ticketpool {

// At preload.
void install_restore_hook();

}  // namespace ticketpool
