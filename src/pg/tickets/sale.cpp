// ticket_buy, and the steps that all functions selling tickets share: claim seats, build the rows,
// write them.
#include "tickets/sale.hpp"

#include "pool/claim_set.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "tables/departure_rows.hpp"
#include "tables/order_rows.hpp"
#include "tickets/first_call.hpp"
#include "tickets/named_seats.hpp"
#include "tickets/on_sale.hpp"

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
static bool claim_seats_of(const Purchase& purchase, Claimed* claims) {
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

void build_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  OrderValues* rows) {
    const Departure* departure = purchase.ref.departure;
    const Layout* layout = departure->layout.get();
    const Stop* stops = departure->route()->stops();
    count(shared.mine->counters.buys, purchase.party);
    OrderValues row;
    memset(row.is_null, true, sizeof row.is_null);
    set_value(&row, kOrderId, Int64GetDatum(next_order_id(catalog, purchase.service_date)));
    set_value(&row, kDepartureId, Int64GetDatum(departure->departure_id));
    set_value(&row, kServiceDate, DateADTGetDatum(purchase.service_date));
    set_value(&row, kUserId, Int64GetDatum(purchase.user_id));
    set_value(&row, kSeatClass, class_datum(layout, claims[0].source.class_index));
    set_value(&row, kFromStop, Int32GetDatum(stops[purchase.trip.from].stop_no));
    set_value(&row, kToStop, Int32GetDatum(stops[purchase.trip.to].stop_no));
    set_value(&row, kStatus, CStringGetTextDatum(status_name(purchase.status)));
    if (purchase.status == OrderStatus::kHeld) {
        set_value(&row, kHeldUntil, TimestampTzGetDatum(purchase.held_until));
    }
    if (purchase.channel.data != nullptr) {
        set_value(&row, kChannel, text_datum(purchase.channel));
    }
    if (purchase.changed_from != 0) {
        set_value(&row, kChangedFrom, Int64GetDatum(purchase.changed_from));
    }
    set_value(&row, kCreatedAt, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
    if (purchase.request_id != nullptr) {
        set_value(&row, kRequestId, UUIDPGetDatum(purchase.request_id));
        set_value(&row, kRequestDigest, digest_datum(purchase.asked));
    }
    for (uint32_t i = 0; i < purchase.party; i++) {
        const uint32_t class_index = claims[i].source.class_index;
        rows[i] = row;
        if (class_index != claims[0].source.class_index) {
            set_value(&rows[i], kSeatClass, class_datum(layout, class_index));
        }
        const int64_t number = seat_number(purchase.ref, claims[i]);
        uint32_t coach = static_cast<uint32_t>(claims[i].source.place_coach);
        rows[i].is_null[kSeat] = true;
        if (number >= 0) {
            coach = layout->geometry(class_index)[number].coach;
            set_value(&rows[i], kSeat,
                      text_datum(seat_label(layout, class_index, static_cast<uint32_t>(number))));
        }
        set_value(&rows[i], kTicketNo, Int32GetDatum(static_cast<int32_t>(i + 1)));
        set_value(&rows[i], kPassengerId, Int64GetDatum(purchase.passengers[i]));
        set_value(&rows[i], kCoach,
                  text_datum(text_of(layout->head, layout->coaches()[coach].name)));
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

void sell(FunctionCallInfo fcinfo, const Catalog& catalog, const BuyArguments& arguments,
          Purchase* wanted) {
    if (wanted->request_id != nullptr) {
        lock_request(request_key(catalog, *wanted));
        FirstCall first;
        if (find_first_call(catalog, arguments, wanted, &first)) {
            begin_result(fcinfo);
            return_first_call(first, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
            return;
        }
    }
    resolve_purchase(arguments, catalog, wanted);
    const Purchase& purchase = *wanted;
    require_on_sale(purchase.ref, purchase.trip);
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
    const bool claimed = claim_seats_of(purchase, claims);
    end_announcement();
    if (claimed) {
        begin_result(fcinfo);
        write_orders(catalog, purchase, claims,
                     reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    }
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
