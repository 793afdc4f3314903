// Rows of an item whose transaction is prepared: what its loader makes of them. The steps and why
// they are enough are those of undecided.hpp; what is read is item_order and item_inventory.
//
// For one inventory, a transaction's rows tell how many units it leaves more or less free:
//
//   an order of it, inserted and live        less, by the order's units
//   a live order, refunded or deleted by it  more
//   a quantity that it changed               the difference
//
// The sum says what its ledger was, as far as anybody could tell: units that it freed and bought
// again itself are neither claimed nor released.
//
//   less free    claimed: taken from the stock now; free where it rolls back
//   more free    released where it commits
//   inventory inserted by it (item_split)    a stock that only it sees, with what is free of it
//   inventory merged by it                   merged where it commits
//
// So the stocks are filled as if all these transactions were rolled back, and then the ledgers
// claim. There is always enough: in the ledgers of the time before the restart, which took nothing
// that was not there, no transaction had claimed less. An item whose item_open is undecided is not
// there for anybody yet.
//
// This pass reads all versions of the item's orders in the table's order. A place of it may have
// got a new row since its index entry was read: so what the row says is looked at again. Nobody
// who is prepared can have written it since.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/inventory_rows.hpp"

namespace ticketpool {

// Steps 1 and 2.
void read_undecided_item(const Catalog& catalog, int64_t item_id, UndecidedItem* undecided);

// Step 4: for an item that is filled as `before` says.
void make_item_ledgers(Item* item, uint32_t slot, const Inventories& before,
                       const UndecidedItem& undecided);

}  // namespace ticketpool
