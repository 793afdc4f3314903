// What the router's script declares and nothing carries out yet.
#include "server/pg.hpp"

#define NOT_YET(name)                                     \
    TICKETPOOL_FUNCTION(name) {                           \
        elog(ERROR, "%s is not there yet", #name);        \
    }

NOT_YET(router_where_train)
NOT_YET(router_where_order)
NOT_YET(router_node_add)
NOT_YET(router_assign)
NOT_YET(router_assign_item)
NOT_YET(router_refresh)
NOT_YET(router_settle)
NOT_YET(router_status)
