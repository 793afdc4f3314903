// The twins that are routed by an id: the order, the quota or the inventory that the first argument
// names.
#include "router/by_id.hpp"

#include "router/ask.hpp"
#include "router/pursuit.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"
#include "server/subtransaction.hpp"

namespace ticketpool {
namespace {

// In the words of the node's function, and with its SQLSTATE.
[[noreturn]] void report_no_node(const Twin& twin, int64_t id) {
    const char* argument = twin.arguments[0].name;
    const int born = static_cast<int>(id & 127);
    if (strcmp(argument, "inventory_id") == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("inventory " INT64_FORMAT " does not exist", id),
                        errdetail("No node has ids that end in %d.", born),
                        errhint("Check the inventory_id.")));
    }
    if (strcmp(argument, "reservation") == 0) {
        ereport(ERROR,
                (errcode(kErrorOrder), errmsg("reservation " INT64_FORMAT " does not exist", id),
                 errdetail("No node has ids that end in %d.", born),
                 errhint("Check the reservation_id.")));
    }
    if (strcmp(argument, "wait_id") == 0) {
        ereport(ERROR, (errcode(kErrorOrder), errmsg("wait " INT64_FORMAT " does not exist", id),
                        errdetail("No node has ids that end in %d.", born),
                        errhint("Check the wait_id.")));
    }
    ereport(ERROR,
            (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", id),
             errdetail("No node has ids that end in %d.", born), errhint("Check the order_id.")));
}

// The node does not have what the id names, or no longer.
bool is_elsewhere(const Answer& answer) {
    if (says_moved(answer)) {
        return true;
    }
    const char* detail = error_field(answer, kErrorDetail);
    return (answer.sqlstate == kErrorOrder || answer.sqlstate == kErrorNoDeparture) &&
           detail != nullptr && strncmp(detail, "No row of ", strlen("No row of ")) == 0;
}

// A call of a node by an id.
struct IdCall {
    const Twin& twin;
    IdOf of;
    Datum arguments;
    Effect effect;
};

// No rows of ticket_get: the node does not have the order. Of all others they are an answer.
bool tells_by_rows(IdOf of, Effect effect) {
    return of == IdOf::kOrder && effect == Effect::kNone;
}

Answer ask(const IdCall& call, int node, int share = 1) {
    return ask_node(node, Cluster::kPrimary, call.twin.name, call.arguments, call.twin.column_names,
                    call.effect, share);
}

bool same_nodes(const NodeList& a, const NodeList& b) {
    return a.count == b.count &&
           memcmp(a.nodes, b.nodes, static_cast<size_t>(a.count) * sizeof(int)) == 0;
}

// Asks one of several nodes that may have it. A node that does not answer is not the end: another
// one may have it. Returns such a failure; of what is left of the time, each further one costs
// less.
ErrorData* ask_candidate(const IdCall& call, int node, int failures, Answer* answer) {
    ErrorData* error = in_subtransaction([&] {
        *answer = ask(call, node, failures == 0 ? 1 : 4 * failures);
        return true;
    });
    if (error != nullptr && !is_no_answer(error)) {
        ReThrowError(error);
    }
    return error;
}

// Is it the answer of the node that has it? An error that does not say where it is, is raised.
bool is_found(const IdCall& call, const Answer& answer) {
    if (answer.sqlstate != 0 && !is_elsewhere(answer)) {
        raise_answer(answer);
    }
    return answer.sqlstate == 0 && (answer.count > 0 || !tells_by_rows(call.of, call.effect));
}

// What the candidates have answered, if none of them has it.
struct Round {
    Answer first;
    ErrorData* failed;  // why the first one that did not answer has not
    bool moved;         // one of them has given it away
};

// Asks one candidate after the other, and the node that one of them names. False: none has it.
bool ask_in_turn(const IdCall& call, const NodeList& nodes, Round* round, Answer* answer) {
    int failures = 0;
    for (int i = 0; i < nodes.count; i++) {
        if (nodes.count == 1) {
            *answer = ask(call, nodes.nodes[i]);
        } else {
            ErrorData* error = ask_candidate(call, nodes.nodes[i], failures, answer);
            if (error != nullptr) {
                round->failed = failures++ == 0 ? error : round->failed;
                continue;
            }
        }
        const Answer candidate = *answer;
        if (is_found(call, candidate)) {
            return true;
        }
        round->moved = round->moved || says_moved(candidate);
        const int named = node_named_by(call.twin.schema, candidate);
        if (named != 0) {
            *answer = ask(call, named);
            if (is_found(call, *answer)) {
                return true;
            }
        }
        if (round->first.node == 0) {
            round->first = candidate;
        }
    }
    return false;
}

}  // namespace

bool is_no_answer(const ErrorData* error) {
    return error->sqlerrcode == ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION ||
           error->sqlerrcode == ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN;
}

void report_no_order(int64_t order_id) {
    ereport(ERROR, (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
                    detail_of_no_order("ticket_order"), hint_of_no_order()));
}

