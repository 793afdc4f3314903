// Prepared transactions: what they did to the pool stays in shared memory until they are decided.
//
// COMMIT PREPARED and ROLLBACK PREPARED run no callback of an extension, in whatever session they
// run. So nobody is told: the next process that comes to a departure asks the server what became of
// the transaction, by its id, and settles what it left.
//
// A PreparedLedger is a block of the arena: the ledger entries of seats and of plain quantities in
// final form (no take-overs) and the departures and items that the transaction had pinned. The
// blocks are a list in Control. What is said of departures here is true of items, too.
//
//   PRE_PREPARE        the backend makes the block, copies its ledger, adds a shared pin to each
//                      departure of its own and enters the block, `prepared` false. Errors are
//                      possible up to here (53200) and leave nothing behind
//   PREPARE            `prepared` becomes true, the backend forgets its ledger, its own pins go.
//                      The server lets nobody decide the transaction before this callback has run
//   ABORT instead      the block leaves the list unsettled, its pins go; the backend's own ledger,
//                      which is still there, is undone as in any rollback
//   resolving          by any process, under the exclusive directory lock: the block of a
//                      transaction that is not in progress any more is settled (it did commit) or
//                      undone (it did not), its pins go, it leaves the list
//
// Exactly once: a block is in the list or not, and only the holder of the lock takes it out.
// `prepared` keeps resolvers away while the backend still owns the entries: a failing PREPARE is
// not in progress any more a moment before its ABORT callback.
//
// What a reader may see: a refund that was committed by COMMIT PREPARED is not free yet. So a
// session that finds a departure resolves it first, and a session that buys resolves it again
// before it says "sold out". Nearly always there is nothing to resolve: Control::attention is 0,
// one relaxed load.
//
// The questions are asked in the order "in progress?", "committed?": a transaction is in progress
// until its end shows in new snapshots. Neither is asked under the lock (both may read from disk).
// In between another process may settle the block: then the block is not in the list any more.
//
// If the process dies right here: a killed server process takes this memory with it, and the
// prepared transactions come back from their files without their blocks. Then the loader finds
// their undecided rows and makes blocks of them (undecided.hpp). A backend that ends otherwise runs
// PREPARE or ABORT.
//
// The server forgets the status of an old transaction one day, so no block may grow old. The server
// truncates clog up to the oldest transaction that a table of any database may still name. That
// includes template0, which autovacuum freezes every autovacuum_freeze_max_age transactions
// (100,000 at least): a block must not outlive so many. The launcher resolves all blocks once a
// second at least, and also while it waits for a sweeper: it waits for none longer than that.
#pragma once

#include "pool/ledger_entry.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_entry.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct PreparedLedger {
    SharedPtr<PreparedLedger> next;
    uint32_t xid;
    uint32_t database;
    uint32_t entry_count;
    uint32_t stock_count;
    uint32_t slot_count;
    int64_t since;     // its first claim
    int64_t deadline;  // the earliest of its holds and quotas; INT64_MAX: none
    bool prepared;     // under the directory lock
    // Entry[entry_count], StockEntry[stock_count], uint32_t[slot_count]

    Entry* entries() { return reinterpret_cast<Entry*>(this + 1); }
    StockEntry* stock_entries() { return reinterpret_cast<StockEntry*>(entries() + entry_count); }
    uint32_t* slots() { return reinterpret_cast<uint32_t*>(stock_entries() + stock_count); }
};

// A block to be filled, not in the list yet; ereports 53200.
PreparedLedger* prepared_allocate(uint32_t entries, uint32_t stock_entries, uint32_t slots);
// Pins the block's departures and enters it in the list. No-fail, like all that follow.
void prepared_enter(PreparedLedger* block);
// From now on the end of the block's transaction decides about it.
void prepared_complete(PreparedLedger* block);
// Takes the block out again: its transaction was not prepared after all.
void prepared_withdraw(PreparedLedger* block);

// Settles what was decided: the blocks of one departure, or all (kNoSlot). True: there was one.
bool prepared_resolve_now(uint32_t slot);
inline bool prepared_resolve(uint32_t slot) {
    return unlikely(shared.control->attention.load(std::memory_order_relaxed) != 0) &&
           (slot == kNoSlot ||
            shared.slots[slot].shared_pins.load(std::memory_order_relaxed) != 0) &&
           prepared_resolve_now(slot);
}

// A transaction whose block is on the departure, or InvalidTransactionId.
TransactionId prepared_transaction_on(uint32_t slot);

// Claims of prepared transactions on a departure.
int64_t prepared_claims_on(uint32_t slot);
// Units that they have claimed of a stock.
int64_t prepared_units_of(const StockRef& stock);

// For the view: calls nothing while it holds the lock.
struct PreparedSummary {
    int64_t claims;
    int64_t since;
};
// Palloc'd; of transactions with claims only.
PreparedSummary* prepared_list(uint32_t* count);

// Is the top-level transaction, which has not ended, prepared? (One that has ended meanwhile looks
// prepared, too; loaders find that out in step 2 of undecided.hpp.)
bool is_prepared(TransactionId xid);

}  // namespace ticketpool
