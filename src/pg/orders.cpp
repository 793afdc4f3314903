#include "orders.hpp"

#include "errors.hpp"
#include "ledger.hpp"
#include "own_writes.hpp"
#include "plans.hpp"
#include "sale.hpp"

extern "C" {
#include "executor/spi.h"
}

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

// Columns of the query that locks the rows.
enum LockColumn {
    kColDeparture = 1,
    kColDate,
    kColTicketNo,
    kColStatus,
    kColClass,
    kColCoach,
    kColSeat,
    kColFrom,
    kColTo,
    kColUser,
    kColPassenger,
    kColHeldUntil,
    kColChannel
};

Datum column(uint64 row, int number, bool* is_null) {
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, is_null);
}

Text text_column(uint64 row, int number) {
    bool is_null;
    const Datum value = column(row, number, &is_null);
    return is_null ? Text{nullptr, 0} : text_of(value);
}

int32_t int_column(uint64 row, int number) {
    bool is_null;
    return DatumGetInt32(column(row, number, &is_null));
}

int64_t bigint_column(uint64 row, int number) {
    bool is_null;
    return DatumGetInt64(column(row, number, &is_null));
}

[[noreturn]] void report_no_order(int64_t order_id) {
    ereport(ERROR, (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
                    errdetail("No row of ticket_order has this order_id."),
                    errhint("Check the order_id.")));
}

// In order of number, as every caller does: two of them never wait for each other in a circle.
bool lock_rows(Order* order, const char* relation, TicketNos named) {
    const char* sql = psprintf(
        "SELECT departure_id, service_date, ticket_no, status, seat_class, coach, seat, from_stop, "
        "to_stop, user_id, passenger_id, "
        "held_until, channel FROM %s WHERE order_id = $1 AND ($2 IS NULL OR ticket_no = ANY ($2)) "
        "ORDER BY ticket_no FOR NO KEY UPDATE",
        relation);
    Oid types[] = {INT8OID, INT4ARRAYOID};
    Datum values[] = {Int64GetDatum(order->order_id), PointerGetDatum(named.array)};
    if (execute_planned(sql, 2, types, values, named.array == nullptr ? " n" : "  ") !=
        SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order->order_id);
    }
    order->relation = relation;
    order->count = static_cast<int>(SPI_processed);
    return order->count > 0;
}

// The partition that has the order: whichever it is; InvalidOid: none.
Oid find_partition(const Catalog& catalog, int64_t order_id) {
    const char* sql = psprintf("SELECT tableoid FROM %s WHERE order_id = $1 LIMIT 1",
                               qualified_name(catalog.order));
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(order_id)};
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not look for order " INT64_FORMAT, order_id);
    }
    bool is_null;
    return SPI_processed == 0 ? InvalidOid : DatumGetObjectId(column(0, 1, &is_null));
}

// An id leads to its partition; one that names none (or another's) is looked for in all of them.
bool find_rows(const Catalog& catalog, Order* order, TicketNos named) {
    OrderLeaf leaf;
    if (find_order_leaf(catalog, date_of_order(order->order_id), &leaf) &&
        lock_rows(order, qualified_name(leaf.relation), named)) {
        // Where policies or triggers have their say, the rows have to be changed through the table.
        if (!leaf.direct) {
            order->relation = qualified_name(catalog.order);
        }
        return true;
    }
    const Oid partition = find_partition(catalog, order->order_id);
    const bool found = OidIsValid(partition) && lock_rows(order, qualified_name(partition), named);
    order->relation = qualified_name(catalog.order);
    return found;
}

int compare_numbers(const void* a, const void* b) {
    const int32_t left = *static_cast<const int32_t*>(a);
    const int32_t right = *static_cast<const int32_t*>(b);
    return left < right ? -1 : left > right;
}

