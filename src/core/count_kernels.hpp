// Counting the free seats of a class.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

#include "kernel_lanes.hpp"
#include "wide_lanes.hpp"

namespace ticketpool::kernel {

template <typename Bits, int W>
TICKETPOOL_INLINE bool is_free(const Word<Bits>* seat, const SegmentMask& trip) noexcept {
    std::uint64_t taken = 0;
    for (int i = 0; i < W; ++i) taken |= seat[i].load(std::memory_order_relaxed) & trip.w[i];
    return taken == 0;
}

template <typename Bits, int W>
TICKETPOOL_INLINE std::uint32_t count_free_in(const Word<Bits>* words, std::uint32_t seats,
                                              const SegmentMask& wanted) noexcept {
    const SegmentMask trip = wanted;  // a copy: see best_fit_range
    std::uint32_t free = 0;
    for (std::uint32_t seat = 0; seat < seats; ++seat, words += W) {
        free += is_free<Bits, W>(words, trip) ? 1U : 0U;
    }
    return free;
}

template <typename Bits, int W>
std::uint32_t count_free_baseline(const void* words, std::uint32_t seats,
                                  const SegmentMask& trip) noexcept {
    return count_free_in<Bits, W>(static_cast<const Word<Bits>*>(words), seats, trip);
}

#if defined(TICKETPOOL_VECTOR_KERNELS)

TICKETPOOL_TARGET inline std::uint32_t sum4(__m256i lanes) noexcept {
    const __m128i two =
        _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si64(two) + _mm_extract_epi64(two, 1));
}

template <typename Bits>
TICKETPOOL_TARGET std::uint32_t count_free_1(const void* from, std::uint32_t seats,
                                             const SegmentMask& trip) noexcept {
    const auto* words = static_cast<const Word<Bits>*>(from);
    const FreeLanes<Bits> is_free(trip);
    constexpr std::uint32_t kSeats = kLineSeats<Bits>;
    const std::uint32_t whole_lines = seats - seats % kSeats;
    __m256i free = _mm256_setzero_si256();
    std::uint32_t seat = 0;
    while (seat < whole_lines) {
        // No more lines than a count in the lowest byte of its lane can hold: that byte is what is
        // summed.
        const std::uint32_t end = std::min(whole_lines, seat + 255 * kSeats);
        Lanes<Bits> low{};
        Lanes<Bits> high{};
        // Two lines per turn, so that counting costs no more than reading.
        const Word<Bits>* line = words + seat;
        const Word<Bits>* const last = words + (end - kSeats);
        for (; line < last; line += 2 * kSeats) {
            low -= is_free(line);
            high -= is_free(line + kSeats / 2);
            low -= is_free(line + kSeats);
            high -= is_free(line + kSeats + kSeats / 2);
        }
        if (line == last) {
            low -= is_free(line);
            high -= is_free(line + kSeats / 2);
        }
        seat = end;
        for (const Lanes<Bits>& lanes : {low, high}) {
            free = _mm256_add_epi64(
                free, _mm256_sad_epu8(reinterpret_cast<__m256i>(lanes), _mm256_setzero_si256()));
        }
    }
    if (seat == seats) return sum4(free);
    const std::uint64_t bytes =
        passed_bytes<Bits>(is_free(words + seat), is_free(words + seat + kSeats / 2));
    const std::uint64_t in_class = word_bits(0, static_cast<int>((seats - seat) * sizeof(Bits)));
    return sum4(free) + static_cast<std::uint32_t>(std::popcount(bytes & in_class)) /
                            std::uint32_t{sizeof(Bits)};
}

template <int W>
TICKETPOOL_TARGET std::uint32_t count_free_wide(const void* from, std::uint32_t seats,
                                                const SegmentMask& trip) noexcept {
    const auto* words = static_cast<const WideWord*>(from);
    const FreeSeats<W> is_free(trip);
    __m256i free[2] = {};
    std::uint32_t seat = 0;
    for (; seat + kPairSeats <= seats; seat += kPairSeats, words += 2 * kGroupWords<W>) {
        free[0] = _mm256_sub_epi64(free[0], is_free(words));
        free[1] = _mm256_sub_epi64(free[1], is_free(words + kGroupWords<W>));
    }
    return sum4(_mm256_add_epi64(free[0], free[1])) +
           count_free_in<std::uint64_t, W>(words, seats - seat, trip);
}

#endif

}  // namespace ticketpool::kernel
