// Calls that are routed by the departure.
#pragma once

#include "router/link.hpp"
#include "router/pursuit.hpp"
#include "router/twin.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Calls the twin's function on the node that has the departure, and again if the departure has
// moved meanwhile. Returns rows; an error of the node is raised. TK001 if no node has the train on
// that day.
Answer call_by_train(const Twin& twin, Text train, DateADT date, Cluster cluster, Datum arguments,
                     Effect effect);

// The node that has the train on that day, as the routes say; TK001 if none has it.
int routed_node(const Twin& twin, Text train, DateADT date);
[[noreturn]] void report_no_route(Text train, DateADT date);

}  // namespace ticketpool
