// Where everything is: what the tables of the router say.
//
// Each look-up reads them as they are now, whatever the caller's isolation level: the node was
// asked just now, too. `schema` is the extension's, quoted.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// The node that has the train on that day; 0: none.
int route_of_train(const char* schema, Text train, DateADT date);

bool is_item(const char* schema, int64_t item_id);
// TK001 if no node has the item.
int require_node_of_item(const char* schema, int64_t item_id);

// The nodes to ask about an id, the likeliest first: where such ids moved to, the node that the id
// ends in, the one that has the ids from before there were nodes. A node is listed once.
struct NodeList {
    int count;
    int* nodes;
};
enum class IdOf {
    kOrder,  // of tickets: only these have a day
    kWait,   // stays where it was born: router_move takes no waits along
    kOther,
};
NodeList nodes_of_id(const char* schema, int64_t id, IdOf of);

// The nodes from which departures of that day came to the node; none: none has been moved there.
NodeList nodes_before(const char* schema, int node, DateADT date);

// The nodes on which trains that set out on one of these days call at both stations.
NodeList nodes_of_trip(const char* schema, Text from, Text to, DateADT travel_date);
// Is it the code or the name of a station of any node?
bool is_known_station(const char* schema, Text station);
NodeList all_nodes(const char* schema);
// How clients reach the node; XX000 if there is none.
const char* conninfo_of_node(const char* schema, int node);

}  // namespace ticketpool
