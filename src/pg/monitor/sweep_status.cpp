// The function behind the view ticket_sweep_status: each database's last sweep and next deadline.
#include "pool/deadlines.hpp"
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/pg.hpp"

extern "C" {
#include "commands/dbcommands.h"
}

namespace ticketpool {
namespace {

const char* waits_for(const DatabaseDue& entry) {
    if (shared.control->launcher.load(std::memory_order_relaxed) == 0) {
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
