// From what a caller writes (a station's code or name, or a call of a train: code#stop_no) to
// calls of a train.
//
// A text is taken for, in this order: a code, of ticket_station or of a stop list; a name, which
// several stations may have; a code or name, `#` and a stop_no.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// A station's code.
struct StationCode {
    uint32_t hash;  // text_hash of the code
    uint8_t length;
    char text[kMaxNameBytes];

    Text code() const { return {text, length}; }
};

// The stations that a text without a train means, and the call that it names.
struct StationArgument {
    const StationCode* codes;  // palloc'd
    int count;                 // one or more
    bool has_stop_no;
    int32_t stop_no;
};

// Any of the stations of that name; ereports TK002 where there is none.
StationArgument find_stations(const Catalog& catalog, Text station);

// Both ends of a trip; ereports TK002 where the train does not go from there to there. A name that
// several stations have means the one that the train calls at. Between two stations the trip is the
// one with the fewest stops, the earlier on a tie; from a station to itself there is one only where
// both calls are named.
Trip find_trip(const Catalog& catalog, const DepartureRef& ref, Text from, Text to);

}  // namespace ticketpool
