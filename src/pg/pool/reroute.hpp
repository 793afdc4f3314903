// A departure in memory gets another route: see "Which stop list a departure has" in departure.hpp.
#pragma once

#include "pool/shared_memory.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// A route that a departure had before. It is a user of that route, in place of the departure.
struct OldRoute {
    SharedPtr<OldRoute> next;  // in the chain of the departure's slot
    SharedPtr<SharedPart> route;
};

// What a change of a route has taken for its commit.
struct Rerouting {
    SharedPart* route;
    OldRoute* node;
};

inline SharedPart* part_of(const Route* route) {
    return const_cast<SharedPart*>(&route->head);
}

// Finds or copies the route and allocates the rest; ereports 53200.
Rerouting begin_rerouting(const SharedPart* built);

// No-fail. They take the directory lock themselves.
void finish_rerouting(uint32_t slot, const Rerouting& rerouting);
void give_up_rerouting(const Rerouting& rerouting);

// Drops the routes that the departure of a slot had before. Nobody reads them; the caller holds the
// directory lock.
void drop_old_routes(uint32_t slot);

}  // namespace ticketpool
