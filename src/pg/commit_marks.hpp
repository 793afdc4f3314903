// What a transaction's hand-written changes to ticket_departure, ticket_reservation and
// item_inventory mean for the pool, kept until it commits: a departure gets new sale times, an
// inventory is on sale or not, or a departure or item is to be loaded anew.
//
// At commit, when others see the rows, each departure that is in memory is marked under the
// directory lock. One that is not needs nothing: whoever loads it enters its slot before he reads
// its rows, so either the mark finds the slot or the load finds the rows. A rollback forgets.
#pragma once

#include "catalog.hpp"
#include "directory.hpp"

namespace ticketpool {

void stale_at_commit(const Catalog& catalog, int64_t departure_id);
void sale_at_commit(const Catalog& catalog, int64_t departure_id, const SaleTimes& sale);

void stale_item_at_commit(const Catalog& catalog, int64_t item_id);
void item_sale_at_commit(const Catalog& catalog, int64_t item_id, const StockSale& sale);

// For the transaction callbacks; all but the first are no-fail.
void marks_refuse_prepare();
void marks_apply();
void marks_forget();
void marks_forget_level(int level);   // those of that level and deeper
void marks_promote_level(int level);  // these to the level above it

}  // namespace ticketpool
