// The scans over all seats of a class that are worth CPU-specific code. The one place where the
// core looks at what the machine can do.
#pragma once

#include <cstdint>

#include "ticketpool/segment_mask.hpp"

namespace ticketpool {

inline constexpr std::uint32_t kNoSeat = UINT32_MAX;

// A trip and the train it is on, as the scans want it.
struct TripScan {
    SegmentMask trip;  // trip_mask(from, to)
    int from;
    int to;
    int segments;
};

// `words` is SeatMap::words, and read in pairs of vectors: see there.

// Number of the `seats` seats with (mask & trip) == 0. Relaxed loads: an estimate while others buy.
using CountFree = std::uint32_t (*)(const void* words, std::uint32_t seats,
                                    const SegmentMask& trip) noexcept;

// Among the seats that are free over the trip, one whose maximal free run around it is shortest.
// Seats are taken in the cyclic order start, start + 1, ..., and the first minimum wins; the scan
// ends at once at an exact fit. kNoSeat if no seat is free. 0 <= start < seats. The loads, vector
// loads too, are acquire loads: fit for a careful look (see seat_map.hpp).
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

// 512 bits at a time, with AVX-512 F and BW besides, where there is something to gain; null
// likewise.
const Kernels* avx512_kernels() noexcept;

// The kernels in use: the baseline, until kernels_init has found better ones.
const Kernels& kernels() noexcept;

// Chooses the kernels for this machine: AVX-512 only on processors that keep their clock for it.
// Call once at load, before any other thread exists; calling it again is harmless.
void kernels_init() noexcept;

}  // namespace ticketpool
