// The background workers.
//
// One launcher serves all databases. It is connected to none of them, so DROP DATABASE and template
// copies never wait for it; when a deadline has come somewhere (see deadlines.hpp) it starts a
// sweeper, which connects to that database, does what is due and leaves. After a start it has every
// database swept once, because nothing is known yet of what ran out meanwhile; and again
// every quarter of a minute, or less often where there are many: a copied or restored database has
// deadlines that nobody announced. On a standby it starts with the promotion, and first of all has
// thrown away what was loaded in recovery. In each round it settles prepared transactions that were
// decided.
//
// Where ticketpool.preload is on, a preloader follows the first sweep of a database. Nobody waits
// for it; it stays connected for as long as it loads (DROP DATABASE fails meanwhile), and comes
// again later where it fails.
#include "worker.hpp"

#include "catalog.hpp"
#include "deadlines.hpp"
#include "pg.hpp"
#include "preload.hpp"
#include "prepared.hpp"
#include "settings.hpp"
#include "shared_memory.hpp"
#include "standby.hpp"
#include "sweep.hpp"

extern "C" {
#include "access/heapam.h"
#include "catalog/pg_database.h"
#include "commands/dbcommands.h"
#include "commands/extension.h"
#include "executor/spi.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/wait_event.h"
}

extern "C" {
PGDLLEXPORT void ticketpool_launcher_main(Datum argument);
PGDLLEXPORT void ticketpool_sweeper_main(Datum argument);
PGDLLEXPORT void ticketpool_preloader_main(Datum argument);
}

namespace ticketpool {
namespace {

constexpr long kRoundMs = 1000;
constexpr TimestampTz kFullRound = 15 * USECS_PER_SEC;  // between looks into every database
constexpr TimestampTz kRetry = 5 * USECS_PER_SEC;       // after a sweep that failed

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

void fill_worker(BackgroundWorker* worker, const char* name, const char* function) {
    memset(worker, 0, sizeof *worker);
    worker->bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION;
    worker->bgw_start_time = BgWorkerStart_RecoveryFinished;
    worker->bgw_restart_time = BGW_NEVER_RESTART;
    strlcpy(worker->bgw_library_name, "ticketpool", sizeof worker->bgw_library_name);
    strlcpy(worker->bgw_function_name, function, sizeof worker->bgw_function_name);
    strlcpy(worker->bgw_name, name, sizeof worker->bgw_name);
    strlcpy(worker->bgw_type, name, sizeof worker->bgw_type);
}

// Calls `found` for every database that can be connected to.
template <typename Found>
void for_each_database(Found found) {
    StartTransactionCommand();
    Relation relation = table_open(DatabaseRelationId, AccessShareLock);
    Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
    TableScanDesc scan = table_beginscan(relation, snapshot, 0, nullptr);
    TupleTableSlot* row = table_slot_create(relation, nullptr);
    while (table_scan_getnextslot(scan, ForwardScanDirection, row)) {
        bool is_null;
        if (DatumGetBool(slot_getattr(row, Anum_pg_database_datallowconn, &is_null))) {
            found(DatumGetObjectId(slot_getattr(row, Anum_pg_database_oid, &is_null)),
                  DatumGetBool(slot_getattr(row, Anum_pg_database_datistemplate, &is_null)));
        }
    }
    ExecDropSingleTupleTableSlot(row);
    table_endscan(scan);
    UnregisterSnapshot(snapshot);
    table_close(relation, AccessShareLock);
    CommitTransactionCommand();
}

void enter_all_databases() {
    for_each_database([](Oid database, bool is_template) {
        if (!is_template) {
            lower_next_due(database, GetCurrentTimestamp());
        }
    });
}

// A database that was dropped is due no more.
bool still_exists(Oid wanted) {
    bool exists = false;
    for_each_database(
        [wanted, &exists](Oid database, bool) { exists = exists || database == wanted; });
    return exists;
}

// Runs a sweeper in the database and waits for its end.
void sweep_database(DatabaseDue* entry, Oid database) {
    BackgroundWorker worker;
    BackgroundWorkerHandle* handle;
    fill_worker(&worker, "ticketpool sweeper", "ticketpool_sweeper_main");
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    worker.bgw_notify_pid = MyProcPid;
    entry->swept.store(false, std::memory_order_relaxed);
    entry->next_due.store(INT64_MAX, std::memory_order_seq_cst);
    if (!RegisterDynamicBackgroundWorker(&worker, &handle)) {
        lower_next_due(database, GetCurrentTimestamp() + kRetry);
        ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                          errmsg("ticketpool could not start a worker"),
                          errdetail("Holds that ran out are freed later."),
                          errhint("Raise \"max_worker_processes\".")));
        return;
    }
    if (WaitForBackgroundWorkerShutdown(handle) == BGWH_POSTMASTER_DIED) {
        proc_exit(1);
    }
    if (!entry->swept.load(std::memory_order_acquire)) {
        lower_next_due(database, GetCurrentTimestamp() + kRetry);
    }
    pfree(handle);
}

