// Is a departure on sale at this moment?
#pragma once

#include "pool/announcement.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Ereports TK003 where the departure is not on sale right now.
void require_on_sale(const DepartureRef& ref);
// The same as an answer.
bool is_on_sale(const DepartureRef& ref);

}  // namespace ticketpool
