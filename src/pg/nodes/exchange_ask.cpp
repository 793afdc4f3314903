// ticket_exchange_ask: the tickets that ticket_change would exchange, for an exchange whose new
// order will live on another node; or the error that ticket_change would raise. It changes nothing:
// the fence is ticket_change_away, which looks again.
#include "pool/shared_memory.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tickets/orders.hpp"

extern "C" {
#include "executor/spi.h"
}

TICKETPOOL_FUNCTION(ticket_exchange_ask) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    PreventCommandIfReadOnly("ticket_exchange_ask()");  // it locks rows
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    const TicketNos named = parse_ticket_nos(fcinfo, 1);
    Order order;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(0), named, &order);
    choose_tickets(&order, OrderCall::kChange, named.array != nullptr);
    return_order(order, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
