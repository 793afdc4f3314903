// Plans who sits where in another formation: see reform_plan.hpp.
#include "amend/reform_plan.hpp"

#include "amend/reform_quotas.hpp"
#include "load/departure_loader.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// Rows
// ---------------------------------------------------------------------------------------------

int compare_riders(const void* a, const void* b) {
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

// ---------------------------------------------------------------------------------------------
// Tickets that stay
// ---------------------------------------------------------------------------------------------

void sit(Planner* planner, Rider* rider, uint32_t number, RiderFate fate) {
    int* first = on_seat(*planner, static_cast<uint32_t>(rider->class_index), number);
    rider->fate = fate;
    rider->place_coach = -1;
    rider->number = number;
    rider->next_on_seat = *first;
    *first = static_cast<int>(rider - planner->plan.riders);
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

}  // namespace

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
    qsort(plan->riders, static_cast<size_t>(plan->rider_count), sizeof(Rider), compare_riders);
}

ReformPlan plan_reform(const Catalog& catalog, const OrderLeaf& leaf, const DepartureRow& row,
                       int64_t layout_id) {
    Planner planner{};
    ReformPlan* plan = &planner.plan;
    plan->departure = private_departure(catalog, row, layout_id);
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
