// The fields of ticket_request and item_request that a request is routed by.
#pragma once

#include "router/twin.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The number of a field, from 0. 42804 if the type was altered and has none of this name.
int require_field(const Twin& twin, TupleDesc columns, const char* name);

// What a request without a date is for, as in ticket_buy. The caller's day counts, not the node's.
DateADT today();

}  // namespace ticketpool
