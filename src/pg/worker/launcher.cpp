// The launcher: one process serves all databases.
//
// It is connected to none of them, so DROP DATABASE and template copies never wait for it. When the
// deadline of a database is over (deadlines.hpp has the shared words and who writes them), it
// starts a sweeper, which connects to that database, does what is due and leaves (worker.cpp).
// After a start every database is swept once, because nothing is known yet of what ran out
// meanwhile. Every database is swept again every 15 seconds, or less often if there are many: a
// copied or restored database has deadlines that nobody announced. On a standby the launcher starts
// at the promotion, and before it serves anything it discards what was loaded in recovery.
//
// Nothing in one database delays another:
//
//   - The launcher waits for no lock. A database that another session has locked (CREATE DATABASE
//     ... TEMPLATE, ALTER DATABASE ... SET TABLESPACE, DROP DATABASE) is passed over until the lock
//     is free: a sweeper would only wait there, before it can do anything. If the lock is taken at
//     that very moment, the sweeper gives up after its lock_timeout.
//   - A sweeper has kPatience to finish, so in quiet times one worker slot is enough. If it takes
//     longer, it is left at work and remembered; other databases are served meanwhile, and its
//     database gets no second sweeper before it has ended. At most half of the worker slots are
//     used this way, not counting sweepers that have been at work for kLong: they are stuck, in a
//     trigger of the user's, say.
//   - A sweeper leaves by itself after a while (worker.cpp), and its database waits for its turn
//     again. Databases are served in turn, round after round.
//   - A database that is left half dropped (datconnlimit = -2) or takes no connections is passed
//     over, and its entry is removed.
//   - Whenever it waits, the launcher settles prepared transactions that were decided
//     (prepared.hpp).
//
// If a sweeper ends early, it says so on its way out, or the launcher notices that it is gone:
// end_sweep(), and the database is due again after kRetry. If the launcher ends, sweepers go on.
// The next launcher finds their words in shared memory, and leaves their databases alone until they
// have ended. A sweeper that was registered and never ran has no word there: the new launcher waits
// kLost for it.
//
// Deadlines that are not served within kOverdue are logged, once until the database has caught up.
// The database's row in ticket_sweep_status says what it waits for, and ticket_worker_status has
// the last error of each worker; the launcher writes there what a worker cannot say itself.
#include "worker/launcher.hpp"

#include "pool/deadlines.hpp"
#include "pool/prepared.hpp"
#include "pool/sale_queue.hpp"
#include "pool/shared_memory.hpp"
#include "pool/standby.hpp"
#include "pool/worker_notes.hpp"
#include "server/pg.hpp"
#include "server/settings.hpp"
#include "worker/cashier.hpp"
#include "worker/worker.hpp"

extern "C" {
#include "catalog/pg_database.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
#include "utils/wait_event.h"
}

extern "C" {
PGDLLEXPORT void ticketpool_launcher_main(Datum argument);
}

