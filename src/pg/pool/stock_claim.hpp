// Claims on the stocks of an item: how many units are free, taking some or all of them.
#pragma once

#include "pool/announcement.hpp"
#include "pool/stock_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Is the stock there for this transaction? Is it merged, for this transaction or for all?
bool is_usable(const Stock* stock);
bool is_merged(const ItemRef& ref, const Stock* stock);
StockRef stock_ref(const ItemRef& ref, const Stock* stock);

// Claims `units` of one stock, all or none, and enters them: an attempt for claim_until_decided().
// Needs room for 1 + stock_release_count() entries, and for a pin.
Status try_stock(const ItemRef& ref, Stock* stock, int64_t units);

// Claims all that is free in a stock for this transaction, its own pending releases included, and
// enters it. Needs room for 1 + stock_release_count() entries. The item is pinned.
int64_t claim_rest(const ItemRef& ref, Stock* stock);
// try_stock() until it is decided; reserves for itself.
bool claim_from_stock(const ItemRef& ref, Stock* stock, int64_t units);

// The units that this transaction could buy, in all inventories together.
int64_t item_remaining_units(const ItemRef& ref);

// Puts a stock into an item's list.
void link_stock(Item* item, Stock* stock);

}  // namespace ticketpool
