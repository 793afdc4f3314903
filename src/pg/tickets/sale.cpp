// ticket_buy, and the steps that all functions selling tickets share: claim seats, build the rows,
// write them.
#include "tickets/sale.hpp"

#include "pool/claim_set.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "purchase/group_sale.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "tables/departure_rows.hpp"
#include "tables/order_rows.hpp"
#include "tickets/first_call.hpp"
#include "tickets/named_seats.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/ticket_group.hpp"

namespace ticketpool {

namespace {

Datum passenger_array(const Purchase& purchase) {
    Datum* values = static_cast<Datum*>(palloc(purchase.party * sizeof(Datum)));
    for (uint32_t i = 0; i < purchase.party; i++) {
        values[i] = Int64GetDatum(purchase.passengers[i]);
    }
    return PointerGetDatum(construct_array(values, static_cast<int>(purchase.party), INT8OID, 8,
                                           FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

}  // namespace

Demand demand_of(const Purchase& purchase) {
    return Demand{purchase.ref,    purchase.class_index, purchase.trip, purchase.party,
                  purchase.choice, purchase.channel,     false,         kAnyPlaces};
}

// Claims the party's seats, whichever they are or exactly those that are named.
bool claim_purchase(const Purchase& purchase, Claimed* claims) {
    if (purchase.seats == nullptr) {
        return claim_demand(demand_of(purchase), claims);
    }
    return claim_set({purchase.ref, purchase.trip, purchase.channel, purchase.seats->seat,
                      purchase.seats->count},
                     claims);
}

static Datum class_datum(const Layout* layout, uint32_t class_index) {
    return text_datum(text_of(layout->head, layout->classes()[class_index].name));
}

SoldSeat sold_seat(const Purchase& purchase, const Claimed& claim) {
    const Layout* layout = purchase.ref.departure->layout.get();
    const uint32_t class_index = claim.source.class_index;
    const int64_t number = seat_number(purchase.ref, claim);
    const uint32_t coach = number < 0 ? static_cast<uint32_t>(claim.source.place_coach)
                                      : layout->geometry(class_index)[number].coach;
    return {class_index, static_cast<int32_t>(number), coach};
}

void begin_order(const Purchase& purchase, int64_t order_id, TimestampTz created_at,
                 uint32_t class_index, OrderValues* row) {
    const Departure* departure = purchase.ref.departure;
    const Stop* stops = departure->route()->stops();
    memset(row->is_null, true, sizeof row->is_null);
    set_value(row, kOrderId, Int64GetDatum(order_id));
    set_value(row, kDepartureId, Int64GetDatum(departure->departure_id));
    set_value(row, kServiceDate, DateADTGetDatum(purchase.service_date));
    set_value(row, kUserId, Int64GetDatum(purchase.user_id));
    set_value(row, kSeatClass, class_datum(departure->layout.get(), class_index));
    set_value(row, kFromStop, Int32GetDatum(stops[purchase.trip.from].stop_no));
    set_value(row, kToStop, Int32GetDatum(stops[purchase.trip.to].stop_no));
    set_value(row, kStatus, CStringGetTextDatum(status_name(purchase.status)));
    if (purchase.status == OrderStatus::kHeld) {
        set_value(row, kHeldUntil, TimestampTzGetDatum(purchase.held_until));
    }
    if (purchase.channel.data != nullptr) {
        set_value(row, kChannel, text_datum(purchase.channel));
    }
    if (purchase.changed_from != 0) {
        set_value(row, kChangedFrom, Int64GetDatum(purchase.changed_from));
    }
    set_value(row, kCreatedAt, TimestampTzGetDatum(created_at));
    if (purchase.request_id != nullptr) {
        set_value(row, kRequestId, UUIDPGetDatum(purchase.request_id));
        set_value(row, kRequestDigest, digest_datum(purchase.asked));
    }
}

void finish_ticket(const Purchase& purchase, uint32_t number, const SoldSeat& seat,
                   uint32_t class_of_order, OrderValues* row) {
    const Layout* layout = purchase.ref.departure->layout.get();
    if (seat.class_index != class_of_order) {
        set_value(row, kSeatClass, class_datum(layout, seat.class_index));
    }
    row->is_null[kSeat] = true;
    if (seat.number >= 0) {
        set_value(
            row, kSeat,
            text_datum(seat_label(layout, seat.class_index, static_cast<uint32_t>(seat.number))));
    }
    set_value(row, kTicketNo, Int32GetDatum(static_cast<int32_t>(number + 1)));
    set_value(row, kPassengerId, Int64GetDatum(purchase.passengers[number]));
    set_value(row, kCoach, text_datum(text_of(layout->head, layout->coaches()[seat.coach].name)));
}

void build_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  OrderValues* rows) {
    const uint32_t class_index = claims[0].source.class_index;
    count(shared.mine->counters.buys, purchase.party);
    OrderValues row;
    begin_order(purchase, next_order_id(catalog, purchase.service_date),
                GetCurrentTransactionStartTimestamp(), class_index, &row);
    for (uint32_t i = 0; i < purchase.party; i++) {
        rows[i] = row;
        finish_ticket(purchase, i, sold_seat(purchase, claims[i]), class_index, &rows[i]);
    }
}

static void write_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                         ReturnSetInfo* result) {
    OrderValues one;
    OrderValues* rows =
        purchase.party == 1
            ? &one
            : static_cast<OrderValues*>(palloc(purchase.party * sizeof(OrderValues)));
    build_orders(catalog, purchase, claims, rows);
    insert_orders(catalog, purchase.service_date, rows, static_cast<int>(purchase.party), result);
}

// Sells what has been resolved and announced, in this transaction.
static void sell_resolved(FunctionCallInfo fcinfo, const Catalog& catalog,
                          const Purchase& purchase) {
    if (purchase.seats == nullptr &&
        purchase.party > purchase.ref.departure->layout->capacity(purchase.class_index)) {
        end_announcement();
        return;  // more than the class has
    }
    if (has_rules(catalog, RuleKind::kTicket)) {
        ledger_reserve(0);
        pin_slot(purchase.ref.slot);  // a rule may announce another departure
        check_rules(catalog, rule_call(purchase));
    }
    Claimed one;
    Claimed* claims = purchase.party == 1
                          ? &one
                          : static_cast<Claimed*>(palloc(purchase.party * sizeof(Claimed)));
    const bool claimed = claim_purchase(purchase, claims);
    end_announcement();
    if (claimed) {
        begin_result(fcinfo);
        write_orders(catalog, purchase, claims,
                     reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    }
}

// Returns the rows of the first call with the request_id. False: there was none.
static bool sell_first_call(FunctionCallInfo fcinfo, const Catalog& catalog,
                            const BuyArguments& arguments, Purchase* wanted) {
    FirstCall first;
    if (!find_first_call(catalog, arguments, wanted, &first)) {
        return false;
    }
    begin_result(fcinfo);
    return_first_call(first, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    return true;
}

static void resolve_on_sale(const Catalog& catalog, const BuyArguments& arguments,
                            Purchase* wanted) {
    resolve_purchase(arguments, catalog, wanted);
    require_on_sale(wanted->ref, wanted->trip);
}

// In a group if that is possible. A request_id is not locked by this session then, because the
// cashier locks it; so a purchase with one starts from the beginning if it has to be made here.
// True: the call is over.
static bool sell_at_desk(SaleDesk* desk, FunctionCallInfo fcinfo, const Catalog& catalog,
                         const BuyArguments& arguments, Purchase* wanted) {
    OrderLeaf leaf;
    if (!may_sell_in_group(catalog, *wanted, &leaf)) {
        return false;
    }
    if (wanted->request_id != nullptr && sell_first_call(fcinfo, catalog, arguments, wanted)) {
        return true;
    }
    resolve_on_sale(catalog, arguments, wanted);
    if (sell_in_group(desk, fcinfo, catalog, leaf, *wanted)) {
        return true;
    }
    if (wanted->request_id != nullptr) {
        end_announcement();
        return false;
    }
    sell_resolved(fcinfo, catalog, *wanted);
    return true;
}

void sell(FunctionCallInfo fcinfo, const Catalog& catalog, const BuyArguments& arguments,
          Purchase* wanted) {
    SaleDesk* desk = join_group(fcinfo);
    if (unlikely(desk != nullptr) && sell_at_desk(desk, fcinfo, catalog, arguments, wanted)) {
        return;
    }
    if (wanted->request_id != nullptr) {
        lock_request(request_key(catalog, *wanted));
        if (sell_first_call(fcinfo, catalog, arguments, wanted)) {
            return;
        }
    }
    resolve_on_sale(catalog, arguments, wanted);
    sell_resolved(fcinfo, catalog, *wanted);
}

RuleCall rule_call(const Purchase& purchase) {
    const Departure* departure = purchase.ref.departure;
    const Stop* stops = departure->route()->stops();
    RuleCall call{};
    call.kind = RuleKind::kTicket;
    call.user_id = purchase.user_id;
    call.arguments[kRuleDeparture] = Int64GetDatum(departure->departure_id);
    call.arguments[kRuleUser] = Int64GetDatum(purchase.user_id);
    call.arguments[kRulePassengers] = passenger_array(purchase);
    call.arguments[kRuleFrom] = Int32GetDatum(stops[purchase.trip.from].stop_no);
    call.arguments[kRuleTo] = Int32GetDatum(stops[purchase.trip.to].stop_no);
    call.passengers = purchase.passengers;
    call.party = purchase.party;
    call.tickets = purchase.party;
    call.service_date = departure->service_date;
    call.has_times = trip_times(purchase.ref, purchase.trip, &call.times);
    return call;
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_buy) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_buy()");
    require_set_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    BuyArguments arguments;
    Purchase purchase;
    read_arguments(fcinfo, &arguments);
    read_purchase(arguments, &purchase);
    sell(fcinfo, catalog, arguments, &purchase);
    return 0;
}
