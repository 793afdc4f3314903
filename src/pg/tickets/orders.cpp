// Locks an order, moves its tickets from status to status, returns its rows: see orders.hpp.
#include "tickets/orders.hpp"

#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/sources.hpp"
#include "server/errors.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/departure_rows.hpp"
#include "tables/moved_away.hpp"

namespace ticketpool {

TicketNos parse_ticket_nos(FunctionCallInfo fcinfo, int argument) {
    if (PG_ARGISNULL(argument)) {
        return {nullptr};
    }
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(argument);
    if (ARR_NDIM(array) != 1) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("ticket_nos is not a list of ticket numbers"),
                        errdetail("It has %d dimensions.", ARR_NDIM(array)),
                        errhint("Leave it out for all tickets.")));
    }
    constexpr int kMostTickets = 10000;
    if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > kMostTickets) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("ticket_nos is too long"),
                        errdetail("It names more than %d tickets.", kMostTickets),
                        errhint("Leave it out for all tickets.")));
    }
    if (array_contains_nulls(array)) {
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("ticket_nos may not contain NULL"),
                 errdetail("Each element names one ticket."),
                 errhint("Leave it out for all tickets.")));
    }
    return {array};
}

namespace {

Text text_column(const LockedRow& row, OrderColumn column) {
    return row.values.is_null[column] ? Text{nullptr, 0} : text_of(row.values.value[column]);
}

[[noreturn]] void report_no_order(const Catalog& catalog, int64_t order_id) {
    refuse_moved(catalog, MovedKind::kOrder, order_id);
    ereport(ERROR, (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
                    detail_of_no_order("ticket_order"), hint_of_no_order()));
}

// No row has the order_id and one of these numbers. Which is missing, the order or the tickets?
// Both are TK005.
[[noreturn]] void report_no_ticket(const Catalog& catalog, int64_t order_id,
                                   const SortedNumbers& named, bool one) {
    refuse_moved(catalog, MovedKind::kOrder, order_id);
    ereport(ERROR,
            (errcode(kErrorOrder),
             errmsg("order " INT64_FORMAT " has no ticket %d", order_id, named.number[0]),
             IsolationUsesXactSnapshot()
                 ? errdetail("No row of ticket_order that this transaction's snapshot shows has "
                             "this order_id and one of these ticket_nos.")
                 : errdetail("No row of ticket_order has this order_id and one of these "
                             "ticket_nos."),
             one ? errhint("Check the order_id and the ticket_no.")
                 : errhint("Check the order_id, or leave ticket_nos out for all tickets.")));
}

// Ereports TK005 unless the order has every named ticket.
void check_ticket_nos(const Order& order, const SortedNumbers& named) {
    int found = 0;
    for (int i = 0; i < named.count; i++) {
        const int32_t wanted = named.number[i];
        while (found < order.count && order.tickets[found].ticket_no < wanted) {
            found++;
        }
        if (found == order.count || order.tickets[found].ticket_no != wanted) {
            ereport(ERROR,
                    (errcode(kErrorOrder),
                     errmsg("order " INT64_FORMAT " has no ticket %d", order.order_id, wanted),
                     errdetail("Tickets of an order count from 1."),
                     errhint("Leave ticket_nos out for all tickets.")));
        }
    }
}

// Finds where the ticket's claim is in the pool, or would be again.
void locate(Ticket* ticket) {
    const LockedRow& row = *ticket->row;
    const DepartureRef& ref = ticket->ref;
    const TicketColumns columns{ticket->seat_class, text_column(row, kCoach),
                                text_column(row, kSeat), DatumGetInt32(row.values.value[kFromStop]),
                                DatumGetInt32(row.values.value[kToStop])};
    LiveTicket found;
    ticket->located = locate_ticket(columns, ref.departure, &found) == Misfit::kNone;
    ticket->trip = found.trip;
    ticket->class_index =
        ref.departure->layout->find_class(ticket->seat_class.data, ticket->seat_class.length);
    if (!ticket->located) {
        return;
    }
    ticket->bits = found.bits;
    ticket->seat = found.seat;
    if (found.place_coach >= 0) {
        ticket->source = {ref.slot, found.class_index, 0, found.place_coach};
    } else if (is_live(ticket->status)) {
        ticket->source = source_of_live_seat(ref, found.class_index, found.bits, &ticket->seat);
    } else {
        ticket->source =
            source_of_seat(ref, found.class_index, ticket->channel, found.bits, &ticket->seat);
    }
}

// What of an order's tickets may change seats in the pool, while their departure gets other seats
// (reforming.hpp): nothing; live tickets, whose rows this session has locked; expired ones, which
// are bought again.
struct Stakes {
    bool live;
    bool expired;
};

DepartureRef find_of_order(const Catalog& catalog, int64_t departure_id, Stakes stakes) {
    if (stakes.expired) {
        const DepartureRef ref = find_unbarred(catalog, departure_id);
        if (!stakes.live || ref.departure == nullptr) {
            return ref;
        }
    }
    return stakes.live ? find_settled(catalog, departure_id)
                       : directory_find_id(catalog, departure_id);
}

// The departure, pinned. `departure` is null if its row is gone.
DepartureRef pin_of_order(const Catalog& catalog, int64_t departure_id, Stakes stakes) {
    DepartureRef ref = find_of_order(catalog, departure_id, stakes);
    if (ref.departure == nullptr) {
        // From now on no departure can be inserted and then loaded with the order's rows as they
        // are now (arrival_locks.hpp).
        lock_orphans(catalog);
        ref = find_of_order(catalog, departure_id, stakes);
    }
    if (ref.departure != nullptr) {
        ledger_reserve(0);
        pin_slot(ref.slot);
    }
    end_announcement();
    return ref;
}

Stakes stakes_of(const LockedRows& rows) {
    Stakes stakes{};
    for (int i = 0; i < rows.count; i++) {
        OrderStatus status;
        const Text name = text_of(rows.row[i].values.value[kStatus]);
        if (parse_order_status(name.data, name.length, &status)) {
            stakes.live = stakes.live || is_live(status);
            stakes.expired = stakes.expired || status == OrderStatus::kExpired;
        }
    }
    return stakes;
}

void read_tickets(const Catalog& catalog, Order* order) {
    const Stakes stakes = stakes_of(order->rows);
    const size_t count = static_cast<size_t>(order->count);
    order->tickets = static_cast<Ticket*>(palloc0(count * (sizeof(Ticket) + sizeof(LockedRow*))));
    order->picked = reinterpret_cast<LockedRow**>(order->tickets + count);
    for (int i = 0; i < order->count; i++) {
        Ticket* ticket = &order->tickets[i];
        ticket->row = &order->rows.row[i];
        const OrderValues& values = ticket->row->values;
        const Text status = text_of(values.value[kStatus]);
        ticket->ticket_no = DatumGetInt32(values.value[kTicketNo]);
        ticket->passenger_id = DatumGetInt64(values.value[kPassengerId]);
        ticket->departure_id = DatumGetInt64(values.value[kDepartureId]);
        ticket->seat_class = text_column(*ticket->row, kSeatClass);
        ticket->channel = text_column(*ticket->row, kChannel);
        ticket->ref = i > 0 && ticket[-1].departure_id == ticket->departure_id
                          ? ticket[-1].ref
                          : pin_of_order(catalog, ticket->departure_id, stakes);
        if (!parse_order_status(status.data, status.length, &ticket->status)) {
            ereport(ERROR, (errcode(kErrorOrder),
                            errmsg("ticket %d of order " INT64_FORMAT " has an unknown status",
                                   ticket->ticket_no, order->order_id),
                            errdetail("Its status is \"%s\".", printable(status)),
                            errhint("Correct the row in ticket_order.")));
        }
        if (ticket->ref.departure != nullptr) {
            locate(ticket);
        }
    }
}

// Reads the locked rows, and pins their departures.
void read_locked_order(const Catalog& catalog, int64_t order_id, Order* order) {
    order->order_id = order_id;
    order->count = order->rows.count;
    const LockedRow& first = order->rows.row[0];
    order->service_date = DatumGetDateADT(first.values.value[kServiceDate]);
    order->user_id = DatumGetInt64(first.values.value[kUserId]);
    read_tickets(catalog, order);
}

}  // namespace

