// See shared_parts.cpp.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The part in the pool, loaded where it is not there; counted as used by the departure that is
// being loaded.
SharedPart* shared_route(const Catalog& catalog, int64_t route_id);
SharedPart* shared_layout(const Catalog& catalog, int64_t layout_id);

enum RouteColumn : AttrNumber {
    kRouteId = 1,
    kRouteDigest,
    kRouteTrain,
    kRouteStopNos,
    kRouteStations,
    kRouteArrives,
    kRouteDeparts
};

}  // namespace ticketpool