// A preloader that failed (a partition was locked, say) comes again after the next sweep.
void at_preloader_exit(int code, Datum database) {
    DatabaseDue* entry = find_database_due(DatumGetObjectId(database));
    if (code != 0 && entry != nullptr) {
        entry->preloaded.store(false, std::memory_order_relaxed);
    }
}

void start_preloader(DatabaseDue* entry, Oid database) {
    if (!setting_preload || entry->preloaded.exchange(true, std::memory_order_relaxed)) {
        return;
    }
    BackgroundWorker worker;
    fill_worker(&worker, "ticketpool preloader", "ticketpool_preloader_main");
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    if (!RegisterDynamicBackgroundWorker(&worker, nullptr)) {
        entry->preloaded.store(false, std::memory_order_relaxed);  // after the next sweep
    }
}

void sweep_due_databases() {
    for (int i = 0; i < kMaxDatabases; i++) {
        DatabaseDue* entry = &shared.databases[i];
        const Oid database = entry->database.load(std::memory_order_acquire);
        if (database != InvalidOid &&
            entry->next_due.load(std::memory_order_acquire) <= GetCurrentTimestamp()) {
            CHECK_FOR_INTERRUPTS();
            if (still_exists(database)) {
                sweep_database(entry, database);
                start_preloader(entry, database);
            } else {
                entry->next_due.store(INT64_MAX, std::memory_order_relaxed);
                entry->told.store(false, std::memory_order_relaxed);
                entry->preloaded.store(false, std::memory_order_relaxed);
                entry->database.store(InvalidOid, std::memory_order_release);
            }
        }
    }
}

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

// Is the extension here as the library knows it? The log hears once of another version, not with
// each sweep.
bool is_served() {
    const char* version = installed_version();
    if (version == nullptr) {
        return false;
    }
    const bool served = strcmp(version, kVersion) == 0;
    DatabaseDue* entry = find_database_due(MyDatabaseId);
    if (entry != nullptr && !entry->told.exchange(!served) && !served) {
        ereport(LOG,
                (errmsg("ticketpool passes over database \"%s\"", get_database_name(MyDatabaseId)),
                 errdetail("The extension is at version %s there, and the library at %s. Holds "
                           "that ran out are not freed.",
                           version, kVersion),
                 errhint("Run ALTER EXTENSION ticketpool UPDATE there.")));
    }
    return served;
}

// One transaction: `work` with the extension's catalog, where the library can serve it.
template <typename Work>
void in_transaction(Work work) {
    SetCurrentStatementStartTimestamp();
    StartTransactionCommand();
    PushActiveSnapshot(GetTransactionSnapshot());
    SPI_connect();
    const Oid schema = extension_schema();
    SPI_finish();
    if (OidIsValid(schema) && is_served()) {
        work(catalog_in(schema));
    }
    PopActiveSnapshot();
    CommitTransactionCommand();
}

}  // namespace

