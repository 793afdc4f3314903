// The functions behind the views ticket_sweep_status (each database's last sweep and next deadline)
// and ticket_worker_status (what each background worker did last, and its last error).
#include "pool/deadlines.hpp"
#include "pool/sale_queue.hpp"
#include "pool/shared_memory.hpp"
#include "pool/worker_notes.hpp"
#include "server/errors.hpp"
#include "server/pg.hpp"
#include "server/settings.hpp"

extern "C" {
#include "access/xlog.h"
#include "commands/dbcommands.h"
}

namespace ticketpool {
namespace {

bool has_launcher() {
    return shared.control->launcher.load(std::memory_order_relaxed) != 0;
}

const char* waits_for(const DatabaseDue& entry) {
    if (!has_launcher()) {
        return "the launcher, which is not running: raise \"max_worker_processes\"";
    }
    return obstacle_text(entry.obstacle.load(std::memory_order_relaxed));
}

void set_time(Datum* value, bool* is_null, TimestampTz time, TimestampTz none) {
    *value = TimestampTzGetDatum(time);
    *is_null = time == none;
}

void return_database(const DatabaseDue& entry, const char* name, ReturnSetInfo* result) {
    const int32_t sweeper = entry.sweeper.load(std::memory_order_relaxed);
    const bool overdue = is_overdue(entry, GetCurrentTimestamp());
    Datum values[] = {CStringGetTextDatum(name),
                      Int32GetDatum(sweeper),
                      0,
                      0,
                      BoolGetDatum(overdue),
                      CStringGetTextDatum(waits_for(entry))};
    bool nulls[] = {false, sweeper == 0, false, false, false, !overdue};
    set_time(&values[2], &nulls[2], entry.last_sweep.load(std::memory_order_relaxed), 0);
    set_time(&values[3], &nulls[3], earliest_deadline(entry), INT64_MAX);
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

// ---------------------------------------------------------------------------------------------
// Workers
// ---------------------------------------------------------------------------------------------

enum WorkerColumn {
    kOutWorker,
    kOutDatabase,
    kOutPid,
    kOutState,
    kOutStarted,
    kOutRoundAt,
    kOutRound,
    kOutRounds,
    kOutErrors,
    kOutErrorAt,
    kOutSqlstate,
    kOutError,
    kOutDue,
    kOutLag,
    kOutWaitsFor,
    kOutColumns
};

struct WorkerRow {
    const char* worker;
    const char* database;  // null: of the launcher
    Oid oid;
    const char* state;
    WorkerFacts facts;
    TimestampTz lag;        // microseconds
    const char* waits_for;  // null: nothing
};

Datum interval_of(int64_t micros) {
    Interval* interval = static_cast<Interval*>(palloc0(sizeof(Interval)));
    interval->time = micros;
    return IntervalPGetDatum(interval);
}

void return_worker(const WorkerRow& row, ReturnSetInfo* result) {
    const WorkerFacts& facts = row.facts;
    const bool has_error = facts.last_error_at != 0;
    char message[kNoteBytes];
    memcpy(message, facts.message, kNoteBytes);
    make_readable(message, row.oid);
    Datum values[kOutColumns];
    bool nulls[kOutColumns] = {};
    values[kOutWorker] = CStringGetTextDatum(row.worker);
    values[kOutDatabase] = row.database == nullptr ? 0 : CStringGetTextDatum(row.database);
    nulls[kOutDatabase] = row.database == nullptr;
    values[kOutPid] = Int32GetDatum(facts.pid);
    nulls[kOutPid] = facts.pid == 0;
    values[kOutState] = CStringGetTextDatum(row.state);
    set_time(&values[kOutStarted], &nulls[kOutStarted], facts.started_at, 0);
    set_time(&values[kOutRoundAt], &nulls[kOutRoundAt], facts.last_round_at, 0);
    values[kOutRound] = interval_of(facts.last_round_micros);
    nulls[kOutRound] = facts.rounds == 0;
    values[kOutRounds] = Int64GetDatum(facts.rounds);
    values[kOutErrors] = Int64GetDatum(facts.errors);
    set_time(&values[kOutErrorAt], &nulls[kOutErrorAt], facts.last_error_at, 0);
    values[kOutSqlstate] = CStringGetTextDatum(unpack_sql_state(facts.sqlstate));
    nulls[kOutSqlstate] = !has_error;
    values[kOutError] = CStringGetTextDatum(message);
    nulls[kOutError] = !has_error;
    values[kOutDue] = Int64GetDatum(facts.due);
    values[kOutLag] = interval_of(row.lag);
    values[kOutWaitsFor] = row.waits_for == nullptr ? 0 : CStringGetTextDatum(row.waits_for);
    nulls[kOutWaitsFor] = row.waits_for == nullptr;
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

// How late the first thing is that is due in the database.
TimestampTz lag_of(const DatabaseDue& entry, TimestampTz now) {
    const TimestampTz deadline = earliest_deadline(entry);
    return deadline < now && entry.served.load(std::memory_order_relaxed) != Served::kNo
               ? now - deadline
               : 0;
}

// `lag`: the largest of all databases.
void return_launcher(TimestampTz lag, ReturnSetInfo* result) {
    WorkerRow row{"launcher", nullptr, InvalidOid, "running", read_note(launcher_note()),
                  lag,        nullptr};
    if (!has_launcher()) {
        const bool standby = RecoveryInProgress();
        row.state = standby ? "standby" : "not running";
        row.waits_for = standby ? "the promotion of this standby"
                                : "a worker slot, or its restart after an error";
        row.facts.pid = 0;
    }
    return_worker(row, result);
}

void return_sweeper(DatabaseDue* entry, WorkerRow row, ReturnSetInfo* result) {
    const TimestampTz now = GetCurrentTimestamp();
    const bool overdue = is_overdue(*entry, now);
    row.worker = "sweeper";
    row.facts = read_note(worker_note(entry, WorkerKind::kSweeper));
    row.lag = lag_of(*entry, now);
    row.facts.due = Max(row.facts.due, overdue ? 1 : 0);
    row.waits_for = overdue ? waits_for(*entry) : nullptr;
    row.state = entry->served.load(std::memory_order_relaxed) == Served::kNo ? "passed over"
                : row.facts.pid != 0                                         ? "running"
                : row.facts.failed                                           ? "failed"
                : overdue                                                    ? "late"
                                                                             : "idle";
    return_worker(row, result);
}

void return_cashier(DatabaseDue* entry, WorkerRow row, ReturnSetInfo* result) {
    const SaleDesk* desk = find_desk(row.oid);
    row.worker = "cashier";
    row.facts = read_note(worker_note(entry, WorkerKind::kCashier));
    if (desk == nullptr && row.facts.errors == 0) {
        return;  // nobody has sold in groups here
    }
    const bool at_work = desk != nullptr && desk->cashier.load(std::memory_order_acquire) != 0;
    const TimestampTz now = GetCurrentTimestamp();
    row.facts.pid = at_work ? desk->pid.load(std::memory_order_relaxed) : 0;
    row.facts.due = desk == nullptr ? 0 : count_queued(*desk);
    row.state = at_work ? "running" : row.facts.failed ? "failed" : "idle";
    if (desk == nullptr) {
        row.state = "no desk";
    } else if (desk->apart_until[0].load(std::memory_order_relaxed) > now ||
               desk->apart_until[1].load(std::memory_order_relaxed) > now) {
        row.waits_for = "larger groups: sessions sell by themselves for a second";
    }
    return_worker(row, result);
}

void return_preloader(DatabaseDue* entry, WorkerRow row, ReturnSetInfo* result) {
    row.worker = "preloader";
    row.facts = read_note(worker_note(entry, WorkerKind::kPreloader));
    if (!setting_preload && row.facts.started_at == 0) {
        return;
    }
    row.state = row.facts.pid != 0      ? "running"
                : row.facts.failed      ? "failed"
                : row.facts.rounds == 0 ? "not started"
                : row.facts.due > 0     ? "incomplete"
                                        : "done";
    row.waits_for = row.facts.pid == 0 && row.facts.failed ? "the end of the next sweep" : nullptr;
    return_worker(row, result);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_sweep_status) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    for (int i = 0; i < kMaxDatabases; i++) {
        const DatabaseDue& entry = shared.databases[i];
        const Oid database = entry.database.load(std::memory_order_acquire);
        if (database == InvalidOid || entry.served.load(std::memory_order_relaxed) == Served::kNo) {
            continue;
        }
        const char* name = get_database_name(database);
        if (name != nullptr) {  // else the database was dropped a moment ago
            return_database(entry, name, result);
        }
    }
    return 0;
}

TICKETPOOL_FUNCTION(ticket_worker_status) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    TimestampTz lag = 0;
    for (int i = 0; i < kMaxDatabases; i++) {
        DatabaseDue* entry = &shared.databases[i];
        const Oid database = entry->database.load(std::memory_order_acquire);
        const char* name = database == InvalidOid ? nullptr : get_database_name(database);
        const bool served = entry->served.load(std::memory_order_relaxed) != Served::kNo;
        if (name == nullptr || !(served || entry->told.load(std::memory_order_relaxed))) {
            continue;
        }
        const WorkerRow row{nullptr, name, database, nullptr, {}, 0, nullptr};
        lag = Max(lag, lag_of(*entry, GetCurrentTimestamp()));
        return_sweeper(entry, row, result);
        if (served) {
            return_cashier(entry, row, result);
            return_preloader(entry, row, result);
        }
    }
    return_launcher(lag, result);
    return 0;
}
