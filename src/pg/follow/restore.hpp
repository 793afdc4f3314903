// The utility hook that lets the restore of a dump run through; restore.cpp says how.
#pragma once

namespace ticketpool {

// Called when the library is preloaded.
void install_restore_hook();

}  // namespace ticketpool
