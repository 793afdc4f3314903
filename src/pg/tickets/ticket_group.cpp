// Purchases of tickets in a group: see ticket_group.hpp.
#include "tickets/ticket_group.hpp"

#include <new>

#include "load/directory.hpp"
#include "pool/claim.hpp"
#include "pool/deadlines.hpp"
#include "pool/sale_queue.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "tables/epoch.hpp"
#include "tables/order_rows.hpp"
#include "tickets/first_call.hpp"
#include "tickets/named_seats.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/sale.hpp"

namespace ticketpool {
namespace {

constexpr uint32_t kMostInGroup = 8;
constexpr size_t kMostChannelBytes = 64;

struct TicketRequest {
    Oid schema;
    Oid relation;  // ticket_order
    SlotVersion departure;
    int64_t departure_id;
    uint32_t class_index;
    Trip trip;
    DateADT service_date;
    OrderStatus status;
    int64_t user_id;
    TimestampTz held_until;
    TimestampTz created_at;
    uint32_t party;
    uint32_t seat_count;  // of named seats; 0: any seats
    int64_t passengers[kMostInGroup];
    NamedSeat seats[kMostInGroup];
    SeatChoice choice;  // without words
    bool has_request;
    bool has_channel;
    uint8_t channel_bytes;
    pg_uuid_t request_id;
    RequestDigest asked;
    BuyerSettings settings;
    char channel[kMostChannelBytes];
};
static_assert(sizeof(TicketRequest) <= kSaleRequestBytes);
static_assert(std::is_trivially_copyable_v<TicketRequest>);

struct TicketAnswer {
    int64_t order_id;
    SoldSeat seats[kMostInGroup];
};
static_assert(sizeof(TicketAnswer) <= kSaleAnswerBytes);

TicketRequest* request_in(SaleSlot* slot) {
    return reinterpret_cast<TicketRequest*>(slot->request);
}

TicketAnswer* answer_in(SaleSlot* slot) {
    return reinterpret_cast<TicketAnswer*>(slot->answer);
}

// ---------------------------------------------------------------------------------------------
// The session's side
// ---------------------------------------------------------------------------------------------

bool is_sold_out(const Purchase& purchase) {
    return purchase.seats == nullptr &&
           count_remaining(purchase.ref, purchase.class_index, purchase.trip, purchase.channel) <
               purchase.party;
}

void fill_request(const Catalog& catalog, const Purchase& purchase, TicketRequest* request) {
    *request = TicketRequest{};
    request->schema = catalog.schema;
    request->relation = catalog.order;
    request->departure = version_of(purchase.ref.slot);
    request->departure_id = purchase.ref.departure->departure_id;
    request->class_index = purchase.class_index;
    request->trip = purchase.trip;
    request->service_date = purchase.service_date;
    request->status = purchase.status;
    request->user_id = purchase.user_id;
    request->held_until = purchase.held_until;
    request->created_at = GetCurrentTransactionStartTimestamp();
    request->party = purchase.party;
    memcpy(request->passengers, purchase.passengers, purchase.party * sizeof(int64_t));
    if (purchase.seats != nullptr) {
        request->seat_count = purchase.seats->count;
        memcpy(request->seats, purchase.seats->seat, purchase.seats->count * sizeof(NamedSeat));
    }
    request->choice = purchase.choice;
    request->has_request = purchase.request_id != nullptr;
    if (request->has_request) {
        request->request_id = *purchase.request_id;
        request->asked = purchase.asked;
    }
    request->has_channel = purchase.channel.data != nullptr;
    request->channel_bytes = static_cast<uint8_t>(purchase.channel.length);
    if (request->has_channel) {
        memcpy(request->channel, purchase.channel.data, purchase.channel.length);
    }
    request->settings = my_settings();
}

void return_sold(FunctionCallInfo fcinfo, const OrderLeaf& leaf, const Purchase& purchase,
                 const TicketAnswer& answer) {
    OrderValues rows[kMostInGroup];
    const uint32_t class_index = answer.seats[0].class_index;
    begin_order(purchase, answer.order_id, GetCurrentTransactionStartTimestamp(), class_index,
                &rows[0]);
    for (uint32_t i = 1; i < purchase.party; i++) {
        rows[i] = rows[0];
    }
    for (uint32_t i = 0; i < purchase.party; i++) {
        finish_ticket(purchase, i, answer.seats[i], class_index, &rows[i]);
    }
    begin_result(fcinfo);
    return_orders(leaf, rows, static_cast<int>(purchase.party),
                  reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
}

// ---------------------------------------------------------------------------------------------
// The cashier's side
// ---------------------------------------------------------------------------------------------

// A request as a purchase, which refers to it and to the seats.
void read_request(TicketRequest* request, const DepartureRef& ref, NamedSeats* seats,
                  Purchase* purchase) {
    *purchase = Purchase{};
    purchase->ref = ref;
    purchase->trip = request->trip;
    purchase->class_index = request->class_index;
    purchase->service_date = request->service_date;
    purchase->user_id = request->user_id;
    purchase->passengers = request->passengers;
    purchase->party = request->party;
    purchase->choice = request->choice;
    purchase->status = request->status;
    purchase->held_until = request->held_until;
    if (request->seat_count > 0) {
        *seats = NamedSeats{nullptr, request->seats, request->seat_count, 0};
        purchase->seats = seats;
    }
    if (request->has_request) {
        purchase->request_id = &request->request_id;
        purchase->asked = request->asked;
    }
    if (request->has_channel) {
        purchase->channel = {request->channel, request->channel_bytes};
    }
}

// The group's rows of one service date.
struct DateRows {
    const Catalog& catalog;
    DateADT date;
    uint32_t epoch;
    OrderValues* rows;
    int count;
};

// Nobody is buying with the request_id, and nobody has.
bool is_first_call(const Catalog& catalog, const Purchase& purchase) {
    FirstCall first;
    return purchase.request_id == nullptr ||
           (try_lock_request(request_key(catalog, purchase)) &&
            !is_call_undecided(catalog, purchase) && !read_first_call(catalog, purchase, &first));
}

bool sell_request(DateRows* rows, SaleSlot* slot, Purchase* purchase) {
    if (!is_on_sale(purchase->ref, purchase->trip) || !is_first_call(rows->catalog, *purchase) ||
        (has_rules(rows->catalog, RuleKind::kTicket) &&
         !may_buy_at_once(rows->catalog, rule_call(*purchase)))) {
        return false;
    }
    Claimed claims[kMostInGroup];
    if (!claim_purchase(*purchase, claims)) {
        return false;
    }
    count(shared.mine->counters.buys, purchase->party);
    const TicketRequest& request = *request_in(slot);
    TicketAnswer* answer = answer_in(slot);
    answer->order_id = next_order_id(rows->catalog, rows->date);
    OrderValues* row = &rows->rows[rows->count];
    const uint32_t class_index = claims[0].source.class_index;
    begin_order(*purchase, answer->order_id, request.created_at, class_index, row);
    for (uint32_t i = 1; i < purchase->party; i++) {
        row[i] = row[0];
    }
    for (uint32_t i = 0; i < purchase->party; i++) {
        answer->seats[i] = sold_seat(*purchase, claims[i]);
        finish_ticket(*purchase, i, answer->seats[i], class_index, &row[i]);
    }
    rows->count += static_cast<int>(purchase->party);
    if (purchase->status == OrderStatus::kHeld) {
        deadline_at_commit(purchase->held_until);
    }
    return true;
}

bool carry_out(DateRows* rows, SaleSlot* slot) {
    TicketRequest* request = request_in(slot);
    DepartureRef ref;
    if (request->relation != rows->catalog.order ||
        !directory_announce_known(rows->catalog, request->departure, rows->epoch, &ref)) {
        return false;
    }
    NamedSeats seats;
    Purchase purchase;
    read_request(request, ref, &seats, &purchase);
    act_with(request->settings);
    const bool sold =
        ref.departure->departure_id == request->departure_id && sell_request(rows, slot, &purchase);
    end_announcement();
    return sold;
}

// Carries out the requests for one service date, from `first` on, and marks them as seen.
void carry_out_date(const Catalog& catalog, SaleSlot* const* slots, const int* places, int count,
                    int first, bool* seen, bool* sold, volatile int* at) {
    const DateADT date = request_in(slots[first])->service_date;
    OrderLeaf leaf;
    const bool usable = try_lock_order_leaf(catalog, date, RowExclusiveLock, &leaf) && leaf.direct;
    const size_t room = static_cast<size_t>(count) * kMostInGroup;
    DateRows rows{catalog, date, usable ? epoch_of(catalog, date) : 0, nullptr, 0};
    rows.rows = static_cast<OrderValues*>(palloc(room * sizeof(OrderValues)));
    for (int i = first; i < count; i++) {
        if (seen[i] || request_in(slots[i])->service_date != date) {
            continue;
        }
        seen[i] = true;
        *at = places[i];
        sold[i] = usable && carry_out(&rows, slots[i]);
    }
    *at = -1;
    if (rows.count > 0) {
        insert_orders(catalog, date, rows.rows, rows.count, nullptr);
    }
    pfree(rows.rows);
}

}  // namespace

bool may_sell_in_group(const Catalog& catalog, const Purchase& purchase, OrderLeaf* leaf) {
    return purchase.party <= kMostInGroup && purchase.channel.length <= kMostChannelBytes &&
           has_only_builtin_rules(catalog, RuleKind::kTicket) &&
           find_order_leaf(catalog, purchase.service_date, leaf) && leaf->direct;
}

bool sell_in_group(SaleDesk* desk, FunctionCallInfo fcinfo, const Catalog& catalog,
                   const OrderLeaf& leaf, const Purchase& purchase) {
    if (purchase.choice.words != nullptr || (was_refused_lately() && is_sold_out(purchase))) {
        return false;
    }
    SaleSlot* slot = my_sale_slot();
    slot->kind = SaleKind::kTickets;
    fill_request(catalog, purchase, request_in(slot));
    const auto sold_out = [](const void* asked) {
        return is_sold_out(*static_cast<const Purchase*>(asked));
    };
    if (!wait_for_sale(desk, sold_out, &purchase)) {
        note_refused();
        return false;
    }
    const TicketAnswer answer = *answer_in(slot);
    end_sale_request();
    return_sold(fcinfo, leaf, purchase, answer);
    end_announcement();
    return true;
}

Oid schema_of_tickets(const SaleSlot& slot) {
    return reinterpret_cast<const TicketRequest*>(slot.request)->schema;
}

void carry_out_tickets(const Catalog& catalog, SaleSlot* const* slots, const int* places, int count,
                       bool* sold, volatile int* at) {
    bool* seen = static_cast<bool*>(palloc0(static_cast<size_t>(count) * sizeof(bool)));
    for (int i = 0; i < count; i++) {
        if (!seen[i]) {
            carry_out_date(catalog, slots, places, count, i, seen, sold, at);
        }
    }
    pfree(seen);
}

}  // namespace ticketpool
