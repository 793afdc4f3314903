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
CachedPlan* cache;  // kCacheSize entries, allocated at first use

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

}  // namespace

int execute_planned(const char* sql, int count, Oid* types, Datum* values, const char* nulls) {
    if (cache == nullptr) {
        cache = static_cast<CachedPlan*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedPlan)));
    }
    CachedPlan* entry = &cache[text_hash({sql, strlen(sql)}) % kCacheSize];
    if (entry->sql == nullptr || strcmp(entry->sql, sql) != 0) {
        forget(entry);
        SPIPlanPtr plan = SPI_prepare(sql, count, types);
        if (plan == nullptr || SPI_keepplan(plan) != 0) {
            elog(ERROR, "could not prepare a statement: %s", SPI_result_code_string(SPI_result));
        }
        entry->plan = plan;
        entry->sql = MemoryContextStrdup(TopMemoryContext, sql);
    }
    return SPI_execute_plan(entry->plan, values, nulls, false, 0);
}

}  // namespace ticketpool
