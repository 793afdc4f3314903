// Which departures and items are in memory: finding, announcing, loading and evicting them.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Finds the departure, and loads it if it is not in memory. Waits, interruptibly, while another
// session loads it.
DepartureRef directory_find(const Catalog& catalog, Text train, DateADT date);
DepartureRef directory_find_id(const Catalog& catalog, int64_t departure_id);
// The same, except that a standby shows what it has replayed by now, whatever the setting
// ticketpool.standby_staleness.
DepartureRef directory_find_id_now(const Catalog& catalog, int64_t departure_id);

ItemRef directory_find_item(const Catalog& catalog, int64_t item_id);

// Has this transaction deleted the item's root by hand?
bool directory_item_is_leaving(const Catalog& catalog, int64_t item_id);
// Drops an item whose rows were deleted by hand from memory. False: the item is in use.
bool directory_forget_item(const Catalog& catalog, int64_t item_id);

// The train as which this transaction sees an announced or pinned departure sold; palloc'd.
Text directory_train(const DepartureRef& ref);

// Notes that this transaction has given departures other names, days or ids by hand, or deleted
// some. From now to its end it finds departures by what it sees in their rows; others find them
// under their old names until it commits. (A rollback to a savepoint does not undo the note, which
// does no harm: the rows still tell.)
void directory_note_own_names();

// The id of a departure; TK001 if there is none. Leaves nothing announced.
int64_t require_departure_id(const Catalog& catalog, Text train, DateADT date);

// Is the departure in memory, or being loaded? It may be evicted at any time.
bool directory_has(const Catalog& catalog, int64_t departure_id);
// The same, and it is not to be loaded again before its next use.
bool directory_has_current(const Catalog& catalog, int64_t departure_id);

// Is there an item in slot `index`, loading or not? *item_id: its id.
bool directory_item_in(const Catalog& catalog, uint32_t index, int64_t* item_id);

// Ends the announcement and drops the departure from memory, unless somebody uses it. The next
// session that looks for it loads it again.
void directory_forget(const DepartureRef& ref);

// For views, which step through the slots: announces the departure (or item) in slot `index` if it
// is one of this database and committed. False: it is not.
bool directory_announce_slot(const Catalog& catalog, uint32_t index, DepartureRef* ref);
bool directory_announce_item(const Catalog& catalog, uint32_t index, ItemRef* ref);

// For a cashier, to which a session that announces a departure (or item) has handed it: announces
// it, too, if it is still in this slot, in this version, and of this epoch. False: it is not.
bool directory_announce_known(const Catalog& catalog, const SlotVersion& known, uint32_t epoch,
                              DepartureRef* ref);
bool directory_announce_known_item(const Catalog& catalog, const SlotVersion& known, uint32_t epoch,
                                   ItemRef* ref);

// Pins a departure or item if it is in memory and loaded, and reserves room in the ledger for one
// entry. Returns its slot, or kNoSlot.
uint32_t directory_pin_if_ready(Oid relation, int64_t id);

// For the transaction's end: no-fail -----------------------------------------------------------

// Has a departure or item loaded again before its next use.
void directory_mark_stale(Oid relation, int64_t id);
// Takes a departure that has got other seats out of the directory, although transactions have it
// pinned: none of them has claims or releases on it that still count. Its memory is freed after the
// last of them. The next session that looks for it loads it.
void directory_replace(Oid relation, int64_t departure_id);
// From now on the departure is sold as this train.
void directory_set_train(Oid relation, int64_t departure_id, Text train);

}  // namespace ticketpool
