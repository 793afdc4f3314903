// Locks, changes and returns one order of an item: see item_orders.hpp.
#include "items/item_orders.hpp"

#include "items/item_sale.hpp"
#include "load/item_pins.hpp"
#include "pool/announcement.hpp"
#include "pool/stock_claim.hpp"
#include "pool/stock_ledger.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_return.hpp"
#include "tables/inventory_rows.hpp"
#include "tables/item_rows.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

int execute_by_id(const char* sql, int64_t id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(id)};
    return execute_planned(sql, 1, types, values, nullptr);
}

Datum column(int number, bool* is_null) {
    return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, is_null);
}

int64_t bigint_column(int number) {
    bool is_null;
    return DatumGetInt64(column(number, &is_null));
}

OrderStatus status_column(int number, int64_t order_id) {
    bool is_null;
    const Text text = text_of(column(number, &is_null));
    OrderStatus status;
    if (!parse_order_status(text.data, text.length, &status)) {
        ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                        errmsg("order " INT64_FORMAT " has no valid status", order_id),
                        errdetail("Its status is \"%s\".", printable(text)),
                        errhint("Correct the row in item_order.")));
    }
    return status;
}

bool is_over(OrderStatus status, int column_number) {
    bool timeless;
    const Datum held_until = column(column_number, &timeless);
    return status == OrderStatus::kHeld && !timeless &&
           DatumGetTimestampTz(held_until) <= GetCurrentTimestamp();
}

// Runs an UPDATE of ours of the order's row, which is locked.
void update_order(const OwnWrite& write, const char* sql, int count, Oid* types, Datum* values,
                  const char* nulls) {
    if (execute_own(write, true, sql, count, types, values, nulls) != SPI_OK_UPDATE ||
        SPI_processed != 1) {
        ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                        errmsg("order " INT64_FORMAT " was not changed", write.order_id),
                        errdetail("A trigger or a policy on item_order left its row out."),
                        errhint("Let a trigger raise an error where a change may not happen.")));
    }
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

// 55P03 if another session has the inventory's row locked.
void try_lock_inventory(const Catalog& catalog, int64_t id) {
    const char* sql = psprintf("SELECT FROM %s WHERE id = $1 FOR NO KEY UPDATE NOWAIT",
                               qualified_name(catalog.inventory));
    if (execute_by_id(sql, id) != SPI_OK_SELECT) {
        elog(ERROR, "could not lock inventory " INT64_FORMAT, id);
    }
}

// The stock to which units go: the one that they came from. Null: that stock is not there, so the
// units were never taken out of a stock. The units of a merged inventory go to the root, in its row
// and in memory. The root's row is locked first, as in item_merge. If the merge commits only after
// this look, the units go to the merged stock, which is also right.
Stock* stock_for_units(const Catalog& catalog, const ItemRef& ref, const ItemOrder& order,
                       int64_t units, OfLocked of_locked) {
    Stock* root = ref.item->root();
    if (order.inventory_id == root->inventory_id ||
        !is_merged_inventory(catalog, order.inventory_id)) {
        return ref.item->find(order.inventory_id);
    }
    if (of_locked == OfLocked::kFail) {
        try_lock_inventory(catalog, root->inventory_id);
        try_lock_inventory(catalog, order.inventory_id);
    }
    change_quantity(catalog, "+", root->inventory_id, units);
    change_quantity(catalog, "-", order.inventory_id, units);
    return root;
}

void give_units_back(const Catalog& catalog, const ItemRef& ref, const ItemOrder& order,
                     int64_t units, OfLocked of_locked) {
    const bool counts = ref.item != nullptr && units > 0;
    Stock* stock = counts ? stock_for_units(catalog, ref, order, units, of_locked) : nullptr;
    if (stock != nullptr) {
        stock_reserve(1);  // reserved after the triggers ran: they may have bought
        stock_add_release(stock_ref(ref, stock), units);
    }
}

// The units that the trigger is to expect of a row that stays or becomes live.
void expect_units(const ItemOrder& order, int64_t inventory_id, int64_t units, RowValues* row) {
    set_value(row, kItemId, Int64GetDatum(order.item_id));
    set_value(row, kItemInventory, Int64GetDatum(inventory_id));
    set_value(row, kItemQuantity, Int64GetDatum(units));
}

}  // namespace

bool lock_item_order(const Catalog& catalog, int64_t order_id, OfLocked of_locked,
                     ItemOrder* order) {
    const char* sql = psprintf(
        "SELECT item_id, inventory_id, user_id, buy_quantity, status, held_until FROM %s "
        "WHERE order_id = $1 FOR NO KEY UPDATE%s",
        qualified_name(catalog.item_order), of_locked == OfLocked::kFail ? " NOWAIT" : "");
    if (execute_by_id(sql, order_id) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order_id);
    }
    if (SPI_processed == 0) {
        return false;
    }
    order->order_id = order_id;
    order->item_id = bigint_column(1);
    order->inventory_id = bigint_column(2);
    order->user_id = bigint_column(3);
    order->units = bigint_column(4);
    order->status = status_column(5, order_id);
    order->is_due = is_over(order->status, 6);
    return true;
}

