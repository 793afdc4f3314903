// The foreign servers through which the nodes are reached follow the table router_node.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

inline constexpr const char* kServerNames[] = {"ticketpool", "ticketpool_read"};

// Sets the partitions of the foreign servers to what router_node says now: the number of a
// partition is that of its node. Statements only where something differs. Inside SPI, as the owner.
void rebuild_servers(Oid schema);

// Does a server say what router_node says? Inside SPI. A server that does not exist does not.
bool server_is_current(Oid schema, int server);

}  // namespace ticketpool