void register_launcher() {
    BackgroundWorker worker;
    fill_worker(&worker, "ticketpool launcher", "ticketpool_launcher_main");
    worker.bgw_restart_time = 1;
    RegisterBackgroundWorker(&worker);
}

}  // namespace ticketpool

void ticketpool_launcher_main(Datum) {
    using namespace ticketpool;
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnection(nullptr, nullptr, 0);
    require_shared_memory();
    enter_all_databases();
    TimestampTz next_full = GetCurrentTimestamp() + kFullRound;
    for (;;) {
        const TimestampTz start = GetCurrentTimestamp();
        const bool full = start >= next_full;
        if (full) {
            enter_all_databases();
        }
        standby_discard_all();
        prepared_resolve(kNoSlot);  // none may grow old: see prepared.hpp
        sweep_due_databases();
        if (full) {
            const TimestampTz now = GetCurrentTimestamp();
            next_full = now + Max(kFullRound, 50 * (now - start));
        }
        (void)WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kRoundMs,
                        wait_event());
        ResetLatch(MyLatch);
        CHECK_FOR_INTERRUPTS();
        if (ConfigReloadPending) {
            ConfigReloadPending = false;
            ProcessConfigFile(PGC_SIGHUP);
        }
    }
}

void ticketpool_sweeper_main(Datum argument) {
    using namespace ticketpool;
    const Oid database = DatumGetObjectId(argument);
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
    require_shared_memory();
    // Whoever drops or alters something here must not fail because of a sweep: the sweeper gives up
    // first, and comes again in a moment.
    SetConfigOption("lock_timeout", "300ms", PGC_SUSET, PGC_S_OVERRIDE);
    SetConfigOption("deadlock_timeout", "50ms", PGC_SUSET, PGC_S_OVERRIDE);
    // Each is a subtransaction, and of a transaction with more than 64 in all a snapshot does not
    // know which: every reader would have to look them up.
    constexpr int kBatch = 30;
    SweepState state{};
    do {
        CHECK_FOR_INTERRUPTS();
        state.found = 0;
        in_transaction([&state](const Catalog& catalog) { sweep_batch(catalog, &state, kBatch); });
    } while (state.found > 0);
    // What failed is tried again, but not every second.
    const TimestampTz soonest =
        state.failed_holds + state.failed_quotas > 0 ? GetCurrentTimestamp() + kRetry : INT64_MIN;
    in_transaction([database, soonest](const Catalog& catalog) {
        lower_next_due(database, Max(next_deadline(catalog), soonest));
    });
    DatabaseDue* entry = find_database_due(database);
    if (entry != nullptr) {
        entry->swept.store(true, std::memory_order_release);
    }
}

void ticketpool_preloader_main(Datum argument) {
    using namespace ticketpool;
    pqsignal(SIGTERM, die);
    BackgroundWorkerUnblockSignals();
    BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
    require_shared_memory();
    before_shmem_exit(at_preloader_exit, argument);
    SetConfigOption("lock_timeout", "300ms", PGC_SUSET, PGC_S_OVERRIDE);
    // So many in a transaction, whose locks on partitions are in nobody's way for long.
    constexpr uint64_t kBatch = 500;
    PreloadList list{};
    bool more = false;
    in_transaction([&list, &more](const Catalog& catalog) {
        MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
        preload_list(catalog, &list);
        MemoryContextSwitchTo(caller);
        more = list.count > 0;
    });
    const TimestampTz start = GetCurrentTimestamp();
    while (more) {
        in_transaction([&list, &more](const Catalog& catalog) {
            more = preload_some(catalog, &list, kBatch);
        });
    }
    if (list.loaded > 0) {
        ereport(LOG, (errmsg("ticketpool loaded " INT64_FORMAT " departures in " INT64_FORMAT " ms",
                             list.loaded, (GetCurrentTimestamp() - start) / 1000)));
    }
}
