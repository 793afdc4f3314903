// ticket_change through the router, and router_settle. If the old order and the new departure are
// on one node, the exchange is the node's own ticket_change. Otherwise it goes over two nodes, and
// each step is a transaction on one of them (what the nodes do: nodes/exchange.cpp):
//
//   0  old node   ticket_exchange_ask    may these tickets be exchanged, and whose are they?
//   1  new node   ticket_exchange_hold   the new seats are held for router.exchange_ttl. The hold
//                                        has a request_id, the caller's or one that is derived from
//                                        the whole exchange: a repetition finds the same hold
//   2  old node   ticket_change_away     the old tickets are 'changed' in favour of the new order:
//                                        the point of no return
//   3  new node   ticket_confirm         the new tickets are sold
//   4  old node   ticket_settled         nothing is left to be done
//
// What a reader may see: between 1 and 2 the old tickets sold and the new ones held; between 2 and
// 3 the old ones changed and the new ones held; never both sold, never neither.
//
// If the router, a connection or a node dies
//   before 1, or 1 finds no seats    nothing has happened
//   after 1                          the old tickets are sold. The caller's repetition finds the
//                                    hold and goes on; without one it runs out
//   in 2, answer lost                08007. Either as after 1 or as after 2, and the repetition is
//                                    right in both: ticket_change_away returns its rows again
//   after 2                          ticket_unsettled lists the exchange. The caller's repetition
//                                    or router_settle does 3 and 4, both of which may be repeated
//   in 3, answer lost                as after 2
//   after 3                          all is done but the mark: router_settle sees that the new
//                                    order is sold and does 4 alone
//
// Whatever fails between 2 and 4 is raised as 08007, a cancel too: nothing else says that something
// was done. If 4 fails, the caller has its rows all the same.
//
// If 2 is refused (another exchange or a refund was first), the hold is cancelled. If that fails,
// or 2 has only met a lock or a node that is down, the hold is found again or runs out: another
// session that makes the same exchange may have done 2 with it in the meantime. The node gives the
// request_id of a hold that is over to the next one. Where it belongs to an order
// that was paid and refunded since, which only a confirmation by hand can bring about, the next
// attempt derives another one.
//
// Two exchanges of one ticket, to two nodes: both hold, step 2 lets one of them through. The same
// exchange twice at once: both find the same hold, and both get the rows of 2 and 3.
//
// The old order may be moved to the new node after 1. Then that node's ticket_change finds the hold
// by the request_id and returns it: the steps go on, all on that node.
//
// The new order may die between 2 and 3 by itself: its departure is withdrawn, which cancels holds,
// or nobody finishes before the hold has run out and its seats are sold. A cancelled order stays
// cancelled, so then the old tickets are taken back (ticket_change_back), which gives the same
// seats or equal ones. An order that has run out may still be paid, so it is not undone: step 3 is
// tried again each time.
#include "router/admin.hpp"
#include "router/ask.hpp"
#include "router/by_id.hpp"
#include "router/by_train.hpp"
#include "router/exchange_steps.hpp"
#include "router/far_order.hpp"
#include "router/pursuit.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// An exchange that is repeated after its point of no return
// ---------------------------------------------------------------------------------------------

// Is the ticket among those that the caller named, or did the caller name none?
bool is_named(const FarExchange& exchange, const char* ticket_no) {
    const char* named = exchange.argument[kArgTickets];
    if (named == nullptr) {
        return true;
    }
    const size_t length = strlen(ticket_no);
    for (const char* at = strstr(named, ticket_no); at != nullptr; at = strstr(at + 1, ticket_no)) {
        if ((at[-1] == '{' || at[-1] == ',') && (at[length] == ',' || at[length] == '}')) {
            return true;
        }
    }
    return false;
}

// The order in favour of which the tickets were changed, and which they were; 0: they were not.
int64_t changed_in_favour(FarExchange* exchange, const Tickets& old) {
    int64_t to_order = 0;
    StringInfoData numbers;
    initStringInfo(&numbers);
    for (int i = 0; i < old.rows.count; i++) {
        const char* ticket_no = value_of(old.rows, i, kTicketNo);
        const int64_t this_one = number_of(old.rows, i, kChangedTo);
        if (!is_named(*exchange, ticket_no) || this_one == 0) {
            continue;
        }
        to_order = this_one;  // the last exchange, if they went to several orders
    }
    for (int i = 0; to_order != 0 && i < old.rows.count; i++) {
        const char* ticket_no = value_of(old.rows, i, kTicketNo);
        if (number_of(old.rows, i, kChangedTo) == to_order) {
            appendStringInfo(&numbers, "%s%s", numbers.len == 0 ? "{" : ",", ticket_no);
        }
    }
    appendStringInfoString(&numbers, "}");
    exchange->ticket_nos = numbers.data;
    return to_order;
}

