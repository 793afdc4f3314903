#include "plans.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {

namespace {

// Plans by text, direct mapped: a later statement with the same hash replaces an earlier one.
struct CachedPlan {
    char* sql;
    SPIPlanPtr plan;
};
constexpr uint32_t kCacheSize = 256;
CachedPlan* cache;            // kCacheSize entries, allocated at first use
constinit int executing = 0;  // plans that are at work: a trigger may call us again

void forget(CachedPlan* entry) {
    if (entry->sql != nullptr) {
        pfree(entry->sql);
        entry->sql = nullptr;
    }
    if (entry->plan != nullptr) {
        SPI_freeplan(entry->plan);
        entry->plan = nullptr;
    }
}

SPIPlanPtr prepare(const char* sql, int count, Oid* types) {
    SPIPlanPtr plan = SPI_prepare(sql, count, types);
    if (plan == nullptr) {
        elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
    }
    return plan;
}

int execute(SPIPlanPtr plan, Datum* values, const char* nulls, Snapshot snapshot) {
    return SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, false, true, 0);
}

}  // namespace

int execute_planned(const char* sql, int count, Oid* types, Datum* values, const char* nulls,
                    Snapshot snapshot) {
    if (cache == nullptr) {
        cache = static_cast<CachedPlan*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedPlan)));
    }
    CachedPlan* entry = &cache[text_hash({sql, strlen(sql)}) % kCacheSize];
    if (entry->sql == nullptr || strcmp(entry->sql, sql) != 0) {
        if (executing > 0) {
            // The plan that this one would replace may be the one at work.
            return execute(prepare(sql, count, types), values, nulls, snapshot);
        }
        forget(entry);
        SPIPlanPtr plan = prepare(sql, count, types);
        if (SPI_keepplan(plan) != 0) {
            elog(ERROR, "could not keep a statement: %s", SPI_result_code_string(SPI_result));
        }
        entry->plan = plan;
        entry->sql = MemoryContextStrdup(TopMemoryContext, sql);
    }
    volatile int result = 0;
    executing++;
    PG_TRY();
    { result = execute(entry->plan, values, nulls, snapshot); }
    PG_FINALLY();
    { executing--; }
    PG_END_TRY();
    if (unlikely(result == SPI_OK_REWRITTEN)) {
        // A rule has replaced the statement. The server's plan depends on what is left of it, which
        // may be nothing, so it would outlive the rule. It is freed when the entry is used again.
        pfree(entry->sql);
        entry->sql = nullptr;
    }
    return result;
}

}  // namespace ticketpool
