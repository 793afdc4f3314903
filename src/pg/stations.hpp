// From what a caller writes (a station's code, or a name that only one station has) to the code.
#pragma once

#include "catalog.hpp"
#include "pg.hpp"

namespace ticketpool {

struct StationCode {
    Text code;
    uint32_t hash;  // text_hash of the code
};

// The station's code; ereports TK002 where no station, or more than one, is meant. The text stays
// valid until the next look-up. `route` (optional): a code at which it calls is taken as it is.
StationCode find_station(const Catalog& catalog, Text station, const Route* route);

// Both ends of a trip; ereports TK002 where the train does not go from there to there.
Trip find_trip(const Catalog& catalog, const Route* route, Text from, Text to);

}  // namespace ticketpool
