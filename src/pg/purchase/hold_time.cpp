// When a hold of seats or of units expires: see hold_time.hpp.
#include "purchase/hold_time.hpp"

#include "server/settings.hpp"

extern "C" {
#include "utils/timestamp.h"
}

namespace ticketpool {

static constexpr int64_t kMaxTtl = 366 * USECS_PER_DAY;

TimestampTz hold_deadline(FunctionCallInfo fcinfo, int argument) {
    const TimestampTz now = GetCurrentTimestamp();
    TimestampTz deadline;
    if (PG_ARGISNULL(argument)) {
        deadline = now + int64_t{setting_hold_ttl} * USECS_PER_SEC;
    } else {
        const Interval* ttl = PG_GETARG_INTERVAL_P(argument);
        // Any number of months is refused whatever their length, and sums could overflow.
        const bool too_long = ttl->month != 0 || ttl->day > 366 || ttl->day < -366 ||
                              ttl->time > kMaxTtl || ttl->time < -kMaxTtl;
        deadline = too_long ? now : now + ttl->time + ttl->day * USECS_PER_DAY;
    }
    if (deadline <= now || deadline > now + kMaxTtl) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("ttl is out of range"),
                        errdetail("A hold lasts more than nothing and at most 366 days."),
                        errhint("Pass NULL for \"ticketpool.hold_ttl\".")));
    }
    return deadline;
}

}  // namespace ticketpool
