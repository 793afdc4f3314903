// item_buy, item_hold and item_remaining. (What becomes of a hold is in item_hold.cpp.)
//
// All units of a purchase come from one inventory: the named one if one is named; otherwise the
// root or, in order of their ids, one of the split-off inventories without a seller. Of a stock,
// the transaction's own pending releases (stock_ledger.hpp) are taken before units of the pool.
#include "items/item_sale.hpp"

#include "items/item_group.hpp"
#include "load/item_pins.hpp"
#include "pool/claim_retry.hpp"
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/stock_claim.hpp"
#include "pool/stock_ledger.hpp"
#include "purchase/group_sale.hpp"
#include "purchase/hold_time.hpp"
#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/row_return.hpp"
#include "tables/item_rows.hpp"

namespace ticketpool {

// ---------------------------------------------------------------------------------------------
// Claiming
// ---------------------------------------------------------------------------------------------

namespace {

bool serves(const ItemPurchase& purchase, const Stock* stock) {
    if (!is_usable(stock) || !stock->on_sale) {
        return false;
    }
    return purchase.named ? stock->inventory_id == purchase.inventory_id
                          : !stock->has_seller || is_merged(purchase.ref, stock);
}

[[noreturn]] void report_no_inventory(const ItemPurchase& purchase) {
    ereport(ERROR, (errcode(kErrorNoDeparture),
                    errmsg("item " INT64_FORMAT " has no inventory " INT64_FORMAT, purchase.item_id,
                           purchase.inventory_id),
                    errdetail("It does not exist, or it was merged."),
                    errhint("Leave inventory_id out to buy the item.")));
}

// Each stock in turn.
Status try_item(const ItemPurchase& purchase, Stock** from) {
    bool busy = false;
    Item* item = purchase.ref.item;
    for (Stock* stock = item->root(); stock != nullptr; stock = item->after(stock)) {
        if (!serves(purchase, stock)) {
            continue;
        }
        const Status status = try_stock(purchase.ref, stock, purchase.quantity);
        if (status == Status::kOk) {
            *from = stock;
            return status;
        }
        busy = busy || status == Status::kLookAgain;
    }
    return busy ? Status::kLookAgain : Status::kSoldOut;
}

}  // namespace

Stock* claim_item(const ItemPurchase& purchase) {
    Stock* from = nullptr;
    ledger_reserve(0);
    stock_reserve(1 + stock_release_count());
    if (!claim_until_decided(purchase.ref.slot, [&] { return try_item(purchase, &from); })) {
        count(shared.mine->counters.sold_outs);
    }
    return from;
}

// ---------------------------------------------------------------------------------------------
// Arguments, request ids, rows
// ---------------------------------------------------------------------------------------------

RequestDigest item_digest(int64_t item_id, int64_t quantity) {
    RequestDigest digest{};
    digest_set(&digest, kDigestItem, digest_hash(item_id));
    digest_set(&digest, kDigestQuantity, digest_hash(quantity));
    return digest;
}

static RequestDigest digest_of(const ItemPurchase& purchase) {
    RequestDigest digest = item_digest(purchase.item_id, purchase.quantity);
    if (purchase.named) {
        digest_set(&digest, kDigestInventory, digest_hash(purchase.inventory_id) | 1);
    }
    return digest;
}

void read_item_purchase(const ItemArguments& arguments, ItemPurchase* purchase) {
    constexpr const char* kNames[] = {"item_id", "user_id", "quantity"};
    *purchase = ItemPurchase{};
    for (const ItemArgument number : {kArgItem, kArgUser, kArgQuantity}) {
        if (arguments.is_null[number]) {
            report_null(kNames[number]);
        }
    }
    purchase->item_id = DatumGetInt64(arguments.value[kArgItem]);
    purchase->user_id = DatumGetInt64(arguments.value[kArgUser]);
    purchase->quantity = DatumGetInt64(arguments.value[kArgQuantity]);
    purchase->request_id =
        arguments.is_null[kArgRequest] ? nullptr : DatumGetUUIDP(arguments.value[kArgRequest]);
    purchase->named = !arguments.is_null[kArgInventory];
    purchase->inventory_id = purchase->named ? DatumGetInt64(arguments.value[kArgInventory]) : 0;
    if (purchase->quantity <= 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("quantity must be positive"),
                 errdetail(INT64_FORMAT " units cannot be bought.", purchase->quantity),
                 errhint("Buy one unit or more; item_refund gives units back.")));
    }
    if (purchase->request_id != nullptr) {
        purchase->asked = digest_of(*purchase);
    }
}

