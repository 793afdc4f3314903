// What a transaction's hand-written changes to ticket_departure, ticket_reservation and
// item_inventory mean for the pool, kept until it commits: a departure gets new sale times or
// another train, an inventory goes on sale or off sale, or a departure or item must be loaded
// again.
//
//   before the commit   a departure or stock whose sale changes is pinned, if it is in memory; the
//                       change takes its turn among the writers (SaleStatus in departure.hpp) and
//                       is entered in the ledger. The transaction still has the rows' locks
//   at the commit       when other sessions see the rows: a departure gets its train's name; then
//                       the ledger stores what was entered and ends the turns, those of renames
//                       among them. Each departure or item that any other mark is about is marked
//                       stale, if it is in memory, under the directory lock. What is not in memory
//                       needs nothing: a session that loads it enters its slot before it reads its
//                       rows, so either the mark finds the slot or the load finds the rows
//   at a rollback       marks are forgotten, and the ledger ends the turns
#pragma once

#include "server/catalog.hpp"

namespace ticketpool {

void stale_at_commit(const Catalog& catalog, int64_t departure_id);
// The departure has got other seats (ticket_reform): what is in memory leaves the directory.
void replaced_at_commit(const Catalog& catalog, int64_t departure_id);
// The departure is sold as another train.
void train_at_commit(const Catalog& catalog, int64_t departure_id, const char* train);
void sale_at_commit(const Catalog& catalog, int64_t departure_id, const SaleTimes& sale);

void stale_item_at_commit(const Catalog& catalog, int64_t item_id);
// Whether an inventory is on sale, and whether it has a seller.
struct StockSale {
    int64_t inventory_id;
    bool on_sale;
    bool has_seller;
};
void item_sale_at_commit(const Catalog& catalog, int64_t item_id, const StockSale& sale);

// For the transaction callbacks, before the end: may wait and ereport.
void marks_refuse_prepare();
void marks_enter();
// No-fail, like all that follow.
void marks_apply();
void marks_forget();
void marks_forget_level(int level);   // those of that level and deeper
void marks_promote_level(int level);  // these to the level above it

}  // namespace ticketpool
