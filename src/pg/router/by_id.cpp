// The twins that are routed by an id: the order, the quota or the inventory that the first argument
// names.
#include "router/by_id.hpp"

#include "router/ask.hpp"
#include "router/pursuit.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

namespace ticketpool {
namespace {

[[noreturn]] void report_no_node(int64_t id) {
    ereport(ERROR, (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", id),
                    errdetail("No node has ids that end in %d.", static_cast<int>(id & 127)),
                    errhint("Check the order_id.")));
}

// The node does not have what the id names, or no longer.
bool is_elsewhere(const Answer& answer) {
    if (says_moved(answer)) {
        return true;
    }
    const char* detail = error_field(answer, kErrorDetail);
    return answer.sqlstate == kErrorOrder && detail != nullptr &&
           strncmp(detail, "No row of ", strlen("No row of ")) == 0;
}

// No rows are an answer of a function that changes something; of one that reads, the node does not
// have the order.
bool has_it(const Answer& answer, Effect effect) {
    return answer.count > 0 || effect != Effect::kNone;
}

bool same_nodes(const NodeList& a, const NodeList& b) {
    return a.count == b.count &&
           memcmp(a.nodes, b.nodes, static_cast<size_t>(a.count) * sizeof(int)) == 0;
}

}  // namespace

void report_no_order(int64_t order_id) {
    ereport(ERROR, (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
                    detail_of_no_order("ticket_order"), hint_of_no_order()));
}

Answer call_by_id(const Twin& twin, int64_t id, IdOf of, Datum arguments, Effect effect) {
    Pursuit pursuit{0};
    NodeList nodes = nodes_of_id(twin.schema, id, of);
    for (;;) {
        if (nodes.count == 0) {
            report_no_node(id);
        }
        Answer first{};
        bool moved = false;
        for (int i = 0; i < nodes.count; i++) {
            const Answer answer = ask_node(nodes.nodes[i], Cluster::kPrimary, twin.name, arguments,
                                           twin.column_names, effect);
            const bool is_last = i == nodes.count - 1;
            if (answer.sqlstate == 0 && (has_it(answer, effect) || (is_last && !moved))) {
                return answer;
            }
            if (answer.sqlstate != 0 && !is_elsewhere(answer)) {
                raise_answer(answer);
            }
            moved = moved || says_moved(answer);
            const int named = node_named_by(twin.schema, answer);
            if (named != 0) {
                const Answer there = ask_node(named, Cluster::kPrimary, twin.name, arguments,
                                              twin.column_names, effect);
                if (there.sqlstate == 0 && has_it(there, effect)) {
                    return there;
                }
                if (there.sqlstate != 0 && !is_elsewhere(there)) {
                    raise_answer(there);
                }
            }
            if (i == 0) {
                first = answer;
            }
        }
        // Every candidate said that it is not there. While it is being moved, one of them said so
        // before it was there, or the routes are about to change.
        const NodeList now = nodes_of_id(twin.schema, id, of);
        if (same_nodes(nodes, now) && !moved) {
            if (first.sqlstate == 0) {
                return first;
            }
            raise_answer(first);
        }
        if (same_nodes(nodes, now)) {
            wait_for_move(&pursuit, psprintf("order " INT64_FORMAT, id));
        }
        nodes = nodes_of_id(twin.schema, id, of);
    }
}

int find_node_of_order(const Twin& twin, int64_t order_id) {
    const NodeList nodes = nodes_of_id(twin.schema, order_id, IdOf::kOrder);
    if (nodes.count == 0) {
        report_no_node(order_id);
    }
    for (int i = 0; i < nodes.count; i++) {
        Rows rows;
        ErrorData* error = try_rows(nodes.nodes[i], Cluster::kPrimary, "ticket_get",
                                    {id_text(order_id)}, {"order_id"}, Effect::kNone, &rows);
        const bool cannot_say =
            error != nullptr &&
            error->sqlerrcode == ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION;
        if (rows.count > 0 || (cannot_say && nodes.count == 1)) {
            return nodes.nodes[i];  // if it does not answer now, it is still the only one
        }
        if (error != nullptr && !cannot_say) {
            ReThrowError(error);
        }
    }
    report_no_order(order_id);
}

namespace {

Datum by_id(FunctionCallInfo fcinfo, IdOf of, bool changes) {
    const Twin& twin = twin_of(fcinfo);
    if (changes) {
        require_no_transaction(twin);
    }
    require_argument(fcinfo, 0, twin.arguments[0].name);
    const Answer answer = call_by_id(twin, PG_GETARG_INT64(0), of, encode_arguments(fcinfo, twin),
                                     changes ? Effect::kAgain : Effect::kNone);
    return return_answer(fcinfo, twin, answer);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_change_by_order) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kOrder, true);
}

TICKETPOOL_FUNCTION(router_read_by_order) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kOrder, false);
}

TICKETPOOL_FUNCTION(router_change_by_id) {
    return ticketpool::by_id(fcinfo, ticketpool::IdOf::kOther, true);
}
