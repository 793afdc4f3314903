// Plans who sits where in another formation: see reform_plan.hpp.
#include "amend/reform_plan.hpp"

#include "load/shared_layout.hpp"
#include "load/shared_parts.hpp"
#include "server/arrays.hpp"
#include "server/table_scan.hpp"
#include "ticketpool/order_status.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace ticketpool {
namespace {

// Bits that a quota would like to keep, taken in the map so that tickets go elsewhere first.
struct Wanted {
    uint32_t class_index;
    uint32_t seat;
    SegmentMask bits;
};

struct Planner {
    ReformPlan plan;
    int* on_seat;  // for each seat of the layout: the first rider on it, or -1
    Wanted* wanted;
    size_t wanted_count;
    bool* gave_way;  // for each class: the seats that quotas want are open to all
};

Departure* departure_with(const Catalog& catalog, const DepartureRow& row, int64_t layout_id) {
    const Route* route = reinterpret_cast<const Route*>(read_route(catalog, row.route_id));
    Layout* layout = read_layout(catalog, layout_id);
    const size_t bytes = Departure::bytes_required(*layout, route->segments());
    char* memory = static_cast<char*>(MemoryContextAllocExtended(
        CurrentMemoryContext, bytes + alignof(Departure), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    void* block = reinterpret_cast<void*>(TYPEALIGN(alignof(Departure), memory));
    Departure* departure = Departure::init_in_place(block, route, layout);
    departure->departure_id = row.departure_id;
    departure->service_date = static_cast<uint16_t>(row.service_date);
    return departure;
}

const Layout* layout_of(const Planner& planner) {
    return planner.plan.departure->layout.get();
}

// ---------------------------------------------------------------------------------------------
// Rows
// ---------------------------------------------------------------------------------------------

int compare_ids(const void* a, const void* b) {
    const Rider* left = static_cast<const Rider*>(a);
    const Rider* right = static_cast<const Rider*>(b);
    return left->order_id != right->order_id ? (left->order_id < right->order_id ? -1 : 1)
                                             : left->ticket_no - right->ticket_no;
}

void read_rider(TupleTableSlot* row, const OrderLeaf& leaf, const Departure* departure,
                Rider* rider) {
    bool is_place;
    const Datum seat = row_value(row, leaf.column[kSeat], &is_place);
    *rider = Rider{};
    rider->order_id = row_int64(row, leaf.column[kOrderId]);
    rider->ticket_no = row_int32(row, leaf.column[kTicketNo]);
    rider->held = same_text(row_text(row, leaf.column[kStatus]), {"held", 4});
    rider->seat_class = copy_text(row_text(row, leaf.column[kSeatClass]));
    rider->coach = copy_text(row_text(row, leaf.column[kCoach]));
    rider->seat = is_place ? Text{nullptr, 0} : copy_text(text_of(seat));
    rider->place_coach = -1;
    rider->number = kNoNumber;
    rider->next_on_seat = -1;
    LiveTicket ticket;
    const Misfit misfit = locate_ticket(
        {rider->seat_class, rider->coach, rider->seat, row_int32(row, leaf.column[kFromStop]),
         row_int32(row, leaf.column[kToStop])},
        departure, &ticket);
    rider->trip = ticket.trip;
    rider->class_index =
        departure->layout->find_class(rider->seat_class.data, rider->seat_class.length);
    rider->fate = misfit == Misfit::kStops ? RiderFate::kLeft : RiderFate::kUnseated;
    if (misfit != Misfit::kStops) {
        rider->bits = trip_mask(ticket.trip.from, ticket.trip.to);
    }
    if (misfit == Misfit::kNone) {
        rider->place_coach = ticket.place_coach;
        rider->number = ticket.place_coach < 0 ? ticket.seat : kNoNumber;
    }
}

void read_riders(const OrderLeaf& leaf, ReformPlan* plan) {
    int room = 1024;
    plan->riders = static_cast<Rider*>(palloc(static_cast<size_t>(room) * sizeof(Rider)));
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.live(), snapshot);
    reader_key_int64(&reader, plan->departure->departure_id);
    while (reader_next(&reader)) {
        if (plan->rider_count == room) {
            room *= 2;
            plan->riders = static_cast<Rider*>(
                repalloc_huge(plan->riders, static_cast<size_t>(room) * sizeof(Rider)));
        }
        read_rider(reader.row, leaf, plan->departure, &plan->riders[plan->rider_count++]);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    qsort(plan->riders, static_cast<size_t>(plan->rider_count), sizeof(Rider), compare_ids);
}

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

// ---------------------------------------------------------------------------------------------
// Tickets that stay
// ---------------------------------------------------------------------------------------------

int* on_seat(const Planner& planner, uint32_t class_index, uint32_t number) {
    return &planner.on_seat[layout_of(planner)->classes()[class_index].first_seat + number];
}

void sit(Planner* planner, Rider* rider, uint32_t number, RiderFate fate) {
    int* first = on_seat(*planner, static_cast<uint32_t>(rider->class_index), number);
    rider->fate = fate;
    rider->place_coach = -1;
    rider->number = number;
    rider->next_on_seat = *first;
    *first = static_cast<int>(rider - planner->plan.riders);
}

SeatMap map_of(const Planner& planner, int class_index) {
    return planner.plan.departure->seat_map(static_cast<uint32_t>(class_index));
}

void keep_numbered(Planner* planner) {
    for (int i = 0; i < planner->plan.rider_count; i++) {
        Rider* rider = &planner->plan.riders[i];
        if (rider->fate != RiderFate::kUnseated || rider->number == kNoNumber) {
            continue;
        }
        SeatMap map = map_of(*planner, rider->class_index);
        if (try_claim(map, rider->number, rider->bits)) {
            sit(planner, rider, rider->number, RiderFate::kKept);
        }
    }
}

// The longest trips first, then as ordered; the tickets of a party are side by side.
int compare_length(const void* a, const void* b) {
    const Rider* left = *static_cast<Rider* const*>(a);
    const Rider* right = *static_cast<Rider* const*>(b);
    const int by_length = (right->trip.to - right->trip.from) - (left->trip.to - left->trip.from);
    if (by_length != 0 || left->order_id != right->order_id) {
        return by_length != 0 ? by_length : left->order_id < right->order_id ? -1 : 1;
    }
    if (left->trip.from != right->trip.from || left->class_index != right->class_index) {
        return left->trip.from != right->trip.from ? left->trip.from - right->trip.from
                                                   : left->class_index - right->class_index;
    }
    const int left_place = left->seat.data == nullptr;
    const int right_place = right->seat.data == nullptr;
    return left_place != right_place ? left_place - right_place
                                     : left->ticket_no - right->ticket_no;
}

bool same_party(const Rider& a, const Rider& b) {
    return a.order_id == b.order_id && a.trip.from == b.trip.from && a.trip.to == b.trip.to &&
           a.class_index == b.class_index && (a.seat.data == nullptr) == (b.seat.data == nullptr);
}

int take_places(const Planner& planner, Rider** riders, int count, uint32_t coach, int most,
                RiderFate fate) {
    const Trip trip = riders[0]->trip;
    PlaceMap places = planner.plan.departure->place_map(coach);
    const int taken = Min(Min(count, most),
                          static_cast<int>(count_free_places(places, trip.from, trip.to, nullptr)));
    if (taken <= 0 ||
        !try_claim_places(places, trip.from, trip.to, static_cast<uint32_t>(taken), nullptr)) {
        return 0;
    }
    for (int i = 0; i < taken; i++) {
        riders[i]->fate = fate;
        riders[i]->place_coach = static_cast<int32_t>(coach);
        riders[i]->number = kNoNumber;
    }
    return taken;
}

void keep_unnumbered(Planner* planner, Rider** riders, int count) {
    for (int i = 0; i < count; i++) {
        if (riders[i]->place_coach >= 0) {
            take_places(*planner, &riders[i], 1, static_cast<uint32_t>(riders[i]->place_coach), 1,
                        RiderFate::kKept);
        }
    }
}

// ---------------------------------------------------------------------------------------------
// Tickets that move
// ---------------------------------------------------------------------------------------------

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

// Tickets come before quotas. True: there may be more free seats than before.
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

// The first rider of the order.
int first_of_order(const ReformPlan& plan, int64_t order_id) {
    int low = 0;
    int high = plan.rider_count;
    while (low < high) {
        const int middle = (low + high) / 2;
        if (plan.riders[middle].order_id < order_id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

constexpr int kMostMates = 32;  // of a huge party, a few say where it is

// The free seat that is nearest to one of its party: in its row, else in its coach. -1: none.
int64_t seat_near(const Planner& planner, const Rider& rider) {
    const ReformPlan& plan = planner.plan;
    const SeatMap map = map_of(planner, rider.class_index);
    const SeatGeometry* geometry =
        layout_of(planner)->geometry(static_cast<uint32_t>(rider.class_index));
    int64_t best = -1;
    int64_t best_distance = INT64_MAX;
    int mates = 0;
    for (int i = first_of_order(plan, rider.order_id);
         i < plan.rider_count && plan.riders[i].order_id == rider.order_id && mates < kMostMates;
         i++) {
        const Rider& mate = plan.riders[i];
        if (mate.class_index != rider.class_index || mate.number == kNoNumber ||
            mate.fate == RiderFate::kUnseated || !same_party(mate, rider)) {
            continue;
        }
        mates++;
        for (uint32_t seat = 0; seat < map.seats; seat++) {
            if (geometry[seat].coach != geometry[mate.number].coach ||
                (load_seat(map, seat) & rider.bits).any()) {
                continue;
            }
            const int64_t apart = int64_t{seat} - mate.number;
            const bool same_row =
                geometry[seat].row != 0 && geometry[seat].row == geometry[mate.number].row;
            const int64_t distance =
                (same_row ? 0 : int64_t{UINT32_MAX}) + (apart < 0 ? -apart : apart);
            if (distance < best_distance) {
                best = seat;
                best_distance = distance;
            }
        }
    }
    return best;
}

bool has_kept_mate(const ReformPlan& plan, const Rider& rider) {
    for (int i = first_of_order(plan, rider.order_id);
         i < plan.rider_count && plan.riders[i].order_id == rider.order_id; i++) {
        if (plan.riders[i].fate == RiderFate::kKept && plan.riders[i].number != kNoNumber &&
            same_party(plan.riders[i], rider)) {
            return true;
        }
    }
    return false;
}

int take_seats_near(Planner* planner, Rider** riders, int count) {
    int taken = 0;
    while (taken < count && has_kept_mate(planner->plan, *riders[0])) {
        const int64_t seat = seat_near(*planner, *riders[taken]);
        SeatMap map = map_of(*planner, riders[0]->class_index);
        if (seat < 0 || !try_claim(map, static_cast<uint32_t>(seat), riders[taken]->bits)) {
            break;
        }
        sit(planner, riders[taken++], static_cast<uint32_t>(seat), RiderFate::kMoved);
    }
    return taken;
}

// As many as there are free seats for, together.
int take_seats(Planner* planner, Rider** riders, int count) {
    const uint32_t class_index = static_cast<uint32_t>(riders[0]->class_index);
    SeatMap map = map_of(*planner, riders[0]->class_index);
    if (map.seats == 0) {
        return 0;
    }
    uint32_t party = Min(static_cast<uint32_t>(count), count_free(map, riders[0]->bits));
    if (party < static_cast<uint32_t>(count) &&
        make_quotas_give_way(planner, riders[0]->class_index)) {
        party = Min(static_cast<uint32_t>(count), count_free(map, riders[0]->bits));
    }
    if (party == 0) {
        return 0;
    }
    SeatRequest request{};
    request.trip = riders[0]->bits;
    request.from = riders[0]->trip.from;
    request.to = riders[0]->trip.to;
    request.party = party;
    void* scratch =
        palloc(Max(scratch_bytes(map.seats, party, map.words_per_seat), static_cast<size_t>(1)));
    SeatClaim* seats = static_cast<SeatClaim*>(palloc(party * sizeof(SeatClaim)));
    const Status status =
        claim_seats(map, layout_of(*planner)->geometry(class_index), request, scratch, seats);
    for (uint32_t i = 0; status == Status::kOk && i < party; i++) {
        sit(planner, riders[i], seats[i].seat, RiderFate::kMoved);
    }
    pfree(scratch);
    pfree(seats);
    return status == Status::kOk ? static_cast<int>(party) : 0;
}

// A coach with places for all, else what each coach has.
int take_any_places(const Planner& planner, Rider** riders, int count) {
    const Layout* layout = layout_of(planner);
    int taken = 0;
    for (const bool whole : {true, false}) {
        for (uint32_t c = 0; taken < count && c < layout->coach_count; c++) {
            const LayoutCoach& coach = layout->coaches()[c];
            if (coach.places == 0 ||
                coach.class_index != static_cast<uint32_t>(riders[0]->class_index)) {
                continue;
            }
            const Trip trip = riders[0]->trip;
            const uint32_t free = count_free_places(planner.plan.departure->place_map(c), trip.from,
                                                    trip.to, nullptr);
            if (!whole || free >= static_cast<uint32_t>(count)) {
                taken += take_places(planner, riders + taken, count - taken, c, count - taken,
                                     RiderFate::kMoved);
            }
        }
    }
    return taken;
}

void move_party(Planner* planner, Rider** riders, int count) {
    if (riders[0]->class_index < 0) {
        return;
    }
    int taken = 0;
    if (riders[0]->seat.data == nullptr) {
        taken = take_any_places(*planner, riders, count);
        if (taken < count) {
            take_seats(planner, riders + taken, count - taken);
        }
        return;
    }
    taken = take_seats_near(planner, riders, count);
    taken += taken < count ? take_seats(planner, riders + taken, count - taken) : 0;
    if (taken < count) {
        take_any_places(*planner, riders + taken, count - taken);
    }
}

void move_parties(Planner* planner, Rider** riders, int count) {
    int size;
    for (int first = 0; first < count; first += size) {
        CHECK_FOR_INTERRUPTS();
        size = 1;
        while (first + size < count && same_party(*riders[first], *riders[first + size])) {
            size++;
        }
        move_party(planner, &riders[first], size);
    }
}

int pick(const ReformPlan& plan, RiderFate fate, Rider** riders) {
    int count = 0;
    for (int i = 0; i < plan.rider_count; i++) {
        if (plan.riders[i].fate == fate) {
            riders[count++] = &plan.riders[i];
        }
    }
    qsort(riders, static_cast<size_t>(count), sizeof(Rider*), compare_length);
    return count;
}

// ---------------------------------------------------------------------------------------------
// Quotas
// ---------------------------------------------------------------------------------------------

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

}  // namespace

ReformPlan plan_reform(const Catalog& catalog, const OrderLeaf& leaf, const DepartureRow& row,
                       int64_t layout_id) {
    Planner planner{};
    ReformPlan* plan = &planner.plan;
    plan->departure = departure_with(catalog, row, layout_id);
    const Layout* layout = layout_of(planner);
    planner.on_seat = static_cast<int*>(
        MemoryContextAllocHuge(CurrentMemoryContext, Max(layout->seat_count, 1u) * sizeof(int)));
    memset(planner.on_seat, 0xFF, layout->seat_count * sizeof(int));
    planner.gave_way = static_cast<bool*>(palloc0(layout->class_count));
    read_riders(leaf, plan);
    read_asides(catalog, plan);
    Rider** riders = static_cast<Rider**>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(Max(plan->rider_count, 1)) * sizeof(Rider*)));
    keep_numbered(&planner);
    keep_unnumbered(&planner, riders, pick(*plan, RiderFate::kUnseated, riders));
    const int moving = pick(*plan, RiderFate::kUnseated, riders);
    for (int i = 0; i < moving; i++) {
        riders[i]->number = kNoNumber;
        riders[i]->place_coach = -1;
    }
    keep_for_quotas(&planner);
    move_parties(&planner, riders, moving);
    seat_quotas(&planner);
    return *plan;
}

int count_unseated(const ReformPlan& plan) {
    int count = 0;
    for (int i = 0; i < plan.rider_count; i++) {
        count += plan.riders[i].fate == RiderFate::kUnseated ? 1 : 0;
    }
    return count;
}

const char* list_unseated(const ReformPlan& plan) {
    StringInfoData list;
    initStringInfo(&list);
    bool* listed = static_cast<bool*>(palloc0(static_cast<size_t>(Max(plan.rider_count, 1))));
    for (int i = 0; i < plan.rider_count; i++) {
        if (listed[i] || plan.riders[i].fate != RiderFate::kUnseated) {
            continue;
        }
        int count = 0;
        for (int j = i; j < plan.rider_count; j++) {
            if (plan.riders[j].fate == RiderFate::kUnseated &&
                same_text(plan.riders[j].seat_class, plan.riders[i].seat_class)) {
                listed[j] = true;
                count++;
            }
        }
        appendStringInfo(&list, _("%s%d of class \"%s\""), list.len > 0 ? ", " : "", count,
                         printable(plan.riders[i].seat_class));
    }
    return list.data;
}

Datum new_coach(const ReformPlan& plan, const Rider& rider) {
    const Layout* layout = plan.departure->layout.get();
    return text_datum(
        rider.place_coach >= 0
            ? text_of(layout->head, layout->coaches()[rider.place_coach].name)
            : coach_name(layout, static_cast<uint32_t>(rider.class_index), rider.number));
}

Datum new_seat(const ReformPlan& plan, const Rider& rider, bool* is_null) {
    *is_null = rider.place_coach >= 0;
    return *is_null
               ? 0
               : text_datum(seat_label(plan.departure->layout.get(),
                                       static_cast<uint32_t>(rider.class_index), rider.number));
}

}  // namespace ticketpool
