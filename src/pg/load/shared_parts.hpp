// Routes in the pool, shared by departures.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The route in the pool; it is loaded if it is not there. The departure that is being loaded is
// counted as a user of it.
SharedPart* shared_route(const Catalog& catalog, int64_t route_id);
// The route as its row says, palloc'd: what the pool would have.
SharedPart* read_route(const Catalog& catalog, int64_t route_id);

// Have the two stop lists the same stations with the same numbers? False if one is not there.
bool have_same_stops(const Catalog& catalog, int64_t route_id, int64_t other_id);

// Columns of ticket_route.
enum RouteColumn : AttrNumber {
    kRouteId = 1,
    kRouteDigest,
    kRouteTrain,
    kRouteStopNos,
    kRouteStations,
    kRouteArrives,
    kRouteDeparts,
    kRouteBoarding,
    kRouteAlighting,
    kRouteSkipped
};

}  // namespace ticketpool
