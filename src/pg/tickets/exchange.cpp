// What all exchanges of tickets share: the new trip, the tickets by class and channel, their seats
// and rows. See exchange.hpp.
#include "tickets/exchange.hpp"

#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/errors.hpp"
#include "tables/moved_away.hpp"
#include "tables/order_rows.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/sale.hpp"
#include "tickets/seat_wish.hpp"
#include "tickets/stations.hpp"

namespace ticketpool {

// Tickets that get seats of one class, from one channel; they are side by side in
// Exchange::tickets.
struct Group {
    Ticket* tickets;
    Purchase purchase;
};

void read_wish(FunctionCallInfo fcinfo, int first, int request_id, ExchangeWish* wish) {
    constexpr const char* kNames[] = {"train", "from_station", "to_station", "service_date"};
    for (int i = 0; i < static_cast<int>(lengthof(kNames)); i++) {
        require_argument(fcinfo, first + i, kNames[i]);
    }
    *wish = ExchangeWish{};
    wish->train = text_of(PG_GETARG_DATUM(first));
    wish->from = text_of(PG_GETARG_DATUM(first + 1));
    wish->to = text_of(PG_GETARG_DATUM(first + 2));
    wish->date = PG_GETARG_DATEADT(first + 3);
    wish->keeps_class = PG_ARGISNULL(first + 4);
    wish->seat_class = PG_GETARG_DATUM(first + 4);
    if (!PG_ARGISNULL(first + 5)) {
        wish->choice = text_of(PG_GETARG_DATUM(first + 5));
    }
    wish->ticket_nos = parse_ticket_nos(fcinfo, first + 6);
    if (!PG_ARGISNULL(request_id)) {
        wish->request_id = PG_GETARG_UUID_P(request_id);
    }
}

// ---------------------------------------------------------------------------------------------
// The request_id
// ---------------------------------------------------------------------------------------------

namespace {

// What a call with a request_id was asked: as of a purchase (ticket_purchase.hpp), and the numbers
// of the old tickets in place of their count. Without numbers or class the caller means whatever
// the tickets are: the first call keeps what that was, and kTicketsNamed or kClassNamed is not set.
uint64_t hash_of_numbers(const SortedNumbers& numbers) {
    uint64_t hash = 0;
    for (int i = 0; i < numbers.count; i++) {
        if (i == 0 || numbers.number[i] != numbers.number[i - 1]) {
            hash = digest_hash(int64_t{numbers.number[i]}, hash);
        }
    }
    return hash;
}

RequestDigest digest_as_written(const ExchangeWish& wish) {
    RequestDigest digest{};
    digest_set(&digest, kDigestTrain, digest_hash(wish.train));
    digest_set(&digest, kDigestStations, digest_hash(wish.to, digest_hash(wish.from)));
    if (!wish.keeps_class) {
        digest_set(&digest, kDigestClass, digest_hash(text_of(wish.seat_class)) | kClassNamed);
    }
    if (wish.ticket_nos.array != nullptr) {
        digest_set(&digest, kDigestTickets,
                   hash_of_numbers(sort_numbers(wish.ticket_nos.array)) | kTicketsNamed);
    }
    return digest;
}

uint64_t hash_of_stops(const Purchase& purchase) {
    const Stop* stops = purchase.ref.departure->route()->stops();
    return digest_hash(stops[purchase.trip.to].stop_no,
                       digest_hash(stops[purchase.trip.from].stop_no));
}

uint64_t hash_of_classes(const Exchange& exchange) {
    uint64_t hash = 0;
    for (int g = 0; g < exchange.groups; g++) {
        const Purchase& purchase = exchange.group[g].purchase;
        if (g == 0 || purchase.class_index != exchange.group[g - 1].purchase.class_index) {
            const Layout* layout = purchase.ref.departure->layout.get();
            hash = digest_hash(text_of(layout->head, layout->classes()[purchase.class_index].name),
                               hash);
        }
    }
    return hash;
}

// Completes the digest of a first call.
void digest_as_resolved(const Exchange& exchange, RequestDigest* digest) {
    const Order& order = *exchange.order;
    int32_t* numbers =
        static_cast<int32_t*>(palloc(static_cast<size_t>(order.count) * sizeof(int32_t)));
    for (int i = 0; i < order.count; i++) {
        numbers[i] = order.tickets[i].ticket_no;
    }
    digest_set(digest, kDigestStops, hash_of_stops(exchange.whole));
    if (exchange.wish->keeps_class) {
        digest_set(digest, kDigestClass, hash_of_classes(exchange) & ~kClassNamed);
    }
    if (exchange.wish->ticket_nos.array == nullptr) {
        digest_set(digest, kDigestTickets,
                   hash_of_numbers({numbers, order.count}) & ~kTicketsNamed);
    }
}

// The departure, announced, and the trip.
void find_new_trip(const Catalog& catalog, const ExchangeWish& wish, TripUse use,
                   Purchase* purchase) {
    purchase->ref = use == TripUse::kAsked ? directory_find(catalog, wish.train, wish.date)
                                           : find_unbarred(catalog, wish.train, wish.date);
    if (purchase->ref.departure == nullptr) {
        report_no_departure(catalog, wish.train, wish.date);
    }
    purchase->trip = find_trip(catalog, purchase->ref, wish.from, wish.to, use);
}

}  // namespace

bool find_first_exchange(const Catalog& catalog, const ExchangeWish& wish, int64_t user_id,
                         int64_t changed_from, FirstCall* first) {
    Purchase purchase{};
    purchase.user_id = user_id;
    purchase.service_date = wish.date;
    purchase.request_id = wish.request_id;
    purchase.changed_from = changed_from;
    purchase.asked = digest_as_written(wish);
    lock_request(request_key(catalog, purchase));
    if (!read_first_call(catalog, purchase, first)) {
        return false;
    }
    if (!is_same_trip_as_written(*first, purchase)) {
        find_new_trip(catalog, wish, TripUse::kAsked, &purchase);
        digest_set(&purchase.asked, kDigestStops, hash_of_stops(purchase));
        end_announcement();
    }
    check_same_exchange(*first, purchase);
    return true;
}

// ---------------------------------------------------------------------------------------------
// Names
// ---------------------------------------------------------------------------------------------

namespace {

const int64_t* passengers_of(const Ticket* tickets, int count) {
    int64_t* passengers =
        static_cast<int64_t*>(palloc(static_cast<size_t>(count) * sizeof(int64_t)));
    for (int i = 0; i < count; i++) {
        passengers[i] = tickets[i].passenger_id;
    }
    return passengers;
}

// The new trip, for the passengers of the old tickets.
void parse_new_trip(const Catalog& catalog, const ExchangeWish& wish, const Order& order,
                    TimestampTz held_until, Purchase* purchase) {
    *purchase = Purchase{};
    purchase->service_date = wish.date;
    purchase->user_id = order.user_id;
    purchase->status = held_until != 0 ? OrderStatus::kHeld : OrderStatus::kSold;
    purchase->held_until = held_until;
    purchase->changed_from = order.order_id;
    purchase->party = static_cast<uint32_t>(order.count);
    purchase->passengers = passengers_of(order.tickets, order.count);
    purchase->request_id = wish.request_id;
    find_new_trip(catalog, wish, TripUse::kSale, purchase);
    ledger_reserve(0);
    pin_slot(purchase->ref.slot);
    end_announcement();
}

bool has_several_classes(const Exchange& exchange) {
    for (int g = 1; g < exchange.groups; g++) {
        if (exchange.group[g].purchase.class_index != exchange.group[0].purchase.class_index) {
            return true;
        }
    }
    return false;
}

// Picks a group's wishes out of those of all passengers, which are in order of the old tickets.
void parse_group_choice(const Exchange& exchange, Group* group) {
    const SeatChoice all = parse_choice(
        exchange.wish->choice,
        {exchange.whole.ref, group->purchase.class_index, has_several_classes(exchange)},
        exchange.whole.party);
    SeatChoice* choice = &group->purchase.choice;
    choice->words = all.words;
    choice->is_for_all = all.is_for_all;
    uint32_t next = 0;
    for (int i = 0; i < exchange.order->count && next < group->purchase.party; i++) {
        if (exchange.order->tickets[i].row != group->tickets[next].row) {
            continue;
        }
        if (next < kMaxSeatChoices && (all.is_for_all || i < all.count)) {
            choice->items[next] = all.items[all.is_for_all ? 0 : i];
            choice->count = static_cast<uint8_t>(next + 1);
        }
        next++;
    }
}

// Without seat_class each ticket keeps its class. TK006 if the departure does not have the class.
void parse_groups(Exchange* exchange) {
    const ExchangeWish& wish = *exchange->wish;
    const int count = exchange->order->count;
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
            return same_channel(a, b) && (!wish.keeps_class || same_class(a, b));
        });
        group->purchase = exchange->whole;
        group->purchase.party = static_cast<uint32_t>(alike);
        group->purchase.passengers = passengers_of(group->tickets, alike);
        group->purchase.channel = group->tickets[0].channel;
        group->purchase.class_index = resolve_class(
            exchange->whole.ref, false,
            wish.keeps_class ? text_datum(group->tickets[0].seat_class) : wish.seat_class);
    }
    for (int g = 0; wish.choice.data != nullptr && g < exchange->groups; g++) {
        parse_group_choice(*exchange, &exchange->group[g]);
    }
}

}  // namespace

void resolve_exchange(const Catalog& catalog, const ExchangeWish& wish, Order* order,
                      TimestampTz held_until, Exchange* exchange) {
    *exchange = Exchange{};
    exchange->wish = &wish;
    exchange->order = order;
    parse_new_trip(catalog, wish, *order, held_until, &exchange->whole);
    parse_groups(exchange);
    if (wish.request_id != nullptr) {
        RequestDigest digest = digest_as_written(wish);
        digest_as_resolved(*exchange, &digest);
        for (int g = 0; g < exchange->groups; g++) {
            exchange->group[g].purchase.asked = digest;
        }
    }
    require_on_sale(exchange->whole.ref, exchange->whole.trip);
}

// ---------------------------------------------------------------------------------------------
// Seats and rows
// ---------------------------------------------------------------------------------------------

namespace {

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

}  // namespace

bool buy_exchange(const Catalog& catalog, const Exchange& exchange, ReturnSetInfo* result) {
    Claimed* claims =
        static_cast<Claimed*>(palloc(static_cast<size_t>(exchange.order->count) * sizeof(Claimed)));
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

}  // namespace ticketpool