namespace ticketpool {
namespace {

constexpr long kRoundMs = 1000;
constexpr TimestampTz kFullRound = 15 * USECS_PER_SEC;  // between looks into all databases
constexpr TimestampTz kPatience = USECS_PER_SEC / 5;
constexpr TimestampTz kLong = 30 * USECS_PER_SEC;
constexpr TimestampTz kLost = 10 * USECS_PER_SEC;
constexpr int kDroppedHalfway = -2;  // datconnlimit: DATCONNLIMIT_INVALID_DB, not in every 15.x

// The sweepers that this launcher has started and whose end it has not seen.
struct Running {
    BackgroundWorkerHandle* handle;
    Oid database;
    TimestampTz since;
};
constexpr int kMostRunning = 64;
constinit Running running[kMostRunning]{};
constinit int running_count = 0;
constinit TimestampTz launched_at = 0;
constinit bool told_no_slot = false;

uint32 wait_event() {
#if PG_VERSION_NUM >= 170000
    static uint32 event = 0;
    if (event == 0) {
        event = WaitEventExtensionNew("TicketpoolLauncher");
    }
    return event;
#else
    return PG_WAIT_EXTENSION;
#endif
}

// ---------------------------------------------------------------------------------------------
// Databases
// ---------------------------------------------------------------------------------------------

// Also those that take no connections?
enum class AnyDatabase { kNo, kYes };

// Calls `found` for every database that takes connections. Inside a transaction.
template <typename Found>
void for_each_database(Found found, AnyDatabase any = AnyDatabase::kNo) {
    Relation relation = table_open(DatabaseRelationId, AccessShareLock);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(relation, snapshot, 0, nullptr);
    TupleTableSlot* row = table_slot_create(relation, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, row)) {
        bool is_null;
        if (any == AnyDatabase::kYes ||
            (DatumGetBool(slot_getattr(row, Anum_pg_database_datallowconn, &is_null)) &&
             DatumGetInt32(slot_getattr(row, Anum_pg_database_datconnlimit, &is_null)) !=
                 kDroppedHalfway)) {
            found(row);
        }
    }
    ExecDropSingleTupleTableSlot(row);
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
    table_close(relation, AccessShareLock);
}

Oid oid_of(TupleTableSlot* row) {
    bool is_null;
    return DatumGetObjectId(slot_getattr(row, Anum_pg_database_oid, &is_null));
}

// Lets every database be swept soon. A database without an entry gets one, and is due at once: its
// deadlines may be long over. A database that is gone loses its entry when its turn comes.
void look_into_all_databases() {
    for (int i = 0; i < kMaxDatabases; i++) {
        if (shared.databases[i].database.load(std::memory_order_acquire) != InvalidOid) {
            shared.databases[i].sales_known.store(false, std::memory_order_relaxed);
            shared.databases[i].look.store(true, std::memory_order_relaxed);
        }
    }
    StartTransactionCommand();
    for_each_database([](TupleTableSlot* row) {
        bool is_null;
        if (DatumGetBool(slot_getattr(row, Anum_pg_database_datistemplate, &is_null))) {
            return;
        }
        const Oid database = oid_of(row);
        const bool known = find_database_due(database) != nullptr;
        DatabaseDue* entry = enter_database(database);
        if (entry != nullptr) {
            entry->look.store(true, std::memory_order_relaxed);
            if (!known) {
                lower_next_due(database, GetCurrentTimestamp());
            }
        }
    });
    CommitTransactionCommand();
}

enum class DatabaseState { kFree, kLocked, kGone };

// Can a sweeper connect to the database right now? The question is asked under the lock that the
// sweeper would take, so a database that is found free is not dropped before the answer is known.
DatabaseState database_state(Oid database) {
    StartTransactionCommand();
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, database, 0);
    DatabaseState state = DatabaseState::kLocked;
    if (LockAcquire(&tag, RowExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL) {
        state = DatabaseState::kGone;
        for_each_database([database, &state](TupleTableSlot* row) {
            state = oid_of(row) == database ? DatabaseState::kFree : state;
        });
    }
    CommitTransactionCommand();
    return state;
}

// ---------------------------------------------------------------------------------------------
// Sweepers
// ---------------------------------------------------------------------------------------------

// A preloader follows the first whole sweep of a database. Nothing waits for the preloader.
void start_preloader(DatabaseDue* entry, Oid database) {
    if (!setting_preload || entry->preloaded.exchange(true, std::memory_order_relaxed)) {
        return;
    }
    BackgroundWorker worker;
    fill_worker(&worker, "ticketpool preloader", "ticketpool_preloader_main");
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    if (!RegisterDynamicBackgroundWorker(&worker, nullptr)) {
        entry->preloaded.store(false, std::memory_order_relaxed);  // try again after the next sweep
        note_error(worker_note(entry, WorkerKind::kPreloader), ERRCODE_INSUFFICIENT_RESOURCES,
                   _("it could not be started: raise \"max_worker_processes\""));
    }
}

// A worker that finds no room for a process, or does not find its library, has no time to say so.
void note_if_never_begun(DatabaseDue* entry, TimestampTz since) {
    WorkerNote* note = worker_note(entry, WorkerKind::kSweeper);
    if (read_note(note).started_at < since) {
        note_error(note, ERRCODE_INTERNAL_ERROR,
                   _("it ended before its first step: the log says why"));
    }
}

// Settles sweepers that have ended. True: a sweeper of this database is still at work.
bool reap(Oid database) {
    bool found = false;
    for (int i = 0; i < running_count;) {
        pid_t pid;
        const BgwHandleStatus status = GetBackgroundWorkerPid(running[i].handle, &pid);
        if (status == BGWH_POSTMASTER_DIED) {
            proc_exit(1);
        }
        if (status != BGWH_STOPPED) {
            found = found || running[i].database == database;
            i++;
            continue;
        }
        DatabaseDue* entry = find_database_due(running[i].database);
        if (entry != nullptr) {
            note_if_never_begun(entry, running[i].since);
            end_sweep(entry, kRetry);  // does nothing if the sweeper did so itself
            if (entry->swept.load(std::memory_order_acquire)) {
                start_preloader(entry, running[i].database);
            }
        }
        pfree(running[i].handle);
        running[i] = running[--running_count];
    }
    return found;
}

// Sleeps until something happens, at most `timeout_ms`.
void wait(long timeout_ms) {
    (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, timeout_ms,
                    wait_event());
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
    }
    prepared_resolve(kNoSlot);
}

// Are so many sweepers at work that another one has to wait?
bool is_crowded() {
    const TimestampTz now = GetCurrentTimestamp();
    int recent = 0;
    for (int i = 0; i < running_count; i++) {
        recent += now - running[i].since < kLong ? 1 : 0;
    }
    return running_count == kMostRunning || recent >= Max(2, max_worker_processes / 2);
}

