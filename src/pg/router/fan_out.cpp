// The twins that ask several nodes: ticket_search and ticket_trains.
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"

namespace ticketpool {
namespace {

Datum search(FunctionCallInfo fcinfo) {
    const Twin& twin = twin_of(fcinfo);
    for (int i = 0; i < twin.argument_count; i++) {
        require_argument(fcinfo, i, twin.arguments[i].name);
    }
    const NodeList nodes = nodes_of_trip(twin.schema, text_of(PG_GETARG_DATUM(0)),
                                         text_of(PG_GETARG_DATUM(1)), PG_GETARG_DATEADT(2));
    begin_twin_result(fcinfo, twin);
    Answer* answers =
        static_cast<Answer*>(palloc(static_cast<Size>(Max(nodes.count, 1)) * sizeof(Answer)));
    Datum* arguments =
        static_cast<Datum*>(palloc(static_cast<Size>(Max(nodes.count, 1)) * sizeof(Datum)));
    for (int i = 0; i < nodes.count; i++) {
        arguments[i] = encode_arguments(fcinfo, twin);
    }
    if (nodes.count > 0) {
        ask_nodes(nodes.nodes, arguments, nodes.count, Cluster::kRead, twin.name, twin.column_names,
                  Effect::kNone, answers);
    }
    for (int i = 0; i < nodes.count; i++) {
        if (answers[i].sqlstate != 0) {
            raise_answer(answers[i]);
        }
        add_rows(fcinfo, twin, answers[i]);
    }
    return 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_search) {
    return ticketpool::search(fcinfo);
}
