// Where the rows come from that a session writes.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Is a script of pg_dump's at work?
bool in_restore();
// Or logical replication? Either brings rows that were consistent where they come from, table by
// table, and several processes of it may write at once.
bool rows_come_in_any_order();

}  // namespace ticketpool
