// Waiting for the sessions that use a departure.
#pragma once

#include "pool/stock_entry.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Does the session wait for a lock that this session has, or for one who waits for this session?
bool waits_for_me(int pid);

// What to do about prepared transactions that are not decided: they may stay so for ever.
enum class OfPrepared { kWait, kRefuse };

// Until nobody else has announced or pinned the departure in this slot, interruptibly; or until the
// slot has changed hands. A circle of such waits is found by the server's deadlock detector.
// Prepared transactions that are decided meanwhile are settled; kRefuse: one that is not is an
// error (55006).
void wait_for_others(uint32_t slot, OfPrepared of_prepared);

// Until the transactions that changed the departure's row before this one, which have ended, have
// stored what they noted of its sale words: see SaleStatus in departure.hpp. Interruptible. The
// departure is pinned; the same of a stock of an item.
void wait_for_sale_turn(uint32_t slot);
void wait_for_stock_turn(const StockRef& stock);

// 55006 where a prepared transaction has changed the departure's row: whoever updates it would wait
// for the decision. (One that is prepared while its row is waited for is waited for.)
void refuse_prepared_change(const Catalog& catalog, int64_t departure_id);

}  // namespace ticketpool
