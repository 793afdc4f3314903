// ticket_refund: sold tickets become refunded. Their seats are free for the transaction itself at
// once, and for others once it has committed.
#include "pool/wait_list.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tickets/orders.hpp"

extern "C" {
#include "executor/spi.h"
}

TICKETPOOL_FUNCTION(ticket_refund) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    PreventCommandIfReadOnly("ticket_refund()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    const TicketNos named = parse_ticket_nos(fcinfo, 1);
    Order order;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(0), named, &order);
    choose_tickets(&order, OrderCall::kRefund, named.array != nullptr);
    count(shared.mine->counters.refunds,
          static_cast<uint64_t>(count_status(order, OrderStatus::kSold)));
    set_status(&order, OrderStatus::kSold, OrderStatus::kRefunded);
    serve_waiting();
    return_order(order, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
