// Finding an item and keeping it in memory to the end of the transaction.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The item, announced; TK001 if there is none.
ItemRef require_item(const Catalog& catalog, int64_t item_id);
// Keeps the item in memory to the end of the transaction, and ends the announcement.
void pin_item(const ItemRef& ref);

[[noreturn]] void report_no_item(int64_t item_id);

// The item, pinned. Null: there is none.
ItemRef pin_item_by_hand(const Catalog& catalog, int64_t item_id);
// The same for a session that changes an order of the item. If there is no such item, none can be
// inserted before this transaction has ended, so no item is loaded with the order as it was.
ItemRef pin_item_or_lock(const Catalog& catalog, int64_t item_id);

}  // namespace ticketpool
