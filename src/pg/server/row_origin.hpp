// Whether the rows that a session writes are those of a dump or of a replica.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Is a script of pg_dump at work?
bool in_restore();
// Or logical replication? Either of them brings rows, table by table, that were consistent in the
// database that they are from, and several of its processes may write at once.
bool rows_come_in_any_order();

}  // namespace ticketpool