bool is_item_on_sale(const ItemPurchase& purchase) {
    if (!purchase.named) {
        return purchase.ref.item->root()->on_sale;
    }
    const Stock* stock = purchase.ref.item->find(purchase.inventory_id);
    if (stock == nullptr || !is_usable(stock) || is_merged(purchase.ref, stock)) {
        report_no_inventory(purchase);
    }
    return stock->on_sale;
}

uint64_t item_request_key(const Catalog& catalog, const ItemPurchase& purchase) {
    struct {
        int64_t user_id;
        pg_uuid_t request_id;
    } key = {purchase.user_id, *purchase.request_id};
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&key), sizeof key,
                               catalog.item_order);
}

namespace {

// `difference`: a whole sentence.
[[noreturn]] void report_other_request(TableReader* reader, const char* difference) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("request_id was used for another purchase"),
                    errdetail("Order " INT64_FORMAT " of this user has it. %s",
                              row_int64(reader->row, kItemOrderId), difference),
                    errhint("Use a new request_id for each purchase.")));
}

// Compares what can be compared with a row that has no digest: it is from before version 0.3, or
// was written by hand.
void check_same_row(TableReader* reader, const ItemPurchase& purchase) {
    if (row_int64(reader->row, kItemId) != purchase.item_id) {
        report_other_request(reader, "The first call asked for another item.");
    }
    if (row_int64(reader->row, kItemQuantity) != purchase.quantity) {
        report_other_request(reader, "The first call asked for another quantity.");
    }
}

// A call that does not name an inventory leaves the choice to the item. It returns the first call's
// row, whatever inventory that call named.
void check_same_inventory(TableReader* reader, const ItemPurchase& purchase,
                          const RequestDigest* first) {
    if (!purchase.named) {
        return;
    }
    const bool was_named = first != nullptr && digest_get(*first, kDigestInventory) != 0;
    if (was_named ? !digest_same(*first, purchase.asked, kDigestInventory)
                  : row_int64(reader->row, kItemInventory) != purchase.inventory_id) {
        report_other_request(reader, "The first call asked for another inventory.");
    }
}

void check_same_request(const Catalog& catalog, TableReader* reader, const ItemPurchase& purchase) {
    bool unknown;
    const Datum value = row_value(reader->row, item_digest_column(catalog), &unknown);
    const RequestDigest* first = unknown ? nullptr : DatumGetUUIDP(value);
    if (first == nullptr) {
        check_same_row(reader, purchase);
    } else if (!digest_same(*first, purchase.asked, kDigestItem)) {
        report_other_request(reader, "The first call asked for another item.");
    } else if (!digest_same(*first, purchase.asked, kDigestQuantity)) {
        report_other_request(reader, "The first call asked for another quantity.");
    }
    check_same_inventory(reader, purchase, first);
}

}  // namespace

