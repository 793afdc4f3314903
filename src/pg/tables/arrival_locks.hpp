// Rows that arrive in any order: an order may be written before the departure, or the inventory,
// that it belongs to. Whoever writes the one and whoever writes the other meet in an advisory lock,
// so nothing is ever loaded without an order that commits later.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// What an order may be without.
enum class Arrival { kDeparture, kInventory };

// The departure, or the item, that this transaction last found missing while it held the lock of
// orphans, which keeps it missing: to look for it once for all its orders.
bool is_noted_missing(Arrival kind, int64_t id);
void note_missing(Arrival kind, int64_t id);
// For the transaction callbacks: what was found missing may be there by now.
void forget_missing();

// Locks of those who insert departures, and of those who write orders whose departure is not there:
// each kind meets the other one only. To the end of the transaction.
void lock_new_departures(const Catalog& catalog);
bool holds_new_departures(const Catalog& catalog);
void lock_orphans(const Catalog& catalog);

// Locks of those who insert inventories, and of those who write orders whose inventory is not
// there: each kind meets the other one only. To the end of the transaction.
//
// There is one lock of all items, and there are some that the items share by their hash:
//   order without an inventory       the one of all items, then its item's
//   inventory by hand                the one of all items
//   inventory by item_open or so     its item's
// So item_open waits for orders of its item only, for as long as they are undecided. Who copies
// both tables at a time, items in any order, has only one lock to wait for: no deadlock.
void lock_new_inventory(const Catalog& catalog, int64_t item_id, bool by_hand);
void lock_item_orphan(const Catalog& catalog, int64_t item_id);

}  // namespace ticketpool