// Every named ticket must be there.
void check_ticket_nos(const Order& order, TicketNos named) {
    const int count = ArrayGetNItems(ARR_NDIM(named.array), ARR_DIMS(named.array));
    int32_t* wanted =
        static_cast<int32_t*>(palloc(static_cast<size_t>(Max(count, 1)) * sizeof(int32_t)));
    memcpy(wanted, ARR_DATA_PTR(named.array), static_cast<size_t>(count) * sizeof(int32_t));
    qsort(wanted, static_cast<size_t>(count), sizeof(int32_t), compare_numbers);
    int found = 0;
    for (int i = 0; i < count; i++) {
        while (found < order.count && order.tickets[found].ticket_no < wanted[i]) {
            found++;
        }
        if (found == order.count || order.tickets[found].ticket_no != wanted[i]) {
            ereport(ERROR,
                    (errcode(kErrorOrder),
                     errmsg("order " INT64_FORMAT " has no ticket %d", order.order_id, wanted[i]),
                     errdetail("Tickets of an order count from 1."),
                     errhint("Leave ticket_nos out for all tickets.")));
        }
    }
}

int stop_index(const Route* route, int32_t stop_no) {
    for (uint32_t i = 0; i < route->stop_count; i++) {
        if (route->stops()[i].stop_no == stop_no) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

// Where the ticket's claim is in the pool, or would be again.
void locate(const Order& order, uint64 row, Ticket* ticket) {
    const Route* route = order.ref.departure->route.get();
    const Layout* layout = order.ref.departure->layout.get();
    const Text seat_class = text_column(row, kColClass);
    const Text coach = text_column(row, kColCoach);
    const Text label = text_column(row, kColSeat);
    const int class_index = layout->find_class(seat_class.data, seat_class.length);
    ticket->trip = {stop_index(route, int_column(row, kColFrom)),
                    stop_index(route, int_column(row, kColTo))};
    if (class_index < 0 || ticket->trip.from < 0 || ticket->trip.to <= ticket->trip.from) {
        return;
    }
    const uint32_t index = static_cast<uint32_t>(class_index);
    ticket->bits = trip_mask(ticket->trip.from, ticket->trip.to);
    if (label.data == nullptr) {
        ticket->source = {order.ref.slot, index, 0,
                          layout->find_place_coach(index, coach.data, coach.length)};
        ticket->located = ticket->source.place_coach >= 0;
        return;
    }
    const int64_t number =
        layout->find_seat(index, coach.data, coach.length, label.data, label.length);
    ticket->located = number >= 0;
    ticket->seat = static_cast<uint32_t>(number);
    if (ticket->located) {
        ticket->source =
            is_live(ticket->status)
                ? source_of_live_seat(order.ref, index, ticket->bits, &ticket->seat)
                : source_of_seat(order.ref, index, order.channel, ticket->bits, &ticket->seat);
    }
}

Text keep(Text value) {
    return value.data == nullptr ? value : Text{pnstrdup(value.data, value.length), value.length};
}

void read_tickets(Order* order) {
    order->tickets =
        static_cast<Ticket*>(palloc0(static_cast<size_t>(order->count) * sizeof(Ticket)));
    for (int i = 0; i < order->count; i++) {
        const uint64 row = static_cast<uint64>(i);
        Ticket* ticket = &order->tickets[i];
        const Text status = text_column(row, kColStatus);
        ticket->ticket_no = int_column(row, kColTicketNo);
        ticket->passenger_id = bigint_column(row, kColPassenger);
        if (!parse_order_status(status.data, status.length, &ticket->status)) {
            ereport(ERROR, (errcode(kErrorOrder),
                            errmsg("ticket %d of order " INT64_FORMAT " has an unknown status",
                                   ticket->ticket_no, order->order_id),
                            errdetail("Its status is \"%s\".", printable(status)),
                            errhint("Correct the row in ticket_order.")));
        }
        if (order->ref.departure != nullptr) {
            locate(*order, row, ticket);
        }
    }
}

}  // namespace

void lock_order(const Catalog& catalog, int64_t order_id, TicketNos named, Order* order) {
    *order = Order{};
    order->order_id = order_id;
    if (!find_rows(catalog, order, named)) {
        // Which is missing, the order or the ticket? Both are TK005.
        report_no_order(order_id);
    }
    bool is_null;
    order->departure_id = bigint_column(0, kColDeparture);
    order->service_date = DatumGetDateADT(column(0, kColDate, &is_null));
    order->user_id = bigint_column(0, kColUser);
    order->held_until = DatumGetTimestampTz(column(0, kColHeldUntil, &order->is_held_until_null));
    order->channel = keep(text_column(0, kColChannel));
    order->seat_class = keep(text_column(0, kColClass));
    SPITupleTable* locked = SPI_tuptable;
    order->ref = directory_find_id(catalog, order->departure_id);
    if (order->ref.departure != nullptr) {
        ledger_reserve(0);
        ledger_pin(order->ref.slot);
    }
    directory_done();
    SPI_tuptable = locked;
    read_tickets(order);
    if (named.array != nullptr) {
        check_ticket_nos(*order, named);
    }
}

int count_status(const Order& order, OrderStatus status) {
    int count = 0;
    for (int i = 0; i < order.count; i++) {
        count += order.tickets[i].status == status ? 1 : 0;
    }
    return count;
}

namespace {

// Numbers of the tickets in a status, or of all of them.
Datum ticket_array(const Order& order, const OrderStatus* status) {
    Datum* numbers =
        static_cast<Datum*>(palloc(static_cast<size_t>(Max(order.count, 1)) * sizeof(Datum)));
    int count = 0;
    for (int i = 0; i < order.count; i++) {
        if (status == nullptr || order.tickets[i].status == *status) {
            numbers[count++] = Int32GetDatum(order.tickets[i].ticket_no);
        }
    }
    return PointerGetDatum(construct_array(numbers, count, INT4OID, 4, true, TYPALIGN_INT));
}

}  // namespace

void set_status(Order* order, OrderStatus from, OrderStatus to) {
    if (!may_become(from, to)) {
        elog(ERROR, "a %s ticket may not become %s", status_name(from), status_name(to));
    }
    const int expected = count_status(*order, from);
    if (expected == 0) {
        return;
    }
    const bool releases = is_live(from) && !is_live(to);
    const char* sql = psprintf(
        "UPDATE %s SET status = $4, changed_at = now()%s WHERE order_id = $1 AND ticket_no = ANY "
        "($2) AND service_date = $3",
        order->relation, to == OrderStatus::kSold ? ", held_until = NULL" : "");
    Oid types[] = {INT8OID, INT4ARRAYOID, DATEOID, TEXTOID};
    Datum values[] = {Int64GetDatum(order->order_id), ticket_array(*order, &from),
                      DateADTGetDatum(order->service_date), CStringGetTextDatum(status_name(to))};
    const OwnWrite write{is_live(to) ? OwnChange::kLive : OwnChange::kEnd, order->departure_id,
                         order->order_id, nullptr};
    if (execute_own(write, true, sql, 4, types, values, nullptr) != SPI_OK_UPDATE ||
        SPI_processed != static_cast<uint64>(expected)) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("order " INT64_FORMAT " was not changed", order->order_id),
                        errdetail("A trigger or a policy on ticket_order left rows out."),
                        errhint("Let a trigger raise an error where a change may not happen.")));
    }
    ledger_reserve(static_cast<size_t>(order->count));  // after the triggers, which may buy, too
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

