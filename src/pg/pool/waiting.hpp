// Waiting for other sessions: those that use a departure, and those that change its sale words.
#pragma once

#include "pool/stock_entry.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Does the session wait for a lock that this session has, or for a session that waits for this one?
bool waits_for_me(int pid);

// What to do about prepared transactions that are not decided: they may stay so for ever.
enum class OfPrepared { kWait, kRefuse };

// Waits, interruptibly, until everybody else has been seen not to have announced or pinned the
// departure in this slot, or until the slot has changed hands. Who announces it after the call
// began is not waited for: the caller has stored before what such a session reads then. The
// server's deadlock detector finds a circle of such waits. Prepared transactions that are decided
// meanwhile are settled. kRefuse: an undecided one is an error (55006).
void wait_for_others(uint32_t slot, OfPrepared of_prepared);
// The same until a time at most. False: somebody still uses it. It looks again and again instead of
// waiting for a lock, so a circle of waits ends at that time.
bool wait_for_others_until(uint32_t slot, OfPrepared of_prepared, TimestampTz until);

// Waits, interruptibly, until the transactions that changed the departure's row before this one,
// which have ended, have stored what they noted of its sale words: see SaleStatus in departure.hpp.
// The departure is pinned. The second does the same for a stock of an item.
void wait_for_sale_turn(uint32_t slot);
void wait_for_stock_turn(const StockRef& stock);

// 55006 if a prepared transaction has changed the departure's row: a session that updates the row
// would wait for the decision. (A transaction that is prepared while a session waits for the row is
// waited for.)
void refuse_prepared_change(const Catalog& catalog, int64_t departure_id);

}  // namespace ticketpool
