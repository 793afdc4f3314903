// Vectors of 512 bits (AVX-512): they test a line of 64 bytes at a time and answer with one bit for
// each of its words. Their loads are acquire loads by the argument of load_vector(). The choice
// among seats of several words is left to vectors of 256 bits: it is rare, and half of it is moving
// words about.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "best_fit_kernels.hpp"
#include "count_kernels.hpp"
#include "kernel_lanes.hpp"

#if defined(TICKETPOOL_VECTOR_KERNELS)

namespace ticketpool::kernel {

template <typename Bits>
struct LineVector {
    typedef Bits Lanes __attribute__((vector_size(64)));
};
template <typename Bits>
using LineLanes = typename LineVector<Bits>::Lanes;

// What differs from other vectors: the result of a test is one bit per lane, in a register.
#if !defined(TICKETPOOL_EMULATED_AVX512)

// A class begins at a vector of 256 bits, so its lines may cross two cache lines, but none of its
// words does.
template <typename Bits>
TICKETPOOL_TARGET_512 inline LineLanes<Bits> load_line(const void* words) noexcept {
    return reinterpret_cast<LineLanes<Bits>>(_mm512_loadu_si512(words));
}

// A bit for each lane of `line` that has one of the bits.
template <typename Bits>
TICKETPOOL_TARGET_512 inline std::uint64_t lanes_with(LineLanes<Bits> line,
                                                      LineLanes<Bits> bits) noexcept {
    const auto a = reinterpret_cast<__m512i>(line);
    const auto b = reinterpret_cast<__m512i>(bits);
    static_assert(sizeof(Bits) <= 8);
    if constexpr (sizeof(Bits) == 1) {
        return _mm512_test_epi8_mask(a, b);
    } else if constexpr (sizeof(Bits) == 2) {
        return _mm512_test_epi16_mask(a, b);
    } else if constexpr (sizeof(Bits) == 4) {
        return _mm512_test_epi32_mask(a, b);
    } else {
        return _mm512_test_epi64_mask(a, b);
    }
}

// A bit for each lane of `line` that is at least that of `other`.
template <typename Bits>
TICKETPOOL_TARGET_512 inline std::uint64_t lanes_at_least(LineLanes<Bits> line,
                                                          LineLanes<Bits> other) noexcept {
    const auto a = reinterpret_cast<__m512i>(line);
    const auto b = reinterpret_cast<__m512i>(other);
    static_assert(sizeof(Bits) <= 8);
    if constexpr (sizeof(Bits) == 1) {
        return _mm512_cmpge_epu8_mask(a, b);
    } else if constexpr (sizeof(Bits) == 2) {
        return _mm512_cmpge_epu16_mask(a, b);
    } else if constexpr (sizeof(Bits) == 4) {
        return _mm512_cmpge_epu32_mask(a, b);
    } else {
        return _mm512_cmpge_epu64_mask(a, b);
    }
}

#else

template <typename Bits>
TICKETPOOL_TARGET_512 inline LineLanes<Bits> load_line(const void* words) noexcept {
    LineLanes<Bits> line;
    std::memcpy(&line, words, sizeof line);
    return line;
}

template <typename Bits>
TICKETPOOL_TARGET_512 inline std::uint64_t lanes_with(LineLanes<Bits> line,
                                                      LineLanes<Bits> bits) noexcept {
    std::uint64_t lanes = 0;
    for (std::uint32_t i = 0; i < kLineSeats<Bits>; ++i) {
        lanes |= std::uint64_t{(line[i] & bits[i]) != 0} << i;
    }
    return lanes;
}

template <typename Bits>
TICKETPOOL_TARGET_512 inline std::uint64_t lanes_at_least(LineLanes<Bits> line,
                                                          LineLanes<Bits> other) noexcept {
    std::uint64_t lanes = 0;
    for (std::uint32_t i = 0; i < kLineSeats<Bits>; ++i) {
        lanes |= std::uint64_t{line[i] >= other[i]} << i;
    }
    return lanes;
}

#endif

template <typename Bits>
TICKETPOOL_TARGET_512 inline LineLanes<Bits> in_each_lane_512(std::uint64_t bits) noexcept {
    return LineLanes<Bits>{} + static_cast<Bits>(bits);
}

template <typename Bits>
TICKETPOOL_TARGET_512 inline LineLanes<Bits> shift_line_right(LineLanes<Bits> line,
                                                              int count) noexcept {
    if constexpr (sizeof(Bits) > 1) {
        return line >> static_cast<Bits>(count);
    } else {  // bytes cannot be shifted: pairs are, less the bits of the neighbour
        const auto pairs =
            reinterpret_cast<LineLanes<std::uint16_t>>(line) >> static_cast<std::uint16_t>(count);
        return reinterpret_cast<LineLanes<Bits>>(pairs) & in_each_lane_512<Bits>(0xffU >> count);
    }
}

// A bit for each seat that is free over the trip.
template <typename Bits>
struct FreeInLine {
    static constexpr std::uint64_t kWholeLine = word_bits(0, static_cast<int>(kLineSeats<Bits>));

    TICKETPOOL_TARGET_512 explicit FreeInLine(const SegmentMask& trip) noexcept
        : wanted(in_each_lane_512<Bits>(trip.w[0])) {}

    TICKETPOOL_TARGET_512 std::uint64_t operator()(const Word<Bits>* line) const noexcept {
        return lanes_with<Bits>(load_line<Bits>(line), wanted) ^ kWholeLine;
    }

