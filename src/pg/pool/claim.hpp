// Turns "so many seats over this trip" into claims in the ledger.
//
// A purchase draws from sources, in this order: the quotas of its channel, the numbered seats of
// the class, the coaches with unnumbered places. The whole party is first tried in each source.
// Only if no source has enough for everybody, the party takes what each source has, as one attempt
// of the claim protocol.
#pragma once

#include "pool/announcement.hpp"
#include "pool/ledger_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Which coaches with unnumbered places serve a demand.
struct PlacesWanted {
    bool none;           // numbered seats only
    int32_t other_than;  // all coaches except this one; -1: all
};
inline constexpr PlacesWanted kAnyPlaces{false, -1};

// What to claim.
struct Demand {
    DepartureRef ref;
    uint32_t class_index;
    Trip trip;
    uint32_t party;
    SeatChoice choice;
    Text channel;  // data null: none
    bool apart;    // each seat is chosen by itself, wherever the others are: for a quota
    PlacesWanted places = kAnyPlaces;
    bool for_waiter = false;  // an award of the waiting list, which everybody else gives way to
};

// What one passenger got.
struct Claimed {
    SeatSource source;
    SeatClaim claim;
};

// TK003 if the departure has got other seats, by a reform of this transaction, or by one that has
// just committed: what is claimed on the old ones would be lost. (A reform that has only barred the
// departure waits for the claims of those who have locked a live ticket, so these may go on.)
void refuse_reformed(const DepartureRef& ref);

// Claims the seats and enters them in the ledger. The caller has announced or pinned the departure.
// False: sold out.
bool claim_demand(const Demand& demand, Claimed* claimed);

// Claims exactly the seats that `claimed` names (source and seat, one for each passenger). False:
// they are not all free over the trip.
bool claim_named(const Demand& demand, Claimed* claimed);

// Claims exactly this seat of one source, or a place of its coach. False: it is taken, or the quota
// that it is in cannot be used.
bool claim_exact(const Demand& demand, const SeatSource& source, uint32_t seat, Claimed* claimed);

// The number of seats and places that could be bought now, as this transaction sees them.
uint32_t count_remaining(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel);

// Do waiters leave these free seats and places of one class alone? While a departure is unserved
// (wait_control.hpp), somebody else may not take what a waiter fits.
bool are_unwanted(const DepartureRef& ref, Trip trip, const Claimed* claimed, uint32_t count);

// Enters a claim that was taken in the pool in the ledger: no-fail after ledger_reserve() and
// pin_slot().
void enter_claim(const Claimed& claimed);

// The numbered ones of these seats: sets free[n] for each seat n of the class.
void mark_free_seats(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel,
                     bool* free);

// The unnumbered places of a coach that could be bought now, as this transaction sees them.
uint32_t count_free_in_coach(const DepartureRef& ref, uint32_t coach_index, Trip trip);

// The number of a claimed seat in its class; -1: an unnumbered place.
int64_t seat_number(const DepartureRef& ref, const Claimed& claimed);

}  // namespace ticketpool
