// The twins of the batches: ticket_buy_many and item_buy_many.
#include "router/twin.hpp"
#include "server/errors.hpp"

TICKETPOOL_FUNCTION(router_ticket_batch) {
    elog(ERROR, "not yet");
}

TICKETPOOL_FUNCTION(router_item_batch) {
    elog(ERROR, "not yet");
}
