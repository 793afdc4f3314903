// item_refund: a sold order becomes refunded. Its units are free for others once the transaction
// has committed, and for the transaction itself at once.
#include "load/item_pins.hpp"
#include "pool/announcement.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_claim.hpp"
#include "pool/stock_ledger.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_return.hpp"
#include "tables/inventory_rows.hpp"
#include "tables/own_writes.hpp"

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

// Locks the order's row to the end of the transaction.
SoldOrder lock_order_row(const Catalog& catalog, int64_t order_id) {
    const char* sql = psprintf(
        "SELECT item_id, inventory_id, buy_quantity, status = 'sold' FROM %s "
        "WHERE order_id = $1 FOR NO KEY UPDATE",
        qualified_name(catalog.item_order));
    if (execute_by_id(sql, order_id) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order_id);
    }
    if (SPI_processed == 0) {
        ereport(ERROR,
                (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
                 detail_of_no_order("item_order"), hint_of_no_order()));
    }
    return SoldOrder{order_id, DatumGetInt64(column(1)), DatumGetInt64(column(2)),
                     DatumGetInt64(column(3)), DatumGetBool(column(4))};
}

void change_quantity(const Catalog& catalog, const char* sign, int64_t id, int64_t units) {
    const char* sql =
        psprintf("UPDATE %s SET quantity = quantity %s $2, modify_time = now() WHERE id = $1",
                 qualified_name(catalog.inventory), sign);
    Oid types[] = {INT8OID, INT8OID};
    Datum values[] = {Int64GetDatum(id), Int64GetDatum(units)};
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, catalog.inventory};
    if (execute_own(write, true, sql, 2, types, values, nullptr) != SPI_OK_UPDATE ||
        SPI_processed != 1) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("inventory " INT64_FORMAT " was not changed", id),
                        errdetail("A trigger or a policy on item_inventory left its row out."),
                        errhint("Let a trigger raise an error instead.")));
    }
}

// The stock to which the units go: the one that they came from. Null: that stock is not there, so
// the units were never taken out of a stock. The units of a merged inventory go to the root, in its
// row and in memory. The root's row is locked first, as in item_merge. If the merge commits only
// after this look, the units go to the merged stock, which is also right.
Stock* stock_of_order(const Catalog& catalog, const ItemRef& ref, const SoldOrder& order) {
    Stock* root = ref.item->root();
    if (order.inventory_id == root->inventory_id ||
        !is_merged_inventory(catalog, order.inventory_id)) {
        return ref.item->find(order.inventory_id);
    }
    change_quantity(catalog, "+", root->inventory_id, order.units);
    change_quantity(catalog, "-", order.inventory_id, order.units);
    return root;
}

void refund(const Catalog& catalog, const SoldOrder& order) {
    // Pin before the row changes: nobody may rebuild the item from a row whose release is pending.
    const ItemRef ref = pin_item_or_lock(catalog, order.item_id);
    const char* sql =
        psprintf("UPDATE %s SET status = 'refunded', modify_time = now() WHERE order_id = $1",
                 qualified_name(catalog.item_order));
    const OwnWrite write{OwnChange::kEnd, order.item_id, order.order_id, nullptr,
                         catalog.item_order};
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(order.order_id)};
    if (execute_own(write, true, sql, 1, types, values, nullptr) != SPI_OK_UPDATE ||
        SPI_processed != 1) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("order " INT64_FORMAT " was not changed", order.order_id),
                        errdetail("A trigger or a policy on item_order left its row out."),
                        errhint("Let a trigger raise an error where a refund may not happen.")));
    }
    const bool counts = ref.item != nullptr && order.units > 0;
    Stock* stock = counts ? stock_of_order(catalog, ref, order) : nullptr;
    if (stock != nullptr) {
        stock_reserve(1);  // reserved after the triggers ran: they may have bought
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
    begin_result(fcinfo);
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
