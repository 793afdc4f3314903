// Rows of ticket_departure and ticket_reservation and live rows of ticket_order, decoded: what they
// say of a departure in memory.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

struct DepartureRow {
    int64_t departure_id;
    DateADT service_date;
    int64_t opens_at;
    int64_t closes_at;  // kNoTime: none
    SaleStatus status;
    int32_t margin;  // seconds; kNoMargin: none
    int64_t route_id;
    int64_t layout_id;
    bool own_insert;  // inserted by the running transaction
    char train[kMaxNameBytes + 1];
};

enum DepartureColumn : AttrNumber {
    kDepDepartureId = 1,
    kDepTrain,
    kDepServiceDate,
    kDepFormation,
    kDepOpensAt,
    kDepClosesAt,
    kDepStatus,
    kDepRouteId,
    kDepLayoutId,
    kDepCreatedAt,
    kDepSaleMargin
};

// What a departure in memory has to know of its row's sale.
inline SaleTimes sale_times(const DepartureRow& row) {
    return {row.opens_at, row.closes_at, row.status, row.margin};
}

// A row of ticket_departure.
void read_departure(TupleTableSlot* row, DepartureRow* departure);

// The row as a fresh snapshot sees it. False: there is no such row.
bool read_departure_row(const Catalog& catalog, Text train, DateADT date, DepartureRow* row);
bool read_departure_row(const Catalog& catalog, int64_t departure_id, DepartureRow* row);
// The row as this transaction itself sees it, with what it has changed by hand.
bool read_own_departure_row(const Catalog& catalog, Text train, DateADT date, DepartureRow* row);
bool read_own_departure_row(const Catalog& catalog, int64_t departure_id, DepartureRow* row);

// The status in a row of ticket_departure.
SaleStatus sale_status_of_row(TupleTableSlot* row);

// The last day of which an order id and the pool have room: 2179-06-06. The first is 2000-01-01.
inline constexpr DateADT kLastServiceDate = 0xFFFF;

// 22023 if departures of that day cannot be sold.
void check_service_date(DateADT date);

// Are the departure, its stop list and its seats all there, and can it be sold on its day? In a
// restore they arrive in any order.
bool is_loadable(const Catalog& catalog, int64_t departure_id);

// A live row of ticket_order, as the loader and ticket_verify read it.
struct LiveTicket {
    int64_t order_id;
    int32_t ticket_no;
    uint32_t class_index;
    uint32_t seat;        // its number in its class
    int32_t place_coach;  // index of the coach of an unnumbered place; -1: a numbered seat
    Trip trip;
    SegmentMask bits;
};

enum ReservationColumn : AttrNumber {
    kResId = 1,
    kResDepartureId,
    kResServiceDate,
    kResClass,
    kResChannel,
    kResSeats,
    kResFrom,
    kResTo,
    kResReleaseAt,
    kResStatus,
    kResSeatList
};

// An open row of ticket_reservation.
struct ReservationRow {
    int64_t reservation_id;
    uint32_t class_index;
    Trip stretch;
    Text channel;
    uint32_t* numbers;  // of its seats, in their class, ascending
    uint32_t count;
    uint32_t named;  // seats in the row's list; more than `count` if the departure lacks some
};
// False: the row does not fit the departure.
bool read_reservation(TupleTableSlot* slot, const Departure* departure, ReservationRow* row);

// Does a fresh snapshot see live rows of the departure?
bool has_live_rows(const OrderLeaf& leaf, int64_t departure_id);

// What a row of ticket_order says of its seat and trip.
struct TicketColumns {
    Text seat_class;
    Text coach;
    Text seat;  // data null: an unnumbered place
    int32_t from_stop;
    int32_t to_stop;
};

// What of a live row does not fit its departure.
enum class Misfit {
    kNone,
    kStops,  // the departure does not have its stops, in this order
    kSeat,   // the departure does not have its seat, or its class
    kDay     // it is on another service date
};

// Translates the columns into all of *ticket except the order's id and the ticket's number. If they
// do not fit the departure, only the trip is set, -1 for a stop that the departure does not have.
Misfit locate_ticket(const TicketColumns& columns, const Departure* departure, LiveTicket* ticket);

// Translates a row of the partition, as locate_ticket() does, with id and number.
Misfit read_live_ticket(TupleTableSlot* row, const OrderLeaf& leaf, const Departure* departure,
                        LiveTicket* ticket);

// The label of the class's seat as column seat has it, and the name of its coach: views of the
// layout.
Text seat_label(const Layout* layout, uint32_t class_index, uint32_t seat);
Text coach_name(const Layout* layout, uint32_t class_index, uint32_t seat);

// A seat as arguments and ticket_reservation name it, coach/seat: a text datum.
Datum seat_name(const Layout* layout, uint32_t class_index, uint32_t seat);
// Divides such a name at its last slash: the coach's name may have some, the label has none. False:
// it has no slash.
bool split_seat_name(Text name, Text* coach, Text* label);

}  // namespace ticketpool
