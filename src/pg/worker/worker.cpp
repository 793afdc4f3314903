// The sweeper and the preloader: background workers that the launcher starts in a database, where
// they do their work and leave.
//
// Both keep out of the way of other sessions. They wait at most 300 ms for a lock, connecting
// included. Between two transactions they look whether another session wants the database for
// itself (to copy, move or drop it), and leave if so: that command need not fail, or wait longer
// than one of these transactions takes. From PostgreSQL 19 on the server ends them itself.
//
// Settings (the launcher's, too). A worker is a session of the bootstrap superuser, so it gets
// whatever was set for the database, for that role or for all of them. As autovacuum does, it
// overrides what would stop it or change its work. Each setting that was considered:
//
//   lock_timeout, deadlock_timeout     300 ms, 50 ms: a command that drops or alters something must
//                                      not fail because of a worker, which tries again in a moment
//   log_lock_waits                     off: these waits are normal (on by default from 19 on)
//   statement_timeout,                 0: in a background worker, nothing starts the first one and
//   transaction_timeout (from 17),     the two for idle sessions; the second one would end it in
//   idle_in_transaction_session_       the middle of a batch, again and again
//   timeout, idle_session_timeout
//   default_transaction_read_only      off: a sweep writes
//   default_transaction_isolation      read committed: nobody would repeat a transaction that
//                                      failed with 40001
//   default_transaction_deferrable     off: with the two above as they may be set, it would wait
//   row_security                       on: with `off`, a policy that would apply is an error
//   search_path                        pg_catalog, pg_temp: for what runs outside owner_begin()
//   role                               none: the worker acts for the owner of the tables only
//   synchronous_commit                 local if it is set to more: a standby that is gone must not
//                                      keep seats from being freed. If something expires a second
//                                      time, after a fail-over, nobody was told of the first
//   max_parallel_workers_per_gather    0: no worker slots for a few rows
//   plan_cache_mode,                   auto, on: otherwise an UPDATE that has to be made by SQL
//   enable_partition_pruning           locks all partitions
//   zero_damaged_pages,                off: meant for a session that rescues data, not for one
//   ignore_checksum_failure            that changes data
//
// Left as they are: session_replication_role (the user decides whether triggers fire in this
// database), TimeZone (which day is today), client_min_messages (there is no client),
// log_min_messages, other enable_* (slower, not wrong), default_tablespace, temp_tablespaces,
// check_function_bodies (nothing is created), session_authorization (owner_begin() follows),
// session_preload_libraries and event triggers at login (not for background workers),
// transaction_read_only, transaction_isolation (gone with the transaction that connects).
#include "worker/worker.hpp"

#include "pool/deadlines.hpp"
#include "pool/shared_memory.hpp"
#include "pool/worker_notes.hpp"
#include "server/catalog.hpp"
#include "server/other_version.hpp"
#include "server/pg.hpp"
#include "server/settings.hpp"
#include "worker/event_news.hpp"
#include "worker/preload.hpp"
#include "worker/purge.hpp"
#include "worker/sweep.hpp"

extern "C" {
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "executor/spi.h"
#include "postmaster/bgworker.h"
#include "storage/lock.h"
#include "tcop/tcopprot.h"
}

extern "C" {
PGDLLEXPORT void ticketpool_sweeper_main(Datum argument);
PGDLLEXPORT void ticketpool_preloader_main(Datum argument);
}

