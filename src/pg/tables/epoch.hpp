// What a departure in memory was loaded from, as a number: its epoch.
//
// Triggers tell the pool of every row that somebody writes by hand (by_hand.cpp). Some changes fire
// none: a partition is attached, detached or dropped, or triggers are switched off, rows written,
// and triggers switched on again, as pg_restore --disable-triggers does. All of these replace or
// rewrite the catalog row of our trigger there. So the identity of that row (its oid, and the
// transaction that wrote it last) names a stretch of time in which the triggers saw everything.
// Together with those of ticket_departure and ticket_reservation it is the epoch of a service date.
// VACUUM, ANALYZE, CLUSTER and indexes leave it as it is.
//
// Who writes DirectorySlot::epoch when:
//   the loader       the epoch of its date, before anybody finds the slot. It holds locks on the
//                    tables by then, so it knows of every change that has committed, and only then
//                    takes its snapshot
//   a commit         sets kStale: rows changed that the pool does not follow step by step
// Who reads it:
//   a finder         another epoch than the date's, or kStale: the departure is evicted, once the
//                    transactions that have it pinned have ended, and loaded anew. One's own pinned
//                    departure is used as it is
//   a writer of rows with the partition locked, which tells it of every change: a pinned departure
//                    of another epoch fails the transaction (40001), because its claims may be on
//                    seats that rows of the new epoch have
//
// A transaction that has made such a change itself goes on with what is in memory; others do not
// see the change before it commits, and find the new epoch then. What it loads meanwhile is not
// what others would: it has the new epoch (or kStale, after a TRUNCATE, which has none), so others
// load anew, whether it commits or not.
//
// Items have one epoch for all, that of the triggers of item_order and item_inventory. What is said
// of departures and their partition is true of items and these tables.
//
// If a process dies: the server restarts, with an empty pool.
#pragma once

#include "pool/shared_memory.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

inline constexpr uint32_t kStale = 1;
// The day has no partition: its orders are out of sight, and nothing of it is offered.
inline constexpr uint32_t kNoPartition = 2;

// The epoch of a service date; its bit kStale is clear, and kNoPartition says what it says. Looks
// into the system catalogs where they may have changed since the last time.
uint32_t epoch_of(const Catalog& catalog, DateADT date);
// The same without looking: false: not known.
bool epoch_is_known(DateADT date, uint32_t* epoch);

// Has this transaction itself changed what the epoch stands for? The epoch is known.
bool epoch_is_own(DateADT date);
// The same for items.
uint32_t item_epoch_of(const Catalog& catalog);
bool item_epoch_is_known(uint32_t* epoch);
bool item_epoch_is_own();

// This transaction empties partitions.
void note_truncate();
bool has_truncated();

// For a writer of rows, which has the tables locked: the first departure of the date (kItemDate:
// item) that this transaction has pinned and that was loaded from tables of another epoch. Null:
// none was.
DirectorySlot* pinned_of_other_epoch(Oid relation, DateADT date, uint32_t epoch);

}  // namespace ticketpool
