// The scans over all seats of a class that are worth CPU-specific code. The one place where the
// core looks at what the machine can do.
#pragma once

#include <cstdint>

#include "ticketpool/segment_mask.hpp"

namespace ticketpool {

inline constexpr std::uint32_t kNoSeat = UINT32_MAX;

// A trip and the length of its train, as the scans need them.
struct TripScan {
    SegmentMask trip;  // trip_mask(from, to)
    int from;
    int to;
    int segments;
};

// `words` is SeatMap::words; scans read it in pairs of vectors, as described there.

// Number of the `seats` seats with (mask & trip) == 0. Relaxed loads: an estimate while others buy.
using CountFree = std::uint32_t (*)(const void* words, std::uint32_t seats,
                                    const SegmentMask& trip) noexcept;

// Among the seats that are free over the trip, one whose maximal free run around it is shortest.
// Seats are examined in the cyclic order start, start + 1, ..., and the first minimum wins; the
// scan ends at once at an exact fit. kNoSeat if no seat is free. 0 <= start < seats. All loads,
// including vector loads, are acquire loads and so fit for a careful look (see seat_map.hpp).
using BestFit = std::uint32_t (*)(const void* words, std::uint32_t seats, const TripScan& scan,
                                  std::uint32_t start) noexcept;

// Index: SeatMap::shape().
struct Kernels {
    CountFree count_free[kSeatShapes];
    BestFit best_fit[kSeatShapes];
};

// Atomic loads, any machine.
const Kernels& baseline_kernels() noexcept;

// 256 bits at a time, with AVX2, BMI, BMI2, LZCNT and POPCNT; null if this machine or build cannot
// run them.
const Kernels* avx2_kernels() noexcept;

// 512 bits at a time where that gains something, with AVX-512 F and BW in addition; null likewise.
const Kernels* avx512_kernels() noexcept;

// The kernels in use: the baseline, until kernels_init has found better ones.
const Kernels& kernels() noexcept;

// Chooses the kernels for this machine: AVX-512 only on processors that do not lower their clock
// for it. Call once at load, before any other thread exists; calling it again is harmless.
void kernels_init() noexcept;

}  // namespace ticketpool
