// Claims of named seats: those that the caller names, of any source, or exactly one.
#include "pool/beside_waiters.hpp"
#include "pool/claim_retry.hpp"
#include "pool/claim_sources.hpp"
#include "pool/pins.hpp"
#include "pool/sources.hpp"

namespace ticketpool {

static int compare_claims(const void* a, const void* b) {
    const uint32_t left = static_cast<const SeatClaim*>(a)->seat;
    const uint32_t right = static_cast<const SeatClaim*>(b)->seat;
    return left < right ? -1 : static_cast<int>(left > right);
}

// Claims the seats that `claimed` names, all of this source, and enters them. False: one of them is
// taken.
static bool claim_named_of(const Demand& demand, SourceState* state, uint32_t party,
                           SeatClaim* room, Claimed* claimed) {
    const SegmentMask trip = trip_mask(demand.trip.from, demand.trip.to);
    uint32_t count = 0;
    for (uint32_t i = 0; i < party; i++) {
        SeatClaim* claim = &claimed[i].claim;
        claim->from_own = SegmentMask{};
        for (uint32_t j = 0; j < state->own_count; j++) {
            if (state->own[j].seat == claim->seat) {
                claim->from_own = state->own[j].bits & trip;
            }
        }
        claim->from_pool = trip & ~claim->from_own;
        room[count++] = *claim;
    }
    qsort(room, count, sizeof(SeatClaim), compare_claims);
    const bool taken = try_claim_all(state->map, room, count);
    settle(demand, *state);
    for (uint32_t i = 0; taken && i < party; i++) {
        enter_claim(claimed[i]);
    }
    return taken;
}

// How many of the party's named seats and places are in the source.
static uint32_t named_in(const SourceState& state, uint32_t party, const Claimed* claimed) {
    uint32_t part = 0;
    for (uint32_t p = 0; p < party; p++) {
        part += same_source(claimed[p].source, state.source) ? 1 : 0;
    }
    return part;
}

// Are all named seats and places of the source free? Its loads suit a careful look.
static bool are_free(const Demand& demand, const SourceState& state, const Claimed* claimed) {
    if (is_places(state)) {
        return free_in(state, demand.trip) >= named_in(state, demand.party, claimed);
    }
    const SegmentMask trip = trip_mask(demand.trip.from, demand.trip.to);
    for (uint32_t p = 0; p < demand.party; p++) {
        const uint32_t seat = claimed[p].claim.seat;
        if (same_source(claimed[p].source, state.source) &&
            !seat_is_free(state.map, seat, trip & ~ledger_own_bits(state.source, seat))) {
            return false;
        }
    }
    return true;
}

// One attempt at the named seats, which leaves `claimed` as it is unless it succeeds. `sorted` and
// `passenger` have room for the party.
static Status try_named(const Demand& demand, SourceList* list, Claimed* sorted, SeatClaim* room,
                        uint32_t* passenger, Claimed* claimed) {
    ClassControl* control = &demand.ref.departure->controls()[demand.class_index];
    uint32_t known = 0;
    for (int i = 0; i < list->count; i++) {
        known += named_in(list->states[i], demand.party, claimed);
    }
    if (known < demand.party) {
        return Status::kSoldOut;  // a quota was given back
    }
    const Status look = look_carefully(*control, [&] {
        bool free = true;
        for (int i = 0; i < list->count && free; i++) {
            free = are_free(demand, list->states[i], claimed);
        }
        return free;
    });
    if (look != Status::kOk) {
        return look;
    }
    const size_t mark = ledger_mark();
    uint32_t got = 0;
    bool taken = true;
    begin_attempt(*control);
    for (int i = 0; i < list->count && taken; i++) {
        SourceState* state = &list->states[i];
        uint32_t part = 0;
        for (uint32_t p = 0; p < demand.party; p++) {
            if (same_source(claimed[p].source, state->source)) {
                passenger[got + part] = p;
                sorted[got + part++] = claimed[p];
            }
        }
        if (part > 0) {
            taken = is_places(*state)
                        ? claim_places_of(demand, state, part, &sorted[got]) == Status::kOk
                        : claim_named_of(demand, state, part, room, &sorted[got]);
            got += part;
        }
    }
    if (!taken) {
        ledger_undo_to(mark);
    }
    end_attempt(*control, taken);
    for (uint32_t p = 0; taken && p < demand.party; p++) {
        claimed[passenger[p]] = sorted[p];
    }
    return taken ? Status::kOk : Status::kLookAgain;
}

bool claim_any_named(const Demand& demand, Claimed* claimed) {
    SourceState one;
    Claimed* sorted = static_cast<Claimed*>(palloc(demand.party * sizeof(Claimed)));
    SeatClaim* room = static_cast<SeatClaim*>(palloc(demand.party * sizeof(SeatClaim)));
    uint32_t* passenger = static_cast<uint32_t*>(palloc(demand.party * sizeof(uint32_t)));
    ledger_reserve(entries_needed(demand));
    pin_slot(demand.ref.slot);
    return claim_until_decided(demand.ref.slot, [&] {
        SourceList list = list_sources(demand.ref, demand.class_index, demand.trip, demand.channel,
                                       kAnyPlaces, &one);
        return try_named(demand, &list, sorted, room, passenger, claimed);
    });
}

bool claim_named(const Demand& demand, Claimed* claimed) {
    refuse_reformed(demand.ref);
    return claim_if_unwanted(
        demand.ref, [&] { return are_unwanted(demand.ref, demand.trip, claimed, demand.party); },
        [&] { return claim_any_named(demand, claimed); });
}

static Status try_exact(const Demand& demand, const SeatSource& source, uint32_t seat,
                        Claimed* claimed) {
    if (source.quota != 0 &&
        !quota_usable(demand.ref, *demand.ref.departure->quota_at(source.quota),
                      source.class_index)) {
        return Status::kSoldOut;
    }
    SourceState state;
    fill_state(demand.ref, source, &state);
    const SegmentMask trip = trip_mask(demand.trip.from, demand.trip.to);
    SegmentMask wanted = trip;
    for (uint32_t i = 0; i < state.own_count; i++) {
        wanted = state.own[i].seat == seat ? wanted & ~state.own[i].bits : wanted;
    }
    const ClassControl& control = demand.ref.departure->controls()[source.class_index];
    const Status look = look_carefully(control, [&] {
        return is_places(state) ? free_in(state, demand.trip) > 0
                                : seat_is_free(state.map, seat, wanted);
    });
    if (look != Status::kOk) {
        return look;
    }
    SeatClaim room;
    *claimed = Claimed{source, SeatClaim{seat, trip, SegmentMask{}}};
    pin_slot(demand.ref.slot);
    if (is_places(state)) {
        return claim_places_of(demand, &state, 1, claimed);
    }
    return claim_named_of(demand, &state, 1, &room, claimed) ? Status::kOk : Status::kLookAgain;
}

bool claim_exact(const Demand& demand, const SeatSource& source, uint32_t seat, Claimed* claimed) {
    refuse_reformed(demand.ref);
    ledger_reserve(entries_needed(demand));
    return claim_until_decided(demand.ref.slot,
                               [&] { return try_exact(demand, source, seat, claimed); });
}

}  // namespace ticketpool
