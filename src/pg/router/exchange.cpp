// The twin of ticket_change.
#include "router/by_id.hpp"
#include "server/errors.hpp"

TICKETPOOL_FUNCTION(router_ticket_change) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_no_transaction(twin);
    require_argument(fcinfo, 0, twin.arguments[0].name);
    const Answer answer = call_by_id(twin, PG_GETARG_INT64(0), IdOf::kOrder,
                                     encode_arguments(fcinfo, twin), Effect::kUnknown);
    return return_answer(fcinfo, twin, answer);
}
