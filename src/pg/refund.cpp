// ticket_refund: sold tickets become refunded; their seats are free once the transaction has
// committed, and for the transaction itself at once.
#include "call_scan.hpp"
#include "errors.hpp"
#include "orders.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// Tickets that are neither sold nor refunded already cannot be refunded. Without named tickets
// those that were exchanged are left out, as long as something else is there.
void drop_exchanged(Order* order, TicketNos named) {
    constexpr const char* kHint = "Only sold tickets can be refunded.";
    int kept = 0;
    for (int i = 0; i < order->count; i++) {
        const Ticket& ticket = order->tickets[i];
        const bool ours =
            ticket.status == OrderStatus::kSold || ticket.status == OrderStatus::kRefunded;
        const bool nothing_else = i == order->count - 1 && kept == 0;
        if (!ours &&
            (named.array != nullptr || ticket.status != OrderStatus::kChanged || nothing_else)) {
            report_status(*order, ticket, "refunded", kHint);
        }
        if (ours) {
            order->tickets[kept++] = ticket;
        }
    }
    order->count = kept;
}

}  // namespace
}  // namespace ticketpool

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
    drop_exchanged(&order, named);
    count(shared.mine->counters.refunds,
          static_cast<uint64_t>(count_status(order, OrderStatus::kSold)));
    set_status(&order, OrderStatus::kSold, OrderStatus::kRefunded);
    return_order(order, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
