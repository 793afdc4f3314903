// When the worker has something to do. For each database, shared memory has the earliest moment at
// which a hold runs out or a quota returns.
//
// A database gets its entry from the first process that finds it without one (a commit that made a
// deadline, or the launcher). A process looks for the entry without a lock; before it takes a free
// one, it looks again under Control::databases_lock, so that a database never has two. Only the
// launcher removes an entry, once the database is gone.
//
// Who writes what when:
//   next_due    a commit that made a deadline lowers it, once its rows are visible to everybody;
//               a process that settles a committed prepared transaction does the same;
//               the launcher sets it to "never" before it starts a sweeper;
//               the sweeper reads the tables after that, and lowers it to what it found there
//   started     the launcher sets it before it registers a sweeper; the process that sees the
//               sweeper's end clears it with end_sweep(): the sweeper itself, on its way out, or
//               the launcher, if the sweeper never became a process; before that, nobody starts
//               another sweeper
//   working_on  the launcher sets it to the old next_due, for as long as `started` is set
//   the rest    as said at the fields
//
// If the sweeper's snapshot missed the commit that made a deadline, that commit lowers next_due
// after the launcher has set it to "never": no deadline is lost. A rolled back transaction lowers
// nothing. If the sweeper ends before it is done, end_sweep() lowers next_due to a moment from now.
// If a process is killed outright, the server restarts, all of this memory is made again, and every
// database is swept once.
//
// Events (rows of ticket_event) and their NOTIFY
// ---------------------------------------------
// With ticketpool.notify the sweeper sends NOTIFY ticketpool, in a transaction of its own at the
// end of its round, so that a reader of events need not poll. No other process does: commits with a
// NOTIFY wait for each other, in the whole cluster.
//
// A reader that must miss none reads events of transactions that are older than all running ones
// (xid < pg_snapshot_xmin(pg_current_snapshot()), the horizon): no row can appear there any more.
// So it has a reason to look at two moments, and the sweeper wakes it at both:
//
//   new         events were committed since the last NOTIFY. Every commit that wrote events counts
//               events_written up, once its rows are visible, and lowers next_due to now. So this is
//               noticed whichever event_id they have: that of a transaction that commits late is
//               smaller than one that was told already. Commits of which the count says nothing (of
//               a session in which the setting is off, or prepared) are noticed by a larger
//               event_id, or at the second moment
//   readable    the horizon has passed events that it had not passed at the last NOTIFY: there is a
//               row between told_xmin and the horizon of now. Such a row may have been told as new
//               before, while an older transaction was still running
//
//   sweeper     reads events_written, then takes a snapshot, and reads with it the largest event_id
//               and whether something is readable; sends; after its commit, stores what it had read
//               before and in the snapshot. What is committed after the snapshot differs in
//               events_written from what is stored, and has lowered next_due to be looked at
//
// All rows with an xid before told_xmin were decided when told_xmin was read, so that none can be
// missed. As long as events are there that are not readable yet, the sweeper comes again in a
// second; after a minute of that, with the launcher's regular rounds. If it dies between its commit
// and its notes, or the server restarts, there is one NOTIFY too many.
//
// A reader (the view, the launcher) may see the fields of one entry at slightly different moments.
// The worst that follows is a line in the log, or an answer, that is a second old.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

inline constexpr int kMaxDatabases = 512;

// Does the library serve the database?
enum class Served : uint8_t {
    kUnknown,  // not swept since the server started
    kYes,
    kNo  // the extension is not there, or is there in another version
};

// Why a sweep is not over.
enum class Obstacle : uint8_t {
    kNone,
    kDatabase,  // another session has it locked: it is being copied, moved or dropped
    kSlot,      // no background worker can be started
    kSweeper,   // its sweeper is at work
    kLocks,     // the last sweep passed over rows or tables that others had locked
    kError      // the last sweep failed, at least in part: the log says why
};

