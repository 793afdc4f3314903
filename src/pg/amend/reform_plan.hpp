// Who sits where when a departure gets the seats of another formation. Planned in private memory,
// on a departure with the new seats that nobody else knows; reform.cpp writes it.
//
// 1. Numbered tickets whose coach and seat the new formation has, in the same class, keep them.
// 2. Unnumbered tickets keep their coach while it has places, the longest trips first.
// 3. All others, the longest trips first: a party (the tickets of an order with the same trip and
//    class) near those of it that have kept their seats, else together as a purchase would place it;
//    parties are split only where no source has enough for all. Of two free seats, one that no quota
//    wants is taken first. Unnumbered tickets prefer unnumbered places, numbered ones seats. Who finds
//    nothing in this order has no seat.
// 4. Quotas keep the seats that exist and are free, or were sold from them; then they follow their
//    tickets, then they get other seats, and then they shrink.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

enum class RiderFate {
    kLeft,      // the row does not fit the departure's stop list, and stays as it is
    kKept,      // the same coach and seat as before
    kMoved,     // another one
    kUnseated,  // none
};

// A live ticket.
struct Rider {
    int64_t order_id;
    int32_t ticket_no;
    bool held;        // else sold
    Text seat_class;  // these three as the row has them
    Text coach;
    Text seat;  // data null: unnumbered
    Trip trip;
    SegmentMask bits;
    RiderFate fate;
    int class_index;      // in the new formation; -1: it lacks the class
    int32_t place_coach;  // the new coach of an unnumbered place; -1: numbered
    uint32_t number;      // the new seat, in its class
    int next_on_seat;     // the next rider with the same new seat; -1: none
};

// An open quota.
struct Aside {
    int64_t reservation_id;
    Text seat_class;
    Text channel;
    Trip stretch;
    SegmentMask bits;
    int class_index;
    uint32_t named;  // seats that it has in its row
    Text* coach;     // of each
    Text* seat;
    uint32_t* number;  // the new one of each, or kNoNumber
    uint32_t count;    // that have one
    bool changed;
};
inline constexpr uint32_t kNoNumber = UINT32_MAX;

struct ReformPlan {
    Departure* departure;  // with the new seats
    Rider* riders;         // in order of order and ticket number
    int rider_count;
    Aside* asides;
    int aside_count;
};

// The rows of all live tickets that this transaction sees now, for plan->departure, which has the
// new seats: who is on one of these has its number or coach.
void read_riders(const OrderLeaf& leaf, ReformPlan* plan);

// Plans for all live tickets and open quotas that this transaction sees now. All in palloc'd
// memory.
ReformPlan plan_reform(const Catalog& catalog, const OrderLeaf& leaf, const DepartureRow& row,
                       int64_t layout_id);

// How many find no seat.
int count_unseated(const ReformPlan& plan);
// "3 of class first, 1 of class second": those, by class.
const char* list_unseated(const ReformPlan& plan);

// What a rider's new coach and seat are called; *seat is 0 for an unnumbered place.
Datum new_coach(const ReformPlan& plan, const Rider& rider);
Datum new_seat(const ReformPlan& plan, const Rider& rider, bool* is_null);

}  // namespace ticketpool
