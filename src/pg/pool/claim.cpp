// Claims seats and places for a party: lists the sources that serve it, tries them in turn and
// enters in the ledger what it took.
#include "pool/claim.hpp"

#include "pool/beside_waiters.hpp"
#include "pool/claim_retry.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/prepared.hpp"
#include "pool/sources.hpp"
#include "pool/wait_list.hpp"
#include "server/errors.hpp"
#include "server/settings.hpp"
#include "ticketpool/sold_out_memo.hpp"

extern "C" {
#include "common/pg_prng.h"
}

namespace ticketpool {

namespace {

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

bool is_places(const SourceState& state) {
    return state.source.place_coach >= 0;
}

bool covers(const Quota& quota, Trip trip) {
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

// All sources of a demand. In the common case there is only one, and it goes to `one`.
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

uint32_t free_in_all(const SourceList& list, Trip trip) {
    uint32_t free = 0;
    for (int i = 0; i < list.count; i++) {
        free += free_in(list.states[i], trip);
    }
    return free;
}

// After an attempt on a quota: what the attempt has undone may belong to the departure by now. See
// settle_attempt().
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

void count_lost_races(uint32_t lost_races) {
    if (lost_races > 0) {
        count(shared.mine->counters.lost_races, lost_races);
    }
}

enum class Wish { kIfPossible, kRequired };

// Claims so many numbered seats of one source and enters them. Allocates nothing: it may run inside
// an attempt.
Status claim_seats_of(const Demand& demand, const SourceState& state, uint32_t party,
                      const Room& room, Claimed* claimed, Wish wish = Wish::kIfPossible) {
    SeatRequest request = request_for(demand, state, party);
    request.choice = demand.choice.of_part(party);
    request.only_wished = wish == Wish::kRequired;
    WishWords in_quota;
    if (request.choice.words != nullptr && state.source.quota != 0) {
        in_quota = demand.ref.departure->quota_at(state.source.quota)
                       ->in_own_numbers(*request.choice.words);
        request.choice.words = &in_quota;
    }
    uint32_t lost_races = 0;
    SeatMap map = state.map;
    const Status status =
        claim_seats(map, state.geometry, request, room.scratch, room.seats, &lost_races);
    settle(demand, state);
    count_lost_races(lost_races);
    if (status == Status::kOk) {
        pin_slot(demand.ref.slot);
        for (uint32_t i = 0; i < party; i++) {
            claimed[i] = Claimed{state.source, room.seats[i]};
            enter_claim(claimed[i]);
        }
    }
    return status;
}

// Claims so many unnumbered places of one source and enters them.
Status claim_places_of(const Demand& demand, SourceState* state, uint32_t party, Claimed* claimed) {
    const Trip trip = demand.trip;
    if (!try_claim_places(state->places, trip.from, trip.to, party, state->own_places)) {
        return Status::kLookAgain;
    }
    pin_slot(demand.ref.slot);
    for (uint32_t i = 0; i < party; i++) {
        SeatClaim claim{0, trip_mask(trip.from, trip.to), SegmentMask{}};
        for (int s = trip.from; state->own_places != nullptr && s < trip.to; s++) {
            if (state->own_places[s] > i) {
                claim.from_own.set(s);
            }
        }
        claim.from_pool = claim.from_pool & ~claim.from_own;
        claimed[i] = Claimed{state->source, claim};
        enter_claim(claimed[i]);
    }
    return Status::kOk;
}

Status claim_from(const Demand& demand, SourceState* state, uint32_t party, const Room& room,
                  Claimed* claimed) {
    return is_places(*state) ? claim_places_of(demand, state, party, claimed)
                             : claim_seats_of(demand, *state, party, room, claimed);
}

constinit SoldOutMemo sold_out{};

// The question that a refusal answers, if the numbered seats of the class, without quotas and own
// refunds, are all there is to sell.
SoldOutMemo::Question question_of(const Demand& demand) {
    return {shared.slots[demand.ref.slot].version.load(std::memory_order_relaxed),
            demand.ref.slot,
            demand.party,
            static_cast<uint16_t>(demand.class_index),
            static_cast<uint16_t>(demand.trip.from),
            static_cast<uint16_t>(demand.trip.to)};
}

// claim_seats_of() from the only source, unless the answer is known to be "sold out".
Status claim_unless_known(const Demand& demand, const SourceState& state, const Room& room,
                          Claimed* claimed) {
    const SoldOutMemo::Question question = question_of(demand);
    const uint64_t releases = state.map.control->releases.load(std::memory_order_acquire);
    if (sold_out.holds(question, releases)) {
        return Status::kSoldOut;
    }
    const Status status = claim_seats_of(demand, state, demand.party, room, claimed);
    if (status == Status::kSoldOut) {
        sold_out.remember(question, releases);
    }
    return status;
}

// Claims for the whole party from one source.
Status claim_whole(const Demand& demand, SourceState* state, const Room& room, Claimed* claimed) {
    if (is_places(*state)) {
        const Status look = look_carefully(
            *state->map.control, [&] { return free_in(*state, demand.trip) >= demand.party; });
        if (look != Status::kOk) {
            return look;
        }
    }
    return claim_from(demand, state, demand.party, room, claimed);
}

// Claims what each source has, in their order, until the party is complete, all as one attempt. Its
// pieces are in ascending order, as the pieces of every attempt must be: the sources of any two
// buyers are in the same order, and claim_seats() keeps the order within a source.
Status claim_split(const Demand& demand, SourceList* list, const Room& room, Claimed* claimed) {
    ClassControl* control = &demand.ref.departure->controls()[demand.class_index];
    const Status look =
        look_carefully(*control, [&] { return free_in_all(*list, demand.trip) >= demand.party; });
    if (look != Status::kOk) {
        return look;
    }
    const size_t mark = ledger_mark();
    uint32_t got = 0;
    begin_attempt(*control);
    for (int i = 0; i < list->count && got < demand.party; i++) {
        const uint32_t part = Min(free_in(list->states[i], demand.trip), demand.party - got);
        if (part > 0 &&
            claim_from(demand, &list->states[i], part, room, &claimed[got]) == Status::kOk) {
            got += part;
        }
    }
    if (got < demand.party) {
        ledger_undo_to(mark);
    }
    end_attempt(*control, got == demand.party);
    return got == demand.party ? Status::kOk : Status::kLookAgain;
}

// Claims a seat that honours the wish of the only passenger, from the first source that has one.
Status claim_wished(const Demand& demand, const SourceList& list, const Room& room,
                    Claimed* claimed) {
    for (int i = 0; i < list.count; i++) {
        if (is_places(list.states[i])) {
            continue;
        }
        const Status status =
            claim_seats_of(demand, list.states[i], 1, room, claimed, Wish::kRequired);
        if (status != Status::kSoldOut) {
            return status;
        }
    }
    return Status::kSoldOut;
}

// Tries each source by itself, then all of them together.
Status try_demand(const Demand& demand, SourceList* list, const Room& room, Claimed* claimed) {
    const SourceState& first = list->states[0];
    if (list->count == 0) {
        return Status::kSoldOut;
    }
    if (list->count == 1 && !is_places(first) && first.source.quota == 0 && first.own_count == 0) {
        return claim_unless_known(demand, first, room, claimed);
    }
    if (demand.party == 1 && list->count > 1 && demand.choice.count > 0 &&
        demand.choice.items[0] != kNoWish) {
        const Status status = claim_wished(demand, *list, room, claimed);
        if (status != Status::kSoldOut) {
            return status;
        }
    }
    bool busy = false;
    for (int i = 0; i < list->count; i++) {
        const Status status = claim_whole(demand, &list->states[i], room, claimed);
        if (status == Status::kOk) {
            return status;
        }
        busy = busy || status == Status::kLookAgain;
    }
    if (busy) {
        return Status::kLookAgain;
    }
    return demand.party == 1 || list->count < 2 ? Status::kSoldOut
                                                : claim_split(demand, list, room, claimed);
}

}  // namespace

// The most ledger entries that claiming may take: a claim for each seat, and take-overs. Each
// release of a numbered seat is taken over once. All places of a coach are one "seat" to the
// ledger, so there each passenger may take a piece of many releases, but no more pieces than
// segments.
static size_t entries_needed(const Demand& demand) {
    const size_t releases = ledger_release_count();
    const size_t pieces = Min(releases, static_cast<size_t>(demand.trip.to - demand.trip.from));
    const bool places = demand.ref.departure->layout->place_coaches > 0;
    return demand.party * (2 + (places ? pieces : 0)) + releases;
}

void refuse_reformed(const DepartureRef& ref) {
    if (unlikely(ref.departure->seat_change.load(std::memory_order_seq_cst) ==
                 SeatChange::kUnderWay)) {
        ereport(ERROR,
                (errcode(kErrorNotOnSale),
                 errmsg("departure " INT64_FORMAT " is being changed", ref.departure->departure_id),
                 errdetail("It gets other seats, and sells nothing until that is done."),
                 errhint("Try again in another transaction.")));
    }
}

static bool claim_beside_waiters(const Demand& demand, Claimed* claimed);

// Claims whatever is free, without a look at the waiting list.
static bool claim_any(const Demand& demand, Claimed* claimed) {
    SourceState one;
    SeatClaim single;
    Room room{nullptr, &single};
    if (demand.party > 1) {
        // No source has more seats than the class, and no part is larger than the party.
        const SeatMap map = demand.ref.departure->seat_map(demand.class_index);
        const uint32_t most = Min(demand.party, map.seats);
        room.scratch =
            palloc(Max(scratch_bytes(map.seats, most, map.words_per_seat), static_cast<size_t>(1)));
        room.seats = static_cast<SeatClaim*>(palloc(demand.party * sizeof(SeatClaim)));
    }
    ledger_reserve(entries_needed(demand));
    const bool is_claimed = claim_until_decided(demand.ref.slot, [&] {
        SourceList list = list_sources(demand.ref, demand.class_index, demand.trip, demand.channel,
                                       demand.places, &one);
        return try_demand(demand, &list, room, claimed);
    });
    if (!is_claimed) {
        count(shared.mine->counters.sold_outs);
    }
    return is_claimed;
}

bool claim_demand(const Demand& demand, Claimed* claimed) {
    refuse_reformed(demand.ref);
    if (demand.party > demand.ref.departure->layout->capacity(demand.class_index)) {
        count(shared.mine->counters.sold_outs);
        return false;
    }
    if (demand.for_waiter) {
        return claim_any(demand, claimed);
    }
    if (likely(!may_be_unserved(demand.ref.departure))) {
        const size_t mark = ledger_mark();
        if (!claim_any(demand, claimed)) {
            return false;
        }
        if (likely(!may_be_unserved(demand.ref.departure))) {
            return true;
        }
        ledger_undo_to(mark);
    }
    return claim_beside_waiters(demand, claimed);
}

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

// Claims the seats that `claimed` names, without a look at the waiting list.
static bool claim_any_named(const Demand& demand, Claimed* claimed) {
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

// ---------------------------------------------------------------------------------------------
// Beside waiters: while the departure is unserved
// ---------------------------------------------------------------------------------------------

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
    void* scratch = palloc(Max(scratch_bytes(state.map.seats, demand.party,
                                             state.map.words_per_seat),
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
    Room room{nullptr, &single};
    const SeatMap map = demand.ref.departure->seat_map(demand.class_index);
    if (demand.party > 1) {
        room.scratch = palloc(Max(
            scratch_bytes(map.seats, Min(demand.party, map.seats), map.words_per_seat), size_t{1}));
        room.seats = static_cast<SeatClaim*>(palloc(demand.party * sizeof(SeatClaim)));
    }
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

// Looks into the waiting list, and claims what no waiter fits. What else would be free is kept for
// the worker, which serves the list in a moment.
static bool claim_beside_waiters(const Demand& demand, Claimed* claimed) {
    constexpr int kMostLooks = 16;
    for (int i = 0; i < kMostLooks; i++) {
        CHECK_FOR_INTERRUPTS();
        const uint64_t seen = demand.ref.departure->waits()->look();
        if (count_remaining(demand.ref, demand.class_index, demand.trip, demand.channel) <
            demand.party) {
            break;
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

uint32_t count_remaining(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel) {
    SourceState one;
    const SourceList list = list_sources(ref, class_index, trip, channel, kAnyPlaces, &one);
    return free_in_all(list, trip);
}

void enter_claim(const Claimed& claimed) {
    if (claimed.claim.from_pool.any()) {
        ledger_add_claim(claimed.source, claimed.claim.seat, claimed.claim.from_pool);
    }
    if (claimed.claim.from_own.any()) {
        ledger_take_over(claimed.source, claimed.claim.seat, claimed.claim.from_own);
    }
}

void mark_free_seats(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel,
                     bool* free) {
    SourceState one;
    const SourceList list = list_sources(ref, class_index, trip, channel, kAnyPlaces, &one);
    const SegmentMask bits = trip_mask(trip.from, trip.to);
    memset(free, 0, ref.departure->layout->classes()[class_index].seats);
    for (int i = 0; i < list.count; i++) {
        const SourceState& state = list.states[i];
        if (is_places(state)) {
            continue;
        }
        const uint32_t* numbers = state.source.quota == 0
                                      ? nullptr
                                      : ref.departure->quota_at(state.source.quota)->numbers();
        mark_free(state.map, bits, state.own, state.own_count, numbers, free);
    }
}

uint32_t count_free_in_coach(const DepartureRef& ref, uint32_t coach_index, Trip trip) {
    const uint32_t class_index = ref.departure->layout->coaches()[coach_index].class_index;
    SourceState state;
    fill_state(ref, {ref.slot, class_index, 0, static_cast<int32_t>(coach_index)}, &state);
    return free_in(state, trip);
}

int64_t seat_number(const DepartureRef& ref, const Claimed& claimed) {
    if (claimed.source.place_coach >= 0) {
        return -1;
    }
    return claimed.source.quota == 0
               ? claimed.claim.seat
               : ref.departure->quota_at(claimed.source.quota)->numbers()[claimed.claim.seat];
}

}  // namespace ticketpool
