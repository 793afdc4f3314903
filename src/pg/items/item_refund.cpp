// item_refund: a sold order gives units back, some or all. They are free for others once the
// transaction has committed, and for the transaction itself at once.
//
// A call with a request_id that has given units back leaves a row in the table item_refund_call, in
// the same transaction. It is read and written only while the order's row is locked, which every
// such call changes. So of two calls with one request_id the second waits for the first, and then
// finds its row, or does not find it because the first rolled back. Where the isolation level hides
// the row, it also hides the order's new version, and locking that is 40001. The row is a plain
// one: a dump, a standby and an update keep it like the order itself.
#include "items/item_orders.hpp"
#include "pool/shared_memory.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

struct RefundCall {
    int64_t order_id;
    int64_t quantity;
    bool all;  // quantity is NULL
    bool has_request;
    Datum request_id;
};

RefundCall read_call(FunctionCallInfo fcinfo) {
    RefundCall call{PG_GETARG_INT64(0), 0, PG_ARGISNULL(1), !PG_ARGISNULL(2), 0};
    if (!call.all) {
        call.quantity = PG_GETARG_INT64(1);
    }
    if (call.has_request) {
        call.request_id = PG_GETARG_DATUM(2);
    }
    if (!call.all && call.quantity <= 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("quantity must be positive"),
                 errdetail(INT64_FORMAT " units cannot be given back.", call.quantity),
                 errhint("Give one unit or more back, or pass NULL for all of them.")));
    }
    return call;
}

// Was the call made before? 22023 if its request_id asked for another quantity then.
bool is_repeated(const Catalog& catalog, const RefundCall& call) {
    const char* sql = psprintf("SELECT quantity FROM %s WHERE order_id = $1 AND request_id = $2",
                               qualified_name(catalog.refund_call));
    Oid types[] = {INT8OID, UUIDOID};
    Datum values[] = {Int64GetDatum(call.order_id), call.request_id};
    if (execute_planned(sql, 2, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read refunds of order " INT64_FORMAT, call.order_id);
    }
    if (SPI_processed == 0) {
        return false;
    }
    bool was_all;
    const int64_t first =
        DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &was_all));
    if (was_all != call.all || (!was_all && first != call.quantity)) {
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("request_id was used for another refund"),
             was_all ? errdetail("The first call asked for all units of order " INT64_FORMAT ".",
                                 call.order_id)
                     : errdetail("The first call asked for " INT64_FORMAT
                                 " of the units of order " INT64_FORMAT ".",
                                 first, call.order_id),
             errhint("Use a new request_id for each refund.")));
    }
    return true;
}

void note_request(const Catalog& catalog, const RefundCall& call) {
    const char* sql =
        psprintf("INSERT INTO %s (order_id, request_id, quantity) VALUES ($1, $2, $3)",
                 qualified_name(catalog.refund_call));
    Oid types[] = {INT8OID, UUIDOID, INT8OID};
    Datum values[] = {Int64GetDatum(call.order_id), call.request_id, Int64GetDatum(call.quantity)};
    execute_own_on(catalog.refund_call, sql, 3, types, values, call.all ? "  n" : nullptr,
                   SPI_OK_INSERT);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
}

// An order that is refunded keeps the number of units that its last refund gave back.
void check_call(const ItemOrder& order, const RefundCall& call) {
    if (order.status != OrderStatus::kSold && order.status != OrderStatus::kRefunded) {
        refuse_item_order(order, gettext_noop("order %lld cannot be refunded"),
                          gettext_noop("Only a sold order can be refunded. Give up a hold with "
                                       "item_cancel."));
    }
    if (call.quantity > order.units) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("order " INT64_FORMAT " has fewer units", order.order_id),
                 errdetail("It has " INT64_FORMAT ", and " INT64_FORMAT " are to be given back.",
                           order.units, call.quantity),
                 errhint("Pass NULL for all units.")));
    }
}

void refund(const Catalog& catalog, const RefundCall& call) {
    const ItemOrder order = require_item_order(catalog, call.order_id);
    if (call.has_request && is_repeated(catalog, call)) {
        return;
    }
    check_call(order, call);
    if (order.status == OrderStatus::kRefunded) {
        return;
    }
    if (call.all || call.quantity == order.units) {
        end_item_order(catalog, order, OrderStatus::kRefunded, OfLocked::kWait);
    } else {
        shrink_item_order(catalog, order, call.quantity);
    }
    count(shared.mine->counters.refunds);
    if (call.has_request) {
        note_request(catalog, call);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_refund) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    PreventCommandIfReadOnly("item_refund()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);  // first: in version 0.2 there was one argument
    const RefundCall call = read_call(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    refund(catalog, call);
    return_item_order(catalog, call.order_id, result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
