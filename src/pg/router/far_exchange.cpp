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
#include "router/far_order.hpp"
#include "router/pursuit.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"
#include "server/settings.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace ticketpool {
namespace {

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
constexpr int kMostAttempts = 5;

// An exchange, with its arguments as texts; null: NULL.
struct Exchange {
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

// ---------------------------------------------------------------------------------------------
// Request ids of holds
// ---------------------------------------------------------------------------------------------

void add_to_key(StringInfo key, const char* part) {
    if (part == nullptr) {
        appendStringInfoString(key, "-|");
    } else {
        appendStringInfo(key, "%zu:%s|", strlen(part), part);
    }
}

// The request_id of the hold of an attempt, counted from 0. The first one of a caller that gave an
// id has that: then the new order has the same request_id as after an exchange on one node.
const char* request_of(const Exchange& exchange, int attempt) {
    const char* given = exchange.argument[kArgRequest];
    if (given != nullptr && attempt == 0) {
        return given;
    }
    StringInfoData key;
    initStringInfo(&key);
    add_to_key(&key, "ticket_change");
    add_to_key(&key, id_text(exchange.order_id));
    add_to_key(&key, exchange.ticket_nos);
    for (int i = kArgTrain; i <= kArgChoice; i++) {
        add_to_key(&key, exchange.argument[i]);
    }
    add_to_key(&key, given);
    add_to_key(&key, psprintf("%d", attempt));
    const char* digest =
        TextDatumGetCString(DirectFunctionCall1(md5_text, CStringGetTextDatum(key.data)));
    return psprintf("%.8s-%.4s-%.4s-%.4s-%.12s", digest, digest + 8, digest + 12, digest + 16,
                    digest + 20);
}

bool is_request_of(const Exchange& exchange, const char* request_id) {
    for (int i = 0; request_id != nullptr && i < kMostAttempts; i++) {
        if (strcmp(request_of(exchange, i), request_id) == 0) {
            return true;
        }
    }
    return false;
}

// ---------------------------------------------------------------------------------------------
// The steps
// ---------------------------------------------------------------------------------------------

// {…} of an array, from a column of texts; null: NULL.
const char* array_text(const Rows& rows, int column) {
    Datum* values =
        static_cast<Datum*>(palloc0(static_cast<size_t>(Max(rows.count, 1)) * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc0(static_cast<size_t>(Max(rows.count, 1))));
    for (int i = 0; i < rows.count; i++) {
        const char* value = value_of(rows, i, column);
        nulls[i] = value == nullptr;
        values[i] = value == nullptr ? Datum{0} : CStringGetTextDatum(value);
    }
    int count = rows.count;
    int lower = 1;
    ArrayType* array =
        construct_md_array(values, nulls, 1, &count, &lower, TEXTOID, -1, false, TYPALIGN_INT);
    Oid output;
    bool is_varlena;
    getTypeOutputInfo(TEXTARRAYOID, &output, &is_varlena);
    return OidOutputFunctionCall(output, PointerGetDatum(array));
}

// Step 0. An error is in the answer.
Answer ask_old_node(Exchange* exchange) {
    const Rows rows = ask_rows(exchange->old_node, Cluster::kPrimary, "ticket_exchange_ask",
                               {id_text(exchange->order_id), exchange->argument[kArgTickets]},
                               {"ticket_no", "user_id", "passenger_id", "seat_class", "channel"});
    if (rows.answer.sqlstate == 0 && rows.count > 0) {
        exchange->ticket_nos = array_text(rows, 0);
        exchange->user_id = value_of(rows, 0, 1);
        exchange->passengers = array_text(rows, 2);
        exchange->seat_classes = array_text(rows, 3);
        exchange->channels = array_text(rows, 4);
    }
    return rows.answer;
}

// Step 1 of an attempt. `told`: with the old tickets; without them, only the rows of an earlier
// call are returned, and the arguments compared with it.
Rows hold(const Exchange& exchange, int attempt, bool told) {
    return ask_rows(
        exchange.new_node, Cluster::kPrimary, "ticket_exchange_hold",
        {id_text(exchange.order_id), exchange.user_id, told ? exchange.ticket_nos : "{}",
         told ? exchange.passengers : "{}", told ? exchange.seat_classes : "{}",
         told ? exchange.channels : "{}", exchange.argument[kArgTrain], exchange.argument[kArgFrom],
         exchange.argument[kArgTo], exchange.argument[kArgDate], exchange.argument[kArgClass],
         exchange.argument[kArgChoice], exchange.argument[kArgTickets],
         psprintf("%d seconds", setting_exchange_ttl), request_of(exchange, attempt)},
        {"order_id", "status"}, Effect::kAgain);
}

bool is_live(const Rows& rows) {
    const char* status = value_of(rows, 0, 1);
    return status != nullptr && (strcmp(status, "held") == 0 || strcmp(status, "sold") == 0);
}

// The hold that is alive. Without rows: sold out, or the answer is an error.
Rows hold_any(const Exchange& exchange) {
    for (int attempt = 0; attempt < kMostAttempts; attempt++) {
        const Rows rows = hold(exchange, attempt, true);
        if (rows.count == 0 || is_live(rows)) {
            return rows;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("order " INT64_FORMAT " cannot be changed to this trip any more",
                           exchange.order_id),
                    errdetail("%d attempts at it have come to nothing.", kMostAttempts),
                    errhint("Choose another trip, class or seat.")));
}

void cancel_hold(int node, int64_t order_id) {
    Rows rows;
    (void)try_rows(node, Cluster::kPrimary, "ticket_cancel", {id_text(order_id)}, {"status"},
                   Effect::kAgain, &rows);
}

// May another session that makes the same exchange have done step 2? If the old node does not say,
// it may.
bool may_be_fenced(const Exchange& exchange, int64_t new_order) {
    Rows rows;
    const ErrorData* error =
        try_rows(exchange.old_node, Cluster::kPrimary, "ticket_get", {id_text(exchange.order_id)},
                 {"changed_to"}, Effect::kNone, &rows);
    bool fenced = error != nullptr || rows.answer.sqlstate != 0;
    for (int i = 0; !fenced && i < rows.count; i++) {
        fenced = number_of(rows, i, 0) == new_order;
    }
    return fenced;
}

// Step 2 was refused, for good. The hold is that of another session, too, if that makes the same
// exchange: after its step 2 the old tickets depend on it.
void give_up(const Exchange& exchange, int64_t new_order) {
    if (!may_be_fenced(exchange, new_order)) {
        cancel_hold(exchange.new_node, new_order);
    }
}

// An error that another session's call, or the next one, need not meet: of locks and resources, not
// of the tickets.
bool is_passing(int sqlstate) {
    const int category = ERRCODE_TO_CATEGORY(sqlstate);
    return category == ERRCODE_TO_CATEGORY(ERRCODE_T_R_SERIALIZATION_FAILURE) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_LOCK_NOT_AVAILABLE) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR);
}

// Step 2. An error of the node is in the answer: certainly nothing was done.
Answer change_away(const Exchange& exchange, int64_t new_order) {
    const char* arguments[] = {id_text(exchange.order_id), id_text(new_order), exchange.ticket_nos};
    const char* columns[] = {"status"};
    return ask_node(exchange.old_node, Cluster::kPrimary, "ticket_change_away",
                    text_array(arguments, 3), text_array(columns, 1), Effect::kAgain);
}

[[noreturn]] void report_unfinished(int64_t order_id, int64_t new_order, const char* reason) {
    ereport(ERROR, (errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
                    errmsg("the exchange of order " INT64_FORMAT " for order " INT64_FORMAT
                           " is not finished",
                           order_id, new_order),
                    errdetail("The old tickets are changed, the new ones not paid yet. %s", reason),
                    errhint("Repeat the call, or call router_settle: both finish it.")));
}

// Step 4. If it fails, by a cancel too, router_settle does it: the caller has its tickets.
void mark_settled(int old_node, int64_t order_id, int64_t new_order) {
    (void)in_subtransaction([&] {
        (void)call_rows(old_node, Cluster::kPrimary, "ticket_settled",
                        {id_text(order_id), id_text(new_order)}, {}, Effect::kAgain);
        return true;
    });
}

// Step 3, wherever the new order is: its departure may be on its way to another node.
Answer pay(const Exchange& exchange, int new_node, int64_t new_order) {
    const char* id = id_text(new_order);
    Pursuit pursuit{0};
    for (;;) {
        const Answer answer =
            ask_node(new_node, Cluster::kPrimary, "ticket_confirm", text_array(&id, 1),
                     exchange.twin->column_names, Effect::kAgain);
        if (!says_moved(answer)) {
            return answer;
        }
        wait_for_move(&pursuit, psprintf("order %s", id));
        const Tickets bought = find_order(exchange.twin->schema, new_order);
        new_node = bought.node != 0 ? bought.node : new_node;
    }
}

// Step 3, or the way back: no rows, if the new departure was withdrawn meanwhile. Returns why it is
// neither paid nor undone; null: it is.
const char* pay_or_undo(const Exchange& exchange, int new_node, int64_t new_order, Answer* answer) {
    *answer = pay(exchange, new_node, new_order);
    if (answer->sqlstate == 0) {
        return answer->count > 0 ? nullptr : "The hold has run out, and its seats are sold.";
    }
    if (answer->sqlstate == kErrorOrder &&
        is_cancelled(find_order(exchange.twin->schema, new_order)) &&
        take_back(exchange.old_node, exchange.order_id, new_order)) {
        *answer = Answer{answer->node, 0, nullptr, nullptr, 0};
        return nullptr;
    }
    return error_field(*answer, kErrorMessage);
}

// Steps 3 and 4. Returns the new tickets; no rows: the new departure was withdrawn, and the old
// tickets are as they were. This is after the point of no return, so every error, a cancel too, is
// raised as 08007: none may say that nothing was done.
Answer confirm(const Exchange& exchange, int new_node, int64_t new_order) {
    Answer answer{};
    const char* reason = nullptr;
    const ErrorData* error = in_subtransaction([&] {
        reason = pay_or_undo(exchange, new_node, new_order, &answer);
        return true;
    });
    if (error != nullptr) {
        reason = reason_of(error);
    }
    if (reason != nullptr) {
        report_unfinished(exchange.order_id, new_order, reason);
    }
    if (answer.count > 0) {
        mark_settled(exchange.old_node, exchange.order_id, new_order);
    }
    return answer;
}

// ---------------------------------------------------------------------------------------------
// An exchange that is repeated after its point of no return
// ---------------------------------------------------------------------------------------------

// Is the ticket among those that the caller named, or did the caller name none?
bool is_named(const Exchange& exchange, const char* ticket_no) {
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
int64_t changed_in_favour(Exchange* exchange, const Tickets& old) {
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
Answer rows_of_order(const Exchange& exchange, int node, int64_t order_id) {
    const char* id = id_text(order_id);
    return call_node(node, Cluster::kPrimary, "ticket_get", text_array(&id, 1),
                     exchange.twin->column_names, Effect::kNone);
}

[[noreturn]] void report_other_request(const Exchange& exchange) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("request_id %s was used for another exchange", exchange.argument[kArgRequest]),
             errdetail("That one was for another trip."),
             errhint("Use a new request_id for each exchange.")));
}

