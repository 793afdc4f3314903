// Calls that are routed by an id.
#pragma once

#include "router/ask.hpp"
#include "router/link.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Calls the twin's function on the node that has what the id names. An id says where it was born.
// If it may be elsewhere, the likely nodes are asked one after the other: whichever does not have
// it answers so and has changed nothing. Returns rows; an error is raised: if no node has it, that
// of the first one. A node that does not answer is an error only if no other node has it.
Answer call_by_id(const Twin& twin, int64_t id, IdOf of, Datum arguments, Effect effect);

// Where an order of tickets is, and its rows as ticket_get gives them.
struct OrderPlace {
    int node;  // 0: no node says that it has it
    Rows rows;
    ErrorData* failed;    // why the first node that did not answer has not; null: all have
    int left;             // the node that it has left, if it has not arrived anywhere yet; else 0
    NodeList candidates;  // where it was looked for
};
OrderPlace look_for_order(const char* schema, int64_t order_id,
                          std::initializer_list<const char*> columns);

// Does the error say that a node was not reached, or its answer is lost?
bool is_no_answer(const ErrorData* error);

// The node that has an order of tickets. TK005 if none has it.
int find_node_of_order(const Twin& twin, int64_t order_id);
[[noreturn]] void report_no_order(int64_t order_id);

}  // namespace ticketpool