bool claim_same_seats(const Order& order, const Demand& demand, Claimed* claims) {
    for (int i = 0; i < order.count; i++) {
        const Ticket& ticket = order.tickets[i];
        if (!ticket.located || ticket.source.class_index != demand.class_index) {
            return false;
        }
        claims[i] = Claimed{ticket.source, SeatClaim{ticket.seat, {}, {}}};
    }
    return claim_named(demand, claims);
}

void return_order(const Order& order, ReturnSetInfo* result) {
    const char* sql = psprintf(
        "SELECT * FROM %s WHERE order_id = $1 AND ticket_no = ANY ($2) AND service_date = $3 ORDER "
        "BY ticket_no",
        order.relation);
    Oid types[] = {INT8OID, INT4ARRAYOID, DATEOID};
    Datum values[] = {Int64GetDatum(order.order_id), ticket_array(order, nullptr),
                      DateADTGetDatum(order.service_date)};
    if (execute_planned(sql, 3, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order.order_id);
    }
    return_spi_rows(result);
}

void report_status(const Order& order, const Ticket& ticket, const char* action, const char* hint) {
    ereport(ERROR,
            (errcode(kErrorOrder),
             errmsg("ticket %d of order " INT64_FORMAT " cannot be %s", ticket.ticket_no,
                    order.order_id, action),
             errdetail("Its status is \"%s\".", status_name(ticket.status)), errhint("%s", hint)));
}

}  // namespace ticketpool
