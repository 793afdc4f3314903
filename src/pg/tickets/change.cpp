// ticket_change: sold tickets are exchanged for another trip, date, class or train in one step.
//
// In a subtransaction the old tickets become 'changed', which makes their seats free for this
// transaction (and for it alone until it commits). Then the new tickets are bought, so an exchange
// may keep its own seats, or extend them. If the new tickets can't be had, the subtransaction is
// rolled back, and nothing has happened.
#include "load/directory.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/subtransaction.hpp"
#include "tables/order_rows.hpp"
#include "tables/moved_away.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/orders.hpp"
#include "tickets/sale.hpp"
#include "tickets/stations.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

enum ChangeArgument {
    kArgOrder,
    kArgTrain,
    kArgFrom,
    kArgTo,
    kArgDate,
    kArgClass,
    kArgChoice,
    kArgTickets
};

// Tickets that get seats of one class, from one channel; they are side by side in
// Exchange::tickets.
struct Group {
    Ticket* tickets;
    Purchase purchase;
};

// What an exchange is about.
struct Exchange {
    Order* order;     // the old tickets, in order of number
    Ticket* tickets;  // the same, group by group
    Purchase whole;   // all of them; its class has no meaning if there are several groups
    Group* group;
    int groups;
};

const int64_t* passengers_of(const Ticket* tickets, int count) {
    int64_t* passengers =
        static_cast<int64_t*>(palloc(static_cast<size_t>(count) * sizeof(int64_t)));
    for (int i = 0; i < count; i++) {
        passengers[i] = tickets[i].passenger_id;
    }
    return passengers;
}

// The new trip, for the passengers of the old tickets.
void parse_new_trip(FunctionCallInfo fcinfo, const Catalog& catalog, const Order& order,
                    Purchase* purchase) {
    *purchase = Purchase{};
    const Text train = text_of(PG_GETARG_DATUM(kArgTrain));
    purchase->service_date = PG_GETARG_DATEADT(kArgDate);
    purchase->user_id = order.user_id;
    purchase->status = OrderStatus::kSold;
    purchase->changed_from = order.order_id;
    purchase->party = static_cast<uint32_t>(order.count);
    purchase->passengers = passengers_of(order.tickets, order.count);
    purchase->ref = directory_find(catalog, train, purchase->service_date);
    if (purchase->ref.departure == nullptr) {
        report_no_departure(catalog, train, purchase->service_date);
    }
    ledger_reserve(0);
    pin_slot(purchase->ref.slot);
    end_announcement();
    purchase->trip = find_trip(catalog, purchase->ref, text_of(PG_GETARG_DATUM(kArgFrom)),
                               text_of(PG_GETARG_DATUM(kArgTo)));
}

// Picks a group's wishes out of those of all passengers, which are in order of the old tickets.
void parse_group_choice(FunctionCallInfo fcinfo, const Exchange& exchange, Group* group) {
    Purchase all = exchange.whole;
    all.class_index = group->purchase.class_index;
    parse_choice(text_of(PG_GETARG_DATUM(kArgChoice)), &all);
    SeatChoice* choice = &group->purchase.choice;
    uint32_t next = 0;
    for (int i = 0; i < exchange.order->count && next < group->purchase.party; i++) {
        if (exchange.order->tickets[i].row != group->tickets[next].row) {
            continue;
        }
        if (next < kMaxSeatChoices && i < all.choice.count) {
            choice->items[next] = all.choice.items[i];
            choice->count = static_cast<uint8_t>(next + 1);
        }
        next++;
    }
}

// Without seat_class each ticket keeps its class. TK006 if the departure does not have the class.
void parse_groups(FunctionCallInfo fcinfo, Exchange* exchange) {
    const int count = exchange->order->count;
    const bool keep_class = PG_ARGISNULL(kArgClass);
    const size_t room = static_cast<size_t>(count);
    exchange->tickets = static_cast<Ticket*>(palloc(room * sizeof(Ticket)));
    memcpy(exchange->tickets, exchange->order->tickets, room * sizeof(Ticket));
    exchange->group = static_cast<Group*>(palloc(room * sizeof(Group)));
    exchange->groups = 0;
    int alike;
    for (int first = 0; first < count; first += alike) {
        Group* group = &exchange->group[exchange->groups++];
        group->tickets = &exchange->tickets[first];
        alike = gather_alike(group->tickets, count - first, [&](const Ticket& a, const Ticket& b) {
            return same_channel(a, b) && (!keep_class || same_class(a, b));
        });
        group->purchase = exchange->whole;
        group->purchase.party = static_cast<uint32_t>(alike);
        group->purchase.passengers = passengers_of(group->tickets, alike);
        group->purchase.channel = group->tickets[0].channel;
        group->purchase.class_index = resolve_class(
            exchange->whole.ref, false,
            keep_class ? text_datum(group->tickets[0].seat_class) : PG_GETARG_DATUM(kArgClass));
        if (!PG_ARGISNULL(kArgChoice)) {
            parse_group_choice(fcinfo, *exchange, group);
        }
    }
}