ItemOrder require_item_order(const Catalog& catalog, int64_t order_id) {
    ItemOrder order;
    lock_item_orders(catalog, RowExclusiveLock);
    if (!lock_item_order(catalog, order_id, OfLocked::kWait, &order)) {
        ereport(ERROR,
                (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
                 detail_of_no_order("item_order"), hint_of_no_order()));
    }
    return order;
}

void end_item_order(const Catalog& catalog, const ItemOrder& order, OrderStatus to,
                    OfLocked of_locked) {
    Assert(may_become(order.status, to) && !is_live(to));
    const ItemRef ref = pin_item_or_lock(catalog, order.item_id);
    const char* sql = psprintf("UPDATE %s SET status = $2, modify_time = now() WHERE order_id = $1",
                               qualified_name(catalog.item_order));
    Oid types[] = {INT8OID, TEXTOID};
    Datum values[] = {Int64GetDatum(order.order_id), CStringGetTextDatum(status_name(to))};
    update_order({OwnChange::kEnd, order.item_id, order.order_id, nullptr, catalog.item_order}, sql,
                 2, types, values, nullptr);
    give_units_back(catalog, ref, order, order.units, of_locked);
}

// An order of a version before 0.3 does not have what its request_id asked for, except in the
// quantity that changes here.
void shrink_item_order(const Catalog& catalog, const ItemOrder& order, int64_t units) {
    Assert(order.status == OrderStatus::kSold && units > 0 && units < order.units);
    const ItemRef ref = pin_item_or_lock(catalog, order.item_id);
    RowValues expected;
    expect_units(order, order.inventory_id, order.units - units, &expected);
    const char* sql = psprintf(
        "UPDATE %s SET buy_quantity = $2, modify_time = now(), request_digest = CASE WHEN "
        "request_id IS NULL THEN request_digest ELSE coalesce(request_digest, $3) END "
        "WHERE order_id = $1",
        qualified_name(catalog.item_order));
    Oid types[] = {INT8OID, INT8OID, UUIDOID};
    Datum values[] = {Int64GetDatum(order.order_id), Int64GetDatum(order.units - units),
                      digest_datum(item_digest(order.item_id, order.units))};
    update_order({OwnChange::kLive, order.item_id, order.order_id, &expected, catalog.item_order},
                 sql, 3, types, values, nullptr);
    give_units_back(catalog, ref, order, units, OfLocked::kWait);
}

void revive_item_order(const Catalog& catalog, const ItemOrder& order, int64_t inventory_id) {
    static_assert(may_become(OrderStatus::kExpired, OrderStatus::kSold));
    RowValues expected;
    expect_units(order, inventory_id, order.units, &expected);
    const char* sql = psprintf(
        "UPDATE %s SET status = 'sold', held_until = NULL, inventory_id = $2, modify_time = now() "
        "WHERE order_id = $1",
        qualified_name(catalog.item_order));
    Oid types[] = {INT8OID, INT8OID};
    Datum values[] = {Int64GetDatum(order.order_id), Int64GetDatum(inventory_id)};
    update_order({OwnChange::kLive, order.item_id, order.order_id, &expected, catalog.item_order},
                 sql, 2, types, values, nullptr);
}

bool pay_held_order(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result) {
    static_assert(may_become(OrderStatus::kHeld, OrderStatus::kSold));
    const char* sql = psprintf(
        "UPDATE %s SET status = 'sold', held_until = NULL, modify_time = now() "
        "WHERE order_id = $1 AND status = 'held' RETURNING *",
        qualified_name(catalog.item_order));
    const OwnWrite write{OwnChange::kLive, 0, order_id, nullptr, catalog.item_order};
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(order_id)};
    if (execute_own(write, true, sql, 1, types, values, nullptr) != SPI_OK_UPDATE_RETURNING) {
        elog(ERROR, "could not change order " INT64_FORMAT, order_id);
    }
    if (SPI_processed == 0) {
        return false;
    }
    return_spi_rows(result);
    return true;
}

void return_item_order(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result) {
    const char* sql =
        psprintf("SELECT * FROM %s WHERE order_id = $1", qualified_name(catalog.item_order));
    if (execute_by_id(sql, order_id) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order_id);
    }
    return_spi_rows(result);
}

void refuse_item_order(const ItemOrder& order, const char* message, const char* hint) {
    ereport(ERROR, (errcode(kErrorOrder), errmsg(message, static_cast<long long>(order.order_id)),
                    errdetail("Its status is \"%s\".", status_name(order.status)),
                    errhint("%s", _(hint))));
}

}  // namespace ticketpool