namespace ticketpool {
namespace {

constexpr struct {
    const char* name;
    const char* value;
} kSettings[] = {
    {"lock_timeout", "300ms"},
    {"deadlock_timeout", "50ms"},
    {"log_lock_waits", "off"},
    {"statement_timeout", "0"},
#if PG_VERSION_NUM >= 170000
    {"transaction_timeout", "0"},
#endif
    {"idle_in_transaction_session_timeout", "0"},
    {"idle_session_timeout", "0"},
    {"default_transaction_read_only", "off"},
    {"default_transaction_isolation", "read committed"},
    {"default_transaction_deferrable", "off"},
    {"row_security", "on"},
    {"search_path", "pg_catalog, pg_temp"},
    {"max_parallel_workers_per_gather", "0"},
    {"plan_cache_mode", "auto"},
    {"enable_partition_pruning", "on"},
    {"zero_damaged_pages", "off"},
    {"ignore_checksum_failure", "off"},
};

}  // namespace

void fill_worker(BackgroundWorker* worker, const char* name, const char* function) {
    memset(worker, 0, sizeof *worker);
    worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker->bgw_restart_time = BGW_NEVER_RESTART;
#ifdef BGWORKER_INTERRUPTIBLE
    // CREATE, ALTER and DROP DATABASE end a worker that is in their way (from 19 on). Not set for
    // the launcher, which is connected to no database.
    worker->bgw_flags |= BGWORKER_INTERRUPTIBLE;
#endif
    strlcpy(worker->bgw_library_name, "ticketpool", sizeof worker->bgw_library_name);
    strlcpy(worker->bgw_function_name, function, sizeof worker->bgw_function_name);
    strlcpy(worker->bgw_name, name, sizeof worker->bgw_name);
    strlcpy(worker->bgw_type, name, sizeof worker->bgw_type);
}

// Settings of database and role cannot change those of our own any more.
void connect_worker(Oid database) {
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    override_settings();
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    SetConfigOption("role", "none", PGC_SUSET, PGC_S_OVERRIDE);
    if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH) {
        SetConfigOption("synchronous_commit", "local", PGC_SUSET, PGC_S_OVERRIDE);
    }
    require_shared_memory();
}

