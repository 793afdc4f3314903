// Remaining seats between every pair of stops, in one pass over the seats.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ticketpool/allocation.hpp"
#include "ticketpool/seat_map.hpp"

namespace ticketpool {

// Bytes of scratch, 4-byte aligned, that remaining_matrix needs for `segments` segments.
std::size_t matrix_scratch_bytes(int segments) noexcept;

// Adds, for all stops a < b, the number of seats free over [a, b) to cells[a * (segments + 1) + b].
// `cells` has (segments + 1)^2 entries; all others are left alone. Adding lets the caller sum
// several classes. Bits in `own` count as free. O(seats * runs + segments^2). Acquire loads, seat
// by seat: while others buy, the matrix does not show one single moment.
void remaining_matrix(const SeatMap& map, const OwnFree* own, std::uint32_t own_count,
                      std::uint32_t* cells, void* scratch) noexcept;

}  // namespace ticketpool
