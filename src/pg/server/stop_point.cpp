// The stop points of a test build: see stop_point.hpp. Empty in an ordinary one.
#include "server/stop_point.hpp"

#if defined(TICKETPOOL_STOP_POINTS)

extern "C" {
#include "storage/lock.h"
#include "storage/proc.h"
}

namespace ticketpool {

static char* setting_stop_point;

void define_stop_point_setting() {
    DefineCustomStringVariable("ticketpool.stop_point", "Where this session stops, for tests.",
                               nullptr, &setting_stop_point, "", PGC_SUSET, GUC_NOT_IN_SAMPLE,
                               nullptr, nullptr, nullptr);
}

void stop_point(const char* name) {
    constexpr uint16_t kTwoNumbers = 2;  // class of SQL's advisory locks by two numbers
    if (strcmp(setting_stop_point, name) != 0) {
        return;
    }
    LOCKTAG tag;
    const int length = static_cast<int>(strlen(name));
    const uint32_t hash = hash_bytes(reinterpret_cast<const unsigned char*>(name), length);
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, hash, kTwoNumbers);
    const int timeout = LockTimeout;  // of a worker: short
    LockTimeout = 0;
    PG_TRY();
    {
        LockAcquire(&tag, ShareLock, false, false);
        LockRelease(&tag, ShareLock, false);
    }
    PG_FINALLY();
    { LockTimeout = timeout; }
    PG_END_TRY();
}

}  // namespace ticketpool

#endif
