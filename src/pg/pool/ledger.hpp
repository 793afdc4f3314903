// What this transaction has claimed and what it will give back: a log in private memory.
//
//   claim       bits taken in the pool by this transaction     abort: release them
//   release     bits of a refunded ticket                      commit: release them
//   take-over   bits of an own release, bought again           abort: they go back to that release
//   status      a departure's new sale status                  commit: store it
//   sale        its new sale times and status, by hand         commit: store them
//   bar         a departure withdrawn, at once                 commit: it stays so; abort: its
//                                                              status comes back
//   quota       a quota that ticket_reserve set up               commit: everybody's; abort: closed
//   closing     a quota that ticket_recycle gives back           commit: closed
//   opened      a departure whose ticket_open is uncommitted   commit: everybody's; abort: discard
//   it (or an item whose item_open is)
//
// What it did to plain quantities is in a log of its own with the same rules: stock_entries.hpp.
//
// Entries carry the nesting level that wrote them. A subtransaction that commits hands its entries
// to its parent; one that aborts undoes them, last first. The transaction's end settles the whole
// log. None of this can fail or allocates: room is reserved before a claim is taken (undo_log.hpp).
//
// At commit the callback runs when other sessions see the transaction as committed already: a
// refunded seat is free a moment later than it is refunded, never sooner. Until then the departure
// stays pinned, so nobody can rebuild it in between and have a late release free a seat sold anew.
//
// PREPARE TRANSACTION hands the log over to shared memory, where whoever comes first after the
// decision settles it: see prepared.hpp.
#pragma once

#include "pool/ledger_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Room for so many more entries and one more pin; ereports before anything is claimed.
void ledger_reserve(size_t entries);

// Everything below is no-fail after ledger_reserve.

// After pin_slot.
void ledger_add_claim(const SeatSource& source, uint32_t seat, const SegmentMask& bits);
void ledger_add_release(const SeatSource& source, uint32_t seat, const SegmentMask& bits);
// What writes sale words comes after wait_for_sale_turn() (waiting.hpp), and nothing between.
void ledger_add_status(uint32_t slot, SaleStatus status);
// What a row says that was changed by hand when the ledger was ledger_mark() `since` long: a status
// that was written after that is newer.
void ledger_add_sale(uint32_t slot, const SaleTimes& sale, size_t since);
// How many of these this transaction has under way; is one of them of ledger_add_sale?
uint32_t ledger_sale_writes(uint32_t slot);
bool ledger_has_sale(uint32_t slot);
void ledger_add_opened(uint32_t slot);
// A quota that was set up by this transaction; one that it closes.
void ledger_add_quota(const SeatSource& source);
void ledger_add_closing(const SeatSource& source);
// Has this transaction recycled the quota? It is open for others until the commit.
bool ledger_is_closing(uint32_t slot, uint64_t quota);
// Withdraws the departure in memory, for everybody and at once; after wait_for_sale_turn(), too.
void ledger_bar(uint32_t slot);

// `bits` of own pending releases of this seat were bought again. Needs one entry of room for each
// release entry of the seat, at most ledger_release_count().
void ledger_take_over(const SeatSource& source, uint32_t seat, const SegmentMask& bits);
size_t ledger_release_count();

// Undoes what was entered after the mark, inside one function: no-fail.
size_t ledger_mark();
void ledger_undo_to(size_t mark);

// What own refunds will free, by seat, in palloc'd memory: free for this transaction.
uint32_t ledger_own_free(const SeatSource& source, OwnFree** own);
// The same of places: how many on each of the departure's segments; null: none.
uint32_t* ledger_own_places(const SeatSource& source, int segments);

// The sale status as this transaction sees it.
SaleStatus ledger_status(uint32_t slot, const Departure* departure);

// For the transaction callbacks -----------------------------------------------------------------

// Copies the ledger to where it outlives this session. May ereport; nothing changes hands yet.
void ledger_prepare();

// No-fail, like all that follow. The copy is given up, or has everything from now on.
void ledger_abandon_prepare();
void ledger_complete_prepare();

void ledger_settle();
void ledger_undo_level(int level);     // entries of that level and deeper
void ledger_promote_level(int level);  // these to the level above it

}  // namespace ticketpool
