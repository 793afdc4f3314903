// Plans what quotas get in another formation, after the tickets: see reform_plan.hpp.
#include "amend/reform_quotas.hpp"

#include "server/arrays.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {
namespace {

void read_aside(TupleTableSlot* row, const Departure* departure, Aside* aside) {
    *aside = Aside{};
    aside->reservation_id = row_int64(row, kResId);
    aside->seat_class = copy_text(row_text(row, kResClass));
    aside->channel = copy_text(row_text(row, kResChannel));
    LiveTicket ticket;
    locate_ticket(
        {aside->seat_class, {"", 0}, {"", 0}, row_int32(row, kResFrom), row_int32(row, kResTo)},
        departure, &ticket);
    aside->stretch = ticket.trip;
    if (ticket.trip.from < 0 || ticket.trip.to <= ticket.trip.from) {
        return;  // it does not fit the stop list, and stays as it is
    }
    aside->bits = trip_mask(ticket.trip.from, ticket.trip.to);
    aside->class_index =
        departure->layout->find_class(aside->seat_class.data, aside->seat_class.length);
    const Elements names =
        elements_of(PointerGetDatum(PG_DETOAST_DATUM_COPY(row_datum(row, kResSeatList))), TEXTOID,
                    -1, false, TYPALIGN_INT);
    const size_t room = static_cast<size_t>(Max(names.count, 1));
    aside->coach = static_cast<Text*>(palloc0(2 * room * sizeof(Text)));
    aside->seat = aside->coach + room;
    aside->number = static_cast<uint32_t*>(palloc(room * sizeof(uint32_t)));
    for (int i = 0; i < names.count; i++) {
        if (!names.nulls[i]) {
            split_seat_name(text_of(names.values[i]), &aside->coach[aside->named],
                            &aside->seat[aside->named]);
            aside->number[aside->named++] = kNoNumber;
        }
    }
}

int compare_asides(const void* a, const void* b) {
    const int64_t left = static_cast<const Aside*>(a)->reservation_id;
    const int64_t right = static_cast<const Aside*>(b)->reservation_id;
    return left < right ? -1 : static_cast<int>(left > right);
}

}  // namespace

void read_asides(const Catalog& catalog, ReformPlan* plan) {
    int room = 16;
    plan->asides = static_cast<Aside*>(palloc(static_cast<size_t>(room) * sizeof(Aside)));
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.reservation, catalog.reservation_open, snapshot);
    reader_key_int64(&reader, plan->departure->departure_id);
    while (reader_next(&reader)) {
        if (plan->aside_count == room) {
            room *= 2;
            plan->asides = static_cast<Aside*>(
                repalloc_huge(plan->asides, static_cast<size_t>(room) * sizeof(Aside)));
        }
        read_aside(reader.row, plan->departure, &plan->asides[plan->aside_count++]);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    qsort(plan->asides, static_cast<size_t>(plan->aside_count), sizeof(Aside), compare_asides);
}

void keep_for_quotas(Planner* planner) {
    size_t room = 1;
    for (int q = 0; q < planner->plan.aside_count; q++) {
        room += planner->plan.asides[q].named;
    }
    planner->wanted = static_cast<Wanted*>(palloc(room * sizeof(Wanted)));
    for (int q = 0; q < planner->plan.aside_count; q++) {
        const Aside& aside = planner->plan.asides[q];
        for (uint32_t i = 0; i < aside.named && aside.class_index >= 0; i++) {
            const uint32_t class_index = static_cast<uint32_t>(aside.class_index);
            const int64_t seat = layout_of(*planner)->find_seat(
                class_index, aside.coach[i].data, aside.coach[i].length, aside.seat[i].data,
                aside.seat[i].length);
            if (seat < 0) {
                continue;
            }
            SeatMap map = map_of(*planner, aside.class_index);
            const uint32_t number = static_cast<uint32_t>(seat);
            const SegmentMask bits = aside.bits & ~load_seat(map, number);
            if (bits.any() && try_claim(map, number, bits)) {
                planner->wanted[planner->wanted_count++] = Wanted{class_index, number, bits};
            }
        }
    }
}

bool make_quotas_give_way(Planner* planner, int class_index) {
    if (planner->gave_way[class_index]) {
        return false;
    }
    planner->gave_way[class_index] = true;
    bool any = false;
    for (size_t i = 0; i < planner->wanted_count; i++) {
        const Wanted& wanted = planner->wanted[i];
        if (wanted.class_index == static_cast<uint32_t>(class_index)) {
            SeatMap map = map_of(*planner, class_index);
            release(map, wanted.seat, wanted.bits);
            any = true;
        }
    }
    return any;
}

