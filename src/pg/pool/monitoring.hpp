// What the views say of a slot of the directory.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Claims of all sessions' running transactions; of others' alone.
int64_t claims_in_flight(uint32_t slot);
int64_t claims_of_others(uint32_t slot);

TimestampTz last_use_of(uint32_t slot);

}  // namespace ticketpool