void report_no_slot() {
    // If sweepers of ours have the slots, they will give them back.
    if (!told_no_slot && running_count == 0) {
        told_no_slot = true;
        note_my_error(ERRCODE_INSUFFICIENT_RESOURCES,
                      _("it could not start a sweeper: raise \"max_worker_processes\""));
        ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                          errmsg("ticketpool could not start a worker"),
                          errdetail("Holds that ran out are freed later."),
                          errhint("Raise \"max_worker_processes\".")));
    }
}

bool start_sweeper(DatabaseDue* entry, Oid database) {
    BackgroundWorker worker;
    BackgroundWorkerHandle* handle;
    fill_worker(&worker, "ticketpool sweeper", "ticketpool_sweeper_main");
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    worker.bgw_notify_pid = MyProcPid;
    entry->look.store(false, std::memory_order_relaxed);
    entry->swept.store(false, std::memory_order_relaxed);
    const TimestampTz due = entry->next_due.exchange(INT64_MAX, std::memory_order_seq_cst);
    entry->working_on.store(due, std::memory_order_release);
    entry->started.store(true, std::memory_order_release);
    const TimestampTz since = GetCurrentTimestamp();  // before the sweeper notes its own begin
    MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);
    const bool registered = RegisterDynamicBackgroundWorker(&worker, &handle);
    MemoryContextSwitchTo(context);
    if (!registered) {
        entry->look.store(true, std::memory_order_relaxed);
        lower_next_due(database, due);
        entry->started.store(false, std::memory_order_release);
        entry->working_on.store(INT64_MAX, std::memory_order_release);
        report_no_slot();
        return false;
    }
    told_no_slot = false;
    running[running_count++] = Running{handle, database, since};
    return true;
}

// Gives the database's sweeper kPatience to finish.
void wait_patiently(Oid database) {
    const TimestampTz end = GetCurrentTimestamp() + kPatience;
    while (reap(database)) {
        const TimestampTz now = GetCurrentTimestamp();
        if (now >= end) {
            break;
        }
        wait(Max(1, static_cast<long>((end - now) / 1000)));
    }
}

// Is there a sweeper of this launcher or of the one before: at work, on its way out, or registered
// and never run? A sweeper on its way out has said so, but its end is still to be reaped, which
// must not be taken for the end of the next one.
bool is_started(DatabaseDue* entry, Oid database) {
    if (reap(database)) {
        return true;
    }
    if (!entry->started.load(std::memory_order_acquire)) {
        return false;
    }
    if (entry->sweeper.load(std::memory_order_acquire) == 0 &&
        GetCurrentTimestamp() - launched_at > kLost) {
        note_error(worker_note(entry, WorkerKind::kSweeper), ERRCODE_INTERNAL_ERROR,
                   _("it was started by a launcher that has ended, and never ran"));
        end_sweep(entry, 0);
    }
    return true;
}

void serve(DatabaseDue* entry, Oid database) {
    if (is_started(entry, database)) {
        entry->obstacle.store(Obstacle::kSweeper, std::memory_order_relaxed);
        return;
    }
    const DatabaseState state = database_state(database);
    if (state == DatabaseState::kGone) {
        remove_database(entry);
    } else if (state == DatabaseState::kLocked) {
        entry->obstacle.store(Obstacle::kDatabase, std::memory_order_relaxed);
    } else if (is_crowded() || !start_sweeper(entry, database)) {
        entry->obstacle.store(Obstacle::kSlot, std::memory_order_relaxed);
    } else {
        wait_patiently(database);
    }
}

// Each round begins at another database.
void serve_due_databases() {
    static int first = 0;
    for (int i = 0; i < kMaxDatabases; i++) {
        DatabaseDue* entry = &shared.databases[(first + i) % kMaxDatabases];
        const Oid database = entry->database.load(std::memory_order_acquire);
        if (database != InvalidOid &&
            (entry->look.load(std::memory_order_relaxed) ||
             entry->next_due.load(std::memory_order_acquire) <= GetCurrentTimestamp())) {
            CHECK_FOR_INTERRUPTS();
            serve(entry, database);
        }
    }
    first = (first + 1) % kMaxDatabases;
}

// ---------------------------------------------------------------------------------------------
// Cashiers
// ---------------------------------------------------------------------------------------------

// A desk without a cashier whose database is gone.
void free_unused_desks() {
    for (int i = 0; i < kMaxDesks; i++) {
        SaleDesk* desk = &shared.desks[i];
        const Oid database = desk->database.load(std::memory_order_acquire);
        if (database != InvalidOid && desk->cashier.load(std::memory_order_acquire) == 0) {
            bool is_there = false;
            StartTransactionCommand();
            for_each_database(
                [database, &is_there](TupleTableSlot* row) {
                    is_there = is_there || oid_of(row) == database;
                },
                AnyDatabase::kYes);
            CommitTransactionCommand();
            if (!is_there) {
                free_desk(desk);
            }
        }
    }
}

