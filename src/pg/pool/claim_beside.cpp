// Claims in a departure that is unserved: beside the waiting list, which has the first claim to
// what is free (wait_control.hpp). Who waits, and fits, is read from the tables by wait_hooks.
#include "pool/claim_retry.hpp"
#include "pool/claim_sources.hpp"
#include "pool/wait_list.hpp"

namespace ticketpool {
namespace {

// Trips for which somebody waits, who fits.
struct WaitedTrips {
    WaitedTrip* trips;
    uint32_t count;
};

WaitedTrips find_waited(const DepartureRef& ref, uint32_t class_index, Trip trip) {
    WaitedTrips waited{};
    waited.count = wait_hooks.find_waited(ref, class_index, trip, &waited.trips);
    return waited;
}

bool is_channel_waited(const WaitedTrips& waited) {
    for (uint32_t i = 0; i < waited.count; i++) {
        if (waited.trips[i].has_channel) {
            return true;
        }
    }
    return false;
}

// Does a waiter fit a seat of which these bits are taken?
bool is_wanted(const WaitedTrips& waited, const SegmentMask& taken) {
    for (uint32_t i = 0; i < waited.count; i++) {
        const Trip trip = waited.trips[i].trip;
        if (!(taken & trip_mask(trip.from, trip.to)).any()) {
            return true;
        }
    }
    return false;
}

// A copy of the class's seats in private memory, in which those that a waiter fits are taken.
SeatMap copy_unwanted(const SeatMap& map, const WaitedTrips& waited, ClassControl* control) {
    char* memory = static_cast<char*>(MemoryContextAllocExtended(
        CurrentMemoryContext, seat_map_bytes(map.seats, map.segments) + kVectorBytes,
        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    SeatMap copy = seat_map_at(reinterpret_cast<void*>(TYPEALIGN(kVectorBytes, memory)), control,
                               map.seats, map.segments);
    init_seats(copy, SegmentMask{});
    const SegmentMask all = trip_mask(0, map.segments);
    for (uint32_t seat = 0; seat < map.seats; seat++) {
        const SegmentMask taken = load_seat(map, seat);
        try_claim(copy, seat, is_wanted(waited, taken) ? all : taken);
    }
    return copy;
}

// Claims numbered seats of the class's own that no waiter fits. False: there are not enough.
bool claim_unwanted_seats(const Demand& demand, const WaitedTrips& waited, Claimed* claimed) {
    constexpr int kMostTries = 8;  // each lost to another buyer
    SourceState state;
    fill_state(demand.ref, seats_of_class(demand.ref.slot, demand.class_index), &state);
    SeatClaim* seats = static_cast<SeatClaim*>(palloc(demand.party * sizeof(SeatClaim)));
    void* scratch =
        palloc(Max(scratch_bytes(state.map.seats, demand.party, state.map.words_per_seat),
                   static_cast<size_t>(1)));
    for (int i = 0; state.map.seats >= demand.party && i < kMostTries; i++) {
        ClassControl control{};
        SeatMap copy = copy_unwanted(state.map, waited, &control);
        SeatRequest request = request_for(demand, state, demand.party);
        request.choice = demand.choice;
        if (claim_seats(copy, state.geometry, request, scratch, seats) != Status::kOk) {
            return false;
        }
        for (uint32_t p = 0; p < demand.party; p++) {
            claimed[p] = Claimed{state.source, SeatClaim{seats[p].seat, {}, {}}};
        }
        if (claim_any_named(demand, claimed)) {
            return true;
        }
    }
    return false;
}

// Quotas of the demand's channel, if nobody waits for seats of a channel.
bool claim_from_quotas(const Demand& demand, const WaitedTrips& waited, Claimed* claimed) {
    if (demand.channel.data == nullptr || is_channel_waited(waited)) {
        return false;
    }
    SourceState one;
    SeatClaim single;
    const Room room = make_room(demand, &single);
    ledger_reserve(entries_needed(demand));
    return claim_until_decided(demand.ref.slot, [&] {
        SourceList list = list_sources(demand.ref, demand.class_index, demand.trip, demand.channel,
                                       demand.places, &one);
        bool busy = false;
        for (int i = 0; i < list.count; i++) {
            const Status status = list.states[i].source.quota == 0
                                      ? Status::kSoldOut
                                      : claim_whole(demand, &list.states[i], room, claimed);
            if (status == Status::kOk) {
                return status;
            }
            busy = busy || status == Status::kLookAgain;
        }
        return busy ? Status::kLookAgain : Status::kSoldOut;
    });
}

bool claim_unwanted(const Demand& demand, const WaitedTrips& waited, Claimed* claimed) {
    return waited.count == 0 ? claim_any(demand, claimed)
                             : claim_from_quotas(demand, waited, claimed) ||
                                   claim_unwanted_seats(demand, waited, claimed);
}

}  // namespace

// What else would be free is kept for the worker, which serves the list in a moment.
bool claim_beside_waiters(const Demand& demand, Claimed* claimed) {
    constexpr int kMostLooks = 16;
    for (int i = 0; i < kMostLooks; i++) {
        CHECK_FOR_INTERRUPTS();
        const uint64_t seen = demand.ref.departure->waits()->look();
        if (count_remaining(demand.ref, demand.class_index, demand.trip, demand.channel) <
            demand.party) {
            // Nothing to look for in the list. Another buyer's attempt may have hidden a seat.
            const size_t none = ledger_mark();
            if (!claim_any(demand, claimed)) {
                return false;
            }
            ledger_undo_to(none);
        }
        const WaitedTrips waited = find_waited(demand.ref, demand.class_index, demand.trip);
        const size_t mark = ledger_mark();
        const bool is_claimed = claim_unwanted(demand, waited, claimed);
        const uint64_t now = demand.ref.departure->waits()->look();
        if (WaitControl::version_of(now) == WaitControl::version_of(seen)) {
            if (!is_claimed) {
                break;
            }
            return true;
        }
        ledger_undo_to(mark);
    }
    count(shared.mine->counters.sold_outs);
    return false;
}

bool are_unwanted(const DepartureRef& ref, Trip trip, const Claimed* claimed, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const SeatSource& source = claimed[i].source;
        const WaitedTrips waited = find_waited(ref, source.class_index, trip);
        if (source.place_coach >= 0 || source.quota != 0) {
            if (source.quota == 0 ? waited.count > 0 : is_channel_waited(waited)) {
                return false;
            }
            continue;
        }
        const SeatMap map = ref.departure->seat_map(source.class_index);
        if (is_wanted(waited, load_seat(map, claimed[i].claim.seat))) {
            return false;
        }
    }
    return true;
}

}  // namespace ticketpool
