// Claims on the stocks of an item: how many units are free, taking some or all of them.
#pragma once

#include "pool/announcement.hpp"
#include "pool/stock_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Is the stock there for this transaction? Was it merged?
bool is_usable(const Stock* stock);
bool is_merged(const ItemRef& ref, const Stock* stock);
StockRef stock_ref(const ItemRef& ref, const Stock* stock);

// `units` of one stock, all or none, entered: an attempt for claim_until_decided(). Needs room for
// 1 + stock_release_count() entries, and for a pin.
Status try_stock(const ItemRef& ref, Stock* stock, int64_t units);

// Takes all that is free in a stock for this transaction, its own pending releases, too, and enters
// it. Needs room for 1 + stock_release_count() entries.
int64_t claim_rest(const ItemRef& ref, Stock* stock);
// try_stock() until it is decided; reserves for itself.
bool claim_from_stock(const ItemRef& ref, Stock* stock, int64_t units);

// Units that this transaction could buy, of all inventories.
int64_t item_remaining_units(const ItemRef& ref);

// Puts a stock into an item's list.
void link_stock(Item* item, Stock* stock);

}  // namespace ticketpool
