// Rows whose transaction is prepared, and what the loader makes of them.
//
// A departure that a prepared transaction uses stays in memory (prepared.hpp), unless the server
// was restarted. Then the transaction's rows tell what its ledger was:
//
//   inserted by it and live       taken; free if it rolls back
//   live, deleted or changed      taken; free if it commits
//   by it (refund, expiry, ...)
//   quota inserted by it          its stretch is taken; a quota if it commits, free if not
//   quota recycled by it          nothing of the quota can be sold; if it commits, what is
//                                 unsold is free; if it rolls back, the quota has it again
//   departure closed by it        closed if it commits; withdrawn: at once, undone by rollback
//
// The loader makes prepared ledgers from these, with the same entries that the transaction had.
//
// One snapshot does not show all that, and the transaction may be decided at any moment. So:
//
//   1. the undecided row versions are read (every version, and who wrote and who deleted it)
//   2. if each of these transactions is still in progress, none of them was decided during 1, and
//      what was read is consistent; otherwise step 1 is repeated
//   3. a fresh snapshot is taken, and the rows that it sees are read, except those of 1
//   4. what 1 and 3 found is taken, both the old and the new version of a row; the ledgers say what
//      to give back
//
// A transaction that is decided after 2 is noted all the same, whatever 3 saw of it; the first
// access settles it. The changes of a transaction that was decided before 2 are in the snapshot. A
// prepared transaction writes no more rows. Other transactions write rows of a departure that is
// being loaded only by hand. These rows are not noted: their writer, which is running, waits for
// the load and then tells the pool itself (by_hand.hpp). It cannot be prepared before that.
#pragma once

#include "pool/prepared.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"

extern "C" {
#include "storage/itemptr.h"
#include "storage/procarray.h"
}

namespace ticketpool {

struct UndecidedTicket {
    TransactionId xid;  // top level
    bool after;         // the version is live if xid commits; otherwise, if xid rolls back
    ItemPointerData tid;
    LiveTicket ticket;
};

struct UndecidedQuota {
    TransactionId xid;
    bool after;
    bool unchanged;  // both versions are open: the quota stays as it is, whatever xid does
    ItemPointerData tid;
    ReservationRow row;
    Quota* quota;
};

struct Undecided {
    UndecidedTicket* tickets;
    size_t ticket_count;
    UndecidedQuota* quotas;
    size_t quota_count;
    TransactionId closer;  // changes the departure's status; InvalidTransactionId: none does
    SaleStatus status;     // to this one
};

// Appends a zeroed element to an array that grows, in the current memory context.
template <typename T>
T* append(T** array, size_t* count) {
    if (*array == nullptr) {
        *array = static_cast<T*>(palloc(16 * sizeof(T)));
    } else if (*count >= 16 && (*count & (*count - 1)) == 0) {
        *array = static_cast<T*>(repalloc_huge(*array, *count * 2 * sizeof(T)));
    }
    T* added = &(*array)[(*count)++];
    *added = T{};
    return added;
}

// Calls `found` for every version whose inserter or deleter, but not both, is prepared, with that
// transaction and whether its commit makes the version live. (A version that a prepared transaction
// both inserted and deleted is never live.)
template <typename Found>
void for_each_undecided(TableReader* reader, Found found) {
    while (reader_next(reader)) {
        const VersionFate fate = fate_of_version(*reader);
        const bool after = is_prepared(fate.inserter);
        if (after != is_prepared(fate.deleter)) {
            found(after ? fate.inserter : fate.deleter, after);
        }
    }
    reader_close(reader);
}

// Step 2: is each transaction that decides about these rows still in progress? Rows of one
// transaction are mostly side by side.
template <typename Row>
bool all_in_progress(const Row* rows, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if ((i == 0 || rows[i].xid != rows[i - 1].xid) && !TransactionIdIsInProgress(rows[i].xid)) {
            return false;
        }
    }
    return true;
}

// Steps 1 and 2.
void read_undecided(const Catalog& catalog, const Departure* departure, Undecided* undecided);

// Was this row version noted in step 1?
bool is_noted_ticket(const Undecided& undecided, const ItemPointerData& tid);
bool is_noted_quota(const Undecided& undecided, const ItemPointerData& tid);

}  // namespace ticketpool