// ---------------------------------------------------------------------------------------------
// What is overdue
// ---------------------------------------------------------------------------------------------

// obstacle_text() as a sentence for the log.
const char* obstacle_sentence(Obstacle obstacle) {
    switch (obstacle) {
        case Obstacle::kNone:
            break;
        case Obstacle::kDatabase:
            return _(
                "It waits for the lock on the database, which is being copied, moved or dropped.");
        case Obstacle::kSlot:
            return _("It waits for a worker slot: raise \"max_worker_processes\".");
        case Obstacle::kSweeper:
            return _("It waits for its sweeper, which is at work.");
        case Obstacle::kLocks:
            return _("It waits for rows or tables that other sessions have locked.");
        case Obstacle::kError:
            return _("Its last sweep failed with an error, which the log has.");
    }
    return _("It waits for the next round.");
}

void report_overdue(Oid database, const DatabaseDue& entry) {
    const char* obstacle = obstacle_sentence(entry.obstacle.load(std::memory_order_relaxed));
    const char* since = timestamptz_to_str(earliest_deadline(entry));
    char name[NAMEDATALEN] = "";
    StartTransactionCommand();
    for_each_database([database, &name](TupleTableSlot* row) {
        bool is_null;
        if (oid_of(row) == database) {
            strlcpy(name,
                    NameStr(*DatumGetName(slot_getattr(row, Anum_pg_database_datname, &is_null))),
                    sizeof name);
        }
    });
    CommitTransactionCommand();
    if (name[0] == '\0') {
        return;
    }
    if (entry.served.load(std::memory_order_relaxed) == Served::kUnknown) {
        // The deadline is that of the first look; the extension may not be there.
        ereport(LOG, (errmsg("holds or quotas in database \"%s\" may be overdue", name),
                      errdetail("Since %s it is to be looked into. %s", since, obstacle),
                      errhint("See the view ticket_sweep_status.")));
        return;
    }
    ereport(LOG, (errmsg("holds or quotas in database \"%s\" are overdue", name),
                  errdetail("The first should have been freed at %s. %s", since, obstacle),
                  errhint("See the view ticket_sweep_status.")));
}

// Returns how many databases are.
int look_for_overdue() {
    const TimestampTz now = GetCurrentTimestamp();
    int count = 0;
    for (int i = 0; i < kMaxDatabases; i++) {
        DatabaseDue* entry = &shared.databases[i];
        const Oid database = entry->database.load(std::memory_order_acquire);
        if (database == InvalidOid) {
            continue;
        }
        const bool overdue = is_overdue(*entry, now);
        count += overdue ? 1 : 0;
        if (entry->told_overdue.exchange(overdue, std::memory_order_relaxed) || !overdue) {
            continue;
        }
        report_overdue(database, *entry);
    }
    return count;
}

void at_launcher_exit(int code, Datum) {
    end_my_note(code);
    shared.control->launcher.store(0, std::memory_order_relaxed);
}

}  // namespace

void register_launcher() {
    BackgroundWorker worker;
    fill_worker(&worker, "ticketpool launcher", "ticketpool_launcher_main");
    worker.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker.bgw_restart_time = 1;
    RegisterBackgroundWorker(&worker);
}

}  // namespace ticketpool

void ticketpool_launcher_main(Datum) {
    using namespace ticketpool;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    override_settings();
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    require_shared_memory();
    begin_note(launcher_note());
    before_shmem_exit(at_launcher_exit, 0);
    shared.control->launcher.store(MyProcPid, std::memory_order_relaxed);
    shared.control->launcher_missed.store(0, std::memory_order_relaxed);
    shared.control->launcher_told.store(0, std::memory_order_relaxed);
    launched_at = GetCurrentTimestamp();
    look_into_all_databases();
    TimestampTz next_full = launched_at + kFullRound;
    for (;;) {
        const TimestampTz start = GetCurrentTimestamp();
        const bool full = start >= next_full;
        if (full) {
            look_into_all_databases();
            free_unused_desks();
        }
        standby_discard_all();
        prepared_resolve(kNoSlot);
        (void)reap(InvalidOid);
        start_wanted_cashiers(
            [](Oid database) { return database_state(database) == DatabaseState::kFree; });
        serve_due_databases();
        note_my_round(start, look_for_overdue(), false);
        if (full) {
            const TimestampTz now = GetCurrentTimestamp();
            next_full = now + Max(kFullRound, 50 * (now - start));
        }
        wait(kRoundMs);
    }
}
