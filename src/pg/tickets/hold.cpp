// ticket_hold, ticket_confirm, ticket_cancel: seats locked while the user pays. (A longer hold:
// hold_extend.cpp.)
//
// A hold's claim is like a purchase's. Its row says 'held' until `held_until`; then the worker lets
// the hold expire (sweep.cpp). Payment and expiry lock the order's rows, in order of ticket number,
// or change the only row on the condition that nobody else has changed or locked it. So one of them
// is first and decides. A payment after expiry gets what is free by then: the old seats if nobody
// took them, or equal ones, or nothing.
//
// Tickets of a hold can be given up one by one. What is left is the order from then on: a payment,
// the expiry and a refund pass over cancelled tickets (OrderCall in orders.hpp). A cancellation
// locks only the rows that it names. A payment or an expiry of the whole order locks all of them,
// so each named ticket is either given up first and then passed over, or paid or expired first.
#include "tickets/hold.hpp"

#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/wait_list.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tables/order_rows.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/orders.hpp"
#include "tickets/sale.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr int kArgTtl = 10;

// Makes a purchase of alike tickets that are to be bought again.
void purchase_again(const Order& order, const Ticket* tickets, int count, Purchase* purchase) {
    *purchase = Purchase{};
    purchase->ref = tickets[0].ref;
    purchase->trip = tickets[0].trip;
    purchase->class_index = static_cast<uint32_t>(tickets[0].class_index);
    purchase->channel = tickets[0].channel;
    purchase->service_date = order.service_date;
    purchase->user_id = order.user_id;
    purchase->party = static_cast<uint32_t>(count);
    purchase->status = OrderStatus::kSold;
    int64_t* passengers =
        static_cast<int64_t*>(palloc(static_cast<size_t>(count) * sizeof(int64_t)));
    for (int i = 0; i < count; i++) {
        passengers[i] = tickets[i].passenger_id;
    }
    purchase->passengers = passengers;
}

// The rules are asked about all passengers of a trip at once, and before anything is claimed.
void check_rules_again(const Catalog& catalog, const Order& order, Ticket* tickets, int count) {
    int alike;
    for (int first = 0; first < count; first += alike) {
        Purchase purchase;
        alike = gather_alike(&tickets[first], count - first, same_trip);
        purchase_again(order, &tickets[first], alike, &purchase);
        check_rules(catalog, rule_call(purchase));
    }
}

// Claims seats for tickets that are alike. *moved: they are other seats than before. False: there
// are not enough.
bool claim_again(const Order& order, const Ticket* tickets, int count, Claimed* claims,
                 bool* moved) {
    Purchase purchase;
    purchase_again(order, tickets, count, &purchase);
    const Demand demand = demand_of(purchase);
    *moved = !claim_same_seats(tickets, demand, claims);
    return !*moved || claim_demand(demand, claims);
}

// The expired tickets, in an array of their own.
Ticket* expired_tickets(const Order& order, int* count) {
    Ticket* tickets =
        static_cast<Ticket*>(palloc(static_cast<size_t>(order.count) * sizeof(Ticket)));
    *count = 0;
    for (int i = 0; i < order.count; i++) {
        if (order.tickets[i].status == OrderStatus::kExpired) {
            tickets[(*count)++] = order.tickets[i];
        }
    }
    return tickets;
}

// Has the departure the ticket's stops and class, and sells the trip? The seat may have gone with
// its coach (ticket_reform).
bool is_to_be_had(const Ticket& ticket) {
    return ticket.ref.departure != nullptr && ticket.class_index >= 0 && ticket.trip.from >= 0 &&
           ticket.trip.to > ticket.trip.from && may_sell_again(ticket.ref, ticket.trip);
}

// Payment after expiry: either all expired tickets get seats again, or none. False: none, and
// nothing has changed.
bool confirm_late(const Catalog& catalog, Order* order) {
    int count;
    Ticket* tickets = expired_tickets(*order, &count);
    for (int i = 0; i < count; i++) {
        if (tickets[i].ref.departure != nullptr && is_barred(tickets[i].ref)) {
            report_barred(tickets[i].ref);  // whether there is a seat is not known yet
        }
        if (!is_to_be_had(tickets[i])) {
            return false;
        }
    }
    Claimed* claims = static_cast<Claimed*>(palloc(static_cast<size_t>(count) * sizeof(Claimed)));
    bool* moved = static_cast<bool*>(palloc(static_cast<size_t>(count) * sizeof(bool)));
    check_rules_again(catalog, *order, tickets, count);
    const size_t mark = ledger_mark();
    int alike;
    for (int first = 0; first < count; first += alike) {
        alike = gather_alike(&tickets[first], count - first, [](const Ticket& a, const Ticket& b) {
            return same_trip(a, b) && same_class(a, b) && same_channel(a, b);
        });
        bool party_moved;
        if (!claim_again(*order, &tickets[first], alike, &claims[first], &party_moved)) {
            ledger_undo_to(mark);
            return false;
        }
        memset(&moved[first], party_moved, static_cast<size_t>(alike));
    }
    for (int i = 0; i < count; i++) {
        if (moved[i]) {
            set_seats(*order, &tickets[i], 1, &claims[i]);
        }
    }
    set_status(order, OrderStatus::kExpired, OrderStatus::kSold);
    require_same_epoch(catalog, order->service_date);
    return true;
}

