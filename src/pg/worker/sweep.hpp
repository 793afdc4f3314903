// See sweep.cpp.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// An order of one departure with at least one ticket whose time is over.
struct DueHold {
    int64_t order_id;
    int64_t departure_id;
    TimestampTz held_until;  // the earliest of its tickets
    DateADT date;            // the partition that it was found in
    Oid leaf;
};

// How a sweep of several transactions goes.
struct Sweep {
    MemoryContext context;  // of `holds`
    DueHold* holds;         // what a look has found, a partition after the other
    size_t count;
    size_t room;
    size_t next;          // the holds before it were tried
    int failed_quotas;    // the oldest ones, which the next look passes over
    int done;             // holds that expired, quotas that returned
    int busy;             // left: somebody has the rows or the table locked
    int failed;           // left: an error, which the log has
    TimestampTz soonest;  // the earliest deadline that is still to come; INT64_MAX: none
    TimestampTz overdue;  // the earliest one of what was left; INT64_MAX: nothing was
};

void begin_sweep(Sweep* sweep, MemoryContext context);

// Finds the holds whose time is over, at most `limit` rows of a partition, and the earliest
// deadline after them. Holds no lock afterwards but the one on ticket_order.
void find_due_holds(const Catalog& catalog, Sweep* sweep, size_t limit);

// Those that come first, so many, are tried last.
void put_off_holds(Sweep* sweep, size_t count);

// Lets the next of them expire in the running transaction, at most `limit`, all of one partition.
// False: there were none.
bool expire_some(const Catalog& catalog, Sweep* sweep, size_t limit);

// Lets quotas return in the running transaction, at most `limit`. False: there were none.
bool return_some_quotas(const Catalog& catalog, Sweep* sweep, int limit);

// The deadlines of quotas, after the last of these calls.
void note_quota_deadlines(const Catalog& catalog, Sweep* sweep);

}  // namespace ticketpool
