// Which departures and items are in memory: find, announce, load, evict.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Finds the departure, loading it where it is not in memory. Waits, interruptibly, while another
// backend loads it.
DepartureRef directory_find(const Catalog& catalog, Text train, DateADT date);
DepartureRef directory_find_id(const Catalog& catalog, int64_t departure_id);
// The same; a standby shows what it has replayed by now, whatever ticketpool.standby_staleness is.
DepartureRef directory_find_id_now(const Catalog& catalog, int64_t departure_id);

ItemRef directory_find_item(const Catalog& catalog, int64_t item_id);

// Has this transaction deleted the item's root by hand?
bool directory_item_is_leaving(const Catalog& catalog, int64_t item_id);
// Drops what is in memory of an item whose rows were deleted by hand. False: it is in use.
bool directory_forget_item(const Catalog& catalog, int64_t item_id);

// The train that an announced or pinned departure is sold as, to this transaction; palloc'd.
Text directory_train(const DepartureRef& ref);

// This transaction has given departures other names, days or ids by hand, or deleted some. From
// here to its end it finds departures by what their rows say to it; others find them under their
// old names until it commits. (A rollback to a savepoint leaves it so: the rows still tell.)
void directory_note_own_names();
bool directory_names_are_own();

// The id of a departure that must exist (TK001); announces nothing.
int64_t require_departure_id(const Catalog& catalog, Text train, DateADT date);

// Is it in memory, or being loaded? It may go at any time.
bool directory_has(const Catalog& catalog, int64_t departure_id);

// Is there an item in slot `index`, loading or not? Its id.
bool directory_item_in(const Catalog& catalog, uint32_t index, int64_t* item_id);

// Ends the announcement and drops the departure from memory, unless somebody uses it: the next one
// to look for it builds it anew.
void directory_forget(const DepartureRef& ref);

// Steps through the slots, for views: announces the departure in slot `index` where it is one of
// this database and committed; false otherwise.
bool directory_announce_slot(const Catalog& catalog, uint32_t index, DepartureRef* ref);
bool directory_announce_item(const Catalog& catalog, uint32_t index, ItemRef* ref);

// Pins a departure or item that is in memory and loaded, with room in the ledger for one entry; its
// slot, or kNoSlot.
uint32_t directory_pin_if_ready(Oid relation, int64_t id);

// For the transaction's end: no-fail -----------------------------------------------------------

// A departure or item is to be loaded anew before its next use.
void directory_mark_stale(Oid relation, int64_t id);
// A departure is sold as another train from now on.
void directory_set_train(Oid relation, int64_t departure_id, Text train);

}  // namespace ticketpool
