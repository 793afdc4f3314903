// ticket_where: which node has a departure or an order, for clients that go straight to it.
#include "router/by_id.hpp"
#include "router/by_train.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

namespace ticketpool {
namespace {

Datum return_node(FunctionCallInfo fcinfo, const Twin& twin, int node) {
    begin_twin_result(fcinfo, twin);
    const ReturnSetInfo* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
    Datum values[] = {Int32GetDatum(node),
                      CStringGetTextDatum(conninfo_of_node(twin.schema, node))};
    bool nulls[] = {false, false};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    return 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_where_train) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    return return_node(fcinfo, twin,
                       routed_node(twin, text_of(PG_GETARG_DATUM(0)), PG_GETARG_DATEADT(1)));
}

TICKETPOOL_FUNCTION(router_where_order) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_argument(fcinfo, 0, "order_id");
    return return_node(fcinfo, twin, find_node_of_order(twin, PG_GETARG_INT64(0)));
}