bool is_wanted_by_others() {
    StartTransactionCommand();
    LOCKTAG tag;
    SET_LOCKTAG_OBJECT(tag, InvalidOid, DatabaseRelationId, MyDatabaseId, 0);
    const bool wanted = LockAcquire(&tag, RowExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL;
    CommitTransactionCommand();
    return wanted;
}

namespace {

// The schema of the extension in this database, or InvalidOid.
Oid extension_schema() {
    Oid schema = InvalidOid;
    if (SPI_execute("SELECT extnamespace FROM pg_catalog.pg_extension WHERE extname "
                    "OPERATOR(pg_catalog.=) 'ticketpool'",
                    true, 1) == SPI_OK_SELECT &&
        SPI_processed == 1) {
        bool is_null;
        schema = DatumGetObjectId(
            SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
    }
    return schema;
}

// Is the extension here in the library's version? Another version is logged once, not with each
// sweep.
bool is_served() {
    const char* version = installed_version();
    if (version == nullptr) {
        return false;
    }
    const bool served = strcmp(version, kVersion) == 0;
    DatabaseDue* entry = find_database_due(MyDatabaseId);
    if (entry != nullptr && !entry->told.exchange(!served) && !served) {
        note_my_error(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
                      psprintf(_("the extension is at version %s there, and the library at %s: run "
                                 "ALTER EXTENSION ticketpool UPDATE"),
                               version, kVersion));
        ereport(LOG,
                (errmsg("ticketpool passes over database \"%s\"", get_database_name(MyDatabaseId)),
                 errdetail("The extension is at version %s there, and the library at %s. Holds "
                           "that ran out are not freed.",
                           version, kVersion),
                 hint_of_other_version(version, kVersion)));
    }
    return served;
}

// One transaction: calls `work` with the extension's catalog if the library can serve it. Returns
// whether it can.
template <typename Work>
bool in_transaction(Work work) {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    SPI_connect();
    const Oid schema = extension_schema();
    SPI_finish();
    const bool served = OidIsValid(schema) && is_served();
    if (served) {
        work(catalog_in(schema));
    }
    PopActiveSnapshot();
    CommitTransactionCommand();
    return served;
}

// ---------------------------------------------------------------------------------------------
// Sweeper
// ---------------------------------------------------------------------------------------------

// Holds, quotas or waits in a transaction. Each is a subtransaction, and a snapshot cannot list the
// subtransactions of a transaction that has more than 64: every reader would have to look them up.
constexpr int kBatch = 30;
constexpr size_t kMostRows = 100000;               // of a partition: the next sweep finds the rest
constexpr TimestampTz kSlice = 5 * USECS_PER_SEC;  // for holds, and again for quotas; then it is
                                                   // the turn of other databases
constexpr TimestampTz kSoon = USECS_PER_SEC;       // to look again at what others had locked

struct SweepRun {
    Sweep sweep;
    TimestampTz began;
    uint32_t passed;  // see DatabaseDue
    bool served;
    bool wanted;      // another session wants the database for itself
    bool left_early;  // for that reason, or because a slice was over
};

bool has_time(SweepRun* run, TimestampTz end) {
    CHECK_FOR_INTERRUPTS();
    run->wanted = run->wanted || is_wanted_by_others();
    const bool time = !run->wanted && GetCurrentTimestamp() <= end;
    run->left_early = run->left_early || !time;
    return time;
}

// Holds that fail slowly (in a trigger) may fill the slice. The next sweep finds them first again,
// so it begins where this one has stopped: then it is the turn of the holds behind them.
void sweep_holds(SweepRun* run) {
    Sweep* sweep = &run->sweep;
    const TimestampTz end = GetCurrentTimestamp() + kSlice;
    const int left_before = sweep->busy + sweep->failed;
    const size_t put_off = sweep->count == 0 ? 0 : run->passed % sweep->count;
    put_off_holds(sweep, put_off);
    progress_phase(sweep->progress, ProgressPhase::kHolds, static_cast<int64_t>(sweep->count));
    bool more = true;
    while (more && has_time(run, end)) {
        more = false;
        in_transaction(
            [sweep, &more](const Catalog& catalog) { more = expire_some(catalog, sweep, kBatch); });
    }
    const int left = sweep->busy + sweep->failed - left_before;
    run->passed = sweep->next < sweep->count
                      ? static_cast<uint32_t>(put_off) + static_cast<uint32_t>(left)
                      : 0;
}

void sweep_quotas(SweepRun* run) {
    Sweep* sweep = &run->sweep;
    const TimestampTz end = GetCurrentTimestamp() + kSlice;
    progress_phase(sweep->progress, ProgressPhase::kQuotas);
    bool more = true;
    while (more && has_time(run, end)) {
        more = false;
        in_transaction([sweep, &more](const Catalog& catalog) {
            more = return_some_quotas(catalog, sweep, kBatch);
        });
    }
}

void sweep_waits(SweepRun* run) {
    Sweep* sweep = &run->sweep;
    DatabaseDue* entry = find_database_due(MyDatabaseId);
    const bool closed =
        entry == nullptr || !entry->sales_known.exchange(true, std::memory_order_acq_rel);
    const int left_before = sweep->busy + sweep->failed;
    const TimestampTz end = GetCurrentTimestamp() + kSlice;
    progress_phase(sweep->progress, ProgressPhase::kWaits);
    in_transaction([sweep, closed](const Catalog& catalog) {
        find_ended_waits(catalog, sweep, kMostRows, closed);
    });
    bool more = true;
    while (more && has_time(run, end)) {
        more = false;
        in_transaction([sweep, &more](const Catalog& catalog) {
            more = end_some_waits(catalog, sweep, kBatch);
        });
    }
    const bool is_complete = sweep->next_wait == sweep->waits.count &&
                             sweep->waits.count < kMostRows &&
                             sweep->busy + sweep->failed == left_before;
    if (closed && entry != nullptr && !is_complete) {
        entry->sales_known.store(false, std::memory_order_release);
    }
}

void serve_waits(SweepRun* run) {
    Sweep* sweep = &run->sweep;
    const TimestampTz end = GetCurrentTimestamp() + kSlice;
    progress_phase(sweep->progress, ProgressPhase::kServing);
    bool more = true;
    while (more && has_time(run, end)) {
        more = false;
        in_transaction(
            [sweep, &more](const Catalog& catalog) { more = serve_some(catalog, sweep); });
    }
}

void sweep_all(SweepRun* run) {
    Sweep* sweep = &run->sweep;
    begin_sweep(sweep, TopMemoryContext);
    run->served = in_transaction(
        [sweep](const Catalog& catalog) { find_due_holds(catalog, sweep, kMostRows); });
    if (run->served) {
        sweep_holds(run);
        sweep_quotas(run);
        sweep_waits(run);
        serve_waits(run);
    }
    if (run->served && !run->left_early) {
        in_transaction([sweep](const Catalog& catalog) { note_quota_deadlines(catalog, sweep); });
    }
    if (sweep->next < sweep->count) {
        sweep->overdue = Min(sweep->overdue, sweep->holds[sweep->next].held_until);
    }
    if (sweep->next_wait < sweep->waits.count) {
        sweep->overdue = Min(sweep->overdue, sweep->waits.wait[sweep->next_wait].since);
    }
    progress_end(sweep->progress);
}

// When to sweep again: not every second for what failed.
TimestampTz next_look(const SweepRun& run) {
    const TimestampTz now = GetCurrentTimestamp();
    TimestampTz next = run.sweep.soonest;
    if (run.left_early && (run.sweep.done > 0 || run.sweep.failed == 0)) {
        next = now;
    }
    if (run.sweep.busy > 0) {
        next = Min(next, now + kSoon);
    }
    if (run.sweep.failed > 0) {
        next = Min(next, now + kRetry);
    }
    return next;
}

void publish(DatabaseDue* entry, const SweepRun& run) {
    const Sweep& sweep = run.sweep;
    entry->served.store(run.served ? Served::kYes : Served::kNo, std::memory_order_relaxed);
    entry->passed.store(run.passed, std::memory_order_relaxed);
    entry->left.store(sweep.overdue, std::memory_order_release);
    lower_next_due(MyDatabaseId, next_look(run));
    entry->obstacle.store(sweep.failed > 0 ? Obstacle::kError
                          : sweep.busy > 0 ? Obstacle::kLocks
                                           : Obstacle::kNone,
                          std::memory_order_relaxed);
    if (!run.left_early) {
        entry->last_sweep.store(GetCurrentTimestamp(), std::memory_order_relaxed);
    }
    entry->swept.store(true, std::memory_order_release);
}

// ---------------------------------------------------------------------------------------------
// Sweeper: what can wait. It comes after publish(): if it fails, the sweep is whole all the same,
// and the next one tries again
// ---------------------------------------------------------------------------------------------

// "Events" in pool/deadlines.hpp has the protocol.
void tell_of_events(DatabaseDue* entry) {
    if (!setting_notify) {
        return;
    }
    const uint32_t written = entry->events_written.load(std::memory_order_acquire);
    const TimestampTz now = GetCurrentTimestamp();
    const TimestampTz told_at = entry->told_at.load(std::memory_order_relaxed);
    const bool too_soon = told_at <= now && now < told_at + kSoon;  // else the clock was set back
    EventNews news{};
    bool tell = false;
    in_transaction([&](const Catalog& catalog) {
        news = read_event_news(catalog, entry->told_xmin.load(std::memory_order_relaxed));
        tell = news.highest > 0 &&
               (news.readable || written != entry->events_told.load(std::memory_order_relaxed) ||
                news.highest > entry->told_event.load(std::memory_order_relaxed));
        if (tell && !too_soon) {
            notify_of_events(news);
        }
    });
    if (tell && !too_soon) {
        entry->events_told.store(written, std::memory_order_relaxed);
        entry->told_event.store(news.highest, std::memory_order_relaxed);
        entry->told_xmin.store(news.horizon, std::memory_order_relaxed);
        entry->told_at.store(GetCurrentTimestamp(), std::memory_order_relaxed);
    }
    if (tell && too_soon) {
        lower_next_due(MyDatabaseId, told_at + kSoon);
    } else if (news.unreadable) {
        lower_next_due(MyDatabaseId, now + kSoon);
    }
}

constexpr TimestampTz kPurgeSlice = USECS_PER_SEC;            // then holds have their turn again
constexpr TimestampTz kPurgePause = 3600 * USECS_PER_SEC;     // when all is done
constexpr TimestampTz kPurgeRetryPause = 60 * USECS_PER_SEC;  // if it failed, or tables were locked

// Deletes what is old: a batch, and more until something becomes due.
void purge(DatabaseDue* entry) {
    const TimestampTz start = GetCurrentTimestamp();
    if (start < entry->next_purge.load(std::memory_order_relaxed)) {
        return;
    }
    entry->next_purge.store(start + kPurgeRetryPause, std::memory_order_relaxed);
    PurgeResult result = PurgeResult::kDone;
    TimestampTz now = start;
    do {
        CHECK_FOR_INTERRUPTS();
        in_transaction([&result](const Catalog& catalog) { result = purge_some(catalog); });
        now = GetCurrentTimestamp();
    } while (result == PurgeResult::kMore && now < start + kPurgeSlice &&
             now < entry->next_due.load(std::memory_order_acquire) && !is_wanted_by_others());
    if (result == PurgeResult::kLocked) {
        note_my_error(ERRCODE_LOCK_NOT_AVAILABLE,
                      _("events and waits that are older than ticketpool.event_days stay for now: "
                        "somebody has their tables locked"));
    } else {
        entry->next_purge.store(result == PurgeResult::kMore ? 0 : now + kPurgePause,
                                std::memory_order_relaxed);
    }
}

void at_sweeper_exit(int code, Datum database) {
    end_my_note(code);
    DatabaseDue* entry = find_database_due(DatumGetObjectId(database));
    if (entry != nullptr) {
        entry->sweeper.store(0, std::memory_order_release);
        end_sweep(entry, kRetry);
    }
}

// ---------------------------------------------------------------------------------------------
// Preloader
// ---------------------------------------------------------------------------------------------

// Loads in a transaction: few enough that its locks on partitions do not last long.
constexpr uint64_t kLoads = 100;

// A preloader that failed (a partition was locked, say) or left early is started again after the
// next sweep.
void at_preloader_exit(int code, Datum database) {
    end_my_note(code);
    DatabaseDue* entry = find_database_due(DatumGetObjectId(database));
    if (code != 0 && entry != nullptr) {
        entry->preloaded.store(false, std::memory_order_relaxed);
    }
}

[[noreturn]] void leave_to_others(const PreloadList& list, TimestampTz start) {
    note_my_error(ERRCODE_OBJECT_IN_USE,
                  _("another session wants the database for itself: the rest is loaded later"));
    note_my_round(start, preload_left(list), true);
    proc_exit(1);
}

}  // namespace

void override_settings() {
    for (const auto& setting : kSettings) {
        SetConfigOption(setting.name, setting.value, PGC_SUSET, PGC_S_OVERRIDE);
    }
}

}  // namespace ticketpool

void ticketpool_sweeper_main(Datum argument) {
    using namespace ticketpool;
    const Oid database = DatumGetObjectId(argument);
    before_shmem_exit(at_sweeper_exit, argument);
    DatabaseDue* entry = find_database_due(database);
    if (entry != nullptr) {
        entry->sweeper.store(MyProcPid, std::memory_order_release);
    }
    begin_note(worker_note(entry, WorkerKind::kSweeper));
    connect_worker(database);
    SweepRun run{};
    run.began = GetCurrentTimestamp();
    run.passed = entry == nullptr ? 0 : entry->passed.load(std::memory_order_relaxed);
    sweep_all(&run);
    entry = find_database_due(database);
    if (entry != nullptr) {
        publish(entry, run);
        note_my_round(run.began, count_left(run.sweep), run.sweep.failed > 0);
        if (run.served && !run.wanted) {
            tell_of_events(entry);
        }
        if (run.served && !run.left_early) {
            purge(entry);
        }
    }
}

void ticketpool_preloader_main(Datum argument) {
    using namespace ticketpool;
    before_shmem_exit(at_preloader_exit, argument);
    const Oid database = DatumGetObjectId(argument);
    begin_note(worker_note(find_database_due(database), WorkerKind::kPreloader));
    connect_worker(database);
    const TimestampTz start = GetCurrentTimestamp();
    PreloadList list{};
    bool more = false;
    in_transaction([&list, &more](const Catalog& catalog) {
        MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
        preload_list(catalog, &list);
        MemoryContextSwitchTo(caller);
        more = list.count > 0;
    });
    while (more) {
        if (is_wanted_by_others()) {
            leave_to_others(list, start);
        }
        more = false;
        in_transaction([&list, &more](const Catalog& catalog) {
            more = preload_some(catalog, &list, kLoads);
        });
    }
    progress_end(list.progress);
    if (preload_left(list) > 0) {
        note_my_error(ERRCODE_OUT_OF_MEMORY, text_of_full_pool(list));
    }
    note_my_round(start, preload_left(list), false);
    if (list.loaded > 0) {
        ereport(LOG,
                (errmsg("ticketpool loaded " INT64_FORMAT " departures in " INT64_FORMAT " ms",
                        list.loaded, (GetCurrentTimestamp() - start) / 1000),
                 preload_left(list) > 0 ? errdetail_internal("%s", text_of_full_pool(list)) : 0));
    }
}
