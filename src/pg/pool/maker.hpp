// Departures, quotas and stocks that a running transaction has made.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// A quota or departure in memory whose making transaction is named until its callback has run: is
// it there for this transaction? Not before others see that one's rows, and not after its abort,
// though the callback comes a moment later than either.
bool is_made(const std::atomic<uint32_t>& maker);

}  // namespace ticketpool
