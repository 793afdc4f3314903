// An exchange whose new order lives on another node: ticket_change_away, ticket_unsettled,
// ticket_settled. The other node's half is ticket_exchange_hold (exchange_hold.cpp).
//
// Whoever exchanges (mostly a router) takes three steps, each a transaction on one node:
//
//   1  new node   ticket_exchange_hold   the new seats are held; the rows' changed_from says for
//                                        which order
//   2  old node   ticket_change_away     the tickets become 'changed', and their changed_to says in
//                                        favour of which order; their seats are free. This is the
//                                        point of no return
//   3  new node   ticket_confirm         the new tickets are sold
//   4  old node   ticket_settled         settled_at: nothing is left to be done
//
// What if it dies right there? After 1, a repetition finds the hold by its request_id, or the hold
// runs out: the old tickets are as they were. After 2, the rows of the old node say what is to be
// done, and ticket_unsettled lists them: step 3 is repeated until the new node has answered, then
// step 4. After 3, the same, and ticket_confirm returns its rows unchanged.
//
// Two exchanges of one ticket: step 2 locks all rows of the order, not only the named ones, and
// looks at them under the lock. One order in changed_to belongs to one exchange, which names all of
// its tickets at once. So the first one wins. The second finds that its tickets are not sold any
// more (TK005), or, if both name the same new order, it is a repetition of the first and returns
// its rows. Refunds and exchanges on this node lock the same rows.
#include "pool/shared_memory.hpp"
#include "pool/wait_list.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_return.hpp"
#include "tables/locked_rows.hpp"
#include "tickets/orders.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

bool is_changed_to(const LockedRow& row, int64_t to_order) {
    return !row.values.is_null[kChangedTo] &&
           DatumGetInt64(row.values.value[kChangedTo]) == to_order;
}

bool was_changed_to(const Order& order, int64_t to_order) {
    for (int i = 0; i < order.count; i++) {
        if (is_changed_to(*order.tickets[i].row, to_order)) {
            return true;
        }
    }
    return false;
}

[[noreturn]] void report_other_exchange(const Order& order, const Ticket& ticket,
                                        int64_t to_order) {
    ereport(ERROR, (errcode(kErrorOrder),
                    errmsg("ticket %d of order " INT64_FORMAT
                           " cannot be changed in favour of order " INT64_FORMAT,
                           ticket.ticket_no, order.order_id, to_order),
                    errdetail("Other tickets were, and an exchange names all of its tickets."),
                    errhint("Repeat the exchange with the same tickets, or exchange this ticket "
                            "for another order.")));
}

// Keeps the tickets that were changed in favour of the order; of those that the caller named, each
// has to be among them.
void choose_changed(Order* order, int64_t to_order, bool named) {
    int kept = 0;
    for (int i = 0; i < order->count; i++) {
        const Ticket& ticket = order->tickets[i];
        if (is_changed_to(*ticket.row, to_order)) {
            order->tickets[kept++] = ticket;
        } else if (named) {
            report_other_exchange(*order, ticket, to_order);
        }
    }
    order->count = kept;
}

void change_away(Order* order, TicketNos named, int64_t to_order) {
    const bool repeated = was_changed_to(*order, to_order);
    keep_named(order, named);
    if (repeated) {
        choose_changed(order, to_order, named.array != nullptr);
        return;
    }
    choose_tickets(order, OrderCall::kChange, named.array != nullptr);
    set_status(order, OrderStatus::kSold, OrderStatus::kChanged, to_order);
}

void check_to_order(int64_t order_id, int64_t to_order) {
    if (to_order == 0 || to_order == order_id) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("to_order is not the id of another order"),
                        errdetail("It is " INT64_FORMAT ".", to_order),
                        errhint("Pass the order_id of the tickets that replace these.")));
    }
}

// Says in the order's rows that the order which replaces them is paid. Rows that say so already
// stay as they are.
void settle(const Catalog& catalog, int64_t order_id, int64_t to_order) {
    LockedRows rows;
    (void)lock_order_rows(catalog, order_id, SortedNumbers{nullptr, 0}, &rows);
    LockedRow** unsettled = static_cast<LockedRow**>(
        palloc(static_cast<size_t>(Max(rows.count, 1)) * sizeof(LockedRow*)));
    bool found = false;
    int count = 0;
    for (int i = 0; i < rows.count; i++) {
        LockedRow* row = &rows.row[i];
        if (is_changed_to(*row, to_order)) {
            found = true;
            if (row->values.is_null[kSettledAt]) {
                unsettled[count++] = row;
            }
        }
    }
    if (!found) {
        ereport(ERROR,
                (errcode(kErrorOrder),
                 errmsg("order " INT64_FORMAT " was not changed in favour of order " INT64_FORMAT,
                        order_id, to_order),
                 errdetail("None of its tickets has this changed_to."),
                 errhint("ticket_unsettled shows which orders were.")));
    }
    if (count > 0) {
        write_note(rows, unsettled, count, kSettledAt,
                   TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()), false);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_change_away) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    require_argument(fcinfo, 1, "to_order");
    PreventCommandIfReadOnly("ticket_change_away()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const int64_t order_id = PG_GETARG_INT64(0);
    const int64_t to_order = PG_GETARG_INT64(1);
    check_to_order(order_id, to_order);
    const Catalog& catalog = catalog_of(fcinfo);
    const TicketNos named = parse_ticket_nos(fcinfo, 2);
    Order order;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_order(catalog, order_id, TicketNos{nullptr}, &order);
    change_away(&order, named, to_order);
    serve_waiting();
    return_order(order, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}

// One pass over an index that has unsettled tickets alone.
TICKETPOOL_FUNCTION(ticket_unsettled) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    const char* sql = psprintf(
        "SELECT order_id, array_agg(ticket_no ORDER BY ticket_no) AS ticket_nos, changed_to, "
        "max(changed_at) AS changed_at FROM %s WHERE changed_to IS NOT NULL AND settled_at IS NULL "
        "GROUP BY order_id, changed_to ORDER BY 4, 1, 3",
        qualified_name(catalog.order));
    if (execute_planned(sql, 0, nullptr, nullptr, nullptr, GetActiveSnapshot()) != SPI_OK_SELECT) {
        elog(ERROR, "could not look for unsettled exchanges");
    }
    return_spi_rows(result);
    SPI_finish();
    owner_end(scope);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_settled) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    require_argument(fcinfo, 1, "to_order");
    PreventCommandIfReadOnly("ticket_settled()");
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    settle(catalog, PG_GETARG_INT64(0), PG_GETARG_INT64(1));
    SPI_finish();
    owner_end(scope);
    PG_RETURN_VOID();
}