// The rows of an order, with the columns of the twin.
Answer rows_of_order(const FarExchange& exchange, int node, int64_t order_id) {
    const char* id = id_text(order_id);
    return call_node(node, Cluster::kPrimary, "ticket_get", text_array(&id, 1),
                     exchange.twin->column_names, Effect::kNone);
}

[[noreturn]] void report_other_request(const FarExchange& exchange) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("request_id %s was used for another exchange", exchange.argument[kArgRequest]),
             errdetail("That one was for another trip."),
             errhint("Use a new request_id for each exchange.")));
}

// 22023 if the request_id was used for another exchange than this one. The node that has the new
// order compares: its departure may have been moved, so the routes may name another one. A
// request_id that is derived from the whole exchange needs no comparison.
void check_same_request(const FarExchange& exchange, const Tickets& bought) {
    const char* request_id = value_of(bought.rows, 0, kRequestId);
    if (request_id == nullptr || strcmp(request_id, exchange.argument[kArgRequest]) != 0) {
        return;
    }
    FarExchange there = exchange;
    there.new_node = bought.node;
    const Rows rows = hold(there, 0, false);
    if (rows.answer.sqlstate == kErrorNoDeparture ||
        (rows.answer.sqlstate == 0 && rows.count == 0)) {
        report_other_request(exchange);
    }
    if (rows.answer.sqlstate != 0 && !says_moved(rows.answer)) {
        raise_answer(rows.answer);
    }
}

// An exchange that was made on one node is not in changed_to. If one of its departures has moved
// since, the new order is found by the request_id. False: it was not made, or (the answer says so)
// the new departure is being moved.
bool find_made_on_one_node(const FarExchange& exchange, Answer* answer) {
    const Rows rows = hold(exchange, 0, false);
    if (says_moved(rows.answer)) {
        *answer = rows.answer;
        return false;
    }
    if (rows.answer.sqlstate != 0 && !may_have_moved(rows.answer)) {
        raise_answer(rows.answer);
    }
    const char* status = rows.count == 0 ? "cancelled" : value_of(rows, 0, 1);
    for (const char* unfinished : {"held", "expired", "cancelled"}) {
        if (strcmp(status, unfinished) == 0) {
            return false;
        }
    }
    *answer = rows_of_order(exchange, exchange.new_node, number_of(rows, 0, 0));
    return true;
}

// False: the tickets were not exchanged by this very call before, or (the answer says so) the new
// order is being moved. As on one node, a repetition without a request_id is refused once the first
// call has been finished.
bool finish_repeated(FarExchange* exchange, Answer* answer) {
    const Tickets old = find_order(exchange->twin->schema, exchange->order_id);
    if (old.node == 0) {
        return false;
    }
    exchange->old_node = old.node;
    exchange->user_id = value_of(old.rows, 0, kUserId);
    const int64_t new_order = changed_in_favour(exchange, old);
    if (new_order == 0) {
        return exchange->argument[kArgRequest] != nullptr &&
               find_made_on_one_node(*exchange, answer);
    }
    const Tickets bought = find_order(exchange->twin->schema, new_order);
    if (bought.node == 0 || !is_request_of(*exchange, value_of(bought.rows, 0, kRequestId))) {
        return false;
    }
    const bool is_open = has_status(bought, "held") || has_status(bought, "expired");
    const bool given = exchange->argument[kArgRequest] != nullptr;
    // A hold that has run out would lose its request_id, by which its exchange is known.
    if (given && !has_status(bought, "expired") && !has_status(bought, "cancelled")) {
        check_same_request(*exchange, bought);
    }
    if (is_open) {
        *answer = confirm(*exchange, bought.node, new_order);
        return true;
    }
    if (!given) {
        return false;
    }
    *answer = rows_of_order(*exchange, bought.node, new_order);
    return true;
}

// ---------------------------------------------------------------------------------------------
// The exchange
// ---------------------------------------------------------------------------------------------

// False: what it is about has moved, and the caller has to look for it again.
bool exchange_over_nodes(FarExchange* exchange, Answer* answer) {
    const Answer asked = ask_old_node(exchange);
    if (asked.sqlstate == kErrorOrder && finish_repeated(exchange, answer)) {
        return true;
    }
    if (says_moved(*answer)) {
        return false;
    }
    if (asked.sqlstate != 0) {
        *answer = asked;
        return !may_have_moved(asked);
    }
    const Rows held = hold_any(*exchange);
    if (held.count == 0) {  // sold out, or an error
        *answer = held.answer;
        return held.answer.sqlstate == 0 || !may_have_moved(held.answer);
    }
    const int64_t new_order = number_of(held, 0, 0);
    const Answer away = change_away(*exchange, new_order);
    if (away.sqlstate != 0) {
        *answer = away;
        if (says_moved(away)) {
            return false;  // the hold is found again
        }
        if (!is_passing(away.sqlstate)) {
            give_up(*exchange, new_order);
        }
        return true;
    }
    *answer = confirm(*exchange, exchange->new_node, new_order);
    return true;
}

