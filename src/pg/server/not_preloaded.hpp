// The error of every function where the library was not loaded at the server's start: what to write
// into which file.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// 55000. Says what the setting is now, where it comes from and what it has to be, if the session's
// user may see the server's settings.
[[noreturn]] void report_not_preloaded();

}  // namespace ticketpool
