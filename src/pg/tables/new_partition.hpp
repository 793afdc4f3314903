// Making the partition of a service date.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Creates it where there is none (standalone, then attached: an idle buyer blocks nobody). 55000
// where the day has departures: it had a partition then, whose orders may come back with it.
void ensure_order_leaf(const Catalog& catalog, DateADT date);

}  // namespace ticketpool
