// The steps of an exchange over two nodes: what each asks of which node. Their protocol is told at
// the top of far_exchange.cpp.
#pragma once

#include "router/ask.hpp"
#include "router/twin.hpp"

namespace ticketpool {

enum ChangeArgument {
    kArgOrder,
    kArgTrain,
    kArgFrom,
    kArgTo,
    kArgDate,
    kArgClass,
    kArgChoice,
    kArgTickets,
    kArgRequest,
};
// An exchange, with its arguments as texts; null: NULL.
struct FarExchange {
    const Twin* twin;
    Datum arguments;  // text[]
    const char* argument[kArgRequest + 1];
    int64_t order_id;
    int old_node;
    int new_node;
    // The tickets, as ticket_exchange_ask has found them
    const char* ticket_nos;  // int[]
    const char* user_id;
    const char* passengers;    // bigint[]
    const char* seat_classes;  // text[]
    const char* channels;      // text[]
};

// Is this the request_id of the hold of one of its attempts?
bool is_request_of(const FarExchange& exchange, const char* request_id);

// Step 0. An error is in the answer.
Answer ask_old_node(FarExchange* exchange);

// Step 1 of an attempt. `told`: with the old tickets; without them, only the rows of an earlier
// call are returned, and the arguments compared with it.
Rows hold(const FarExchange& exchange, int attempt, bool told);

// The hold that is alive. Without rows: sold out, or the answer is an error.
Rows hold_any(const FarExchange& exchange);

// Step 2. An error of the node is in the answer: certainly nothing was done.
Answer change_away(const FarExchange& exchange, int64_t new_order);

// An error that another session's call, or the next one, need not meet: of locks and resources, not
// of the tickets.
bool is_passing(int sqlstate);

// Step 2 was refused, for good. The hold is that of another session, too, if that makes the same
// exchange: after its step 2 the old tickets depend on it.
void give_up(const FarExchange& exchange, int64_t new_order);

// Steps 3 and 4. Returns the new tickets; no rows: the new departure was withdrawn, and the old
// tickets are as they were. This is after the point of no return, so every error, a cancel too, is
// raised as 08007: none may say that nothing was done.
Answer confirm(const FarExchange& exchange, int new_node, int64_t new_order);

}  // namespace ticketpool