void lock_order(const Catalog& catalog, int64_t order_id, TicketNos named, Order* order) {
    *order = Order{};
    const SortedNumbers numbers = sort_numbers(named.array);
    if (!lock_order_rows(catalog, order_id, numbers, &order->rows)) {
        if (numbers.count > 0) {
            report_no_ticket(catalog, order_id, numbers, named.one);
        }
        report_no_order(catalog, order_id);
    }
    read_locked_order(catalog, order_id, order);
    check_ticket_nos(*order, numbers);
}

bool try_lock_order_of(const Catalog& catalog, int64_t order_id, DateADT date, int64_t departure_id,
                       Order* order) {
    *order = Order{};
    LockedRows* rows = &order->rows;
    if (!try_lock_order_rows_of(catalog, order_id, date, rows)) {
        return false;
    }
    int kept = 0;
    for (int i = 0; i < rows->count; i++) {
        if (DatumGetInt64(rows->row[i].values.value[kDepartureId]) == departure_id) {
            rows->row[kept++] = rows->row[i];
        }
    }
    rows->count = kept;
    if (kept > 0) {
        read_locked_order(catalog, order_id, order);
    }
    return kept > 0;
}

namespace {

constexpr uint32_t bit(OrderStatus status) {
    return 1U << static_cast<int>(status);
}
constexpr uint32_t kHeldBit = bit(OrderStatus::kHeld);
constexpr uint32_t kSoldBit = bit(OrderStatus::kSold);
constexpr uint32_t kRefundedBit = bit(OrderStatus::kRefunded);
constexpr uint32_t kCancelledBit = bit(OrderStatus::kCancelled);
constexpr uint32_t kExpiredBit = bit(OrderStatus::kExpired);
constexpr uint32_t kChangedBit = bit(OrderStatus::kChanged);
constexpr uint32_t kLeftBits = kHeldBit | kExpiredBit | kSoldBit;

// What OrderCall says, with statuses as bits. kCalls is indexed by the number of the OrderCall.
struct CallShape {
    uint32_t needs;    // at least one ticket has one of these
    uint32_t refuses;  // no ticket has one of these
    uint32_t returns;
    const char* message;  // with the ticket's number and the order's id
    const char* hint;
};
constexpr CallShape kCalls[] = {
    {kLeftBits, 0, kLeftBits | kRefundedBit | kChangedBit,
     gettext_noop("ticket %d of order %lld cannot be confirmed"),
     gettext_noop("Only a hold can be paid. Buy again.")},
    {kHeldBit | kExpiredBit | kCancelledBit, kSoldBit, kHeldBit | kExpiredBit | kCancelledBit,
     gettext_noop("ticket %d of order %lld cannot be cancelled"),
     gettext_noop("Only a hold can be cancelled. Refund sold tickets with ticket_refund.")},
    {kSoldBit | kRefundedBit, 0, kSoldBit | kRefundedBit,
     gettext_noop("ticket %d of order %lld cannot be refunded"),
     gettext_noop("Only sold tickets can be refunded.")},
    {kSoldBit, 0, kSoldBit, gettext_noop("ticket %d of order %lld cannot be changed"),
     gettext_noop("Only sold tickets can be changed.")},
    {kHeldBit, 0, kHeldBit, gettext_noop("ticket %d of order %lld cannot be held for longer"),
     gettext_noop("Only a hold that is not over can be extended.")},
    {kHeldBit | kSoldBit, 0, kHeldBit | kSoldBit,
     gettext_noop("ticket %d of order %lld cannot be given to another passenger"),
     gettext_noop("Only held and sold tickets can be transferred.")},
    {kHeldBit | kSoldBit, 0, kHeldBit | kSoldBit,
     gettext_noop("ticket %d of order %lld cannot get another seat"),
     gettext_noop("Only held and sold tickets have seats.")}};

// The first ticket with one of the statuses, or null.
const Ticket* first_with(const Order& order, uint32_t statuses) {
    for (int i = 0; i < order.count; i++) {
        if ((bit(order.tickets[i].status) & statuses) != 0) {
            return &order.tickets[i];
        }
    }
    return nullptr;
}

[[noreturn]] void report_status(const Order& order, const Ticket& ticket, const CallShape& call) {
    ereport(ERROR, (errcode(kErrorOrder),
                    errmsg(call.message, ticket.ticket_no, static_cast<long long>(order.order_id)),
                    errdetail("Its status is \"%s\".", status_name(ticket.status)),
                    errhint("%s", _(call.hint))));
}

}  // namespace

