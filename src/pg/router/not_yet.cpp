// What the router's script declares and nothing carries out yet.
#include "server/pg.hpp"

TICKETPOOL_FUNCTION(router_settle) {
    elog(ERROR, "router_settle is not there yet");
}
