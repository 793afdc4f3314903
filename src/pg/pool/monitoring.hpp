// What the views say of a slot of the directory.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Claims on the slot: of all transactions that have not ended, prepared ones among them; of running
// transactions of other sessions only.
int64_t claims_in_flight(uint32_t slot);
int64_t claims_of_others(uint32_t slot);

TimestampTz last_use_of(uint32_t slot);

}  // namespace ticketpool
