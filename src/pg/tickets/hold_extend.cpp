// ticket_hold_extend: the user gets more time to pay.
//
// Three calls meet at a hold whose time runs out: the payment, the expiry by the worker, and this
// one. Each locks the order's rows, in order of ticket number, or changes the only row on the
// condition that nobody else has changed or locked it. So one of them is first:
//
//   payment first     the tickets are sold when we have their rows: TK005
//   expiry first      they are expired: TK005
//   we are first      a payment waits, and pays; the worker does not wait for a locked row: it
//                     comes back in a few seconds, reads held_until with the row locked, and finds
//                     nothing that is due
//
// A hold whose time is over is over for this call even if the worker has not come yet: whether it
// may last longer does not depend on how busy the worker is. The clock is read once the rows are
// locked, since that may have taken long.
//
// The worker learns of the new deadline at commit. Until then, and if we roll back, the old one
// holds: the row says so.
#include "pool/deadlines.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tickets/hold.hpp"
#include "tickets/orders.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr int kArgTtl = 1;

// The ticket's deadline; INT64_MAX if its row has none: then it is held for as long as the others.
TimestampTz deadline_of(const Ticket& ticket) {
    const OrderValues& values = ticket.row->values;
    return values.is_null[kHeldUntil] ? INT64_MAX : DatumGetTimestampTz(values.value[kHeldUntil]);
}

// TK005 if the time of any of the tickets is over.
void require_time_left(const Order& order) {
    const TimestampTz now = GetCurrentTimestamp();
    for (int i = 0; i < order.count; i++) {
        const Ticket& ticket = order.tickets[i];
        if (deadline_of(ticket) <= now) {
            ereport(ERROR,
                    (errcode(kErrorOrder),
                     errmsg("ticket %d of order " INT64_FORMAT " cannot be held for longer",
                            ticket.ticket_no, order.order_id),
                     errdetail("It was held until %s.", timestamptz_to_str(deadline_of(ticket))),
                     errhint("Only a hold that is not over can be extended.")));
        }
    }
}

// The tickets whose deadline is earlier.
Order earlier_than(const Order& order, TimestampTz deadline) {
    Order earlier = order;
    earlier.tickets =
        static_cast<Ticket*>(palloc(static_cast<size_t>(order.count) * sizeof(Ticket)));
    earlier.count = 0;
    for (int i = 0; i < order.count; i++) {
        if (deadline_of(order.tickets[i]) < deadline) {
            earlier.tickets[earlier.count++] = order.tickets[i];
        }
    }
    return earlier;
}

void extend(FunctionCallInfo fcinfo, Order* order) {
    choose_tickets(order, OrderCall::kExtend, false);
    require_time_left(*order);
    const TimestampTz deadline = hold_deadline(fcinfo, kArgTtl);
    const Order earlier = earlier_than(*order, deadline);
    if (earlier.count > 0) {
        set_detail(earlier, kHeldUntil, TimestampTzGetDatum(deadline));
        deadline_at_commit(deadline);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_hold_extend) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    (void)hold_deadline(fcinfo, kArgTtl);  // a bad ttl is refused before anything is locked
    PreventCommandIfReadOnly("ticket_hold_extend()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    Order order;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(0), TicketNos{nullptr}, &order);
    extend(fcinfo, &order);
    return_order(order, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
