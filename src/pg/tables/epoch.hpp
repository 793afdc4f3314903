// What a departure in memory was loaded from, as a number: its epoch.
//
// Triggers tell the pool of every row that somebody writes by hand (by_hand.cpp). Some changes fire
// no trigger: a partition is attached, detached or dropped, or triggers are switched off, rows
// written, and triggers switched on again, as pg_restore --disable-triggers does. Each of these
// replaces or rewrites the catalog row of our trigger on that table. So the identity of that row
// (its oid, and the transaction that wrote it last) names a stretch of time in which the triggers
// saw everything. Together with the identities on ticket_departure and ticket_reservation it is the
// epoch of a service date. VACUUM, ANALYZE, CLUSTER and indexes leave the epoch as it is.
//
// Who writes DirectorySlot::epoch, and when:
//   the loader       stores the epoch of its date, before anybody finds the slot. By then it holds
//                    locks on the tables, so it knows of every change that has committed, and only
//                    after that it takes its snapshot
//   a commit         sets kStale: rows changed in a way that the pool does not follow step by step
// Who reads it:
//   a finder         if it differs from the date's epoch or has kStale, the departure is evicted,
//                    once the transactions that have it pinned have ended, and is loaded again. A
//                    session uses a departure that it has pinned itself as it is
//   a writer of rows has the partition locked, which tells it of every change. If a pinned
//                    departure has another epoch, the transaction fails (40001), because its claims
//                    may be on seats that rows of the new epoch have
//
// A transaction that has made such a change itself goes on with what is in memory. Others do not
// see the change before the transaction commits, and find the new epoch then. What the transaction
// loads meanwhile differs from what others would load. It has the new epoch (or kStale, after a
// TRUNCATE, which changes no epoch), so others load again, whether the transaction commits or not.
//
// All items share one epoch, that of the triggers on item_order and item_inventory. What is said
// here of departures and their partition is true of items and these tables.
//
// If a process dies: the server restarts, with an empty pool.
#pragma once

#include "pool/shared_memory.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

inline constexpr uint32_t kStale = 1;
// The day has no partition: its orders are out of sight, and none of its seats are offered.
inline constexpr uint32_t kNoPartition = 2;

// The epoch of a service date. Its bit kStale is clear; its bit kNoPartition is set if the day has
// no partition. Looks into the system catalogs if they may have changed since the last time.
uint32_t epoch_of(const Catalog& catalog, DateADT date);
// The same without a look into the catalogs. False: the epoch is not known.
bool epoch_is_known(DateADT date, uint32_t* epoch);

// Has this transaction itself changed what makes up the epoch? The epoch must be known.
bool epoch_is_own(DateADT date);
// The same for items.
uint32_t item_epoch_of(const Catalog& catalog);
bool item_epoch_is_known(uint32_t* epoch);
bool item_epoch_is_own();

// This transaction empties partitions.
void note_truncate();
bool has_truncated();

// For a writer of rows, which has the tables locked: the first departure of the date (kItemDate:
// the first item) that this transaction has pinned and that was loaded from tables of another
// epoch. Null: there is none.
DirectorySlot* pinned_of_other_epoch(Oid relation, DateADT date, uint32_t epoch);

}  // namespace ticketpool