Answer exchange_on_node(const FarExchange& exchange) {
    return ask_node(
        exchange.new_node, Cluster::kPrimary, exchange.twin->name, exchange.arguments,
        exchange.twin->column_names,
        exchange.argument[kArgRequest] != nullptr ? Effect::kRequest : Effect::kUnknown);
}

// Did the node find no exchange of its own under the request_id, but the hold of one that began
// when the old order was on another node?
bool is_hold(const FarExchange& exchange, const Answer& answer) {
    const Twin& twin = *exchange.twin;
    for (int i = 0; i < twin.column_count && i < answer.count; i++) {
        const FormData_pg_attribute* column = TupleDescAttr(twin.row, twin.columns[i].attribute);
        if (strcmp(NameStr(column->attname), "status") == 0) {
            return !answer.nulls[i] && same_text(text_of(answer.values[i]), {"held", 4});
        }
    }
    return false;
}

struct Places {
    int old_node;
    int new_node;
};

// An order that only one node can have is not asked for.
Places find_places(const FarExchange& exchange, Text train, DateADT date) {
    const char* schema = exchange.twin->schema;
    const int new_node = route_of_train(schema, train, date);
    const NodeList nodes = nodes_of_id(schema, exchange.order_id, IdOf::kOrder);
    if (nodes.count == 1 && nodes.nodes[0] == new_node) {
        return {new_node, new_node};
    }
    if (nodes.count == 0) {
        report_no_order(exchange.order_id);
    }
    int old_node = find_order(schema, exchange.order_id).node;
    if (old_node == 0) {
        old_node = nodes.nodes[0];  // it says so in its own words
    }
    if (new_node == 0) {
        (void)call_rows(old_node, Cluster::kPrimary, "ticket_exchange_ask",
                        {id_text(exchange.order_id), exchange.argument[kArgTickets]},
                        {"ticket_no"});
        report_no_route(train, date);
    }
    return {old_node, new_node};
}

Answer change(FarExchange* exchange, Text train, DateADT date) {
    Pursuit pursuit{0};
    Places places = find_places(*exchange, train, date);
    for (;;) {
        exchange->old_node = places.old_node;
        exchange->new_node = places.new_node;
        Answer answer{};
        bool final = true;
        if (places.old_node == places.new_node) {
            answer = exchange_on_node(*exchange);
            final = answer.sqlstate == 0 || !may_have_moved(answer);
            if (answer.sqlstate == kErrorOrder && !final) {
                final = finish_repeated(exchange, &answer);
            } else if (answer.sqlstate == 0 && is_hold(*exchange, answer)) {
                final = exchange_over_nodes(exchange, &answer);
            }
        } else {
            final = exchange_over_nodes(exchange, &answer);
        }
        if (!final) {
            const Places now = find_places(*exchange, train, date);
            final = now.old_node == places.old_node && now.new_node == places.new_node;
            if (final && says_moved(answer)) {
                wait_for_move(&pursuit, psprintf("order " INT64_FORMAT, exchange->order_id));
                final = false;
            }
            places = now;
        }
        if (final && answer.sqlstate != 0) {
            raise_answer(answer);
        }
        if (final) {
            return answer;
        }
    }
}

void read_exchange(FunctionCallInfo fcinfo, const Twin& twin, FarExchange* exchange) {
    *exchange = FarExchange{};
    exchange->twin = &twin;
    exchange->arguments = encode_arguments(fcinfo, twin);
    exchange->order_id = PG_GETARG_INT64(kArgOrder);
    for (int i = 0; i <= kArgRequest && i < twin.argument_count; i++) {
        exchange->argument[i] =
            PG_ARGISNULL(i)
                ? nullptr
                : TextDatumGetCString(encode_value(PG_GETARG_DATUM(i), twin.arguments[i].type));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_ticket_change) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_no_transaction(twin);
    for (int i = kArgOrder; i <= kArgDate; i++) {
        require_argument(fcinfo, i, twin.arguments[i].name);
    }
    FarExchange exchange;
    read_exchange(fcinfo, twin, &exchange);
    const Answer answer =
        change(&exchange, text_of(PG_GETARG_DATUM(kArgTrain)), PG_GETARG_DATEADT(kArgDate));
    return return_answer(fcinfo, twin, answer);
}
