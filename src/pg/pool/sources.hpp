// Where a seat's bits are: in the map of a quota, or in the departure's own.
#pragma once

#include "pool/announcement.hpp"
#include "pool/ledger_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// An open quota of the channel which has this seat over this stretch, or the class's own seats.
// Sets *seat to its number there.
SeatSource source_of_seat(const DepartureRef& ref, uint32_t class_index, Text channel,
                          const SegmentMask& bits, uint32_t* seat);

// Where the claim of a live ticket is: what a quota has set aside, only its tickets are on.
SeatSource source_of_live_seat(const DepartureRef& ref, uint32_t class_index,
                               const SegmentMask& bits, uint32_t* seat);

// Is the quota open, of this class, and there for this transaction, which has not recycled it?
bool quota_usable(const DepartureRef& ref, const Quota& quota, uint32_t class_index);

bool of_channel(const Quota& quota, Text channel);

// Puts a quota into a departure's list, for everybody to see.
void link_quota(Departure* departure, Quota* quota);

}  // namespace ticketpool
