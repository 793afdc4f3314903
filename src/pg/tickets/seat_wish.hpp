// What passengers wish of their seats: from the text of seat_choice to a SeatChoice.
#pragma once

#include "pool/announcement.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Where the seats are wished. A word is a property of some seat of the class. If the party travels
// in several classes, it may be a property of any class of the departure: then it is a wish that
// this class cannot honour.
struct WishedClass {
    DepartureRef ref;
    uint32_t class_index;
    bool is_one_of_several = false;
};

// Ereports 22023 if the text is not a seat choice for so many passengers. What the choice points to
// is palloc'd.
SeatChoice parse_choice(Text text, const WishedClass& wished, uint32_t passengers);

}  // namespace ticketpool
