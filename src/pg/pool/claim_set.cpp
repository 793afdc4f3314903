// Claims named seats: finds where each of them is, claims them as one attempt, and enters them in
// the ledger (claim_set.hpp).
#include "pool/claim_set.hpp"

#include "pool/beside_waiters.hpp"
#include "pool/claim.hpp"
#include "pool/claim_retry.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/sources.hpp"
#include "server/stop_point.hpp"
#include "ticketpool/quota.hpp"
#include "ticketpool/seat_set.hpp"

namespace ticketpool {

namespace {

// The last place in the order within a class: the class's own map.
constexpr uint32_t kAfterQuotas = UINT32_MAX;

SeatMap map_of(const DepartureRef& ref, const SeatSource& source) {
    const SeatMap map = ref.departure->seat_map(source.class_index);
    return source.quota == 0 ? map : ref.departure->quota_at(source.quota)->seat_map(map.control);
}

// Where a named seat is now, and how far down the list of quotas. Also sets its number there.
SeatSource find_source(const SetDemand& demand, Quota* head, const NamedSeat& named, uint32_t* seat,
                       uint32_t* place) {
    *seat = named.seat;
    *place = 0;
    for (Quota* quota = demand.channel.data == nullptr ? nullptr : head; quota != nullptr;
         quota = quota->next.get(), ++*place) {
        if (of_channel(*quota, demand.channel) && quota->from <= demand.trip.from &&
            demand.trip.to <= quota->to && quota_usable(demand.ref, *quota, named.class_index)) {
            const int64_t number = quota->find(named.seat);
            if (number >= 0) {
                *seat = static_cast<uint32_t>(number);
                return {demand.ref.slot, named.class_index, demand.ref.departure->offset_of(quota),
                        -1};
            }
        }
    }
    *place = kAfterQuotas;
    return seats_of_class(demand.ref.slot, named.class_index);
}

// Fills pieces and `claimed` with what is to be claimed.
void locate(const SetDemand& demand, SetPiece* pieces, Claimed* claimed) {
    const SegmentMask trip = trip_mask(demand.trip.from, demand.trip.to);
    Quota* head = demand.ref.departure->first_quota();
    for (uint32_t i = 0; i < demand.count; i++) {
        uint32_t seat;
        uint32_t place;
        const SeatSource source = find_source(demand, head, demand.seats[i], &seat, &place);
        const SegmentMask own = ledger_own_bits(source, seat) & trip;
        claimed[i] = Claimed{source, SeatClaim{seat, trip & ~own, own}};
        pieces[i] = SetPiece{map_of(demand.ref, source), uint64_t{source.class_index} << 32 | place,
                             seat, trip & ~own};
    }
    if (demand.count > 1) {
        sort_set(pieces, demand.count);
    }
}

// See settle_attempt().
void settle_quotas(const SetDemand& demand, const Claimed* claimed) {
    for (uint32_t i = 0; i < demand.count; i++) {
        if (claimed[i].source.quota != 0) {
            SeatMap own = map_of(demand.ref, claimed[i].source);
            SeatMap departure = demand.ref.departure->seat_map(claimed[i].source.class_index);
            settle_attempt(*demand.ref.departure->quota_at(claimed[i].source.quota), own,
                           departure);
        }
    }
}

void stop_half_way() {
    TICKETPOOL_STOP_POINT("half-claimed");
}

Status try_set(const SetDemand& demand, SetPiece* pieces, Claimed* claimed) {
    locate(demand, pieces, claimed);
    uint32_t lost_races = 0;
    const Status status = claim_set_once(pieces, demand.count, &lost_races, stop_half_way);
    if (status == Status::kOk) {
        pin_slot(demand.ref.slot);
        for (uint32_t i = 0; i < demand.count; i++) {
            enter_claim(claimed[i]);
        }
    } else if (lost_races > 0) {
        count(shared.mine->counters.lost_races, lost_races);
        settle_quotas(demand, claimed);
    }
    return status;
}

}  // namespace

// While the departure is unserved: does no waiter fit one of the seats?
static bool is_set_unwanted(const SetDemand& demand, SetPiece* pieces, Claimed* claimed) {
    locate(demand, pieces, claimed);
    return are_unwanted(demand.ref, demand.trip, claimed, demand.count);
}

bool claim_set(const SetDemand& demand, Claimed* claimed) {
    refuse_reformed(demand.ref);
    SetPiece one;
    SetPiece* pieces =
        demand.count == 1 ? &one : static_cast<SetPiece*>(palloc(demand.count * sizeof(SetPiece)));
    // A claim for each seat; each release is taken over once.
    ledger_reserve(demand.count + ledger_release_count());
    const bool is_claimed = claim_if_unwanted(
        demand.ref, [&] { return is_set_unwanted(demand, pieces, claimed); },
        [&] {
            return claim_until_decided(demand.ref.slot,
                                       [&] { return try_set(demand, pieces, claimed); });
        });
    if (!is_claimed) {
        count(shared.mine->counters.sold_outs);
    }
    if (demand.count > 1) {
        pfree(pieces);
    }
    return is_claimed;
}

}  // namespace ticketpool
