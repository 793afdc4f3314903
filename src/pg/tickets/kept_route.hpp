// The stop list of a train: checked, and kept as a route.
#pragma once

#include "tickets/kept_rows.hpp"

namespace ticketpool {

// Checks that the rows of ticket_stop can be sold, and returns their digest. Appends the codes that
// ticket_station does not have.
pg_uuid_t check_stops(const KeptSource& source, StringInfo unknown, int* unknown_count);

// A NOTICE about codes that ticket_station does not have, once a transaction for each stop list.
void note_unknown_stations(Text train, const pg_uuid_t& route, const char* codes, int count);

// The id of the route with these stops, which is made if it is not there.
int64_t keep_route(const KeptSource& source, const pg_uuid_t& digest);

}  // namespace ticketpool
