// ticket_transfer: another passenger travels with a live ticket. Seat, trip and price stay.
//
// Rules are asked as if the new passenger bought the ticket and nobody had it yet. So while they
// are asked, the ticket is out of their sight: in a subtransaction, which is always undone, its row
// is no longer live. A rule that counts the user's tickets then counts this one once, as the ticket
// that is asked for, whether the rule is ours or a function of the user's. Nobody else ever sees
// that version of the row. The pool is told nothing: the seat stays claimed.
//
// The user and the new passenger are locked before the subtransaction, because its end would give
// their locks back. They stay locked to the end of the transaction, as by a purchase. So of a
// transfer to a passenger and a purchase for that passenger, the second one sees the first one's
// row, or the first one was undone. The old passenger needs no lock: whoever asks about that
// passenger before we commit still finds the ticket, and is refused.
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/subtransaction.hpp"
#include "tickets/orders.hpp"

extern "C" {
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
}

namespace ticketpool {
namespace {

constexpr int kArgOrder = 0;
constexpr int kArgTicket = 1;
constexpr int kArgPassenger = 2;

// The purchase that the rules are asked about. `call` points to the passenger. A ticket whose
// departure is gone has no times.
RuleCall rule_call(const Order& order, const Ticket& ticket, const int64_t* passenger) {
    const OrderValues& values = ticket.row->values;
    Datum passengers[] = {Int64GetDatum(*passenger)};
    RuleCall call{};
    call.kind = RuleKind::kTicket;
    call.user_id = DatumGetInt64(values.value[kUserId]);
    call.arguments[kRuleDeparture] = values.value[kDepartureId];
    call.arguments[kRuleUser] = values.value[kUserId];
    call.arguments[kRulePassengers] = PointerGetDatum(
        construct_array(passengers, 1, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
    call.arguments[kRuleFrom] = values.value[kFromStop];
    call.arguments[kRuleTo] = values.value[kToStop];
    call.passengers = passenger;
    call.party = 1;
    call.tickets = 1;
    call.service_date = order.service_date;
    call.has_times = ticket.located && trip_times(ticket.ref, ticket.trip, &call.times);
    return call;
}

// Asks the rules while the ticket is out of their sight. Null: the passenger may have it.
const char* ask_without(const Catalog& catalog, const Order& order, const Ticket& ticket,
                        const RuleCall& call) {
    const char* reason = nullptr;
    const LockedRow row = *ticket.row;  // the row as it is locked
    ErrorData* error = in_subtransaction([&] {
        write_status(order.rows, order.picked, 1, OrderStatus::kChanged, 0);
        reason = ask_rules(catalog, call);
        return false;
    });
    if (error != nullptr) {
        ReThrowError(error);
    }
    *ticket.row = row;
    return reason;
}

void check_passenger(const Catalog& catalog, const Order& order, const Ticket& ticket,
                     int64_t passenger) {
    if (!has_rules(catalog, RuleKind::kTicket)) {
        return;
    }
    const RuleCall call = rule_call(order, ticket, &passenger);
    lock_people(catalog, &call.user_id, 1, &passenger, 1);
    order.picked[0] = ticket.row;
    const char* reason = ask_without(catalog, order, ticket, call);
    if (reason != nullptr) {
        ereport(ERROR, (errcode(kErrorRule), errmsg("%s", reason),
                        errdetail("The transfer was refused by a rule."),
                        errhint("The enabled rules are in ticket_rule.")));
    }
}

void transfer(const Catalog& catalog, Order* order, int64_t passenger) {
    choose_tickets(order, OrderCall::kTransfer, true);
    if (order->tickets[0].passenger_id != passenger) {
        check_passenger(catalog, *order, order->tickets[0], passenger);
        set_detail(*order, kPassengerId, Int64GetDatum(passenger));
    }
}

// The list of the one ticket.
TicketNos named_ticket(FunctionCallInfo fcinfo) {
    Datum number = PG_GETARG_DATUM(kArgTicket);
    return {construct_array(&number, 1, INT4OID, 4, true, TYPALIGN_INT), true};
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_transfer) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgOrder, "order_id");
    require_argument(fcinfo, kArgTicket, "ticket_no");
    require_argument(fcinfo, kArgPassenger, "passenger_id");
    PreventCommandIfReadOnly("ticket_transfer()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    Order order;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(kArgOrder), named_ticket(fcinfo), &order);
    transfer(catalog, &order, PG_GETARG_INT64(kArgPassenger));
    return_order(order, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
