// The end of a trip's sale: sale_margin before the train leaves the stop where the trip starts, by
// the clock of ticketpool.timezone. A departure without sale_margin costs one comparison.
#pragma once

#include "pool/announcement.hpp"
#include "server/pg.hpp"

namespace ticketpool {

inline bool has_margin(const DepartureRef& ref) {
    return unlikely(ref.departure->sale_margin.load(std::memory_order_relaxed) != kNoMargin);
}

// When the sale of trips that start at this stop ends; only with a margin. DT_NOEND: with closes_at
// alone, because the stop has no time.
TimestampTz sale_end_at(const DepartureRef& ref, int stop);

bool is_past_end(const DepartureRef& ref, int stop);
// Has the sale of trips that start at this stop ended?
inline bool is_over_at(const DepartureRef& ref, int stop) {
    return has_margin(ref) && is_past_end(ref, stop);
}

}  // namespace ticketpool
