// The error of a full pool: who keeps what in memory, and which setting limits it.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// 53200: no block of so many bytes is free, or can be made free. The caller holds no lock.
[[noreturn]] void report_pool_full(size_t bytes);

// 53200: no slot of the directory is free, or can be made free. The caller holds no lock.
[[noreturn]] void report_no_slot();

}  // namespace ticketpool
