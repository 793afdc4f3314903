// Orders as a whole: their rows locked, their tickets changed from one status to the next, and what
// that means for the pool. Every change of status goes through set_status(), which knows no
// transition but the legal ones (order_status.hpp); but for the payment of a single ticket, which
// changes nothing else and does it by set_row_status().
#pragma once

#include "claim.hpp"
#include "directory.hpp"
#include "locked_rows.hpp"
#include "pg.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

struct Ticket {
    LockedRow* row;
    int32_t ticket_no;
    OrderStatus status;
    int64_t passenger_id;
    bool located;       // false: the departure does not have its seat or stops
    SeatSource source;  // where its claim is, and the seat's number there
    uint32_t seat;
    SegmentMask bits;  // of its trip
    Trip trip;
};

// An order, or the named tickets of it, in order of ticket number. Strings are palloc'd.
struct Order {
    int64_t order_id;
    int64_t departure_id;
    DateADT service_date;
    int64_t user_id;
    bool is_held_until_null;
    TimestampTz held_until;
    Text channel;      // data null: none
    Text seat_class;   // of the first ticket
    LockedRows rows;   // of all tickets
    DepartureRef ref;  // pinned; departure null where its row is gone
    Ticket* tickets;
    int count;
};

// The ticket numbers that a caller named; null: all.
struct TicketNos {
    ArrayType* array;
};
TicketNos parse_ticket_nos(FunctionCallInfo fcinfo, int argument);

// Locks the rows to the end of the transaction and reads them; pins the departure before anything
// of it changes, so that nobody, not even this session, rebuilds it from rows whose release is
// still to come. Ereports TK005 where there is no such order or ticket.
// Call inside SPI and owner_begin().
void lock_order(const Catalog& catalog, int64_t order_id, TicketNos named, Order* order);

// The same for the order's tickets of one departure in the partition of a date, where that is known
// and the id may name another one (rows that were imported). Does not wait: 55P03 where somebody
// has a row of the order locked. False: there are none.
bool try_lock_order_of(const Catalog& catalog, int64_t order_id, DateADT date, int64_t departure_id,
                       Order* order);

// How many tickets have the status.
int count_status(const Order& order, OrderStatus status);

// Changes all tickets of `order` that are in status `from` to `to`, in the table and in *order.
// Tickets that stop being live are released at commit.
void set_status(Order* order, OrderStatus from, OrderStatus to);

// A row's columns as they are in the status `to`; which ones are new, bit by OrderColumn.
uint32_t set_row_status(OrderValues* row, OrderStatus to);

// Writes the tickets' seats, `claims` of all of them, into the table.
void set_seats(const Order& order, const Claimed* claims);

// The same seats for everybody, where all of them are free over the demand's trip.
bool claim_same_seats(const Order& order, const Demand& demand, Claimed* claims);

// Appends the rows of the order's tickets, as they are now, to the result set.
void return_order(const Order& order, ReturnSetInfo* result);

// TK005: the ticket's status does not allow it.
[[noreturn]] void report_status(const Order& order, const Ticket& ticket, const char* action,
                                const char* hint);

}  // namespace ticketpool