namespace {

bool is_named_by(const Aside& aside, Text coach, Text seat) {
    for (uint32_t i = 0; i < aside.named; i++) {
        if (same_text(aside.seat[i], seat) && same_text(aside.coach[i], coach)) {
            return true;
        }
    }
    return false;
}

// Was the ticket sold from the quota?
bool is_of_aside(const Aside& aside, const Rider& rider) {
    return rider.seat.data != nullptr && rider.class_index == aside.class_index &&
           rider.bits.is_subset_of(aside.bits) && is_named_by(aside, rider.coach, rider.seat);
}

struct QuotaBits {
    SegmentMask* of_seat;  // of the class's seats, by number: what quotas have of them
};

// May the quota have the seat: is all of its stretch free, or sold from the quota?
bool may_have(const Planner& planner, const Aside& aside, const QuotaBits& quotas,
              uint32_t number) {
    if ((quotas.of_seat[number] & aside.bits).any()) {
        return false;
    }
    for (int i = *on_seat(planner, static_cast<uint32_t>(aside.class_index), number); i >= 0;
         i = planner.plan.riders[i].next_on_seat) {
        const Rider& rider = planner.plan.riders[i];
        if ((rider.bits & aside.bits).any() && !is_of_aside(aside, rider)) {
            return false;
        }
    }
    return true;
}

void give_seat(const Planner& planner, Aside* aside, const QuotaBits& quotas, uint32_t which,
               uint32_t number) {
    SeatMap map = map_of(planner, aside->class_index);
    const SegmentMask free = aside->bits & ~load_seat(map, number);
    if (free.any()) {
        try_claim(map, number, free);
    }
    quotas.of_seat[number] = quotas.of_seat[number] | aside->bits;
    aside->number[which] = number;
    aside->count++;
}

void keep_seat(const Planner& planner, Aside* aside, const QuotaBits& quotas, uint32_t which) {
    const int64_t seat = layout_of(planner)->find_seat(
        static_cast<uint32_t>(aside->class_index), aside->coach[which].data,
        aside->coach[which].length, aside->seat[which].data, aside->seat[which].length);
    if (seat >= 0 && may_have(planner, *aside, quotas, static_cast<uint32_t>(seat))) {
        give_seat(planner, aside, quotas, which, static_cast<uint32_t>(seat));
    }
}

// The seat to which a ticket has moved that was sold on this seat of the quota.
void follow_ticket(const Planner& planner, Aside* aside, const QuotaBits& quotas, uint32_t which) {
    for (int i = 0; i < planner.plan.rider_count; i++) {
        const Rider& rider = planner.plan.riders[i];
        if (rider.fate == RiderFate::kMoved && rider.number != kNoNumber &&
            rider.class_index == aside->class_index &&
            same_text(rider.coach, aside->coach[which]) && rider.seat.data != nullptr &&
            same_text(rider.seat, aside->seat[which]) && rider.bits.is_subset_of(aside->bits) &&
            may_have(planner, *aside, quotas, rider.number)) {
            give_seat(planner, aside, quotas, which, rider.number);
            return;
        }
    }
}

void get_other_seat(const Planner& planner, Aside* aside, const QuotaBits& quotas, uint32_t which) {
    SeatMap map = map_of(planner, aside->class_index);
    SeatRequest request{};
    request.trip = aside->bits;
    request.from = aside->stretch.from;
    request.to = aside->stretch.to;
    SeatClaim claim;
    if (map.seats > 0 &&
        claim_seats(map, layout_of(planner)->geometry(static_cast<uint32_t>(aside->class_index)),
                    request, nullptr, &claim) == Status::kOk) {
        give_seat(planner, aside, quotas, which, claim.seat);
    }
}

template <typename Step>
void for_each_lost(const Planner& planner, QuotaBits* quotas, Step step) {
    for (int q = 0; q < planner.plan.aside_count; q++) {
        Aside* aside = &planner.plan.asides[q];
        for (uint32_t i = 0; aside->class_index >= 0 && i < aside->named; i++) {
            CHECK_FOR_INTERRUPTS();
            if (aside->number[i] == kNoNumber) {
                step(planner, aside, quotas[aside->class_index], i);
            }
        }
    }
}

}  // namespace

void seat_quotas(Planner* planner) {
    const Layout* layout = layout_of(*planner);
    if (planner->plan.aside_count == 0) {
        return;
    }
    QuotaBits* quotas = static_cast<QuotaBits*>(palloc(layout->class_count * sizeof(QuotaBits)));
    for (uint32_t c = 0; c < layout->class_count; c++) {
        make_quotas_give_way(planner, static_cast<int>(c));
        quotas[c].of_seat = static_cast<SegmentMask*>(MemoryContextAllocExtended(
            CurrentMemoryContext, Max(layout->classes()[c].seats, 1u) * sizeof(SegmentMask),
            MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    }
    for_each_lost(*planner, quotas, keep_seat);
    for_each_lost(*planner, quotas,
                  [](const Planner& by, Aside* aside, const QuotaBits& bits, uint32_t which) {
                      aside->changed = true;
                      follow_ticket(by, aside, bits, which);
                  });
    for_each_lost(*planner, quotas, get_other_seat);
    for (int q = 0; q < planner->plan.aside_count; q++) {
        Aside* aside = &planner->plan.asides[q];
        aside->changed = aside->changed || (aside->class_index < 0 && aside->bits.any());
    }
}

}  // namespace ticketpool
