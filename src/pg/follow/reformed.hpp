// What logical replication brings of a ticket_reform (amend/reform.cpp): the departure with another
// layout, then its tickets and quotas with other seats, in one transaction.
//
// A ticket may come on a seat that the old layout does not have, or that another ticket still has
// whose own row comes later. So when the departure's row has come, the session does what
// ticket_reform does: it bars others, waits for them, and locks the live rows. What it then writes
// of the departure's tickets and quotas claims nothing. At its end every live ticket, also those
// that were sold here, must have a seat of its own in the new layout (23514, 23P01). From the
// commit on, the departure is loaded from its rows.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

// Does the change of a departure's row come from a ticket_reform elsewhere?
bool is_reformed_elsewhere(const DepartureRow& before, const DepartureRow& after);
// Follows it.
void follow_reform(const Catalog& catalog, const DepartureRow& before);
// Does this transaction follow a reform of the pinned departure?
bool is_following_reform(uint32_t slot);

}  // namespace ticketpool
