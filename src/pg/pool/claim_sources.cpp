// Lists what a demand draws from: see claim_sources.hpp.
#include "pool/claim_sources.hpp"

#include "pool/sources.hpp"
#include "server/settings.hpp"

extern "C" {
#include "common/pg_prng.h"
}

namespace ticketpool {

static bool covers(const Quota& quota, Trip trip) {
    return quota.from <= trip.from && trip.to <= quota.to;
}

void fill_state(const DepartureRef& ref, const SeatSource& source, SourceState* state) {
    Departure* departure = ref.departure;
    *state = SourceState{};
    state->source = source;
    state->map = departure->seat_map(source.class_index);
    state->geometry = departure->layout->geometry(source.class_index);
    if (source.place_coach >= 0) {
        state->places = departure->place_map(static_cast<uint32_t>(source.place_coach));
        state->own_places = ledger_own_places(source, departure->segments);
        return;
    }
    if (source.quota != 0) {
        Quota* quota = departure->quota_at(source.quota);
        state->map = quota->seat_map(state->map.control);
        state->geometry = quota->geometry();
    }
    state->own_count = ledger_own_free(source, &state->own);
}

SourceList list_sources(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel,
                        const PlacesWanted& places, SourceState* one) {
    Departure* departure = ref.departure;
    const Layout* layout = departure->layout.get();
    int quotas = 0;
    if (channel.data != nullptr) {
        for (Quota* quota = departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
            quotas += of_channel(*quota, channel) && quota_usable(ref, *quota, class_index) &&
                              covers(*quota, trip)
                          ? 1
                          : 0;
        }
    }
    const int room = 1 + quotas + static_cast<int>(layout->place_coaches);
    SourceList list{room == 1 ? one
                              : static_cast<SourceState*>(
                                    palloc(static_cast<size_t>(room) * sizeof(SourceState))),
                    0};
    for (Quota* quota = quotas > 0 ? departure->first_quota() : nullptr;
         quota != nullptr && list.count < quotas; quota = quota->next.get()) {
        if (of_channel(*quota, channel) && quota_usable(ref, *quota, class_index) &&
            covers(*quota, trip)) {
            fill_state(ref, {ref.slot, class_index, departure->offset_of(quota), -1},
                       &list.states[list.count++]);
        }
    }
    if (layout->classes()[class_index].seats > 0) {
        fill_state(ref, seats_of_class(ref.slot, class_index), &list.states[list.count++]);
    }
    for (uint32_t i = 0; layout->place_coaches > 0 && i < layout->coach_count; i++) {
        if (layout->coaches()[i].class_index == class_index && layout->coaches()[i].places > 0 &&
            !places.none && places.other_than != static_cast<int32_t>(i)) {
            fill_state(ref, {ref.slot, class_index, 0, static_cast<int32_t>(i)},
                       &list.states[list.count++]);
        }
    }
    return list;
}

uint32_t free_in(const SourceState& state, Trip trip) {
    if (is_places(state)) {
        return count_free_places(state.places, trip.from, trip.to, state.own_places);
    }
    const SegmentMask bits = trip_mask(trip.from, trip.to);
    return state.own_count == 0 ? count_free(state.map, bits)
                                : count_free_with_own(state.map, bits, state.own, state.own_count);
}

uint32_t estimate_free_in(const SourceState& state, Trip trip) {
    return is_places(state) || state.own_count == 0
               ? free_in(state, trip)
               : estimate_free_with_own(state.map, trip_mask(trip.from, trip.to), state.own,
                                        state.own_count);
}

void settle(const Demand& demand, const SourceState& state) {
    if (state.source.quota != 0) {
        Quota* quota = demand.ref.departure->quota_at(state.source.quota);
        SeatMap own = state.map;
        SeatMap departure = demand.ref.departure->seat_map(state.source.class_index);
        settle_attempt(*quota, own, departure);
    }
}

SeatRequest request_for(const Demand& demand, const SourceState& state, uint32_t party) {
    SeatRequest request{};
    request.trip = trip_mask(demand.trip.from, demand.trip.to);
    request.from = demand.trip.from;
    request.to = demand.trip.to;
    request.party = party;
    request.policy = static_cast<Allocation>(setting_allocation);
    request.seed = pg_prng_uint64(&pg_global_prng_state);
    request.apart = demand.apart;
    request.own = state.own;
    request.own_count = state.own_count;
    return request;
}

// The most ledger entries that claiming may take: a claim for each seat, and take-overs. Each
// release of a numbered seat is taken over once. All places of a coach are one "seat" to the
// ledger, so there each passenger may take a piece of many releases, but no more pieces than
// segments.
size_t entries_needed(const Demand& demand) {
    const size_t releases = ledger_release_count();
    const size_t pieces = Min(releases, static_cast<size_t>(demand.trip.to - demand.trip.from));
    const bool places = demand.ref.departure->layout->place_coaches > 0;
    return demand.party * (2 + (places ? pieces : 0)) + releases;
}

Room make_room(const Demand& demand, SeatClaim* one) {
    if (demand.party == 1) {
        return {nullptr, one};
    }
    // No source has more seats than the class, and no part is larger than the party.
    const SeatMap map = demand.ref.departure->seat_map(demand.class_index);
    const uint32_t most = Min(demand.party, map.seats);
    return {palloc(Max(scratch_bytes(map.seats, most, map.words_per_seat), size_t{1})),
            static_cast<SeatClaim*>(palloc(demand.party * sizeof(SeatClaim)))};
}

}  // namespace ticketpool
