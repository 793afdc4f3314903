// Every setting of the extension; doc in README.md.
#pragma once

namespace ticketpool {

extern int setting_memory_kb;   // ticketpool.memory: the whole pool
extern int setting_allocation;  // ticketpool.allocation: an Allocation

void define_settings();

}  // namespace ticketpool
