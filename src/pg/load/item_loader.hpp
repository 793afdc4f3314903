// Builds an item from its rows: the root inventory, the inventories that were split off, and the
// live orders of all of them in one pass over the index item_order_live.
//
// What is free of an inventory is its quantity less the units of its live orders. A merged
// inventory that has neither units nor live orders has no stock in memory.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Allocates and fills the item, which is loaded into directory slot `slot`. `own_insert`: only this
// transaction sees the item's row.
Item* load_item(const Catalog& catalog, int64_t item_id, uint32_t slot, bool own_insert);

}  // namespace ticketpool