// What a payment does to the order. False: the call returns no row.
bool confirm(const Catalog& catalog, Order* order) {
    choose_tickets(order, OrderCall::kConfirm, false);
    if (count_status(*order, OrderStatus::kExpired) > 0 && !confirm_late(catalog, order)) {
        return false;
    }
    set_status(order, OrderStatus::kHeld, OrderStatus::kSold);
    return true;
}

// The common case: one ticket, held, and no other session works on it. Payment leaves the seat as
// it is, so only the row has to be changed. The row is not locked before; it is changed on the
// condition that no other session has been quicker (locked_rows.hpp). Meanwhile the departure stays
// announced. Once the row is changed, the departure is pinned, as by every session that changes an
// order. Do not pin earlier: if another session has been quicker, we wait for it afterwards, and
// that session may be waiting until nobody pins the departure. False: nothing has happened, and the
// order has to be locked first.
bool confirm_in_place(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result) {
    LockedRows rows;
    if (!read_single_row(catalog, order_id, &rows)) {
        return false;
    }
    const OrderValues& values = rows.row->values;
    OrderStatus status;
    const Text name = text_of(values.value[kStatus]);
    if (!parse_order_status(name.data, name.length, &status) || status != OrderStatus::kHeld) {
        return false;
    }
    const DepartureRef ref = directory_find_id(catalog, DatumGetInt64(values.value[kDepartureId]));
    if (ref.departure == nullptr) {
        return false;
    }
    ledger_reserve(0);
    static_assert(may_become(OrderStatus::kHeld, OrderStatus::kSold));
    const bool paid = try_write_single_status(rows, OrderStatus::kSold);
    if (paid) {
        pin_slot(ref.slot);
    }
    end_announcement();
    if (!paid) {
        return false;
    }
    CommandCounterIncrement();
    return_single_order(rows, result);
    return true;
}

void cancel(Order* order, bool named) {
    choose_tickets(order, OrderCall::kCancel, named);
    set_status(order, OrderStatus::kHeld, OrderStatus::kCancelled);
}

void begin_change(FunctionCallInfo fcinfo, const char* command) {
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    PreventCommandIfReadOnly(command);
    require_set_result(fcinfo);
    begin_result(fcinfo);
}

// Locks the order's rows, or those that are named, and pins its departures.
void begin_order(FunctionCallInfo fcinfo, TicketNos named, OwnerScope* scope, Order* order) {
    const Catalog& catalog = catalog_of(fcinfo);
    owner_begin(catalog, scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(0), named, order);
}

void end_order(const OwnerScope& scope) {
    SPI_finish();
    owner_end(scope);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_hold) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_hold()");
    require_set_result(fcinfo);
    const TimestampTz deadline = hold_deadline(fcinfo, kArgTtl);
    const Catalog& catalog = catalog_of(fcinfo);
    BuyArguments arguments;
    Purchase purchase;
    read_arguments(fcinfo, &arguments);
    read_purchase(arguments, &purchase);
    purchase.status = OrderStatus::kHeld;
    purchase.held_until = deadline;
    sell(fcinfo, catalog, arguments, &purchase);
    deadline_at_commit(deadline);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_confirm) {
    using namespace ticketpool;
    OwnerScope scope;
    Order order;
    begin_change(fcinfo, "ticket_confirm()");
    if (confirm_in_place(catalog_of(fcinfo), PG_GETARG_INT64(0),
                         reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo))) {
        return 0;
    }
    begin_order(fcinfo, TicketNos{nullptr}, &scope, &order);
    if (confirm(catalog_of(fcinfo), &order)) {
        return_order(order, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    }
    end_order(scope);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_cancel) {
    using namespace ticketpool;
    OwnerScope scope;
    Order order;
    begin_change(fcinfo, "ticket_cancel()");
    (void)catalog_of(fcinfo);  // an older version's function has one argument
    const TicketNos named = parse_ticket_nos(fcinfo, 1);
    begin_order(fcinfo, named, &scope, &order);
    cancel(&order, named.array != nullptr);
    serve_waiting();
    return_order(order, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    end_order(scope);
    return 0;
}
