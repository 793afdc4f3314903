// When trains are under way: times of stop lists, in the local time that they are written in.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Microseconds since 2000-01-01. A clock that is put back may make `arrives` the earlier one.
struct TripTimes {
    int64_t departs;
    int64_t arrives;
};

// Of a trip of a departure in memory. False: a stop has no time.
bool trip_times(const Departure* departure, Trip trip, TripTimes* times);
// Of a trip on a service date, by the stop list's row in ticket_route as the active snapshot sees
// it. False: it does not have these stops, or a stop has no time.
bool trip_times(const Catalog& catalog, int64_t route_id, DateADT date, int32_t from_stop,
                int32_t to_stop, TripTimes* times);

// How many midnights the train that is longest under way passes after that at which its service
// date begins. Of all stop lists, whether or not a departure has them now.
int longest_run_days(const Catalog& catalog);

}  // namespace ticketpool
