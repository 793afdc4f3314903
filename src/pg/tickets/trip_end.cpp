// Computes when the sale of a trip ends (trip_end.hpp).
#include "tickets/trip_end.hpp"

#include "pool/ledger.hpp"
#include "server/settings.hpp"

extern "C" {
#include "utils/datetime.h"
}

namespace ticketpool {
namespace {

// What the last looks have found: a local time of a zone as an instant. It takes a search in the
// zone's rules to find out.
struct KnownInstant {
    Timestamp local;
    const pg_tz* zone;  // null: empty
    TimestampTz instant;
};
constexpr uint32_t kKnown = 256;
constinit KnownInstant known[kKnown]{};

// As AT TIME ZONE does: a local time that a clock shows twice or never is taken by the rules of
// PostgreSQL.
TimestampTz instant_of(Timestamp local, pg_tz* zone) {
    pg_tm fields;
    fsec_t fraction;
    TimestampTz instant = DT_NOEND;
    if (timestamp2tm(local, nullptr, &fields, &fraction, nullptr, nullptr) == 0) {
        int offset = DetermineTimeZoneOffset(&fields, zone);
        if (tm2timestamp(&fields, fraction, &offset, &instant) != 0) {
            instant = DT_NOEND;
        }
    }
    return instant;
}

TimestampTz known_instant_of(Timestamp local) {
    pg_tz* zone = sale_timezone();
    const uint64_t hash = static_cast<uint64_t>(local) * 0x9E3779B97F4A7C15u;
    KnownInstant* entry = &known[hash >> 56];
    if (entry->local != local || entry->zone != zone) {
        *entry = KnownInstant{local, zone, instant_of(local, zone)};
    }
    return entry->instant;
}
static_assert(kKnown == 1 << 8);  // the bits of the hash that are used

}  // namespace

TimestampTz sale_end_at(const DepartureRef& ref, int stop) {
    const Stop& start = route_of(ref)->stops()[stop];
    const int64_t leaves = start.departs != kNoTime ? start.departs : start.arrives;
    if (leaves == kNoTime) {
        return DT_NOEND;
    }
    const TimestampTz instant =
        known_instant_of(ref.departure->service_date * USECS_PER_DAY + leaves);
    const int64_t margin = ref.departure->sale_margin.load(std::memory_order_relaxed);
    return instant == DT_NOEND ? instant : instant - margin * USECS_PER_SEC;
}

bool is_past_end(const DepartureRef& ref, int stop) {
    return GetCurrentTimestamp() >= sale_end_at(ref, stop);
}

}  // namespace ticketpool
