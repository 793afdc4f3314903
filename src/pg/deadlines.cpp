#include "deadlines.hpp"

#include "shared_memory.hpp"

namespace ticketpool {

namespace {
constinit TimestampTz pending = INT64_MAX;
}

void deadline_at_commit(TimestampTz deadline) {
    pending = Min(pending, deadline);
}

void forget_deadline() {
    pending = INT64_MAX;
}

TimestampTz pending_deadline() {
    return pending;
}

void announce_deadline() {
    if (pending != INT64_MAX) {
        lower_next_due(MyDatabaseId, pending);
        pending = INT64_MAX;
    }
}

static DatabaseDue* enter_database(Oid database) {
    for (int i = 0; i < kMaxDatabases; i++) {
        DatabaseDue* entry = &shared.databases[i];
        uint32_t present = entry->database.load(std::memory_order_acquire);
        if (present == InvalidOid &&
            entry->database.compare_exchange_strong(present, database, std::memory_order_acq_rel)) {
            return entry;
        }
        if (present == database) {
            return entry;
        }
    }
    return nullptr;  // as many as there is room for: the launcher's full round finds the rest
}

DatabaseDue* find_database_due(Oid database) {
    for (int i = 0; i < kMaxDatabases; i++) {
        if (shared.databases[i].database.load(std::memory_order_acquire) == database) {
            return &shared.databases[i];
        }
    }
    return nullptr;
}

void lower_next_due(Oid database, TimestampTz due) {
    DatabaseDue* entry = enter_database(database);
    if (entry == nullptr) {
        return;
    }
    int64_t known = entry->next_due.load(std::memory_order_acquire);
    while (due < known &&
           !entry->next_due.compare_exchange_weak(known, due, std::memory_order_acq_rel)) {
    }
}

}  // namespace ticketpool
