// From what a caller writes (a station's code or name, or a call of a train: code#stop_no) to
// calls of a train.
//
// A text is taken, in this order, for a code of ticket_station or of a stop list; for a name, which
// several stations may have; for a code or name, `#` and a stop_no.
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

// The stations that a text means without a train, and the call that it names.
struct StationArgument {
    const StationCode* codes;  // palloc'd
    int count;                 // one or more
    bool has_stop_no;
    int32_t stop_no;
};

// All stations that the text may mean; ereports TK002 if there is none.
StationArgument find_stations(const Catalog& catalog, Text station);

// The call as a caller would name it: code#stop_no.
Text name_of_call(const Route* route, int stop);

// What a trip is looked for.
enum class TripUse {
    kSale,     // to be sold or counted: passengers must be allowed to board and to alight
    kAsked,    // to be compared with an earlier request: as kSale, if there is such a trip
    kStretch,  // to set seats aside: whoever boards
};

// Finds the trip between two texts; ereports TK002 if the train does not go from one to the other.
// A name that several stations have means the one at which the train calls. Between two stations
// the trip is the one with the fewest stops among those whose sale has not ended (trip_end.hpp), if
// there is one; of equal ones, the earlier. From a station to itself there is a trip only if both
// calls are named.
Trip find_trip(const Catalog& catalog, const DepartureRef& ref, Text from, Text to,
               TripUse use = TripUse::kSale);

// Which stops of the departure are meant by a station, or by a call: palloc'd, for each stop.
// Ereports TK002 if there is none.
bool* find_calls(const Catalog& catalog, const DepartureRef& ref, Text station);

}  // namespace ticketpool