struct DatabaseDue {
    std::atomic<uint32_t> database;   // InvalidOid: unused
    std::atomic<int32_t> sweeper;     // pid of the sweeper at work, which writes it; 0: none
    std::atomic<int64_t> next_due;    // time stamp; INT64_MAX: never
    std::atomic<int64_t> working_on;  // next_due when the running sweep began; INT64_MAX: none
    std::atomic<int64_t> left;        // the earliest deadline that the last sweep had to leave, by
                                      // the sweeper; INT64_MAX: none
    std::atomic<int64_t> last_sweep;  // the end of the last whole one, by the sweeper; 0: none
    std::atomic<uint32_t> passed;     // due holds that the last sweep had passed over when its time
                                      // was up, by the sweeper: the next one begins after them
    std::atomic<Served> served;       // by the sweeper, and by commits that made a deadline
    std::atomic<Obstacle> obstacle;   // by the launcher and the sweeper; only for people
    std::atomic<bool> look;           // to be swept whatever next_due says, by the launcher
    std::atomic<bool> started;        // a sweeper was started and has not ended
    std::atomic<bool> swept;          // the last sweep ran to its end
    std::atomic<bool> told;           // the log says that its extension is of another version
    std::atomic<bool> told_overdue;   // the log says that it is overdue; by the launcher
    std::atomic<bool> preloaded;      // a preloader was started since the server's start
    // No departure has left the sale since a sweeper has looked for waits that end with that.
    // Stored false by commits that change a sale, and with each look into all databases, since a
    // wait may have been entered meanwhile; true by the sweeper, before it looks.
    std::atomic<bool> sales_known;
    // How many departures have left memory that may be unserved; and one more than that count was
    // when the sweeper began to load every departure that has waiters, stored when it had done so.
    // 0: not since the server started.
    std::atomic<uint32_t> waits_left;
    std::atomic<uint32_t> waits_loaded;
    std::atomic<uint32_t> events_written;  // by commits that wrote events: how many there were
    // The next five are the sweeper's. The first four: see "Events" above.
    std::atomic<uint32_t> events_told;  // events_written before the last NOTIFY
    std::atomic<int64_t> told_event;    // its payload, the largest event_id then; 0: none was sent
    std::atomic<uint64_t> told_xmin;    // the horizon of its snapshot
    std::atomic<int64_t> told_at;       // when it was sent
    std::atomic<int64_t> next_purge;    // when to look for old events and waits; 0: at once
};

// The running transaction sets a deadline, which is announced when the transaction commits.
void deadline_at_commit(TimestampTz deadline);
// It closes the sale of a departure, or changes its times.
void sale_change_at_commit();
// It has written events, of which the worker is to tell at once when it commits.
void events_at_commit();
// For the transaction callbacks: no-fail.
void announce_deadline();
void forget_deadline();
TimestampTz pending_deadline();  // INT64_MAX: none

// Lowers a database's next_due, entering it first. No-fail.
void lower_next_due(Oid database, TimestampTz due);
// The same for a deadline that the database's own transactions have made.
void lower_served_due(Oid database, TimestampTz due);
// A transaction that may have changed a sale has committed. No-fail.
void note_sale_change(Oid database);
// Its entry, or null.
DatabaseDue* find_database_due(Oid database);
// Its entry, which is made if it has none; null: all entries are taken. No-fail.
DatabaseDue* enter_database(Oid database);
// The database is gone.
void remove_database(DatabaseDue* entry);

// The sweeper is gone. If its sweep did not run to its end, the database is due again after a
// pause. No-fail; does nothing the second time.
void end_sweep(DatabaseDue* entry, TimestampTz pause);

// The earliest deadline that is not known to be dealt with; INT64_MAX: none.
TimestampTz earliest_deadline(const DatabaseDue& entry);
// How late it may be before an administrator should look. A round takes a second, a retry five.
inline constexpr TimestampTz kOverdue = 10 * USECS_PER_SEC;
inline bool is_overdue(const DatabaseDue& entry, TimestampTz now) {
    const TimestampTz deadline = earliest_deadline(entry);
    return entry.served.load(std::memory_order_relaxed) != Served::kNo && deadline < now &&
           deadline < now - kOverdue;
}
// What the sweep waits for, in words for people.
const char* obstacle_text(Obstacle obstacle);

}  // namespace ticketpool
