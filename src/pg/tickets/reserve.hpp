// Giving quotas back (reserve.cpp).
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Gives back an open quota in the running transaction. Returns how many of its seats come back at
// least in part; -1: the quota is not open. Call inside SPI and owner_begin().
int recycle(const Catalog& catalog, int64_t reservation_id);

// Gives back all open quotas of a pinned departure.
void recycle_all(const Catalog& catalog, const DepartureRef& ref);

}  // namespace ticketpool
