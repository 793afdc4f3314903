// The twins that are routed by the item.
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

namespace ticketpool {
namespace {

// A bank of questions may be that of a departure, by its id. Then the id says which node has it.
int node_of_questions(const char* schema, int64_t id) {
    const int born = static_cast<int>(id & 127);
    const NodeList nodes = all_nodes(schema);
    for (int i = 0; !is_item(schema, id) && i < nodes.count; i++) {
        if (nodes.nodes[i] == born) {
            return born;
        }
    }
    return require_node_of_item(schema, id);
}

Datum by_item(FunctionCallInfo fcinfo, int (*find_node)(const char*, int64_t), bool changes) {
    const Twin& twin = twin_of(fcinfo);
    if (changes) {
        require_no_transaction(twin);
    }
    require_argument(fcinfo, 0, twin.arguments[0].name);
    const Effect effect = !changes                ? Effect::kNone
                          : twin.takes_request_id ? Effect::kRequest
                                                  : Effect::kUnknown;
    const Answer answer =
        call_node(find_node(twin.schema, PG_GETARG_INT64(0)), Cluster::kPrimary, twin.name,
                  encode_arguments(fcinfo, twin), twin.column_names, effect);
    return return_answer(fcinfo, twin, answer);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_change_by_item) {
    return ticketpool::by_item(fcinfo, ticketpool::require_node_of_item, true);
}

TICKETPOOL_FUNCTION(router_read_by_item) {
    return ticketpool::by_item(fcinfo, ticketpool::require_node_of_item, false);
}

TICKETPOOL_FUNCTION(router_change_questions) {
    return ticketpool::by_item(fcinfo, ticketpool::node_of_questions, true);
}
