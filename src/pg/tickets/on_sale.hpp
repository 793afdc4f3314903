// Is a departure on sale at this moment?
#pragma once

#include "pool/announcement.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Ereports TK003 if the departure is not on sale now.
void require_on_sale(const DepartureRef& ref);
// Is the departure on sale now? Also false if its service date has no partition.
bool is_on_sale(const DepartureRef& ref);

}  // namespace ticketpool
