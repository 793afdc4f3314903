// Deleting events, and waits that are over, after ticketpool.event_days; see purge.cpp.
#pragma once

#include "server/catalog.hpp"

namespace ticketpool {

enum class PurgeResult { kMore, kDone, kLocked };

// Deletes some thousand rows in the running transaction. kMore: there may be more of them; kLocked:
// another session has one of the tables locked.
PurgeResult purge_some(const Catalog& catalog);

}  // namespace ticketpool
