// Counting the free seats of a class.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

#include "kernel_lanes.hpp"

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
        // So many lines that a count fits into the lowest byte of its lane, where it is summed up.
        const std::uint32_t end = std::min(whole_lines, seat + 255 * kSeats);
        Lanes<Bits> low{};
        Lanes<Bits> high{};
        // Two lines a turn: counting is to cost no more than reading.
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

TICKETPOOL_TARGET inline __m256i load_mask(const SegmentMask& mask) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask.w));
}

TICKETPOOL_TARGET inline std::uint32_t count_free_2(const void* from, std::uint32_t seats,
                                                    const SegmentMask& trip) noexcept {
    const auto* words = static_cast<const Word<std::uint64_t>*>(from);
    const __m256i wanted = _mm256_broadcastsi128_si256(_mm256_castsi256_si128(load_mask(trip)));
    __m256i free = _mm256_setzero_si256();
    std::uint32_t seat = 0;
    for (; seat + 4 <= seats; seat += 4) {
        const Word<std::uint64_t>* at = words + std::size_t{seat} * 2;
        const __m256i a = _mm256_and_si256(load_vector(at), wanted);
        const __m256i b = _mm256_and_si256(load_vector(at + 4), wanted);
        // The two words of a seat in one lane; the order of the seats does not matter.
        const __m256i met =
            _mm256_or_si256(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        free = _mm256_sub_epi64(free, _mm256_cmpeq_epi64(met, _mm256_setzero_si256()));
    }
    return sum4(free) +
           count_free_in<std::uint64_t, 2>(words + std::size_t{seat} * 2, seats - seat, trip);
}

// One bit per word, set if it is free.
TICKETPOOL_TARGET inline std::uint32_t free_bits(const Word<std::uint64_t>* words,
                                                 __m256i trip) noexcept {
    const __m256i free =
        _mm256_cmpeq_epi64(_mm256_and_si256(load_vector(words), trip), _mm256_setzero_si256());
    return static_cast<std::uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(free)));
}

TICKETPOOL_TARGET inline std::uint32_t count_free_3(const void* from, std::uint32_t seats,
                                                    const SegmentMask& trip) noexcept {
    const auto* words = static_cast<const Word<std::uint64_t>*>(from);
    // Four seats are twelve words, three vectors; the trip is repeated along them.
    const auto w0 = static_cast<long long>(trip.w[0]);
    const auto w1 = static_cast<long long>(trip.w[1]);
    const auto w2 = static_cast<long long>(trip.w[2]);
    const __m256i first = _mm256_setr_epi64x(w0, w1, w2, w0);
    const __m256i second = _mm256_setr_epi64x(w1, w2, w0, w1);
    const __m256i third = _mm256_setr_epi64x(w2, w0, w1, w2);
    constexpr std::uint32_t kFirstWords = 0b001001001001;
    std::uint32_t free = 0;
    std::uint32_t seat = 0;
    for (; seat + 4 <= seats; seat += 4) {
        const Word<std::uint64_t>* at = words + std::size_t{seat} * 3;
        const std::uint32_t bits =
            free_bits(at, first) | free_bits(at + 4, second) << 4 | free_bits(at + 8, third) << 8;
        free +=
            static_cast<std::uint32_t>(std::popcount(bits & bits >> 1 & bits >> 2 & kFirstWords));
    }
    return free +
           count_free_in<std::uint64_t, 3>(words + std::size_t{seat} * 3, seats - seat, trip);
}

TICKETPOOL_TARGET inline std::uint32_t count_free_4(const void* from, std::uint32_t seats,
                                                    const SegmentMask& trip) noexcept {
    const auto* words = static_cast<const Word<std::uint64_t>*>(from);
    const __m256i wanted = load_mask(trip);
    std::uint32_t free = 0;
    for (std::uint32_t seat = 0; seat < seats; ++seat) {
        free += static_cast<std::uint32_t>(
            _mm256_testz_si256(load_vector(words + std::size_t{seat} * 4), wanted));
    }
    return free;
}

#endif

}  // namespace ticketpool::kernel
