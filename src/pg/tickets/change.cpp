// ticket_change: sold tickets are exchanged for another trip, date, class or train in one step.
//
// In a subtransaction the old tickets become 'changed', which makes their seats free for this
// transaction (and for it alone until it commits). Then the new tickets are bought, so an exchange
// may keep its own seats, or extend them. If the new tickets can't be had, the subtransaction is
// rolled back, and nothing has happened.
//
// With a request_id, a repetition is recognized before the old tickets are locked: they are not
// sold any more. Its key has the user of the order, who is looked up first. Two calls with one
// request_id at once: the second waits for the first one's transaction at the lock of the request
// (request_locks.hpp), like every purchase, and then finds its rows, or none if it was rolled back.
#include "pool/wait_list.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/subtransaction.hpp"
#include "server/table_scan.hpp"
#include "tables/order_lookup.hpp"
#include "tickets/exchange.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr int kArgOrder = 0;
constexpr int kArgTrain = 1;
constexpr int kArgRequest = 8;

// Exchanges the tickets in a subtransaction, which is undone if the new tickets can't be had, or if
// an error is raised.
void exchange_or_undo(const Catalog& catalog, const Exchange& exchange, ReturnSetInfo* result) {
    ErrorData* error = in_subtransaction([&] {
        set_status(exchange.order, OrderStatus::kSold, OrderStatus::kChanged);
        return buy_exchange(catalog, exchange, result);
    });
    if (error != nullptr) {
        ReThrowError(error);
    }
}

// The user of the order's first ticket that is named. False: there is no such ticket.
bool find_user(const Catalog& catalog, int64_t order_id, TicketNos named, int64_t* user_id) {
    const SortedNumbers numbers = sort_numbers(named.array);
    Snapshot snapshot = take_fresh_snapshot();
    OrderRows rows;
    read_order_rows(catalog, order_id, snapshot, &rows);
    bool found = false;
    for (int i = 0; i < rows.count && !found; i++) {
        bool is_null;
        const auto value = [&](const char* column) {
            return SPI_getbinval(rows.row[i], rows.columns, SPI_fnumber(rows.columns, column),
                                 &is_null);
        };
        found = is_named(DatumGetInt32(value("ticket_no")), numbers);
        *user_id = DatumGetInt64(value("user_id"));
    }
    drop_snapshot(snapshot);
    return found;
}

// The request_id was locked for this user.
void require_same_user(const Order& order, bool found, int64_t user_id) {
    if (!found || order.user_id != user_id) {
        ereport(
            ERROR,
            (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
             errmsg("could not serialize access due to a concurrent change of order " INT64_FORMAT,
                    order.order_id),
             errdetail("It was given to another user, or is new."),
             errhint("Retry the transaction.")));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_change) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgOrder, "order_id");
    ExchangeWish wish;
    read_wish(fcinfo, kArgTrain, kArgRequest, &wish);
    PreventCommandIfReadOnly("ticket_change()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    const int64_t order_id = PG_GETARG_INT64(kArgOrder);
    int64_t user_id = 0;
    const bool has_user =
        wish.request_id != nullptr && find_user(catalog, order_id, wish.ticket_nos, &user_id);
    FirstCall first;
    if (has_user && find_first_exchange(catalog, wish, user_id, order_id, &first)) {
        return_first_call(first, result);
        return 0;
    }
    Order order;
    Exchange exchange;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, order_id, wish.ticket_nos, &order);
    if (wish.request_id != nullptr) {
        require_same_user(order, has_user, user_id);
    }
    choose_tickets(&order, OrderCall::kChange, wish.ticket_nos.array != nullptr);
    resolve_exchange(catalog, wish, &order, 0, &exchange);
    exchange_or_undo(catalog, exchange, result);
    serve_waiting();
    SPI_finish();
    owner_end(scope);
    return 0;
}
