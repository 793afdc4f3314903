// Exchanges of tickets: from what the caller wrote to the rows of the new order. ticket_change has
// the old tickets here; ticket_exchange_hold is told about them, since they live on another node.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tickets/first_call.hpp"
#include "tickets/orders.hpp"
#include "tickets/ticket_purchase.hpp"

namespace ticketpool {

// The new trip, as the caller wrote it.
struct ExchangeWish {
    Text train;
    Text from;
    Text to;
    DateADT date;
    bool keeps_class;  // no class was named: each ticket keeps its own
    Datum seat_class;
    Text choice;  // data null: none
    TicketNos ticket_nos;
    const pg_uuid_t* request_id;  // null: none
};

// Reads seven arguments, which follow each other in every function that exchanges tickets: train,
// from_station, to_station, service_date, seat_class, seat_choice, ticket_nos; and the request_id.
void read_wish(FunctionCallInfo fcinfo, int first, int request_id, ExchangeWish* wish);

struct Group;  // tickets that get seats of one class, from one channel

// What an exchange is about.
struct Exchange {
    const ExchangeWish* wish;
    Order* order;     // the old tickets, in order of number
    Ticket* tickets;  // the same, group by group
    Purchase whole;   // all of them; its class has no meaning if there are several groups
    Group* group;
    int groups;
};

// With a request_id, before the order's tickets are looked at: locks the request_id for the user
// and the new date, and finds the rows of its first call. False: there was none. Ereports 22023 if
// the first call asked for something else, or was no exchange of this order.
bool find_first_exchange(const Catalog& catalog, const ExchangeWish& wish, int64_t user_id,
                         int64_t changed_from, FirstCall* first);

// Resolves the names, and pins the new departure. Ereports if it is not on sale, too. The new
// tickets are to be sold, or held until `held_until` if that is not 0.
void resolve_exchange(const Catalog& catalog, const ExchangeWish& wish, Order* order,
                      TimestampTz held_until, Exchange* exchange);

// Asks the rules, claims seats for all tickets and writes the new order. False: the seats are not
// to be had. Then some may have been claimed; the caller gives them back.
bool buy_exchange(const Catalog& catalog, const Exchange& exchange, ReturnSetInfo* result);

}  // namespace ticketpool
