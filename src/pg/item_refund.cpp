// item_refund: a sold order becomes refunded; its units are free once the transaction has
// committed, and for the transaction itself at once.
#include "errors.hpp"
#include "item.hpp"
#include "ledger.hpp"
#include "plans.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

struct SoldOrder {
    int64_t order_id;
    int64_t item_id;
    int64_t inventory_id;
    int64_t units;
    bool is_sold;
};

int execute_by_id(const char* sql, int64_t id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(id)};
    return execute_planned(sql, 1, types, values, nullptr);
}

Datum column(int number) {
    bool is_null;
    return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &is_null);
}

// Locks the row to the end of the transaction.
SoldOrder lock_order_row(const Catalog& catalog, int64_t order_id) {
    const char* sql = psprintf(
        "SELECT item_id, inventory_id, buy_quantity, status = 'sold' FROM %s "
        "WHERE order_id = $1 FOR NO KEY UPDATE",
        qualified_name(catalog.item_order));
    if (execute_by_id(sql, order_id) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order_id);
    }
    if (SPI_processed == 0) {
        ereport(
            ERROR,
            (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
             errdetail("No row of item_order has this order_id."), errhint("Check the order_id.")));
    }
    return SoldOrder{order_id, DatumGetInt64(column(1)), DatumGetInt64(column(2)),
                     DatumGetInt64(column(3)), DatumGetBool(column(4))};
}

// Where the units go: to the stock that they came from, or to the root where that is merged. Null:
// its inventory is not there, so no stock was ever less for it.
Stock* stock_of_order(const Catalog& catalog, const ItemRef& ref, const SoldOrder& order) {
    Stock* stock = ref.item->find(order.inventory_id);
    if (stock != nullptr) {
        return stock_is_closing(stock_ref(ref, stock)) ? ref.item->root() : stock;
    }
    // Merged before the item was loaded
    const char* sql = psprintf("SELECT FROM %s WHERE id = $1 AND status = 'merged'",
                               qualified_name(catalog.inventory));
    if (execute_by_id(sql, order.inventory_id) != SPI_OK_SELECT) {
        elog(ERROR, "could not read inventory " INT64_FORMAT, order.inventory_id);
    }
    return SPI_processed == 1 ? ref.item->root() : nullptr;
}

void refund(const Catalog& catalog, const SoldOrder& order) {
    // Pinned before the row changes: nobody rebuilds it from a row whose release is still to come.
    const ItemRef ref = directory_find_item(catalog, order.item_id);
    if (ref.item != nullptr) {
        pin_item(ref);
    }
    const char* sql =
        psprintf("UPDATE %s SET status = 'refunded', modify_time = now() WHERE order_id = $1",
                 qualified_name(catalog.item_order));
    if (execute_by_id(sql, order.order_id) != SPI_OK_UPDATE || SPI_processed != 1) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("order " INT64_FORMAT " was not changed", order.order_id),
                        errdetail("A trigger or a policy on item_order left its row out."),
                        errhint("Let a trigger raise an error where a refund may not happen.")));
    }
    Stock* stock = ref.item == nullptr ? nullptr : stock_of_order(catalog, ref, order);
    if (stock != nullptr && order.units > 0) {
        stock_reserve(1);  // after the triggers, which may buy, too
        stock_add_release(stock_ref(ref, stock), order.units);
    }
    count(shared.mine->counters.refunds);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_refund) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    PreventCommandIfReadOnly("item_refund()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const SoldOrder order = lock_order_row(catalog, PG_GETARG_INT64(0));
    if (order.is_sold) {
        refund(catalog, order);
    }
    const char* sql =
        psprintf("SELECT * FROM %s WHERE order_id = $1", qualified_name(catalog.item_order));
    if (execute_by_id(sql, order.order_id) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order.order_id);
    }
    return_spi_rows(result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
