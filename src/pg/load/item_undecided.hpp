// Rows of an item whose transaction is prepared, and what the item's loader makes of them. The
// steps are those of undecided.hpp, which also says why they are enough; the tables that are read
// are item_order and item_inventory.
//
// For one inventory, a transaction's rows tell how many units it leaves more or less free:
//
//   an order inserted by it, and live        less, by the order's units
//   a live order, ended or deleted by it     more
//   a live order that it changed             the difference: none if it paid for a hold
//   a quantity that it changed               the difference
//
// The sum says what the transaction's ledger was, as far as anybody could tell: units that the
// transaction freed and bought again itself are neither claimed nor released.
//
//   less free    claimed: taken from the stock now; free if it rolls back
//   more free    released if it commits
//   inventory inserted by it (item_split)    a stock that only it sees, with what is free of it
//   inventory merged by it                   merged if it commits
//
// So the stocks are filled as if all these transactions were rolled back, and then the ledgers
// claim. There are always enough units: before the restart no transaction had claimed less in its
// ledger, and those ledgers took only what was there. An item whose item_open is undecided does not
// exist for anybody yet.
//
// This pass reads all versions of the item's orders in the table's order. A place in the table may
// have got a new row since its index entry was read, so what the row says is checked again. A
// transaction that is prepared cannot have written the row since.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/inventory_rows.hpp"

namespace ticketpool {

// Steps 1 and 2.
void read_undecided_item(const Catalog& catalog, int64_t item_id, UndecidedItem* undecided);

// Step 4, for an item that is filled as `before` says.
void make_item_ledgers(Item* item, uint32_t slot, const Inventories& before,
                       const UndecidedItem& undecided);

}  // namespace ticketpool
