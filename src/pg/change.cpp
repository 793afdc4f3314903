// ticket_change: sold tickets are exchanged for another trip, date, class or train in one step.
//
// In a subtransaction the old tickets become 'changed', which makes their seats free for this
// transaction (and for it alone until it commits), and then the new ones are bought: so an exchange
// may keep its own seats, or extend them. If the new ones can't be had, the subtransaction is
// rolled back, and nothing has happened.
#include "errors.hpp"
#include "ledger.hpp"
#include "orders.hpp"
#include "rules.hpp"
#include "sale.hpp"
#include "stations.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/resowner.h"
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

// The new trip, for the passengers of the old tickets.
void parse_new_trip(FunctionCallInfo fcinfo, const Catalog& catalog, const Order& order,
                    Purchase* purchase) {
    *purchase = Purchase{};
    const Text train = text_of(PG_GETARG_DATUM(kArgTrain));
    purchase->service_date = PG_GETARG_DATEADT(kArgDate);
    purchase->user_id = order.user_id;
    purchase->status = OrderStatus::kSold;
    purchase->changed_from = order.order_id;
    purchase->channel = order.channel;
    purchase->party = static_cast<uint32_t>(order.count);
    int64_t* passengers =
        static_cast<int64_t*>(palloc(static_cast<size_t>(order.count) * sizeof(int64_t)));
    for (int i = 0; i < order.count; i++) {
        passengers[i] = order.tickets[i].passenger_id;
    }
    purchase->passengers = passengers;
    purchase->ref = directory_find(catalog, train, purchase->service_date);
    if (purchase->ref.departure == nullptr) {
        report_no_departure(train, purchase->service_date);
    }
    ledger_reserve(0);
    ledger_pin(purchase->ref.slot);
    directory_done();
    purchase->trip = find_trip(catalog, purchase->ref, text_of(PG_GETARG_DATUM(kArgFrom)),
                               text_of(PG_GETARG_DATUM(kArgTo)));
    const bool no_class = PG_ARGISNULL(kArgClass);
    purchase->class_index =
        resolve_class(purchase->ref, no_class, no_class ? 0 : PG_GETARG_DATUM(kArgClass));
    if (!PG_ARGISNULL(kArgChoice)) {
        parse_choice(text_of(PG_GETARG_DATUM(kArgChoice)), purchase);
    }
    require_on_sale(purchase->ref);
}

// The passengers keep their seats, where it is the same class of the same departure and all of
// them are free over the new trip.
bool keep_seats(const Order& order, const Purchase& purchase, Claimed* claims) {
    return purchase.ref.slot == order.ref.slot && purchase.choice.count == 0 &&
           order.tickets[0].source.class_index == purchase.class_index &&
           claim_same_seats(order, demand_of(purchase), claims);
}

// False: the new tickets can't be had.
bool exchange(const Catalog& catalog, Order* order, const Purchase& purchase,
              ReturnSetInfo* result) {
    Claimed* claims =
        static_cast<Claimed*>(palloc(static_cast<size_t>(order->count) * sizeof(Claimed)));
    set_status(order, OrderStatus::kSold, OrderStatus::kChanged);
    check_rules(catalog, rule_call(purchase));
    if (!keep_seats(*order, purchase, claims) && !claim_demand(demand_of(purchase), claims)) {
        return false;
    }
    write_orders(catalog, purchase, claims, result);
    return true;
}

// The exchange in a subtransaction, which is undone where the new tickets can't be had, and where
// an error is on its way out.
void exchange_or_undo(const Catalog& catalog, Order* order, const Purchase& purchase,
                      ReturnSetInfo* result) {
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        if (exchange(catalog, order, purchase, result)) {
            ReleaseCurrentSubTransaction();
        } else {
            RollbackAndReleaseCurrentSubTransaction();
        }
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(context);
        CurrentResourceOwner = owner;
        ReThrowError(error);
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
}

void require_sold(const Order& order) {
    for (int i = 0; i < order.count; i++) {
        if (order.tickets[i].status != OrderStatus::kSold) {
            report_status(order, order.tickets[i], "changed", "Only sold tickets can be changed.");
        }
    }
}

// Without named tickets those that were refunded or exchanged before are left out.
void drop_finished(Order* order) {
    int kept = 0;
    for (int i = 0; i < order->count; i++) {
        const OrderStatus status = order->tickets[i].status;
        const bool finished = status == OrderStatus::kRefunded || status == OrderStatus::kChanged;
        if (!finished || (i == order->count - 1 && kept == 0)) {
            order->tickets[kept++] = order->tickets[i];
        }
    }
    order->count = kept;
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
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    const TicketNos named = parse_ticket_nos(fcinfo, kArgTickets);
    Order order;
    Purchase purchase;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, PG_GETARG_INT64(kArgOrder), named, &order);
    if (named.array == nullptr) {
        drop_finished(&order);
    }
    require_sold(order);
    parse_new_trip(fcinfo, catalog, order, &purchase);

    exchange_or_undo(catalog, &order, purchase, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