// Lets the passengers keep their seats, if it is the same class of the same departure and all of
// the seats are free over the new trip.
bool keep_seats(const Group& group, Claimed* claims) {
    const Purchase& purchase = group.purchase;
    for (uint32_t i = 0; i < purchase.party; i++) {
        if (group.tickets[i].ref.departure == nullptr ||
            group.tickets[i].ref.slot != purchase.ref.slot) {
            return false;
        }
    }
    return purchase.choice.count == 0 &&
           claim_same_seats(group.tickets, demand_of(purchase), claims);
}

// Writes one order of all groups. Its tickets are in order of the old ones.
void write_groups(const Catalog& catalog, const Exchange& exchange, const Claimed* claims,
                  ReturnSetInfo* result) {
    const int count = exchange.order->count;
    const size_t bytes = static_cast<size_t>(count) * sizeof(OrderValues);
    OrderValues* rows = static_cast<OrderValues*>(palloc(bytes));
    OrderValues* part = static_cast<OrderValues*>(palloc(bytes));
    Datum order_id = 0;
    for (int g = 0; g < exchange.groups; g++) {
        const Group& group = exchange.group[g];
        build_orders(catalog, group.purchase, &claims[group.tickets - exchange.tickets], part);
        order_id = g == 0 ? part[0].value[kOrderId] : order_id;
        uint32_t next = 0;
        for (int i = 0; i < count && next < group.purchase.party; i++) {
            if (exchange.order->tickets[i].row == group.tickets[next].row) {
                rows[i] = part[next++];
                set_value(&rows[i], kOrderId, order_id);
                set_value(&rows[i], kTicketNo, Int32GetDatum(i + 1));
            }
        }
    }
    insert_orders(catalog, exchange.whole.service_date, rows, count, result);
}

// False: the new tickets can't be had.
bool exchange_tickets(const Catalog& catalog, const Exchange& exchange, ReturnSetInfo* result) {
    Claimed* claims =
        static_cast<Claimed*>(palloc(static_cast<size_t>(exchange.order->count) * sizeof(Claimed)));
    set_status(exchange.order, OrderStatus::kSold, OrderStatus::kChanged);
    check_rules(catalog, rule_call(exchange.whole));
    for (int g = 0; g < exchange.groups; g++) {
        const Group& group = exchange.group[g];
        Claimed* of_group = &claims[group.tickets - exchange.tickets];
        if (!keep_seats(group, of_group) && !claim_demand(demand_of(group.purchase), of_group)) {
            return false;
        }
    }
    write_groups(catalog, exchange, claims, result);
    return true;
}

// Exchanges the tickets in a subtransaction, which is undone if the new tickets can't be had, or if
// an error is raised.
void exchange_or_undo(const Catalog& catalog, const Exchange& exchange, ReturnSetInfo* result) {
    ErrorData* error =
        in_subtransaction([&] { return exchange_tickets(catalog, exchange, result); });
    if (error != nullptr) {
        ReThrowError(error);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_change) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgOrder, "order_id");
    require_argument(fcinfo, kArgTrain, "train");
    require_argument(fcinfo, kArgFrom, "from_station");
    require_argument(fcinfo, kArgTo, "to_station");
    require_argument(fcinfo, kArgDate, "service_date");
    PreventCommandIfReadOnly("ticket_change()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    const TicketNos named = parse_ticket_nos(fcinfo, kArgTickets);
    Order order;
    Exchange exchange{};
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(kArgOrder), named, &order);
    choose_tickets(&order, OrderCall::kChange, named.array != nullptr);
    exchange.order = &order;
    parse_new_trip(fcinfo, catalog, order, &exchange.whole);
    parse_groups(fcinfo, &exchange);
    require_on_sale(exchange.whole.ref);
    exchange_or_undo(catalog, exchange, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
