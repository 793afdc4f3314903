// Calls that are routed by an id.
#pragma once

#include "router/link.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Calls the twin's function on the node that has what the id names. An id says where it was born.
// If it may be elsewhere, the likely nodes are asked one after the other: whichever does not have
// it answers so and has changed nothing. Returns rows; an error is raised: if no node has it, that
// of the first one.
Answer call_by_id(const Twin& twin, int64_t id, IdOf of, Datum arguments, Effect effect);

// The node that has an order of tickets. TK005 if none has it.
int find_node_of_order(const Twin& twin, int64_t order_id);
[[noreturn]] void report_no_order(int64_t order_id);

}  // namespace ticketpool
