// Making the partition of a service date.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Creates the partition if there is none: as a table of its own, which is then attached, so that an
// idle buyer blocks nobody. 55000 if the day has departures: then it had a partition, whose orders
// may return with it.
void ensure_order_leaf(const Catalog& catalog, DateADT date);

}  // namespace ticketpool