void choose_tickets(Order* order, OrderCall call, bool named) {
    const CallShape& shape = kCalls[static_cast<int>(call)];
    const Ticket* wrong = first_with(*order, named ? ~shape.returns : shape.refuses);
    if (wrong == nullptr && first_with(*order, shape.needs) == nullptr) {
        // The message names a ticket that is left, if there is one: the others are over anyway.
        wrong = first_with(*order, kLeftBits);
        wrong = wrong == nullptr ? first_with(*order, ~0U) : wrong;
    }
    if (wrong != nullptr) {
        report_status(*order, *wrong, shape);
    }
    int kept = 0;
    for (int i = 0; i < order->count; i++) {
        if ((bit(order->tickets[i].status) & shape.returns) != 0) {
            order->tickets[kept++] = order->tickets[i];
        }
    }
    order->count = kept;
}

void keep_named(Order* order, TicketNos named) {
    const SortedNumbers numbers = sort_numbers(named.array);
    check_ticket_nos(*order, numbers);
    int kept = 0;
    for (int i = 0; i < order->count; i++) {
        if (is_named(order->tickets[i].ticket_no, numbers)) {
            order->tickets[kept++] = order->tickets[i];
        }
    }
    order->count = kept;
}

bool same_trip(const Ticket& a, const Ticket& b) {
    return a.departure_id == b.departure_id && a.trip.from == b.trip.from && a.trip.to == b.trip.to;
}

