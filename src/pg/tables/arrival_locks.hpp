// Rows that arrive in any order: an order may be written before the departure, or the inventory,
// that it belongs to. The session that writes the one and the session that writes the other meet in
// an advisory lock, so nothing is ever loaded without an order that commits later.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The row that an order may be written without.
enum class Arrival { kDeparture, kInventory };

// The departure, or the item, that this transaction last found missing while it held the lock of
// orphans, which keeps it missing. It is noted so that one look does for all of its orders.
bool is_noted_missing(Arrival kind, int64_t id);
void note_missing(Arrival kind, int64_t id);
// For the transaction callbacks: what was found missing may be present by now.
void forget_missing();

// One lock in two modes, kept to the end of the transaction: one mode for sessions that insert
// departures, one for sessions that write orders whose departure is missing. Each kind of session
// waits only for the other one.
void lock_new_departures(const Catalog& catalog);
bool holds_new_departures(const Catalog& catalog);
void lock_orphans(const Catalog& catalog);

// The same for sessions that insert inventories and sessions that write orders whose inventory is
// missing.
//
// There is one lock of all items, and there are some that the items share by their hash:
//   order without an inventory              the one of all items, then its item's
//   inventory by hand                       the one of all items
//   inventory by a function of ours         its item's
// So item_open waits only for orders of its item, for as long as they are undecided. A session that
// copies both tables at a time, items in any order, has only one lock to wait for, so there is no
// deadlock.
void lock_new_inventory(const Catalog& catalog, int64_t item_id, bool by_hand);
void lock_item_orphan(const Catalog& catalog, int64_t item_id);

}  // namespace ticketpool
