// Where a seat's bits are: in the map of a quota, or in the departure's own.
#pragma once

#include "pool/announcement.hpp"
#include "pool/ledger_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The source that has this seat over this stretch: an open quota of the channel, or else the
// class's own seats. Sets *seat to the seat's number there.
SeatSource source_of_seat(const DepartureRef& ref, uint32_t class_index, Text channel,
                          const SegmentMask& bits, uint32_t* seat);

// The source that the claim of a live ticket is in. Only tickets of a quota are on what the quota
// has set aside.
SeatSource source_of_live_seat(const DepartureRef& ref, uint32_t class_index,
                               const SegmentMask& bits, uint32_t* seat);

// Is the quota of this class, open, there for this transaction (maker.hpp), and not recycled by it?
bool quota_usable(const DepartureRef& ref, const Quota& quota, uint32_t class_index);

bool of_channel(const Quota& quota, Text channel);

// Puts a quota into a departure's list, for everybody to see.
void link_quota(Departure* departure, Quota* quota);

}  // namespace ticketpool
