// Serves the waiting list from the seats that a departure is about to get (ticket_reform): they are
// planned in private memory, and nobody can buy them before the commit. An award takes them there
// and writes its rows; the departure is then loaded from the rows, with all others.
#include "pool/ledger.hpp"
#include "server/owner_scope.hpp"
#include "waits/award.hpp"
#include "waits/serve.hpp"

namespace ticketpool {
namespace {

// Calls use(coach_index, places) for each coach of the class with unnumbered places, until it
// returns false.
template <typename Use>
void for_each_places(Departure* departure, uint32_t class_index, Use use) {
    const Layout* layout = departure->layout.get();
    for (uint32_t c = 0; c < layout->coach_count; c++) {
        const LayoutCoach& coach = layout->coaches()[c];
        if (coach.places > 0 && coach.class_index == class_index &&
            !use(c, departure->place_map(c))) {
            return;
        }
    }
}

uint32_t count_numbered(Departure* departure, uint32_t class_index, Trip trip) {
    const SeatMap map = departure->seat_map(class_index);
    return map.seats == 0 ? 0 : count_free(map, trip_mask(trip.from, trip.to));
}

uint32_t count_planned(const DepartureRef& ref, uint32_t class_index, Trip trip, Text) {
    uint32_t free = count_numbered(ref.departure, class_index, trip);
    for_each_places(ref.departure, class_index, [&](uint32_t, const PlaceMap& places) {
        free += count_free_places(places, trip.from, trip.to, nullptr);
        return true;
    });
    return free;
}

// Takes numbered seats for so many. False: it has taken none.
bool take_seats(const Purchase& purchase, uint32_t party, Claimed* claims) {
    SeatMap map = purchase.ref.departure->seat_map(purchase.class_index);
    SeatRequest request{};
    request.trip = trip_mask(purchase.trip.from, purchase.trip.to);
    request.from = purchase.trip.from;
    request.to = purchase.trip.to;
    request.party = party;
    request.choice = purchase.choice.of_part(party);
    void* scratch =
        palloc(Max(scratch_bytes(map.seats, party, map.words_per_seat), static_cast<size_t>(1)));
    SeatClaim* seats = static_cast<SeatClaim*>(palloc(party * sizeof(SeatClaim)));
    const bool taken =
        claim_seats(map, purchase.ref.departure->layout->geometry(purchase.class_index), request,
                    scratch, seats) == Status::kOk;
    for (uint32_t i = 0; taken && i < party; i++) {
        claims[i] = Claimed{seats_of_class(purchase.ref.slot, purchase.class_index), seats[i]};
    }
    return taken;
}

// Takes unnumbered places for so many, coach by coach. Returns how many it has got.
uint32_t take_places(const Purchase& purchase, uint32_t party, Claimed* claims) {
    const Trip trip = purchase.trip;
    uint32_t got = 0;
    for_each_places(
        purchase.ref.departure, purchase.class_index, [&](uint32_t coach, PlaceMap places) {
            const uint32_t part =
                Min(count_free_places(places, trip.from, trip.to, nullptr), party - got);
            if (part > 0 && try_claim_places(places, trip.from, trip.to, part, nullptr)) {
                for (uint32_t i = 0; i < part; i++) {
                    claims[got++] = Claimed{
                        {purchase.ref.slot, purchase.class_index, 0, static_cast<int32_t>(coach)},
                        SeatClaim{}};
                }
            }
            return got < party;
        });
    return got;
}

bool claim_planned(const Purchase& purchase, Claimed* claims) {
    const uint32_t numbered =
        Min(count_numbered(purchase.ref.departure, purchase.class_index, purchase.trip),
            purchase.party);
    if (numbered > 0 && !take_seats(purchase, numbered, claims)) {
        return false;
    }
    return numbered + take_places(purchase, purchase.party - numbered, &claims[numbered]) ==
           purchase.party;
}

constexpr WaitStock kPlannedStock{count_planned, claim_planned};

}  // namespace

void serve_planned(const Catalog& catalog, Departure* planned) {
    if (!has_waiters(catalog, planned->departure_id) || !try_lock_award_tables(catalog)) {
        return;  // the departure is loaded after this, and then the worker serves the list
    }
    StreamList list;
    begin_streams(catalog, {kNoSlot, planned}, &list);
    for (uint32_t c = 0; c < planned->layout->class_count; c++) {
        add_class_streams(kPlannedStock, &list, c, {0, planned->segments});
    }
    (void)serve_streams(kPlannedStock, &list);
}

}  // namespace ticketpool