bool same_channel(const Ticket& a, const Ticket& b) {
    return a.channel.data == nullptr || b.channel.data == nullptr ? a.channel.data == b.channel.data
                                                                  : same_text(a.channel, b.channel);
}

int count_status(const Order& order, OrderStatus status) {
    int count = 0;
    for (int i = 0; i < order.count; i++) {
        count += order.tickets[i].status == status ? 1 : 0;
    }
    return count;
}

namespace {

// Picks the rows of the tickets for which wanted(ticket) is true, in order. Returns how many.
template <typename Wanted>
int pick_rows(const Order& order, Wanted wanted) {
    int count = 0;
    for (int i = 0; i < order.count; i++) {
        if (wanted(order.tickets[i])) {
            order.picked[count++] = order.tickets[i].row;
        }
    }
    return count;
}

}  // namespace

void set_status(Order* order, OrderStatus from, OrderStatus to, int64_t changed_to) {
    if (!may_become(from, to)) {
        elog(ERROR, "a %s ticket may not become %s", status_name(from), status_name(to));
    }
    const int count =
        pick_rows(*order, [&](const Ticket& ticket) { return ticket.status == from; });
    if (count == 0) {
        return;
    }
    write_status(order->rows, order->picked, count, to, changed_to);
    const bool releases = is_live(from) && !is_live(to);
    // After the triggers, which may claim seats, too.
    ledger_reserve(static_cast<size_t>(order->count));
    for (int i = 0; i < order->count; i++) {
        Ticket* ticket = &order->tickets[i];
        if (ticket->status == from) {
            ticket->status = to;
            if (releases && ticket->located) {
                ledger_add_release(ticket->source, ticket->seat, ticket->bits);
            }
        }
    }
}

void set_detail(const Order& order, OrderColumn column, Datum value) {
    const int count = pick_rows(order, [](const Ticket&) { return true; });
    write_detail(order.rows, order.picked, count, column, value);
}

void set_seats(const Order& order, const Ticket* tickets, int count, const Claimed* claims) {
    for (int i = 0; i < count; i++) {
        const Layout* layout = tickets[i].ref.departure->layout.get();
        const int64_t number = seat_number(tickets[i].ref, claims[i]);
        OrderValues* row = &tickets[i].row->values;
        const OrderValues before = *row;
        uint32_t coach = static_cast<uint32_t>(claims[i].source.place_coach);
        row->is_null[kSeat] = number < 0;
        if (number >= 0) {
            const uint32_t class_index = claims[i].source.class_index;
            coach = layout->geometry(class_index)[number].coach;
            set_value(row, kSeat,
                      text_datum(seat_label(layout, class_index, static_cast<uint32_t>(number))));
        }
        set_value(row, kCoach, text_datum(text_of(layout->head, layout->coaches()[coach].name)));
        write_seat(order.rows, tickets[i].row, before);
    }
}

bool claim_same_seats(const Ticket* tickets, const Demand& demand, Claimed* claims) {
    for (uint32_t i = 0; i < demand.party; i++) {
        const Ticket& ticket = tickets[i];
        if (!ticket.located || ticket.source.class_index != demand.class_index) {
            return false;
        }
        claims[i] = Claimed{ticket.source, SeatClaim{ticket.seat, {}, {}}};
    }
    return claim_named(demand, claims);
}

void return_order(const Order& order, ReturnSetInfo* result) {
    const int count = pick_rows(order, [](const Ticket&) { return true; });
    return_locked_rows(order.rows, order.picked, count, result);
}

}  // namespace ticketpool
