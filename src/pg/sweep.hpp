// See sweep.cpp.
#pragma once

#include "catalog.hpp"
#include "pg.hpp"

namespace ticketpool {

// Lets a batch of holds expire and quotas return in the running transaction; how many did.
int sweep_batch(const Catalog& catalog);

// The earliest deadline in the tables; INT64_MAX: none.
TimestampTz next_deadline(const Catalog& catalog);

}  // namespace ticketpool
