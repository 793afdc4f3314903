// ticket_exchange_hold: the new half of an exchange whose old tickets live on another node. It is
// to ticket_change what ticket_hold is to ticket_buy; change_away.cpp has the steps around it.
//
// The old tickets are told by their passengers, classes and channels. With a request_id, the hold
// of an earlier call is found again, also with nothing told, since after the point of no return the
// old node has no sold tickets to tell about. If tickets are told, they are still sold there, so a
// hold that has run out or was given up has led to nothing. It loses the request_id, under the lock
// of the request and of its rows, and seats are held again. If somebody pays it late at the same
// moment, whoever locks the rows first decides: either they are sold, and are the answer, or the
// payment is of an order that this exchange does not know any more.
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "server/arrays.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tickets/exchange.hpp"
#include "tickets/hold.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

enum HoldArgument {
    kArgChangedFrom,
    kArgUser,
    kArgOldNumbers,
    kArgPassengers,
    kArgClasses,
    kArgChannels,
    kArgTrain,
    kArgTtl = kArgTrain + 7,
    kArgRequest
};

// The elements of an array argument; 22023 if it has several dimensions.
Elements read_elements(FunctionCallInfo fcinfo, int argument, const char* name, Oid type,
                       bool nullable) {
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(argument);
    if (ARR_NDIM(array) > 1) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("%s is not a list", name),
                        errdetail("It has %d dimensions.", ARR_NDIM(array)),
                        errhint("Pass one element for each of the old tickets.")));
    }
    if (!nullable && array_contains_nulls(array)) {
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("%s may not contain NULL", name),
                 errdetail("Each element is of one of the old tickets."),
                 errhint("Pass the columns of ticket_get.")));
    }
    int16 length;
    bool by_value;
    char align;
    get_typlenbyvalalign(type, &length, &by_value, &align);
    return elements_of(PointerGetDatum(array), type, length, by_value, align);
}

void check_lengths(const Elements& numbers, const Elements& other, const char* name) {
    if (numbers.count != other.count) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%s has another length than old_ticket_nos", name),
                        errdetail("They have %d and %d elements.", other.count, numbers.count),
                        errhint("Pass one element for each of the old tickets.")));
    }
}

// The old order, as it is told.
void read_old_order(FunctionCallInfo fcinfo, Order* order) {
    const Elements numbers =
        read_elements(fcinfo, kArgOldNumbers, "old_ticket_nos", INT4OID, false);
    const Elements passengers = read_elements(fcinfo, kArgPassengers, "passengers", INT8OID, false);
    const Elements classes = read_elements(fcinfo, kArgClasses, "seat_classes", TEXTOID, false);
    const Elements channels = read_elements(fcinfo, kArgChannels, "channels", TEXTOID, true);
    check_lengths(numbers, passengers, "passengers");
    check_lengths(numbers, classes, "seat_classes");
    check_lengths(numbers, channels, "channels");
    *order = Order{};
    order->order_id = PG_GETARG_INT64(kArgChangedFrom);
    order->user_id = PG_GETARG_INT64(kArgUser);
    order->count = numbers.count;
    const size_t count = static_cast<size_t>(Max(numbers.count, 1));
    order->tickets = static_cast<Ticket*>(palloc0(count * sizeof(Ticket)));
    LockedRow* rows = static_cast<LockedRow*>(palloc0(count * sizeof(LockedRow)));
    for (int i = 0; i < numbers.count; i++) {
        Ticket* ticket = &order->tickets[i];
        ticket->row = &rows[i];  // tells tickets apart
        ticket->ticket_no = DatumGetInt32(numbers.values[i]);
        ticket->passenger_id = DatumGetInt64(passengers.values[i]);
        ticket->seat_class = text_of(classes.values[i]);
        if (!channels.nulls[i]) {
            ticket->channel = text_of(channels.values[i]);
            check_channel(ticket->channel);
        }
    }
}

bool is_over(const OrderValues& row) {
    OrderStatus status;
    const Text name = text_of(row.value[kStatus]);
    return parse_order_status(name.data, name.length, &status) &&
           (status == OrderStatus::kCancelled || status == OrderStatus::kExpired);
}

bool is_over(const FirstCall& first) {
    bool over = true;
    for (int i = 0; i < first.count; i++) {
        over = over && is_over(first_call_row(first, i));
    }
    return over;
}

// Takes the request_id from the rows of a first call whose hold is over. False: it is not over any
// more, and its rows are the answer.
bool forget_hold(const Catalog& catalog, const FirstCall& first, ReturnSetInfo* result) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    LockedRows rows;
    const int64_t order_id = DatumGetInt64(first_call_row(first, 0).value[kOrderId]);
    bool over = lock_order_rows(catalog, order_id, SortedNumbers{nullptr, 0}, &rows);
    LockedRow** wanted = static_cast<LockedRow**>(
        palloc(static_cast<size_t>(Max(rows.count, 1)) * sizeof(LockedRow*)));
    for (int i = 0; i < rows.count; i++) {
        wanted[i] = &rows.row[i];
        over = over && is_over(rows.row[i].values);
    }
    if (over) {
        write_note(rows, wanted, rows.count, kRequestId, Datum{0}, true);
    } else {
        return_locked_rows(rows, wanted, rows.count, result);
    }
    SPI_finish();
    owner_end(scope);
    return over;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_exchange_hold) {
    using namespace ticketpool;
    require_shared_memory();
    constexpr const char* kNames[] = {"changed_from", "user_id",      "old_ticket_nos",
                                      "passengers",   "seat_classes", "channels"};
    for (int i = 0; i < static_cast<int>(lengthof(kNames)); i++) {
        require_argument(fcinfo, i, kNames[i]);
    }
    ExchangeWish wish;
    read_wish(fcinfo, kArgTrain, kArgRequest, &wish);
    PreventCommandIfReadOnly("ticket_exchange_hold()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const TimestampTz deadline = hold_deadline(fcinfo, kArgTtl);
    const Catalog& catalog = catalog_of(fcinfo);
    Order order;
    read_old_order(fcinfo, &order);
    FirstCall first;
    if (wish.request_id != nullptr &&
        find_first_exchange(catalog, wish, order.user_id, order.order_id, &first)) {
        if (order.count == 0 || !is_over(first)) {
            return_first_call(first, result);
            return 0;
        }
        if (!forget_hold(catalog, first, result)) {
            return 0;
        }
    }
    if (order.count == 0) {
        return 0;
    }
    Exchange exchange;
    resolve_exchange(catalog, wish, &order, deadline, &exchange);
    const size_t mark = ledger_mark();
    if (buy_exchange(catalog, exchange, result)) {
        deadline_at_commit(deadline);
    } else {
        ledger_undo_to(mark);
    }
    return 0;
}
