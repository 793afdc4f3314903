// Departures, quotas and stocks that a running transaction has made.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Is a departure, quota or stock in memory there for this transaction? `maker` is its word that
// names the transaction that made it, until that transaction's callback has run. For that
// transaction itself the answer is yes; for others it is yes once they see its rows, and no after
// its rollback, although the callback runs a moment later than either.
bool is_made(const std::atomic<uint32_t>& maker);

}  // namespace ticketpool