    LineLanes<Bits> wanted;
};

// A bit for each seat that is free and has a run of at most `shift`: see BetterLanes. Numbers have
// no sign here, so a bit within the trip makes a number larger than any without one.
template <typename Bits>
struct BetterInLine {
    TICKETPOOL_TARGET_512 explicit BetterInLine(const TripScan& scan) noexcept
        : upto_trip(in_each_lane_512<Bits>(word_bits(0, scan.to))),
          below(in_each_lane_512<Bits>(word_bits(0, scan.from))),
          above(in_each_lane_512<Bits>(word_bits(scan.to - 1, scan.segments - 1))),
          carry(in_each_lane_512<Bits>(word_bits(scan.to - 1, scan.to))) {}

    TICKETPOOL_TARGET_512 std::uint64_t operator()(const Word<Bits>* line) const noexcept {
        const LineLanes<Bits> taken = load_line<Bits>(line);
        const LineLanes<Bits> free = above & ~shift_line_right<Bits>(taken, 1);
        const LineLanes<Bits> end = (free + carry) & ~free;
        const LineLanes<Bits> before = taken & upto_trip;
        return lanes_at_least<Bits>(before, shift_line_right<Bits>(end, shift)) &
               lanes_at_least<Bits>(below, before);
    }

    LineLanes<Bits> upto_trip;
    LineLanes<Bits> below;
    LineLanes<Bits> above;
    LineLanes<Bits> carry;
    int shift = 0;  // run - 1
};

// The first seat of [seat, end) whose bit is set, or `end`.
template <typename Bits, typename Test>
TICKETPOOL_TARGET_512 inline std::uint32_t next_in_lines(const Word<Bits>* words,
                                                         std::uint32_t seat, std::uint32_t end,
                                                         const Test& passes) noexcept {
    constexpr std::uint32_t kSeats = kLineSeats<Bits>;
    for (std::uint32_t line = seat - seat % kSeats; line < end; line += kSeats) {
        std::uint64_t passed = passes(words + line);
        if (passed == 0) continue;
        if (line < seat) passed &= ~std::uint64_t{0} << (seat - line);
        if (passed == 0) continue;
        return std::min(end, line + static_cast<std::uint32_t>(std::countr_zero(passed)));
    }
    return end;
}

template <typename Bits>
TICKETPOOL_TARGET_512 std::uint32_t next_seat(const Word<Bits>* words, std::uint32_t seat,
                                              std::uint32_t end,
                                              const FreeInLine<Bits>& passes) noexcept {
    return next_in_lines(words, seat, end, passes);
}

template <typename Bits>
TICKETPOOL_TARGET_512 std::uint32_t next_seat(const Word<Bits>* words, std::uint32_t seat,
                                              std::uint32_t end,
                                              const BetterInLine<Bits>& passes) noexcept {
    return next_in_lines(words, seat, end, passes);
}

template <typename Bits>
TICKETPOOL_TARGET_512 std::uint32_t best_fit_lines(const void* words, std::uint32_t seats,
                                                   const TripScan& trip_scan,
                                                   std::uint32_t start) noexcept {
    OneWordScan<Bits, FreeInLine<Bits>, BetterInLine<Bits>> scan(trip_scan);
    return scan.best_from(static_cast<const Word<Bits>*>(words), seats, start);
}

template <typename Bits>
TICKETPOOL_TARGET_512 std::uint32_t count_free_lines(const void* from, std::uint32_t seats,
                                                     const SegmentMask& trip) noexcept {
    const auto* words = static_cast<const Word<Bits>*>(from);
    const FreeInLine<Bits> is_free(trip);
    constexpr std::uint32_t kSeats = kLineSeats<Bits>;
    const std::uint32_t rest = seats % kSeats;
    int free = 0;
    for (std::uint32_t seat = 0; seat < seats - rest; seat += kSeats) {
        free += std::popcount(is_free(words + seat));
    }
    if (rest != 0) {
        const std::uint64_t in_class = word_bits(0, static_cast<int>(rest));
        free += std::popcount(is_free(words + (seats - rest)) & in_class);
    }
    return static_cast<std::uint32_t>(free);
}

// ---- several words a seat -------------------------------------------------------------------

// One bit for the first word of each of eight seats.
template <int W>
constexpr std::uint64_t first_words() noexcept {
    std::uint64_t bits = 0;
    for (int seat = 0; seat < 8; ++seat) bits |= std::uint64_t{1} << (seat * W);
    return bits;
}

// Eight seats are W lines. A seat is taken if one of its words is.
template <int W>
TICKETPOOL_TARGET_512 std::uint32_t count_free_wide_lines(const void* from, std::uint32_t seats,
                                                          const SegmentMask& trip) noexcept {
    constexpr int kSeats = 8;
    constexpr std::ptrdiff_t kStep = std::ptrdiff_t{kSeats} * W;
    const auto* words = static_cast<const WideWord*>(from);
    std::uint64_t wanted[kSeats * W];
    for (int word = 0; word < kSeats * W; ++word) wanted[word] = trip.w[word % W];
    int free = 0;
    for (; seats >= kSeats; seats -= kSeats, words += kStep) {
        std::uint64_t met = 0;
        for (std::ptrdiff_t line = 0; line < W; ++line) {
            const auto taken = load_line<std::uint64_t>(words + kSeats * line);
            const auto trip_line = load_line<std::uint64_t>(wanted + kSeats * line);
            met |= lanes_with<std::uint64_t>(taken, trip_line) << (kSeats * line);
        }
        std::uint64_t taken = met;
        for (int word = 1; word < W; ++word) taken |= met >> word;
        free += kSeats - std::popcount(taken & first_words<W>());
    }
    return static_cast<std::uint32_t>(free) + count_free_in<std::uint64_t, W>(words, seats, trip);
}

}  // namespace ticketpool::kernel

#endif
