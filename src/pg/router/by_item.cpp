// The twins that are routed by the item.
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

namespace ticketpool {
namespace {

// item_ask and item_answer take a departure's id as an item, too: those are found by the id.
int find_node(const Twin& twin, int64_t item_id) {
    const int node = node_of_item(twin.schema, item_id);
    if (node == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("item " INT64_FORMAT " does not exist", item_id),
                        errdetail("No row of router_item says which node has it."),
                        errhint("Assign the item to a node with router_assign_item.")));
    }
    return node;
}

Datum by_item(FunctionCallInfo fcinfo, bool changes) {
    const Twin& twin = twin_of(fcinfo);
    if (changes) {
        require_no_transaction(twin);
    }
    require_argument(fcinfo, 0, twin.arguments[0].name);
    const Effect effect = !changes                ? Effect::kNone
                          : twin.takes_request_id ? Effect::kRequest
                                                  : Effect::kUnknown;
    const Answer answer =
        call_node(find_node(twin, PG_GETARG_INT64(0)), Cluster::kPrimary, twin.name,
                  encode_arguments(fcinfo, twin), twin.column_names, effect);
    return return_answer(fcinfo, twin, answer);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_change_by_item) {
    return ticketpool::by_item(fcinfo, true);
}

TICKETPOOL_FUNCTION(router_read_by_item) {
    return ticketpool::by_item(fcinfo, false);
}
