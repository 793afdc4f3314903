// Purchases of units in a group: as those of tickets (tickets/ticket_group.hpp).
#pragma once

#include "items/item_sale.hpp"
#include "purchase/group_sale.hpp"

namespace ticketpool {

// For sell_item(), before the item is looked for: may its purchases go to the cashier?
bool may_sell_items_in_group(const Catalog& catalog);
// Afterwards: true if the cashier has sold it, and its row is in the result set. False: the item is
// still announced.
bool sell_item_in_group(SaleDesk* desk, FunctionCallInfo fcinfo, const Catalog& catalog,
                        const ItemPurchase& purchase);

Oid schema_of_item(const SaleSlot& slot);

// In the cashier's transaction: see carry_out_tickets().
void carry_out_items(const Catalog& catalog, SaleSlot* const* slots, const int* places, int count,
                     bool* sold, volatile int* at);

}  // namespace ticketpool
