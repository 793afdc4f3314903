// What a demand draws from, as this transaction sees it: the parts of claim.cpp that are also used
// by claims of named seats (claim_named.cpp) and beside the waiting list (claim_beside.cpp).
#pragma once

#include "pool/claim.hpp"
#include "pool/ledger.hpp"
#include "ticketpool/status.hpp"

namespace ticketpool {

// A source, and what this transaction's own refunds will free in it.
struct SourceState {
    SeatSource source;
    SeatMap map;  // seats, of the class or of a quota
    const SeatGeometry* geometry;
    PlaceMap places;  // where source.place_coach >= 0
    OwnFree* own;
    uint32_t own_count;
    uint32_t* own_places;  // a count for each segment, or null
};

struct SourceList {
    SourceState* states;
    int count;
};

// Memory for the choice of a party's seats, allocated before any claim.
struct Room {
    void* scratch;  // of claim_seats(), for any source
    SeatClaim* seats;
};

inline bool is_places(const SourceState& state) {
    return state.source.place_coach >= 0;
}

void fill_state(const DepartureRef& ref, const SeatSource& source, SourceState* state);
// All sources of a demand. In the common case there is only one, and it goes to `one`.
SourceList list_sources(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel,
                        const PlacesWanted& places, SourceState* one);
uint32_t free_in(const SourceState& state, Trip trip);
// The same for those who only count: not for a careful look.
uint32_t estimate_free_in(const SourceState& state, Trip trip);

// After an attempt on a quota: what the attempt has undone may belong to the departure by now. See
// settle_attempt().
void settle(const Demand& demand, const SourceState& state);
SeatRequest request_for(const Demand& demand, const SourceState& state, uint32_t party);
// Room for a demand; *one is the memory of a single seat.
Room make_room(const Demand& demand, SeatClaim* one);
// The most ledger entries that claiming may take.
size_t entries_needed(const Demand& demand);

// Claims so many unnumbered places of one source and enters them.
Status claim_places_of(const Demand& demand, SourceState* state, uint32_t party, Claimed* claimed);
// Claims for the whole party from one source.
Status claim_whole(const Demand& demand, SourceState* state, const Room& room, Claimed* claimed);

// Claims whatever is free, or the seats that `claimed` names, without a look at the waiting list.
bool claim_any(const Demand& demand, Claimed* claimed);
bool claim_any_named(const Demand& demand, Claimed* claimed);
// Looks into the waiting list, and claims what no waiter fits.
bool claim_beside_waiters(const Demand& demand, Claimed* claimed);

}  // namespace ticketpool