// 22023 if the request_id was used for another exchange than this one. The node that has the new
// order compares: its departure may have been moved, so the routes may name another one. A
// request_id that is derived from the whole exchange needs no comparison.
void check_same_request(const Exchange& exchange, const Tickets& bought) {
    const char* request_id = value_of(bought.rows, 0, kRequestId);
    if (request_id == nullptr || strcmp(request_id, exchange.argument[kArgRequest]) != 0) {
        return;
    }
    Exchange there = exchange;
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
bool find_made_on_one_node(const Exchange& exchange, Answer* answer) {
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
bool finish_repeated(Exchange* exchange, Answer* answer) {
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
bool exchange_over_nodes(Exchange* exchange, Answer* answer) {
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

Answer exchange_on_node(const Exchange& exchange) {
    return ask_node(
        exchange.new_node, Cluster::kPrimary, exchange.twin->name, exchange.arguments,
        exchange.twin->column_names,
        exchange.argument[kArgRequest] != nullptr ? Effect::kRequest : Effect::kUnknown);
}

// Did the node find no exchange of its own under the request_id, but the hold of one that began
// when the old order was on another node?
bool is_hold(const Exchange& exchange, const Answer& answer) {
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
Places find_places(const Exchange& exchange, Text train, DateADT date) {
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

Answer change(Exchange* exchange, Text train, DateADT date) {
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

void read_exchange(FunctionCallInfo fcinfo, const Twin& twin, Exchange* exchange) {
    *exchange = Exchange{};
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
    Exchange exchange;
    read_exchange(fcinfo, twin, &exchange);
    const Answer answer =
        change(&exchange, text_of(PG_GETARG_DATUM(kArgTrain)), PG_GETARG_DATEADT(kArgDate));
    return return_answer(fcinfo, twin, answer);
}
