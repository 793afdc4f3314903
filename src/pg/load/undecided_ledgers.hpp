// Prepared ledgers made from the rows of prepared transactions: step 4 of undecided.hpp.
#pragma once

#include "load/undecided.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Step 4 for tickets, and for quotas, which are put into the departure's list.
void mark_undecided_tickets(Departure* departure, const Undecided& undecided);
void add_undecided_quotas(Departure* departure, Undecided* undecided);

// Makes the prepared ledgers. When this is called, the departure's map shows what all orders have
// taken and nothing of the quotas, and a quota's own map shows what all orders have taken of the
// quota. Closes the undecided quotas to everybody.
void make_prepared_ledgers(Departure* departure, uint32_t slot, const Undecided& undecided);

}  // namespace ticketpool
