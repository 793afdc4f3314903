// The twins that are routed by the item.
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

namespace ticketpool {
namespace {

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
        call_node(require_node_of_item(twin.schema, PG_GETARG_INT64(0)), Cluster::kPrimary,
                  twin.name, encode_arguments(fcinfo, twin), twin.column_names, effect);
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
