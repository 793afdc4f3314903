// What the functions of plain quantities share: from arguments to claimed units to order rows.
#pragma once

#include "pool/announcement.hpp"
#include "purchase/request_digest.hpp"
#include "purchase/rule_call.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/table_scan.hpp"
#include "tables/row_target.hpp"

namespace ticketpool {

// A purchase of units: checked, with the item found.
struct ItemPurchase {
    ItemRef ref;
    int64_t item_id;
    int64_t user_id;
    int64_t quantity;
    const pg_uuid_t* request_id;  // null: none
    RequestDigest asked;          // with a request_id
    bool named;                   // inventory_id was passed
    int64_t inventory_id;
    TimestampTz held_until;  // of a hold
    bool holds;              // not paid yet
};

// The arguments of item_buy. item_hold has one more, its ttl.
enum ItemArgument { kArgItem, kArgUser, kArgQuantity, kArgRequest, kArgInventory, kItemArguments };
struct ItemArguments {
    Datum value[kItemArguments];
    bool is_null[kItemArguments];
};

// Checks the arguments and makes them a purchase, which refers to them. Afterwards require_item()
// has to find the item.
void read_item_purchase(const ItemArguments& arguments, ItemPurchase* purchase);

// Idempotency, as for tickets. Call lock_request() with the key first. The item need not exist any
// more. The first call's row is passed to `row_found`; false: there was no first call. Ereports
// 22023 if the first call asked for something else.
uint64_t item_request_key(const Catalog& catalog, const ItemPurchase& purchase);
inline constexpr DigestField kDigestItem{0, 5};
inline constexpr DigestField kDigestQuantity{5, 5};
inline constexpr DigestField kDigestInventory{10, 6};  // 0: not named
using ItemRowFound = void (*)(TableReader* reader, void* context);
bool find_first_item_call(const Catalog& catalog, const ItemPurchase& purchase,
                          ItemRowFound row_found, void* context);

// Is the item, or the inventory that was named, on sale?
bool is_item_on_sale(const ItemPurchase& purchase);

// The purchase as rules are asked about it.
RuleCall rule_call(const ItemPurchase& purchase);

// Claims the units and pins the item. Returns the stock that all of them came from; null: sold out.
Stock* claim_item(const ItemPurchase& purchase);

// Fills a row of item_order. `status` as a datum, made once for many rows.
void build_item_order(const Catalog& catalog, const ItemPurchase& purchase, int64_t inventory_id,
                      Datum status, RowValues* row);

// The part of it that another process may do, too.
void fill_item_order(const ItemPurchase& purchase, int64_t order_id, int64_t inventory_id,
                     TimestampTz created_at, Datum status, RowValues* row);
// 'held' or 'sold', as a datum.
Datum status_of(const ItemPurchase& purchase);

// What a call without an inventory_id asked for, as its row keeps it.
RequestDigest item_digest(int64_t item_id, int64_t quantity);

}  // namespace ticketpool
