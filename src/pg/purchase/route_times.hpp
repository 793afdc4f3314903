// When trains are under way: the times of stop lists, in the local time in which they are written.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// In microseconds since 2000-01-01. If the clock is put back during the trip, `arrives` may be the
// earlier one.
struct TripTimes {
    int64_t departs;
    int64_t arrives;
};

// The times of a trip of a departure in memory, as this transaction sees its stop list. False: a
// stop has no time.
bool trip_times(const DepartureRef& ref, Trip trip, TripTimes* times);
// The times of a trip on a service date, by the stop list's row in ticket_route as the active
// snapshot sees it. False: the stop list does not have these stops, or a stop has no time.
bool trip_times(const Catalog& catalog, int64_t route_id, DateADT date, int32_t from_stop,
                int32_t to_stop, TripTimes* times);

// The number of midnights that the train that is longest under way passes, not counting the
// midnight at which its service date begins. All stop lists count, whether or not a departure uses
// them now.
int longest_run_days(const Catalog& catalog);

}  // namespace ticketpool
