#include "claim.hpp"

#include "settings.hpp"

extern "C" {
#include "common/pg_prng.h"
}

namespace ticketpool {

namespace {

// A source with what this transaction's own refunds will free in it; deducted as it is claimed.
struct SourceState {
    SeatSource source;
    SeatMap map;  // seats, of the class or of a quota
    const SeatGeometry* geometry;
    PlaceMap places;  // where source.place_coach >= 0
    OwnFree* own;
    uint32_t own_count;
    uint32_t* own_places;  // a count a segment, or null
};

struct SourceList {
    SourceState* states;
    int count;
};

bool is_places(const SourceState& state) {
    return state.source.place_coach >= 0;
}

bool covers(const Quota& quota, Trip trip) {
    return quota.from <= trip.from && trip.to <= quota.to;
}

bool of_channel(const Quota& quota, Text channel) {
    return channel.data != nullptr && same_text({quota.channel, quota.channel_length}, channel);
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

// All sources of a demand; `one` is where the only one goes in the common case.
SourceList list_sources(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel,
                        SourceState* one) {
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
        if (layout->coaches()[i].class_index == class_index && layout->coaches()[i].places > 0) {
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

uint32_t free_in_all(const SourceList& list, Trip trip) {
    uint32_t free = 0;
    for (int i = 0; i < list.count; i++) {
        free += free_in(list.states[i], trip);
    }
    return free;
}

// Enters one claim: no-fail after ledger_reserve().
void enter(const SeatSource& source, const SeatClaim& claim) {
    if (claim.from_pool.any()) {
        ledger_add_claim(source, claim.seat, claim.from_pool);
    }
    if (claim.from_own.any()) {
        ledger_take_over(source, claim.seat, claim.from_own);
    }
}

// See settle_attempt(): what an attempt on a quota has undone may belong to the departure by now.
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
    request.own = state.own;
    request.own_count = state.own_count;
    return request;
}

void count_lost_races(uint32_t lost_races) {
    if (lost_races > 0) {
        count(shared.mine->counters.lost_races, lost_races);
    }
}

// One seat or place of a source, entered. Nothing here allocates or fails: it may run inside an
// attempt.
Status claim_single(const Demand& demand, SourceState* state, Claimed* claimed) {
    claimed->source = state->source;
    claimed->claim = SeatClaim{};
    if (is_places(*state)) {
        claimed->claim.from_pool = trip_mask(demand.trip.from, demand.trip.to);
        for (int s = demand.trip.from; state->own_places != nullptr && s < demand.trip.to; s++) {
            if (state->own_places[s] > 0) {
                claimed->claim.from_own.set(s);
            }
        }
        claimed->claim.from_pool = claimed->claim.from_pool & ~claimed->claim.from_own;
        if (claimed->claim.from_pool.any() &&
            !try_claim_place(state->places, claimed->claim.from_pool)) {
            return Status::kSoldOut;
        }
        for (int s = demand.trip.from; state->own_places != nullptr && s < demand.trip.to; s++) {
            state->own_places[s] -= claimed->claim.from_own.test(s) ? 1 : 0;
        }
    } else {
        SeatRequest request = request_for(demand, *state, 1);
        request.choice = demand.party == 1 ? demand.choice : SeatChoice{};
        uint32_t lost_races = 0;
        const Status status = claim_seats(state->map, state->geometry, request, nullptr,
                                          &claimed->claim, &lost_races);
        settle(demand, *state);
        count_lost_races(lost_races);
        if (status != Status::kOk) {
            return status;
        }
        for (uint32_t i = 0; i < state->own_count; i++) {
            if (state->own[i].seat == claimed->claim.seat) {
                state->own[i].bits = state->own[i].bits & ~claimed->claim.from_own;
            }
        }
    }
    ledger_pin(demand.ref.slot);
    enter(state->source, claimed->claim);
    return Status::kOk;
}

// Seat by seat from the sources in their order, as one attempt. False: not enough; nothing is held.
bool claim_each(const Demand& demand, SourceList* list, ClassControl* control, Claimed* claimed) {
    const size_t mark = ledger_mark();
    uint32_t got = 0;
    begin_attempt(*control);
    for (int i = 0; i < list->count && got < demand.party; i++) {
        while (got < demand.party &&
               claim_single(demand, &list->states[i], &claimed[got]) == Status::kOk) {
            got++;
        }
    }
    if (got < demand.party) {
        ledger_undo_to(mark);
    }
    end_attempt(*control, got == demand.party);
    return got == demand.party;
}

// The whole party from one source of numbered seats, together where possible.
Status claim_whole(const Demand& demand, const SourceState& state, void* scratch, SeatClaim* seats,
                   Claimed* claimed) {
    SeatRequest request = request_for(demand, state, demand.party);
    request.choice = demand.choice;
    uint32_t lost_races = 0;
    SeatMap map = state.map;
    const Status status = claim_seats(map, state.geometry, request, scratch, seats, &lost_races);
    settle(demand, state);
    count_lost_races(lost_races);
    if (status == Status::kOk) {
        ledger_pin(demand.ref.slot);
        for (uint32_t i = 0; i < demand.party; i++) {
            claimed[i] = Claimed{state.source, seats[i]};
            enter(state.source, seats[i]);
        }
    }
    return status;
}

// Each source by itself, then all of them together.
Status try_demand(const Demand& demand, SourceList* list, void* scratch, SeatClaim* seats,
                  Claimed* claimed) {
    ClassControl* control = &demand.ref.departure->controls()[demand.class_index];
    bool busy = false;
    for (int i = 0; i < list->count && (demand.together || demand.party == 1); i++) {
        Status status = Status::kSoldOut;
        if (!is_places(list->states[i])) {
            status = claim_whole(demand, list->states[i], scratch, seats, claimed);
        } else {
            SourceList alone{&list->states[i], 1};
            status = look_carefully(
                *control, [&] { return free_in(list->states[i], demand.trip) >= demand.party; });
            if (status == Status::kOk && !claim_each(demand, &alone, control, claimed)) {
                status = Status::kLookAgain;
            }
        }
        if (status == Status::kOk) {
            return status;
        }
        busy = busy || status == Status::kLookAgain;
    }
    if (busy || (demand.together && (demand.party == 1 || list->count < 2))) {
        return busy ? Status::kLookAgain : Status::kSoldOut;
    }
    Status status =
        look_carefully(*control, [&] { return free_in_all(*list, demand.trip) >= demand.party; });
    if (status == Status::kOk && !claim_each(demand, list, control, claimed)) {
        status = Status::kLookAgain;
    }
    return status;
}

}  // namespace

bool quota_usable(const DepartureRef& ref, const Quota& quota, uint32_t class_index) {
    return quota.class_index == class_index && !quota.closed.load(std::memory_order_acquire) &&
           is_made(quota.maker) && !ledger_is_closing(ref.slot, ref.departure->offset_of(&quota));
}

// The most ledger entries that claiming may take: a claim a seat, and take-overs. Of a numbered
// seat each release is taken over once; all places of a coach are one "seat" to the ledger, so
// there each passenger may take a piece of many releases, but no more pieces than segments.
static size_t entries_needed(const Demand& demand) {
    const size_t releases = ledger_release_count();
    const size_t pieces = Min(releases, static_cast<size_t>(demand.trip.to - demand.trip.from));
    const bool places = demand.ref.departure->layout->place_coaches > 0;
    return demand.party * (2 + (places ? pieces : 0)) + releases;
}

bool claim_demand(const Demand& demand, Claimed* claimed) {
    if (demand.party > demand.ref.departure->layout->capacity(demand.class_index)) {
        count(shared.mine->counters.sold_outs);
        return false;
    }
    SourceState one;
    SeatClaim single;
    void* scratch = nullptr;
    SeatClaim* seats = &single;
    const bool party = demand.party > 1 && demand.together;
    if (party) {
        const SeatMap map = demand.ref.departure->seat_map(demand.class_index);
        scratch = palloc(Max(scratch_bytes(map.seats, demand.party, map.words_per_seat),
                             static_cast<size_t>(1)));
        seats = static_cast<SeatClaim*>(palloc(demand.party * sizeof(SeatClaim)));
    }
    ledger_reserve(entries_needed(demand));
    for (;;) {
        SourceList list =
            list_sources(demand.ref, demand.class_index, demand.trip, demand.channel, &one);
        const Status status = try_demand(demand, &list, scratch, seats, claimed);
        if (status == Status::kOk) {
            return true;
        }
        if (status != Status::kLookAgain) {
            count(shared.mine->counters.sold_outs);
            return false;
        }
        // Met an attempt that is under way in another process: it takes microseconds, if it is
        // running.
        CHECK_FOR_INTERRUPTS();
        pg_usleep(50);
    }
}

static int compare_claims(const void* a, const void* b) {
    const uint32_t left = static_cast<const SeatClaim*>(a)->seat;
    const uint32_t right = static_cast<const SeatClaim*>(b)->seat;
    return left < right ? -1 : static_cast<int>(left > right);
}

bool claim_named(const Demand& demand, const SeatSource& source, const uint32_t* seats,
                 Claimed* claimed) {
    const SegmentMask trip = trip_mask(demand.trip.from, demand.trip.to);
    if (source.quota != 0) {
        const Quota* quota = demand.ref.departure->quota_at(source.quota);
        if (!quota_usable(demand.ref, *quota, source.class_index) || !covers(*quota, demand.trip)) {
            return false;
        }
    }
    SourceState state;
    fill_state(demand.ref, source, &state);
    SeatClaim* sorted = static_cast<SeatClaim*>(palloc(demand.party * sizeof(SeatClaim)));
    for (uint32_t i = 0; i < demand.party; i++) {
        SeatClaim claim{seats[i], trip, SegmentMask{}};
        for (uint32_t j = 0; j < state.own_count; j++) {
            if (state.own[j].seat == seats[i]) {
                claim.from_own = state.own[j].bits & trip;
                claim.from_pool = trip & ~claim.from_own;
            }
        }
        claimed[i] = Claimed{source, claim};
        sorted[i] = claim;
    }
    qsort(sorted, demand.party, sizeof(SeatClaim), compare_claims);
    ledger_reserve(entries_needed(demand));
    const bool taken = try_claim_all(state.map, sorted, demand.party);
    settle(demand, state);
    if (!taken) {
        return false;
    }
    ledger_pin(demand.ref.slot);
    for (uint32_t i = 0; i < demand.party; i++) {
        enter(source, claimed[i].claim);
    }
    return true;
}

bool claim_exact(const Demand& demand, const SeatSource& source, uint32_t seat, Claimed* claimed) {
    const ClassControl& control = demand.ref.departure->controls()[source.class_index];
    const SegmentMask trip = trip_mask(demand.trip.from, demand.trip.to);
    ledger_reserve(entries_needed(demand));
    for (;;) {
        if (source.quota != 0 &&
            !quota_usable(demand.ref, *demand.ref.departure->quota_at(source.quota),
                          source.class_index)) {
            return false;
        }
        SourceState state;
        fill_state(demand.ref, source, &state);
        SegmentMask wanted = trip;
        for (uint32_t i = 0; i < state.own_count; i++) {
            wanted = state.own[i].seat == seat ? wanted & ~state.own[i].bits : wanted;
        }
        Status status = look_carefully(control, [&] {
            return is_places(state) ? free_in(state, demand.trip) > 0
                                    : seat_is_free(state.map, seat, wanted);
        });
        if (status == Status::kOk) {
            SourceList alone{&state, 1};
            const bool taken =
                is_places(state)
                    ? claim_each(demand, &alone,
                                 &demand.ref.departure->controls()[source.class_index], claimed)
                    : claim_named(demand, source, &seat, claimed);
            if (taken) {
                return true;
            }
            status = Status::kLookAgain;
        }
        if (status != Status::kLookAgain) {
            return false;
        }
        CHECK_FOR_INTERRUPTS();
        pg_usleep(50);
    }
}

uint32_t count_remaining(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel) {
    SourceState one;
    const SourceList list = list_sources(ref, class_index, trip, channel, &one);
    return free_in_all(list, trip);
}

int64_t seat_number(const DepartureRef& ref, const Claimed& claimed) {
    if (claimed.source.place_coach >= 0) {
        return -1;
    }
    return claimed.source.quota == 0
               ? claimed.claim.seat
               : ref.departure->quota_at(claimed.source.quota)->numbers()[claimed.claim.seat];
}

static SeatSource find_source(const DepartureRef& ref, uint32_t class_index, const Text* channel,
                              const SegmentMask& bits, uint32_t* seat) {
    for (Quota* quota = ref.departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        if ((channel == nullptr || of_channel(*quota, *channel)) &&
            quota_usable(ref, *quota, class_index) &&
            bits.is_subset_of(trip_mask(quota->from, quota->to))) {
            const int64_t number = quota->find(*seat);
            if (number >= 0) {
                *seat = static_cast<uint32_t>(number);
                return {ref.slot, class_index, ref.departure->offset_of(quota), -1};
            }
        }
    }
    return seats_of_class(ref.slot, class_index);
}

SeatSource source_of_seat(const DepartureRef& ref, uint32_t class_index, Text channel,
                          const SegmentMask& bits, uint32_t* seat) {
    return find_source(ref, class_index, &channel, bits, seat);
}

SeatSource source_of_live_seat(const DepartureRef& ref, uint32_t class_index,
                               const SegmentMask& bits, uint32_t* seat) {
    return find_source(ref, class_index, nullptr, bits, seat);
}

}  // namespace ticketpool
