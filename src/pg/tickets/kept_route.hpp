// Stop lists: read, checked, and kept as routes.
//
// Departures with equal stop lists share a route, which is found by its digest. A route never
// changes: ticket_retime and ticket_skip_stop give a departure another one.
#pragma once

#include "tickets/kept_rows.hpp"

namespace ticketpool {

// A stop list as arrays with an element for each stop, in the order in which the train calls.
struct RouteStops {
    Datum stop_nos;   // int[], rising
    Datum stations;   // text[]: codes
    Datum arrives;    // interval[] since midnight of the service date; a NULL element: no time
    Datum departs;    // the same
    Datum boarding;   // boolean[]: where passengers may board; 0: everywhere
    Datum alighting;  // boolean[]; 0: everywhere
    Datum skipped;    // boolean[]: where the train passes through; 0: nowhere
};

// The stops that ticket_stop has of a train, as the snapshot sees them. False: it has none.
// read_stops() ereports TK001 then.
bool find_stops(const KeptSource& source, RouteStops* stops);
RouteStops read_stops(const KeptSource& source);

// A stop list that can be sold.
struct CheckedRoute {
    pg_uuid_t digest;
    RouteStops stops;     // a list of flags that says nothing is 0
    const char* unknown;  // codes that ticket_station does not have, for a message
    int unknown_count;
};

// Ereports 22023 or 54000 if the stops cannot be sold as a train (the source's name).
CheckedRoute check_route(const KeptSource& source, const RouteStops& stops);

// A NOTICE about codes that ticket_station does not have, once a transaction for each stop list.
void note_unknown_stations(Text train, const CheckedRoute& route);

// The id of the route with these stops, which is made if it is not there.
int64_t keep_route(const KeptSource& source, const CheckedRoute& route);

// Checks the stops and returns the route's id, for stations that are known to be meant: those of a
// departure on sale, or of a feed. Call inside SPI and owner_begin().
int64_t keep_route(const Catalog& catalog, Text train, const RouteStops& stops);

}  // namespace ticketpool
