// What the functions of plain quantities share: from arguments to claimed units to order rows.
#pragma once

#include "catalog.hpp"
#include "directory.hpp"
#include "pg.hpp"
#include "request_digest.hpp"
#include "row_writer.hpp"
#include "table_scan.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {

// Who wants what: checked, with names resolved.
struct ItemPurchase {
    ItemRef ref;
    int64_t item_id;
    int64_t user_id;
    int64_t quantity;
    const pg_uuid_t* request_id;  // null: none
    RequestDigest asked;          // with a request_id
    bool named;                   // inventory_id was passed
    int64_t inventory_id;
};

// The arguments of item_buy.
enum ItemArgument { kArgItem, kArgUser, kArgQuantity, kArgRequest, kArgInventory, kItemArguments };
struct ItemArguments {
    Datum value[kItemArguments];
    bool is_null[kItemArguments];
};

// Checks them. The purchase refers to the arguments. Then require_item() finds the item.
void read_item_purchase(const ItemArguments& arguments, ItemPurchase* purchase);

// Idempotency, as for tickets: lock_request() of the key first; the item need not be there any
// more. The first call's row is handed to `row_found`; false: there was none. Ereports 22023 where
// it was asked something else.
uint64_t item_request_key(const Catalog& catalog, const ItemPurchase& purchase);
inline constexpr DigestField kDigestItem{0, 5};
inline constexpr DigestField kDigestQuantity{5, 5};
inline constexpr DigestField kDigestInventory{10, 6};  // 0: not named
using ItemRowFound = void (*)(TableReader* reader, void* context);
bool find_first_item_call(const Catalog& catalog, const ItemPurchase& purchase,
                          ItemRowFound row_found, void* context);

// Is the item, or the inventory that was named, on sale?
bool is_item_on_sale(const ItemPurchase& purchase);

// Claims the units, pins the item. Null: sold out; else the stock that all of them came from.
Stock* claim_item(const ItemPurchase& purchase);

// `sold`: the status as a datum, made once for many rows.
void build_item_order(const Catalog& catalog, const ItemPurchase& purchase, int64_t inventory_id,
                      Datum sold, RowValues* row);

// The item; TK001 where there is none.
ItemRef require_item(const Catalog& catalog, int64_t item_id);
// Keeps it in memory to the end of the transaction, ends the announcement.
void pin_item(const ItemRef& ref);

// Is the stock there for this transaction? Was it merged?
bool is_usable(const Stock* stock);
bool is_merged(const ItemRef& ref, const Stock* stock);
StockRef stock_ref(const ItemRef& ref, const Stock* stock);

// Takes all that is free in a stock for this transaction, its own pending releases, too, and enters
// it. Needs room for 1 + stock_release_count() entries.
int64_t claim_rest(const ItemRef& ref, Stock* stock);
// `units` of one stock, all or none, entered; waits for attempts under way. Reserves for itself.
bool claim_from_stock(const ItemRef& ref, Stock* stock, int64_t units);

// Units that this transaction could buy, of all inventories.
int64_t item_remaining_units(const ItemRef& ref);

[[noreturn]] void report_no_item(int64_t item_id);

}  // namespace ticketpool
