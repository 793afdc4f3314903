// Quotas: see reserve.cpp.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Gives back a quota that is open, in the running transaction: how many of its seats come back, at
// least in part; -1: it is not open. Call inside SPI and owner_begin().
int recycle(const Catalog& catalog, int64_t reservation_id);

// All quotas of a pinned departure.
void recycle_all(const Catalog& catalog, const DepartureRef& ref);

}  // namespace ticketpool
