// When the worker has something to do: for each database the earliest moment at which a hold runs
// out or a quota returns, in shared memory.
//
// Who writes `next_due` when:
//   a commit that made a deadline   lowers it, once its rows are visible to everybody
//   who settles a prepared transaction that was committed: the same
//   the sweeper                     sets it to "never", then reads the tables, then lowers it to
//                                   what it found there
// A deadline whose commit the sweeper's snapshot missed is lowered in after the "never": none is
// lost. A rolled back transaction lowers nothing. If the sweeper dies in between, the launcher
// lowers it to a moment from now.
#pragma once

#include "pg.hpp"

namespace ticketpool {

inline constexpr int kMaxDatabases = 512;

struct DatabaseDue {
    std::atomic<uint32_t> database;  // InvalidOid: unused
    std::atomic<bool> swept;         // the last sweep came to its end
    std::atomic<bool> told;          // the log says that its extension is of another version
    std::atomic<bool> preloaded;     // a preloader was started since the server was
    std::atomic<int64_t> next_due;   // time stamp; INT64_MAX: never
};

// The running transaction sets a deadline; announced when it commits.
void deadline_at_commit(TimestampTz deadline);
// For the transaction callbacks: no-fail.
void announce_deadline();
void forget_deadline();
TimestampTz pending_deadline();  // INT64_MAX: none

// Lowers a database's next_due, entering it first. No-fail.
void lower_next_due(Oid database, TimestampTz due);
// Its entry, or null.
DatabaseDue* find_database_due(Oid database);

}  // namespace ticketpool
