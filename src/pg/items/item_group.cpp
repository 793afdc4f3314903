// Purchases of units in a group: see item_group.hpp.
#include "items/item_group.hpp"

#include "load/directory.hpp"
#include "load/item_pins.hpp"
#include "pool/deadlines.hpp"
#include "pool/sale_queue.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_claim.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "tables/epoch.hpp"
#include "tables/item_rows.hpp"

namespace ticketpool {
namespace {

struct ItemRequest {
    Oid schema;
    Oid relation;  // item_order
    SlotVersion item;
    int64_t item_id;
    int64_t user_id;
    int64_t quantity;
    int64_t inventory_id;
    TimestampTz held_until;
    TimestampTz created_at;
    bool named;
    bool holds;
    bool has_request;
    pg_uuid_t request_id;
    RequestDigest asked;
    BuyerSettings settings;
};
static_assert(sizeof(ItemRequest) <= kSaleRequestBytes);
static_assert(std::is_trivially_copyable_v<ItemRequest>);

struct ItemAnswer {
    int64_t order_id;
    int64_t inventory_id;
};
static_assert(sizeof(ItemAnswer) <= kSaleAnswerBytes);

ItemRequest* request_in(SaleSlot* slot) {
    return reinterpret_cast<ItemRequest*>(slot->request);
}

ItemAnswer* answer_in(SaleSlot* slot) {
    return reinterpret_cast<ItemAnswer*>(slot->answer);
}

void fill_request(const Catalog& catalog, const ItemPurchase& purchase, ItemRequest* request) {
    *request = ItemRequest{};
    request->schema = catalog.schema;
    request->relation = catalog.item_order;
    request->item = version_of(purchase.ref.slot);
    request->item_id = purchase.item_id;
    request->user_id = purchase.user_id;
    request->quantity = purchase.quantity;
    request->inventory_id = purchase.inventory_id;
    request->held_until = purchase.held_until;
    request->created_at = GetCurrentTransactionStartTimestamp();
    request->named = purchase.named;
    request->holds = purchase.holds;
    request->has_request = purchase.request_id != nullptr;
    if (request->has_request) {
        request->request_id = *purchase.request_id;
        request->asked = purchase.asked;
    }
    request->settings = my_settings();
}

void return_sold(FunctionCallInfo fcinfo, const Catalog& catalog, const ItemPurchase& purchase,
                 const ItemAnswer& answer) {
    RowValues row;
    fill_item_order(purchase, answer.order_id, answer.inventory_id,
                    GetCurrentTransactionStartTimestamp(), status_of(purchase), &row);
    begin_result(fcinfo);
    return_item_orders(catalog, &row, 1, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
}

bool is_sold_out(const ItemPurchase& purchase) {
    return !purchase.named && item_remaining_units(purchase.ref) < purchase.quantity;
}

// ---------------------------------------------------------------------------------------------
// The cashier's side
// ---------------------------------------------------------------------------------------------

void read_request(const ItemRequest* request, const ItemRef& ref, ItemPurchase* purchase) {
    *purchase = ItemPurchase{};
    purchase->ref = ref;
    purchase->item_id = request->item_id;
    purchase->user_id = request->user_id;
    purchase->quantity = request->quantity;
    purchase->named = request->named;
    purchase->inventory_id = request->inventory_id;
    purchase->holds = request->holds;
    purchase->held_until = request->held_until;
    if (request->has_request) {
        purchase->request_id = &request->request_id;
        purchase->asked = request->asked;
    }
}

void ignore_row(TableReader*, void*) {}

// Nobody is buying with the request_id, and nobody has.
bool is_first_call(const Catalog& catalog, const ItemPurchase& purchase) {
    return purchase.request_id == nullptr ||
           (try_lock_request(item_request_key(catalog, purchase)) &&
            !is_item_call_undecided(catalog, purchase) &&
            !find_first_item_call(catalog, purchase, ignore_row, nullptr));
}

bool sell_request(const Catalog& catalog, SaleSlot* slot, const ItemPurchase& purchase,
                  RowValues* row) {
    if (!is_item_on_sale(purchase) || !is_first_call(catalog, purchase) ||
        (has_rules(catalog, RuleKind::kItem) && !may_buy_at_once(catalog, rule_call(purchase)))) {
        return false;
    }
    const Stock* stock = claim_item(purchase);
    if (stock == nullptr) {
        return false;
    }
    count(shared.mine->counters.buys);
    ItemAnswer* answer = answer_in(slot);
    answer->order_id = next_item_order_id(catalog);
    answer->inventory_id = stock->inventory_id;
    fill_item_order(purchase, answer->order_id, answer->inventory_id, request_in(slot)->created_at,
                    status_of(purchase), row);
    if (purchase.holds) {
        deadline_at_commit(purchase.held_until);
    }
    return true;
}

bool carry_out(const Catalog& catalog, uint32_t epoch, SaleSlot* slot, RowValues* row) {
    const ItemRequest* request = request_in(slot);
    ItemRef ref;
    if (request->relation != catalog.item_order ||
        !directory_announce_known_item(catalog, request->item, epoch, &ref)) {
        return false;
    }
    ItemPurchase purchase;
    read_request(request, ref, &purchase);
    act_with(request->settings);
    const bool sold =
        ref.item->item_id == request->item_id && sell_request(catalog, slot, purchase, row);
    end_announcement();
    return sold;
}

}  // namespace

bool may_sell_items_in_group(const Catalog& catalog) {
    return has_only_builtin_rules(catalog, RuleKind::kItem) &&
           inserts_item_orders_directly(catalog);
}

bool sell_item_in_group(SaleDesk* desk, FunctionCallInfo fcinfo, const Catalog& catalog,
                        const ItemPurchase& purchase) {
    if (was_refused_lately() && is_sold_out(purchase)) {
        return false;
    }
    SaleSlot* slot = my_sale_slot();
    slot->kind = SaleKind::kItem;
    fill_request(catalog, purchase, request_in(slot));
    const auto sold_out = [](const void* asked) {
        return is_sold_out(*static_cast<const ItemPurchase*>(asked));
    };
    if (!wait_for_sale(desk, sold_out, &purchase)) {
        note_refused();
        return false;
    }
    const ItemAnswer answer = *answer_in(slot);
    end_sale_request();
    end_announcement();
    return_sold(fcinfo, catalog, purchase, answer);
    return true;
}

Oid schema_of_item(const SaleSlot& slot) {
    return reinterpret_cast<const ItemRequest*>(slot.request)->schema;
}

void carry_out_items(const Catalog& catalog, SaleSlot* const* slots, const int* places, int count,
                     bool* sold, volatile int* at) {
    if (!try_lock_item_orders(catalog) || !inserts_item_orders_directly(catalog)) {
        return;  // sold is false for all
    }
    const uint32_t epoch = item_epoch_of(catalog);
    RowValues* rows =
        static_cast<RowValues*>(palloc(static_cast<size_t>(count) * sizeof(RowValues)));
    int filled = 0;
    for (int i = 0; i < count; i++) {
        *at = places[i];
        sold[i] = carry_out(catalog, epoch, slots[i], &rows[filled]);
        filled += sold[i] ? 1 : 0;
    }
    *at = -1;
    if (filled > 0) {
        insert_item_orders(catalog, rows, filled, nullptr);
    }
    pfree(rows);
}

}  // namespace ticketpool
