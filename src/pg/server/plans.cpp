// Keeps the prepared statements of a session, and runs them (plans.hpp).
#include "server/plans.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {

namespace {

// Plans by text, direct mapped: a later statement with the same hash replaces an earlier one.
struct CachedPlan {
    char* sql;
    SPIPlanPtr plan;
    bool every_row;  // planned without forced policies: the server does not tell such plans apart
};
constexpr uint32_t kCacheSize = 256;
CachedPlan* cache;            // kCacheSize entries, allocated at first use
constinit int executing = 0;  // plans that are at work: a trigger may call in here again

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

// Policies are applied in planning. If the plan becomes void just now, it is planned again with the
// policies: then the rows are not found, and the caller tries again.
int execute(SPIPlanPtr plan, Datum* values, const char* nulls, Snapshot snapshot) {
    Oid user;
    int context;
    GetUserIdAndSecContext(&user, &context);
    if ((context & SECURITY_NOFORCE_RLS) == 0) {
        return SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, false, true, 0);
    }
    SetUserIdAndSecContext(user, context & ~SECURITY_NOFORCE_RLS);
    const int result =
        SPI_execute_snapshot(plan, values, nulls, snapshot, InvalidSnapshot, false, true, 0);
    SetUserIdAndSecContext(user, context);  // an error restores it by the end of the transaction
    return result;
}

bool is_usable(const CachedPlan& entry, const char* sql, bool every_row) {
    return entry.sql != nullptr && strcmp(entry.sql, sql) == 0 && entry.every_row == every_row &&
           (!every_row || SPI_plan_is_valid(entry.plan));
}

}  // namespace

int execute_planned(const char* sql, int count, Oid* types, Datum* values, const char* nulls,
                    Snapshot snapshot) {
    if (cache == nullptr) {
        cache = static_cast<CachedPlan*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedPlan)));
    }
    const bool every_row = InNoForceRLSOperation();
    CachedPlan* entry = &cache[(text_hash({sql, strlen(sql)}) + (every_row ? 1 : 0)) % kCacheSize];
    if (!is_usable(*entry, sql, every_row)) {
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
        entry->every_row = every_row;
        entry->sql = MemoryContextStrdup(TopMemoryContext, sql);
    }
    volatile int result = 0;
    executing++;
    PG_TRY();
    { result = execute(entry->plan, values, nulls, snapshot); }
    PG_FINALLY();
    { executing--; }
    PG_END_TRY();
    // (A trigger that runs the same statement may have done this before.)
    if (unlikely(result == SPI_OK_REWRITTEN) && entry->sql != nullptr) {
        // A rule has replaced the statement. The server's plan depends on what is left of it, which
        // may be nothing, so it would outlive the rule. It is freed when the entry is used again.
        pfree(entry->sql);
        entry->sql = nullptr;
    }
    return result;
}

void execute_utility(const char* command) {
    if (SPI_execute(command, false, 0) != SPI_OK_UTILITY) {
        elog(ERROR, "could not execute \"%s\"", command);
    }
}

}  // namespace ticketpool
