// item_confirm and item_cancel: what becomes of units that are held while the user pays. item_hold
// itself is a purchase (item_sale.cpp), and the worker lets holds expire (sweep.cpp). Who decides
// about an order is said in item_orders.hpp.
//
// A payment after expiry gets units of the same inventory, whichever are free by then, or returns
// no row. If the inventory has been merged since, it gets units of the root, and the order is one
// of the root's from then on.
#include "items/item_orders.hpp"
#include "load/item_pins.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_claim.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tables/item_rows.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

RuleCall rule_call(const ItemOrder& order) {
    RuleCall call{};
    call.kind = RuleKind::kItem;
    call.user_id = order.user_id;
    call.arguments[kRuleItem] = Int64GetDatum(order.item_id);
    call.arguments[kRuleItemUser] = Int64GetDatum(order.user_id);
    call.arguments[kRuleQuantity] = Int64GetDatum(order.units);
    return call;
}

// The stock that would serve the order again: of its inventory, and after a merge of the root.
// Null: neither is on sale.
Stock* stock_on_sale(const ItemRef& ref, int64_t inventory_id) {
    Stock* stock = ref.item->find(inventory_id);
    if (stock == nullptr || !is_usable(stock)) {
        return nullptr;
    }
    Stock* serves = is_merged(ref, stock) ? ref.item->root() : stock;
    return serves->on_sale ? serves : nullptr;
}

// Claims the units. Merged inventories may have been given units back, which are sold to the root's
// buyers. Null: no stock has enough.
const Stock* claim_again(const ItemRef& ref, Stock* serves, int64_t units) {
    if (claim_from_stock(ref, serves, units)) {
        return serves;
    }
    Stock* stock = serves == ref.item->root() ? ref.item->after(serves) : nullptr;
    while (stock != nullptr &&
           !(is_usable(stock) && is_merged(ref, stock) && claim_from_stock(ref, stock, units))) {
        stock = ref.item->after(stock);
    }
    return stock;
}

// Payment after expiry. False: there are too few units, and nothing has changed.
bool confirm_late(const Catalog& catalog, const ItemOrder& order) {
    const ItemRef ref = pin_item_by_hand(catalog, order.item_id);
    Stock* serves = ref.item == nullptr ? nullptr : stock_on_sale(ref, order.inventory_id);
    if (serves == nullptr || order.units <= 0) {
        return false;
    }
    if (has_rules(catalog, RuleKind::kItem)) {
        check_rules(catalog, rule_call(order));
    }
    const Stock* stock = claim_again(ref, serves, order.units);
    if (stock == nullptr) {
        return false;
    }
    require_same_item_epoch(catalog);
    revive_item_order(catalog, order, stock->inventory_id);
    return true;
}

void confirm(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result) {
    lock_item_orders(catalog, RowExclusiveLock);
    if (pay_held_order(catalog, order_id, result)) {
        return;
    }
    const ItemOrder order = require_item_order(catalog, order_id);
    switch (order.status) {
        case OrderStatus::kSold:
            return_item_order(catalog, order_id, result);
            return;
        case OrderStatus::kExpired:
            if (confirm_late(catalog, order)) {
                return_item_order(catalog, order_id, result);
            }
            return;
        case OrderStatus::kHeld:
            if (pay_held_order(catalog, order_id, result)) {  // written by hand in between
                return;
            }
            ereport(ERROR,
                    (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                     errmsg("order " INT64_FORMAT " was not changed", order_id),
                     errdetail("A trigger or a policy on item_order left its row out."),
                     errhint("Let a trigger raise an error where a change may not happen.")));
        default:
            refuse_item_order(order, gettext_noop("order %lld cannot be confirmed"),
                              gettext_noop("Only a hold can be paid. Buy again."));
    }
}

void cancel(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result) {
    const ItemOrder order = require_item_order(catalog, order_id);
    switch (order.status) {
        case OrderStatus::kHeld:
            end_item_order(catalog, order, OrderStatus::kCancelled, OfLocked::kWait);
            break;
        case OrderStatus::kCancelled:
        case OrderStatus::kExpired:
            break;
        default:
            refuse_item_order(order, gettext_noop("order %lld cannot be cancelled"),
                              gettext_noop("Only a hold can be cancelled. Refund a sold order with "
                                           "item_refund."));
    }
    return_item_order(catalog, order_id, result);
}

// Calls `change` with the order_id of the call, as the owner.
void change_order(FunctionCallInfo fcinfo, const char* command,
                  void (*change)(const Catalog& catalog, int64_t order_id, ReturnSetInfo* result)) {
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    PreventCommandIfReadOnly(command);
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    change(catalog, PG_GETARG_INT64(0), result);
    SPI_finish();
    owner_end(scope);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_confirm) {
    ticketpool::change_order(fcinfo, "item_confirm()", ticketpool::confirm);
    return 0;
}

TICKETPOOL_FUNCTION(item_cancel) {
    ticketpool::change_order(fcinfo, "item_cancel()", ticketpool::cancel);
    return 0;
}
