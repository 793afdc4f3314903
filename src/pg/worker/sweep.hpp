// What runs out by itself: finding and expiring holds of seats and of units, returning quotas,
// ending waits; see sweep.cpp.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/progress.hpp"
#include "tables/wait_ends.hpp"

namespace ticketpool {

// An order of one departure with at least one ticket whose time is over, or an order of an item.
struct DueHold {
    int64_t order_id;
    int64_t departure_id;    // 0: of an item
    TimestampTz held_until;  // the earliest time of its due tickets
    DateADT date;            // of the partition in which it was found; of an item: 0
    Oid leaf;                // that partition, or item_order
};

// Loading the departures that have waiters, and serving those that have to be.
struct WaitLoad {
    enum { kNotBegun, kRunning, kDone } state;
    uint32_t left;   // DatabaseDue::waits_left when it began
    int64_t behind;  // those up to this departure_id were tried
    bool whole;      // none of them failed
};

// The state of a sweep, which takes several transactions.
struct Sweep {
    MemoryContext context;  // of `holds`
    DueHold* holds;         // what the look has found, partition by partition
    size_t count;
    size_t room;
    size_t next;         // the holds before this one were tried
    uint32_t next_slot;  // of the departures that may be unserved
    WaitLoad load;
    int failed_quotas;    // the oldest due quotas, which the next look passes over
    EndedWaits waits;     // what the look has found
    size_t next_wait;     // those before this one were tried
    int done;             // holds that expired, quotas that returned, waits of which options ended
    int busy;             // left, because another session has the rows or the table locked
    int failed;           // left, because of an error, which the log has
    TimestampTz soonest;  // the earliest deadline that is still in the future; INT64_MAX: none
    TimestampTz overdue;  // the earliest deadline of what was left; INT64_MAX: nothing was left
    Progress progress;
};

void begin_sweep(Sweep* sweep, MemoryContext context);
// What was left undone. Call after the last step.
int64_t count_left(const Sweep& sweep);

// Finds the holds whose time is over, at most `limit` rows of each partition and of item_order, and
// the earliest deadline after them. Afterwards it holds no lock except the one on ticket_order.
void find_due_holds(const Catalog& catalog, Sweep* sweep, size_t limit);

// Moves the first `count` holds behind the others, so that they are tried last.
void put_off_holds(Sweep* sweep, size_t count);

// Lets the next holds expire in the running transaction: at most `limit`, all of one table.
// False: none were left to try.
bool expire_some(const Catalog& catalog, Sweep* sweep, size_t limit);

// Lets at most `limit` quotas return in the running transaction. False: none were due.
bool return_some_quotas(const Catalog& catalog, Sweep* sweep, int limit);

// Finds the waits with options whose time is over, at most `limit`, and the end of the next option.
// `closed`: also those whose departures are not on sale any more.
void find_ended_waits(const Catalog& catalog, Sweep* sweep, size_t limit, bool closed);
// Ends options of at most `limit` of these waits in the running transaction. False: none were left
// to try.
bool end_some_waits(const Catalog& catalog, Sweep* sweep, size_t limit);

// Serves the waiting list of the next departure that is marked unserved, in the running
// transaction: of those in memory, then of those that have waiters and may have left memory
// unserved, or were never loaded. False: there was none left.
bool serve_some(const Catalog& catalog, Sweep* sweep);

// Notes the deadlines of quotas. Call after the last return_some_quotas().
void note_quota_deadlines(const Catalog& catalog, Sweep* sweep);

}  // namespace ticketpool
