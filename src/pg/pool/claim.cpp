// Claims seats and places for a party: lists the sources that serve it, tries them in turn and
// enters in the ledger what it took.
#include "pool/claim.hpp"

#include "pool/claim_retry.hpp"
#include "pool/claim_sources.hpp"
#include "pool/pins.hpp"
#include "pool/wait_list.hpp"
#include "server/errors.hpp"
#include "ticketpool/sold_out_memo.hpp"

namespace ticketpool {

namespace {

void count_lost_races(uint32_t lost_races) {
    if (lost_races > 0) {
        count(shared.mine->counters.lost_races, lost_races);
    }
}

uint32_t free_in_all(const SourceList& list, Trip trip) {
    uint32_t free = 0;
    for (int i = 0; i < list.count; i++) {
        free += free_in(list.states[i], trip);
    }
    return free;
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

}  // namespace

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

namespace {

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

}  // namespace

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

namespace {

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

bool claim_any(const Demand& demand, Claimed* claimed) {
    SourceState one;
    SeatClaim single;
    const Room room = make_room(demand, &single);
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

uint32_t count_remaining(const DepartureRef& ref, uint32_t class_index, Trip trip, Text channel) {
    SourceState one;
    const SourceList list = list_sources(ref, class_index, trip, channel, kAnyPlaces, &one);
    uint32_t free = 0;
    for (int i = 0; i < list.count; i++) {
        free += estimate_free_in(list.states[i], trip);
    }
    return free;
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
