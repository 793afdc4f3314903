// The deadlines of each database (deadlines.hpp), and the line in the log if no launcher is there
// to act on them.
#include "pool/deadlines.hpp"

#include "pool/shared_memory.hpp"
#include "pool/worker_notes.hpp"

namespace ticketpool {

namespace {

constinit TimestampTz pending = INT64_MAX;
constinit bool pending_sale_change = false;
constinit bool events_pending = false;

constexpr TimestampTz kMissed = 10 * USECS_PER_SEC;        // a launcher that failed is back sooner
constexpr TimestampTz kMissedAgain = 600 * USECS_PER_SEC;  // between lines in the log

// Nobody lets holds run out: the launcher got no worker slot when the server started, or was ended
// and cannot start again. It cannot say so itself, so a session that makes a deadline says it.
void note_missing_launcher() {
    Control* control = shared.control;
    const TimestampTz now = GetCurrentTimestamp();
    int64_t since = 0;
    if (control->launcher_missed.compare_exchange_strong(since, now, std::memory_order_relaxed)) {
        return;
    }
    int64_t told = control->launcher_told.load(std::memory_order_relaxed);
    if (now - since > kMissed && (told == 0 || now - told > kMissedAgain) &&
        control->launcher_told.compare_exchange_strong(told, now, std::memory_order_relaxed)) {
        ereport(LOG, (errmsg("ticketpool's launcher is not running"),
                      errdetail("Holds and quotas whose time is over are not freed."),
                      errhint("Raise \"max_worker_processes\" and restart the server. Until then "
                              "run ticket_sweep() in each database.")));
    }
}

}  // namespace

void deadline_at_commit(TimestampTz deadline) {
    pending = Min(pending, deadline);
    if (unlikely(shared.control->launcher.load(std::memory_order_relaxed) == 0)) {
        note_missing_launcher();
    }
}

void sale_change_at_commit() {
    pending_sale_change = true;
    deadline_at_commit(GetCurrentTimestamp());
}

void events_at_commit() {
    deadline_at_commit(GetCurrentTimestamp());
    events_pending = true;
}

void forget_deadline() {
    pending = INT64_MAX;
    pending_sale_change = false;
    events_pending = false;
}

TimestampTz pending_deadline() {
    return pending;
}

// Events are counted before next_due is lowered: the sweep that follows finds them.
static void count_events() {
    DatabaseDue* entry = enter_database(MyDatabaseId);
    if (entry != nullptr) {
        entry->events_written.fetch_add(1, std::memory_order_acq_rel);
    }
}

void announce_deadline() {
    if (pending_sale_change) {
        note_sale_change(MyDatabaseId);
        pending_sale_change = false;
    }
    if (unlikely(events_pending)) {
        count_events();
        events_pending = false;
    }
    if (pending != INT64_MAX) {
        lower_served_due(MyDatabaseId, pending);
        pending = INT64_MAX;
    }
}

DatabaseDue* find_database_due(Oid database) {
    for (int i = 0; i < kMaxDatabases; i++) {
        if (shared.databases[i].database.load(std::memory_order_acquire) == database) {
            return &shared.databases[i];
        }
    }
    return nullptr;
}

// Straight-line code: the caller holds a spinlock.
static DatabaseDue* take_free_entry(Oid database) {
    DatabaseDue* present = find_database_due(database);
    if (present == nullptr) {
        present = find_database_due(InvalidOid);
        if (present != nullptr) {
            present->database.store(database, std::memory_order_release);
        }
    }
    return present;  // null: all entries are taken
}

DatabaseDue* enter_database(Oid database) {
    DatabaseDue* entry = find_database_due(database);
    if (entry == nullptr) {
        SpinLockAcquire(&shared.control->databases_lock);
        entry = take_free_entry(database);
        SpinLockRelease(&shared.control->databases_lock);
        if (entry == nullptr) {
            note_full(database);
        }
    }
    return entry;
}

void remove_database(DatabaseDue* entry) {
    entry->next_due.store(INT64_MAX, std::memory_order_relaxed);
    entry->working_on.store(INT64_MAX, std::memory_order_relaxed);
    entry->left.store(INT64_MAX, std::memory_order_relaxed);
    entry->last_sweep.store(0, std::memory_order_relaxed);
    entry->passed.store(0, std::memory_order_relaxed);
    entry->served.store(Served::kUnknown, std::memory_order_relaxed);
    entry->obstacle.store(Obstacle::kNone, std::memory_order_relaxed);
    entry->look.store(false, std::memory_order_relaxed);
    entry->told.store(false, std::memory_order_relaxed);
    entry->told_overdue.store(false, std::memory_order_relaxed);
    entry->preloaded.store(false, std::memory_order_relaxed);
    entry->sales_known.store(false, std::memory_order_relaxed);
    entry->waits_loaded.store(0, std::memory_order_relaxed);
    entry->events_written.store(0, std::memory_order_relaxed);
    entry->events_told.store(0, std::memory_order_relaxed);
    entry->told_event.store(0, std::memory_order_relaxed);
    entry->told_xmin.store(0, std::memory_order_relaxed);
    entry->told_at.store(0, std::memory_order_relaxed);
    entry->next_purge.store(0, std::memory_order_relaxed);
    clear_notes(entry);
    entry->database.store(InvalidOid, std::memory_order_release);
}

static void lower(std::atomic<int64_t>* known, TimestampTz due) {
    int64_t value = known->load(std::memory_order_acquire);
    while (due < value && !known->compare_exchange_weak(value, due, std::memory_order_acq_rel)) {
    }
}

void lower_next_due(Oid database, TimestampTz due) {
    DatabaseDue* entry = enter_database(database);
    if (entry != nullptr) {
        lower(&entry->next_due, due);
    }
}

void lower_served_due(Oid database, TimestampTz due) {
    DatabaseDue* entry = enter_database(database);
    if (entry != nullptr) {
        if (entry->served.load(std::memory_order_relaxed) != Served::kYes) {
            entry->served.store(Served::kYes, std::memory_order_relaxed);
        }
        lower(&entry->next_due, due);
    }
}

void note_sale_change(Oid database) {
    DatabaseDue* entry = enter_database(database);
    if (entry != nullptr) {
        entry->sales_known.store(false, std::memory_order_release);
    }
}

void end_sweep(DatabaseDue* entry, TimestampTz pause) {
    if (!entry->started.load(std::memory_order_acquire)) {
        return;
    }
    const TimestampTz worked_on = entry->working_on.load(std::memory_order_relaxed);
    if (!entry->swept.load(std::memory_order_acquire)) {
        lower(&entry->left, worked_on);
        lower(&entry->next_due, GetCurrentTimestamp() + pause);
        entry->obstacle.store(Obstacle::kError, std::memory_order_relaxed);
    }
    entry->working_on.store(INT64_MAX, std::memory_order_relaxed);
    entry->started.store(false, std::memory_order_release);  // from here on another one may start
}

TimestampTz earliest_deadline(const DatabaseDue& entry) {
    return Min(entry.next_due.load(std::memory_order_acquire),
               Min(entry.working_on.load(std::memory_order_acquire),
                   entry.left.load(std::memory_order_acquire)));
}

const char* obstacle_text(Obstacle obstacle) {
    switch (obstacle) {
        case Obstacle::kNone:
            break;
        case Obstacle::kDatabase:
            return "the lock on the database, which is being copied, moved or dropped";
        case Obstacle::kSlot:
            return "a worker slot: raise \"max_worker_processes\"";
        case Obstacle::kSweeper:
            return "its sweeper, which is at work";
        case Obstacle::kLocks:
            return "rows or tables that other sessions have locked";
        case Obstacle::kError:
            return "the cause of an error, which the log has";
    }
    return "the next round";
}

}  // namespace ticketpool
