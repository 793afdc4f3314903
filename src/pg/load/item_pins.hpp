// Finding an item and keeping it in memory to the end of the transaction.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The item; TK001 where there is none.
ItemRef require_item(const Catalog& catalog, int64_t item_id);
// Keeps it in memory to the end of the transaction, ends the announcement.
void pin_item(const ItemRef& ref);

[[noreturn]] void report_no_item(int64_t item_id);

// The item, pinned; null: there is none.
ItemRef pin_item_by_hand(const Catalog& catalog, int64_t item_id);
// The same for who changes an order of it: where there is none, none comes before this transaction
// has ended, so none is loaded with the order as it was.
ItemRef pin_item_or_lock(const Catalog& catalog, int64_t item_id);

}  // namespace ticketpool
