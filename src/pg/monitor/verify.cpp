// ticket_verify: the proof that pool and tables agree.
//
// For each departure, its live rows say what must be taken: committed rows, and rows of
// transactions in progress. That is compared with the pool. Sales go on meanwhile: a claim is made
// a moment before its row is written, and a release a moment after its commit. So a difference
// counts only if every one of several looks finds it.
#include "load/directory.hpp"
#include "monitor/verify_each.hpp"
#include "pool/ledger.hpp"
#include "pool/monitoring.hpp"
#include "pool/prepared.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"
#include "waits/award.hpp"

extern "C" {
#include "access/xlog.h"
}

namespace ticketpool {
namespace {

struct SeatState {
    SegmentMask sold;     // by committed live rows, and this transaction's
    SegmentMask pending;  // by rows of others in progress; this transaction's releases
    SegmentMask missing;  // sold, but free in the pool, in every look so far
    SegmentMask extra;    // taken in the pool, but not sold, in every look so far
};

// Unnumbered places of one coach on one segment.
struct PlaceState {
    uint32_t sold;
    uint32_t pending;
    bool differs;  // in every look so far
};

struct Proof {
    const Catalog* catalog;
    DepartureRef ref;
    OrderLeaf leaf;
    bool has_leaf;
    SeatState* seats;    // of all classes
    PlaceState* places;  // one for each segment of each coach with places
    uint64_t undecided_rows;
    uint64_t version;  // of the slot when the departure was found
    bool replaced;     // it has got other seats since then: rows and pool are of different ones
    ReturnSetInfo* result;
};

void report(const Proof& proof, const char* problem) {
    report_problem(proof.result, proof.ref.departure->departure_id, problem);
}

SeatState* state_of_seat(const Proof& proof, uint32_t class_index, uint32_t seat) {
    return &proof.seats[proof.ref.departure->layout->classes()[class_index].first_seat + seat];
}

PlaceState* state_of_place(const Proof& proof, int32_t coach, int segment) {
    const Departure* departure = proof.ref.departure;
    return &proof.places[departure->layout->coaches()[coach].place_number * departure->segments +
                         static_cast<uint32_t>(segment)];
}

void count_place(const Proof& proof, const LiveTicket& ticket, bool pending) {
    for (int s = 0; s < proof.ref.departure->segments; s++) {
        if (ticket.bits.test(s)) {
            PlaceState* state = state_of_place(proof, ticket.place_coach, s);
            (pending ? state->pending : state->sold)++;
        }
    }
}

// Open quotas: their stretch is taken in the departure's map. A null `snapshot`: undecided rows.
void read_quotas(Proof* proof, Snapshot snapshot) {
    TableReader reader;
    reader_open(&reader, proof->catalog->reservation, proof->catalog->reservation_open, snapshot);
    reader_key_int64(&reader, proof->ref.departure->departure_id);
    while (reader_next(&reader)) {
        ReservationRow row;
        if (!read_reservation(reader.row, proof->ref.departure, &row)) {
            continue;
        }
        for (uint32_t i = 0; i < row.count; i++) {
            SeatState* state = state_of_seat(*proof, row.class_index, row.numbers[i]);
            SegmentMask* bits = snapshot == nullptr ? &state->pending : &state->sold;
            *bits = *bits | trip_mask(row.stretch.from, row.stretch.to);
        }
        proof->undecided_rows += snapshot == nullptr ? row.count : 0;
    }
    reader_close(&reader);
}

// Reads the live rows that `snapshot` shows; if it is null, the undecided ones. The last look
// reports problems of the rows themselves.
void read_rows(Proof* proof, Snapshot snapshot, bool last) {
    if (!proof->has_leaf) {
        return;
    }
    TableReader reader;
    reader_open(&reader, proof->leaf.relation, proof->leaf.live(), snapshot);
    reader_key_int64(&reader, proof->ref.departure->departure_id);
    while (reader_next(&reader)) {
        LiveTicket ticket;
        const Misfit misfit =
            read_live_ticket(reader.row, proof->leaf, proof->ref.departure, &ticket);
        if (misfit != Misfit::kNone) {
            if (last && snapshot != nullptr) {
                report(*proof, misfit == Misfit::kStops
                                   ? psprintf("ticket %d of order " INT64_FORMAT
                                              " is on stops that the departure does not have",
                                              ticket.ticket_no, ticket.order_id)
                                   : psprintf("ticket %d of order " INT64_FORMAT
                                              " is on a seat that the departure does not have",
                                              ticket.ticket_no, ticket.order_id));
            }
            continue;
        }
        if (snapshot == nullptr) {
            proof->undecided_rows++;
        }
        if (ticket.place_coach >= 0) {
            count_place(*proof, ticket, snapshot == nullptr);
            continue;
        }
        SeatState* state = state_of_seat(*proof, ticket.class_index, ticket.seat);
        if (snapshot == nullptr) {
            state->pending = state->pending | ticket.bits;
            continue;
        }
        if (last && (state->sold & ticket.bits).any()) {
            report(*proof, psprintf("ticket %d of order " INT64_FORMAT
                                    " is on a seat and stretch that another live ticket has",
                                    ticket.ticket_no, ticket.order_id));
        }
        state->sold = state->sold | ticket.bits;
    }
    reader_close(&reader);
}

// Compares the seats of one class. True: something still differs.
bool compare_class(Proof* proof, uint32_t class_index, bool first) {
    const SeatSource source = seats_of_class(proof->ref.slot, class_index);
    bool differs = false;
    OwnFree* own;
    const uint32_t own_count = ledger_own_free(source, &own);
    for (uint32_t i = 0; i < own_count; i++) {
        SeatState* state = state_of_seat(*proof, class_index, own[i].seat);
        state->pending = state->pending | own[i].bits;
    }
    const SeatMap map = proof->ref.departure->seat_map(class_index);
    for (uint32_t seat = 0; seat < map.seats; seat++) {
        SeatState* state = state_of_seat(*proof, class_index, seat);
        const SegmentMask taken = load_seat(map, seat);
        const SegmentMask missing = state->sold & ~taken;
        const SegmentMask extra = taken & ~(state->sold | state->pending);
        state->missing = first ? missing : state->missing & missing;
        state->extra = first ? extra : state->extra & extra;
        differs = differs || state->missing.any() || state->extra.any();
    }
    return differs;
}

// Compares the unnumbered places of one coach. True: something still differs.
bool compare_places(Proof* proof, int32_t coach, bool first) {
    Departure* departure = proof->ref.departure;
    const uint32_t class_index = departure->layout->coaches()[coach].class_index;
    const PlaceMap map = departure->place_map(static_cast<uint32_t>(coach));
    const uint32_t* own =
        ledger_own_places({proof->ref.slot, class_index, 0, coach}, departure->segments);
    bool differs = false;
    for (int s = 0; s < departure->segments; s++) {
        PlaceState* state = state_of_place(*proof, coach, s);
        const uint32_t taken = map.taken[s].load(std::memory_order_acquire);
        const uint32_t most = state->sold + state->pending + (own == nullptr ? 0 : own[s]);
        state->differs = (first || state->differs) && (taken < state->sold || taken > most);
        differs = differs || state->differs;
    }
    return differs;
}

void clear_states(Proof* proof) {
    const Layout* layout = proof->ref.departure->layout.get();
    for (uint32_t i = 0; i < layout->seat_count; i++) {
        proof->seats[i].sold = SegmentMask{};
        proof->seats[i].pending = SegmentMask{};
    }
    for (uint32_t i = 0; i < layout->place_coaches * proof->ref.departure->segments; i++) {
        proof->places[i].sold = 0;
        proof->places[i].pending = 0;
    }
    proof->undecided_rows = 0;
}

// Settles prepared transactions that were decided. A standby has committed rows only, and its pool
// does not follow them by itself, so there the departure is loaded again. False: the departure is
// gone, or has other seats by now than those whose states the proof has.
bool bring_up_to_date(Proof* proof, bool recovery) {
    if (proof->ref.departure == nullptr) {
        return false;
    }
    prepared_resolve(proof->ref.slot);
    if (!recovery) {
        return true;
    }
    const Departure* departure = proof->ref.departure;
    const int64_t layout_id = departure->layout->head.id;
    const uint16_t segments = departure->segments;
    proof->ref = directory_find_id_now(*proof->catalog, departure->departure_id);
    departure = proof->ref.departure;
    proof->replaced =
        proof->replaced || (departure != nullptr && (departure->layout->head.id != layout_id ||
                                                     departure->segments != segments));
    return departure != nullptr && !proof->replaced;
}

// Do the rows that a snapshot taken before shows, or may show, have other seats than the departure
// in memory (SeatChange)? If the state in memory says nothing, no reform had committed by then. A
// standby has no such state: there the row says it.
bool is_replaced_now(const Proof& proof, bool recovery) {
    const Departure* departure = proof.ref.departure;
    if (!recovery &&
        departure->seat_change.load(std::memory_order_seq_cst) != SeatChange::kUnderWay) {
        return false;
    }
    if (ledger_is_reforming(proof.ref.slot)) {
        return true;  // also if this transaction came back to the seats that it began with
    }
    DepartureRow row;
    return (!recovery && shared.slots[proof.ref.slot].version.load(std::memory_order_seq_cst) !=
                             proof.version) ||
           !read_own_departure_row(*proof.catalog, departure->departure_id, &row) ||
           row.layout_id != departure->layout->head.id;
}

// One look. True: something still differs.
bool look(Proof* proof, bool first, bool last) {
    const bool recovery = RecoveryInProgress();
    if (!bring_up_to_date(proof, recovery)) {
        return false;
    }
    const Layout* layout = proof->ref.departure->layout.get();
    clear_states(proof);
    if (!recovery) {
        read_rows(proof, nullptr, last);
        read_quotas(proof, nullptr);
    }
    Snapshot snapshot = take_fresh_snapshot();
    proof->replaced = proof->replaced || is_replaced_now(*proof, recovery);
    if (proof->replaced) {
        drop_snapshot(snapshot);
        return false;
    }
    read_rows(proof, snapshot, last);
    read_quotas(proof, snapshot);
    drop_snapshot(snapshot);
    bool differs = false;
    for (uint32_t c = 0; c < layout->class_count; c++) {
        differs = compare_class(proof, c, first) || differs;
    }
    for (uint32_t c = 0; c < layout->coach_count; c++) {
        if (layout->coaches()[c].places > 0) {
            differs = compare_places(proof, static_cast<int32_t>(c), first) || differs;
        }
    }
    return differs;
}

// "3 and 5": the stop numbers around a mask's segments.
const char* stretch(const Departure* departure, const SegmentMask& bits) {
    int first = -1;
    int last = -1;
    for (int i = 0; i < departure->segments; i++) {
        if ((bits.w[i / 64] >> (i % 64) & 1) != 0) {
            first = first < 0 ? i : first;
            last = i;
        }
    }
    const Stop* stops = departure->route()->stops();
    return psprintf("%d and %d", stops[first].stop_no, stops[last + 1].stop_no);
}

void report_differences(const Proof& proof) {
    Departure* departure = proof.ref.departure;
    const Layout* layout = departure->layout.get();
    // A claim whose row is not written yet is explained once its transaction goes on.
    const bool claims_without_row =
        static_cast<uint64_t>(claims_of_others(proof.ref.slot)) > proof.undecided_rows;
    for (uint32_t c = 0; c < layout->class_count; c++) {
        for (uint32_t seat = 0; seat < layout->classes()[c].seats; seat++) {
            const SeatState* state = state_of_seat(proof, c, seat);
            if (!state->missing.any() && !state->extra.any()) {
                continue;
            }
            const char* coach = printable(coach_name(layout, c, seat));
            const char* label = printable(seat_label(layout, c, seat));
            if (state->missing.any()) {
                report(proof,
                       psprintf("coach %s seat %s is sold but free in the pool between stops %s",
                                coach, label, stretch(departure, state->missing)));
            }
            if (state->extra.any() && !claims_without_row) {
                report(
                    proof,
                    psprintf("coach %s seat %s is taken in the pool but not sold between stops %s",
                             coach, label, stretch(departure, state->extra)));
            }
        }
    }
}

void report_places(const Proof& proof) {
    Departure* departure = proof.ref.departure;
    const Layout* layout = departure->layout.get();
    const bool claims_without_row =
        static_cast<uint64_t>(claims_of_others(proof.ref.slot)) > proof.undecided_rows;
    for (uint32_t c = 0; c < layout->coach_count; c++) {
        for (int s = 0; layout->coaches()[c].places > 0 && s < departure->segments; s++) {
            const PlaceState* state = state_of_place(proof, static_cast<int32_t>(c), s);
            const uint32_t taken = departure->place_map(c).taken[s].load(std::memory_order_acquire);
            if (state->differs && (taken < state->sold || !claims_without_row)) {
                report(proof, psprintf("coach %s has %u places taken in the pool and %u sold "
                                       "between stops %d and %d",
                                       printable(text_of(layout->head, layout->coaches()[c].name)),
                                       taken, state->sold, departure->route()->stops()[s].stop_no,
                                       departure->route()->stops()[s + 1].stop_no));
            }
        }
    }
}

// Has the departure another stop list in memory than in its row? On a standby it may be behind.
bool has_other_route(const Proof& proof) {
    DepartureRow row;
    const int64_t route_id = proof.ref.departure->route()->head.id;
    return !RecoveryInProgress() &&
           read_departure_row(*proof.catalog, proof.ref.departure->departure_id, &row) &&
           row.route_id != route_id && row.route_id != route_of(proof.ref)->head.id;
}

void verify_route(const Proof& proof) {
    bool differs = has_other_route(proof);
    look_again(differs, kLooks, [&] { return differs = has_other_route(proof); });
    if (differs) {
        report(proof, "it has another stop list in the pool than in its row");
    }
}

// Is somebody left who waits, and fits what is free? The worker may be about to serve: it comes
// within a second or two.
void verify_waits(const Proof& proof) {
    constexpr int kRounds = 5;  // of a second each
    const char* problem =
        RecoveryInProgress() ? nullptr : find_left_waiter(*proof.catalog, proof.ref);
    for (int i = 0; problem != nullptr && i < kRounds; i++) {
        look_again(true, kLooks, [&] {
            problem = find_left_waiter(*proof.catalog, proof.ref);
            return problem != nullptr;
        });
    }
    if (problem != nullptr) {
        report(proof, problem);
    }
}

// False: the departure has got other seats meanwhile, and was not verified.
bool verify_once(const Catalog& catalog, int64_t departure_id, bool required,
                 ReturnSetInfo* result) {
    Proof proof{};
    proof.catalog = &catalog;
    proof.result = result;
    proof.ref = directory_find_id(catalog, departure_id);
    if (proof.ref.departure == nullptr) {
        if (required) {
            ereport(ERROR, (errcode(kErrorNoDeparture),
                            errmsg("departure " INT64_FORMAT " does not exist", departure_id),
                            errdetail("No row of ticket_departure has this id."),
                            errhint("Pass NULL for all departures.")));
        }
        return true;  // deleted since the ids were listed
    }
    proof.version = shared.slots[proof.ref.slot].version.load(std::memory_order_seq_cst);
    proof.has_leaf = find_order_leaf(catalog, proof.ref.departure->service_date, &proof.leaf);
    proof.seats = static_cast<SeatState*>(MemoryContextAllocExtended(
        CurrentMemoryContext, Max(proof.ref.departure->layout->seat_count, 1u) * sizeof(SeatState),
        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    const size_t place_states =
        size_t{proof.ref.departure->layout->place_coaches} * proof.ref.departure->segments;
    proof.places = static_cast<PlaceState*>(
        palloc0(Max(place_states, static_cast<size_t>(1)) * sizeof(PlaceState)));
    // The last look reports what is wrong with the rows themselves, so it is always taken.
    bool differs = look(&proof, true, false);
    look_again(differs, kLooks - 1, [&proof] { return look(&proof, false, false); });
    differs = look(&proof, false, true);
    if (differs && proof.ref.departure != nullptr) {
        report_differences(proof);
        report_places(proof);
    }
    if (proof.ref.departure != nullptr && !proof.replaced) {
        verify_route(proof);
        verify_waits(proof);
    }
    // This transaction's own reform: what is in memory is what others still see.
    return !proof.replaced || ledger_is_reforming(proof.ref.slot);
}

void verify(const Catalog& catalog, int64_t departure_id, bool required, ReturnSetInfo* result) {
    while (!verify_once(catalog, departure_id, required, result)) {
        end_announcement();
        CHECK_FOR_INTERRUPTS();
        pg_usleep(100);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_verify) {
    using namespace ticketpool;
    constexpr AllIds kDepartures{&Catalog::departure, &Catalog::departure_pkey, 1,
                                 ProgressCommand::kVerify};
    return verify_each(fcinfo, kDepartures, verify);
}
