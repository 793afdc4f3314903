// From "so many seats over this trip" to claims in the ledger.
//
// A purchase draws from sources, in this order: the quotas of its channel, the numbered seats of
// the class, the coaches with unnumbered places. A party first tries each source as a whole, and
// only when none has enough for everybody it takes what each has, as one attempt of the claim
// protocol.
#pragma once

#include "pool/announcement.hpp"
#include "pool/ledger_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// What to claim.
struct Demand {
    DepartureRef ref;
    uint32_t class_index;
    Trip trip;
    uint32_t party;
    SeatChoice choice;
    Text channel;  // data null: none
    bool apart;    // each seat as the policy says, as for a quota
};

// What one passenger got.
struct Claimed {
    SeatSource source;
    SeatClaim claim;
};

// Claims and enters in the ledger; the departure is announced or pinned. False: sold out.
bool claim_demand(const Demand& demand, Claimed* claimed);

// Exactly the seats that `claimed` names (source and seat, one a passenger), where all of them are
// free over the trip.
bool claim_named(const Demand& demand, Claimed* claimed);

// Exactly this seat of one source, or a place of its coach. False: taken.
bool claim_exact(const Demand& demand, const SeatSource& source, uint32_t seat, Claimed* claimed);

// Seats and places that could be bought now, as this transaction sees it.
uint32_t count_remaining(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel);

// The number of a claimed seat in its class; -1: an unnumbered place.
int64_t seat_number(const DepartureRef& ref, const Claimed& claimed);

}  // namespace ticketpool
