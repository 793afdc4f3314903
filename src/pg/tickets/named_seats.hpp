// Seats that a caller names: an array of coach/seat.
#pragma once

#include "pool/claim_set.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct NamedSeats {
    const Text* name;  // as written, in the order of the caller; each once
    NamedSeat* seat;   // as many, once they are resolved
    uint32_t count;    // one or more
    uint64_t hash;     // of the names, in whatever order
};

// 22004 if the argument is NULL or has a NULL, 22023 if it is not a list of different names.
NamedSeats read_seats(FunctionCallInfo fcinfo, int argument);

// Finds the seats in the departure; 22023 if it does not have one of them.
void resolve_seats(const DepartureRef& ref, NamedSeats* seats);

}  // namespace ticketpool
