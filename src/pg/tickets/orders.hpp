// Orders as a whole: their rows locked, their tickets changed from one status to the next, and what
// that means for the pool. Every change of status goes through set_status(), which allows only the
// legal transitions (order_status.hpp). The one exception is the payment of a single ticket, which
// changes nothing else: try_write_single_status() in locked_rows.hpp.
#pragma once

#include "pool/claim.hpp"
#include "server/pg.hpp"
#include "tables/locked_rows.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

struct Ticket {
    LockedRow* row;
    int32_t ticket_no;
    OrderStatus status;
    int64_t passenger_id;
    int64_t departure_id;  // SQL by hand may put an order's tickets on several departures
    DepartureRef ref;      // pinned; `departure` is null if its row is gone
    Text seat_class;
    Text channel;       // data null: none
    bool located;       // false: the departure does not have the ticket's seat or stops
    SeatSource source;  // where the ticket's claim is, and the seat's number there
    uint32_t seat;
    SegmentMask bits;  // of its trip
    Trip trip;         // this and the class also if it is not located: -1 for what there is not
    int class_index;
};

// An order, or the named tickets of it, in order of ticket number. Strings are palloc'd.
struct Order {
    int64_t order_id;
    DateADT service_date;
    int64_t user_id;  // of the first ticket
    LockedRows rows;  // of all tickets
    Ticket* tickets;
    int count;
    LockedRow** picked;  // room for a row of each ticket: those that a statement is about
};

// The ticket numbers that a caller named; null: all tickets.
struct TicketNos {
    ArrayType* array;
    bool one = false;  // the argument was a single ticket_no
};
TicketNos parse_ticket_nos(FunctionCallInfo fcinfo, int argument);

// Locks the rows to the end of the transaction and reads them. Pins the departures before any of
// their rows changes, so that nobody, not even this session, loads a departure again from rows
// whose release is still to be done. Ereports TK005 if there is no such order or ticket. Call
// inside SPI and owner_begin().
void lock_order(const Catalog& catalog, int64_t order_id, TicketNos named, Order* order);

// The same for the order's tickets of one departure in the partition of a date, for callers that
// know the date: the id of an imported order may name another one. Does not wait: 55P03 if somebody
// has a row of the order locked. False: there are no such tickets.
bool try_lock_order_of(const Catalog& catalog, int64_t order_id, DateADT date, int64_t departure_id,
                       Order* order);

// What a call does with an order whose tickets are in different states. Calls leave such orders
// behind (some tickets refunded or exchanged), and SQL by hand may make any mix. Cancelled,
// refunded and exchanged tickets are over and stay as they are. The order is what is left of it:
// its held, expired and sold tickets, whichever numbers they have.
//
//   left                    confirm            cancel             refund, change
//   held                    pays               gives up           TK005
//   expired                 pays late          its rows           TK005
//   held and expired        pays, all or none  gives up the held  TK005
//   sold                    its rows           TK005              the sold
//   sold and held/expired   pays the rest      TK005              the sold
//   nothing                 TK005              its rows if one    refund: its rows if one is
//                                              is cancelled,      refunded, else TK005;
//                                              else TK005         change: TK005
//
// A refund returns its rows also if what is left is held or expired and a ticket is refunded: then
// the call repeats an earlier one. An order that is sold in part has to be refunded first; then
// what is still held can be cancelled. If tickets are named, each of them has to be sold, or, for a
// cancellation, held (or refunded, cancelled or expired already).
//
// A call returns the tickets that it is about: a payment all tickets except cancelled ones, a
// cancellation all except sold, refunded and exchanged ones, a refund the sold and refunded ones.
//
// Three more calls change no status. A longer hold is for the tickets that are held, whatever the
// others are; TK005 if there are none. Another passenger is for a ticket that is named, and held or
// sold. Other seats are given to tickets that are held or sold, whatever the others are; TK005 if
// there are none.
enum class OrderCall { kConfirm, kCancel, kRefund, kChange, kExtend, kTransfer, kReseat };

// Drops the tickets that the call leaves alone. Ereports TK005 if the call has nothing to do.
// `named`: the caller chose the tickets, so none may be dropped.
void choose_tickets(Order* order, OrderCall call, bool named);

// Keeps only the tickets that the caller named, for callers that lock the whole order. Ereports
// TK005 if the order lacks one of them.
void keep_named(Order* order, TicketNos named);

// How many tickets have the status.
int count_status(const Order& order, OrderStatus status);

bool same_trip(const Ticket& a, const Ticket& b);  // on the same departure
bool same_channel(const Ticket& a, const Ticket& b);
inline bool same_class(const Ticket& a, const Ticket& b) {
    return same_text(a.seat_class, b.seat_class);
}

// Brings the tickets that are like the first one to the front, in order. Returns how many there
// are.
template <typename Alike>
int gather_alike(Ticket* tickets, int count, Alike alike) {
    Ticket* others =
        static_cast<Ticket*>(palloc(static_cast<size_t>(Max(count, 1)) * sizeof(Ticket)));
    int gathered = 0;
    int different = 0;
    for (int i = 0; i < count; i++) {
        if (i == 0 || alike(tickets[0], tickets[i])) {
            tickets[gathered++] = tickets[i];
        } else {
            others[different++] = tickets[i];
        }
    }
    memcpy(&tickets[gathered], others, static_cast<size_t>(different) * sizeof(Ticket));
    pfree(others);
    return gathered;
}

// Changes all tickets of `order` that are in status `from` to `to`, in the table and in *order.
// Tickets that stop being live are released at commit. `changed_to`: the order on another node that
// replaces them; 0: none.
void set_status(Order* order, OrderStatus from, OrderStatus to, int64_t changed_to = 0);

// Gives a column that means nothing to the pool this value in the rows of all tickets of `order`.
void set_detail(const Order& order, OrderColumn column, Datum value);

// Writes the seats of `claims`, one for each ticket, into the tickets' rows.
void set_seats(const Order& order, const Ticket* tickets, int count, const Claimed* claims);

// Claims the tickets' own seats for the party of the demand, if all of them are free over its trip.
bool claim_same_seats(const Ticket* tickets, const Demand& demand, Claimed* claims);

// Appends the rows of the order's tickets, as they are now, to the result set.
void return_order(const Order& order, ReturnSetInfo* result);

}  // namespace ticketpool