Answer call_by_id(const Twin& twin, int64_t id, IdOf of, Datum arguments, Effect effect) {
    const IdCall call{twin, of, arguments, effect};
    Pursuit pursuit{0};
    NodeList nodes = nodes_of_id(twin.schema, id, of);
    for (;;) {
        if (nodes.count == 0 && tells_by_rows(of, effect)) {
            return Answer{};  // no rows, as on a node
        }
        if (nodes.count == 0) {
            report_no_node(twin, id);
        }
        Round round{};
        Answer answer{};
        if (ask_in_turn(call, nodes, &round, &answer)) {
            return answer;
        }
        if (round.failed != nullptr) {
            ReThrowError(round.failed);
        }
        // Every candidate said that it is not there. While it is being moved, one of them said so
        // before it was there, or the routes are about to change.
        const NodeList now = nodes_of_id(twin.schema, id, of);
        if (same_nodes(nodes, now) && !round.moved) {
            if (round.first.sqlstate == 0) {
                return round.first;
            }
            raise_answer(round.first);
        }
        if (same_nodes(nodes, now)) {
            wait_for_move(&pursuit, psprintf("order " INT64_FORMAT, id));
        }
        nodes = nodes_of_id(twin.schema, id, of);
    }
}

namespace {

// Asks a node for the tickets of an order. False: it does not answer, and why is in `failed`.
bool ask_for_order(int node, int64_t order_id, std::initializer_list<const char*> columns,
                   int failures, Rows* rows, ErrorData** failed) {
    ErrorData* error = in_subtransaction([&] {
        *rows = ask_rows(node, Cluster::kPrimary, "ticket_get", {id_text(order_id)}, columns,
                         Effect::kNone, failures == 0 ? 1 : 4 * failures);
        return true;
    });
    if (error != nullptr && !is_no_answer(error)) {
        ReThrowError(error);
    }
    *failed = *failed == nullptr ? error : *failed;
    return error == nullptr;
}

}  // namespace

OrderPlace look_for_order(const char* schema, int64_t order_id,
                          std::initializer_list<const char*> columns) {
    OrderPlace place{};
    int failures = 0;
    place.candidates = nodes_of_id(schema, order_id, IdOf::kOrder);
    for (int i = 0; i < place.candidates.count; i++) {
        const int node = place.candidates.nodes[i];
        if (!ask_for_order(node, order_id, columns, failures, &place.rows, &place.failed)) {
            failures++;
            continue;
        }
        if (place.rows.answer.sqlstate != 0 && !says_moved(place.rows.answer)) {
            raise_answer(place.rows.answer);
        }
        const int named = node_named_by(schema, place.rows.answer);
        if (place.rows.count > 0) {
            place.node = node;
            return place;
        }
        if (named != 0 &&
            ask_for_order(named, order_id, columns, failures, &place.rows, &place.failed) &&
            place.rows.count > 0) {
            place.node = named;
            return place;
        }
        place.left = named != 0 ? node : place.left;
    }
    place.rows = Rows{};
    return place;
}

int find_node_of_order(const Twin& twin, int64_t order_id) {
    const OrderPlace place = look_for_order(twin.schema, order_id, {"order_id"});
    if (place.candidates.count == 0) {
        report_no_node(twin, order_id);
    }
    if (place.node != 0) {
        return place.node;
    }
    if (place.failed != nullptr && place.candidates.count > 1) {
        ReThrowError(place.failed);
    }
    if (place.failed != nullptr) {
        return place.candidates.nodes[0];  // if it does not answer now, it is still the only one
    }
    if (place.left != 0) {
        return place.left;  // on its way: that node knows where to
    }
    report_no_order(order_id);
}

namespace {

Datum by_id(FunctionCallInfo fcinfo, IdOf of, Effect effect) {
    const Twin& twin = twin_of(fcinfo);
    if (effect != Effect::kNone) {
        require_no_transaction(twin);
    }
    require_argument(fcinfo, 0, twin.arguments[0].name);
    const Answer answer =
        call_by_id(twin, PG_GETARG_INT64(0), of, encode_arguments(fcinfo, twin),
                   effect != Effect::kNone && twin.takes_request_id ? Effect::kRequest : effect);
    return return_answer(fcinfo, twin, answer);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_change_by_order) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kOrder, ticketpool::Effect::kAgain);
}

// Of what a second call would do once more.
TICKETPOOL_FUNCTION(router_change_order_once) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kOrder, ticketpool::Effect::kUnknown);
}

TICKETPOOL_FUNCTION(router_read_by_order) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kOrder, ticketpool::Effect::kNone);
}

TICKETPOOL_FUNCTION(router_change_by_wait) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kWait, ticketpool::Effect::kAgain);
}

TICKETPOOL_FUNCTION(router_read_by_wait) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kWait, ticketpool::Effect::kNone);
}

TICKETPOOL_FUNCTION(router_change_by_id) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kOther, ticketpool::Effect::kAgain);
}