bool find_first_item_call(const Catalog& catalog, const ItemPurchase& purchase,
                          ItemRowFound row_found, void* context) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.item_order, catalog.item_order_request, snapshot);
    reader_key_int64(&reader, purchase.user_id);
    reader_key_uuid(&reader, UUIDPGetDatum(purchase.request_id));
    const bool found = reader_next(&reader);
    if (found) {
        check_same_request(catalog, &reader, purchase);
        require_visible_first_call(&reader);
        row_found(&reader, context);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

RuleCall rule_call(const ItemPurchase& purchase) {
    RuleCall call{};
    call.kind = RuleKind::kItem;
    call.user_id = purchase.user_id;
    call.arguments[kRuleItem] = Int64GetDatum(purchase.item_id);
    call.arguments[kRuleItemUser] = Int64GetDatum(purchase.user_id);
    call.arguments[kRuleQuantity] = Int64GetDatum(purchase.quantity);
    return call;
}

void fill_item_order(const ItemPurchase& purchase, int64_t order_id, int64_t inventory_id,
                     TimestampTz created_at, Datum status, RowValues* row) {
    memset(row->is_null, true, sizeof row->is_null);
    set_value(row, kItemOrderId, Int64GetDatum(order_id));
    set_value(row, kItemInventory, Int64GetDatum(inventory_id));
    set_value(row, kItemId, Int64GetDatum(purchase.item_id));
    set_value(row, kItemUser, Int64GetDatum(purchase.user_id));
    set_value(row, kItemQuantity, Int64GetDatum(purchase.quantity));
    set_value(row, kItemStatus, status);
    set_value(row, kItemCreated, TimestampTzGetDatum(created_at));
    if (purchase.request_id != nullptr) {
        set_value(row, kItemRequest, UUIDPGetDatum(purchase.request_id));
        set_value(row, kItemRequestDigest, digest_datum(purchase.asked));
    }
    if (purchase.holds) {
        set_value(row, kItemHeldUntil, TimestampTzGetDatum(purchase.held_until));
    }
}

void build_item_order(const Catalog& catalog, const ItemPurchase& purchase, int64_t inventory_id,
                      Datum status, RowValues* row) {
    count(shared.mine->counters.buys);
    fill_item_order(purchase, next_item_order_id(catalog), inventory_id,
                    GetCurrentTransactionStartTimestamp(), status, row);
}

Datum status_of(const ItemPurchase& purchase) {
    return CStringGetTextDatum(purchase.holds ? "held" : "sold");
}

namespace {

void return_first_row(TableReader* reader, void* context) {
    FunctionCallInfo fcinfo = static_cast<FunctionCallInfo>(context);
    begin_result(fcinfo);
    return_current_row(reader, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
}

// Finds the item and announces it; TK003 if it is not on sale.
void resolve_on_sale(const Catalog& catalog, ItemPurchase* wanted) {
    wanted->ref = require_item(catalog, wanted->item_id);
    if (!is_item_on_sale(*wanted)) {
        ereport(ERROR, (errcode(kErrorNotOnSale),
                        errmsg("item " INT64_FORMAT " is not on sale", wanted->item_id),
                        errdetail("Its sale was closed."), errhint("Choose another item.")));
    }
}

// Sells what has been found and announced, in this transaction.
void sell_found(FunctionCallInfo fcinfo, const Catalog& catalog, const ItemPurchase& purchase) {
    if (has_rules(catalog, RuleKind::kItem)) {
        pin_item(purchase.ref);  // a rule may announce another item
        check_rules(catalog, rule_call(purchase));
    }
    const Stock* stock = claim_item(purchase);
    end_announcement();
    if (stock != nullptr) {
        begin_result(fcinfo);
        RowValues row;
        build_item_order(catalog, purchase, stock->inventory_id, status_of(purchase), &row);
        insert_item_orders(catalog, &row, 1, reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
        if (purchase.holds) {
            deadline_at_commit(purchase.held_until);
        }
    }
}

// As for tickets: sell_at_desk() in tickets/sale.cpp.
bool sell_at_desk(SaleDesk* desk, FunctionCallInfo fcinfo, const Catalog& catalog,
                  ItemPurchase* wanted) {
    if (!may_sell_items_in_group(catalog)) {
        return false;
    }
    if (wanted->request_id != nullptr &&
        find_first_item_call(catalog, *wanted, return_first_row, fcinfo)) {
        return true;
    }
    resolve_on_sale(catalog, wanted);
    if (sell_item_in_group(desk, fcinfo, catalog, *wanted)) {
        return true;
    }
    if (wanted->request_id != nullptr) {
        end_announcement();
        return false;
    }
    sell_found(fcinfo, catalog, *wanted);
    return true;
}

void sell_item(FunctionCallInfo fcinfo, const Catalog& catalog, ItemPurchase* wanted) {
    SaleDesk* desk = join_group(fcinfo);
    if (unlikely(desk != nullptr) && sell_at_desk(desk, fcinfo, catalog, wanted)) {
        return;
    }
    if (wanted->request_id != nullptr) {
        lock_request(item_request_key(catalog, *wanted));
        if (find_first_item_call(catalog, *wanted, return_first_row, fcinfo)) {
            return;
        }
    }
    resolve_on_sale(catalog, wanted);
    sell_found(fcinfo, catalog, *wanted);
}

void read_call(FunctionCallInfo fcinfo, ItemPurchase* purchase) {
    ItemArguments arguments;
    for (int i = 0; i < kItemArguments; i++) {
        arguments.value[i] = PG_GETARG_DATUM(i);
        arguments.is_null[i] = PG_ARGISNULL(i);
    }
    read_item_purchase(arguments, purchase);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_buy) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("item_buy()");
    require_set_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    ItemPurchase purchase;
    read_call(fcinfo, &purchase);
    sell_item(fcinfo, catalog, &purchase);
    return 0;
}

TICKETPOOL_FUNCTION(item_hold) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("item_hold()");
    require_set_result(fcinfo);
    const TimestampTz deadline = hold_deadline(fcinfo, kItemArguments);
    const Catalog& catalog = catalog_of(fcinfo);
    ItemPurchase purchase;
    read_call(fcinfo, &purchase);
    purchase.holds = true;
    purchase.held_until = deadline;
    sell_item(fcinfo, catalog, &purchase);
    return 0;
}

TICKETPOOL_FUNCTION(item_remaining) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "item_id");
    const ItemRef ref = require_item(catalog_of(fcinfo), PG_GETARG_INT64(0));
    const int64_t units = item_remaining_units(ref);
    end_announcement();
    PG_RETURN_INT64(units);
}
