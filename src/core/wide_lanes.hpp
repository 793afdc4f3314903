// Seats of several words, four at a time: a lane of 64 bits for each seat.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel_lanes.hpp"

#if defined(TICKETPOOL_VECTOR_KERNELS)

namespace ticketpool::kernel {

using WideWord = Word<std::uint64_t>;

inline constexpr std::uint32_t kGroupSeats = 4;
inline constexpr std::uint32_t kPairSeats = 2 * kGroupSeats;

template <int W>
inline constexpr std::size_t kGroupWords = std::size_t{kGroupSeats} * W;

// The vectors of a group: two with two seats each, or four with a seat each. A vector with a seat
// of three words also holds a word of its neighbour. Nothing past the group is read, so the last
// seat is at the end of its vector, while the others are at the beginning of theirs.
template <int W>
TICKETPOOL_TARGET inline __m256i group_vector(const WideWord* group, std::size_t i) noexcept {
    if constexpr (W != 3) return load_vector(group + 4 * i);
    return load_unaligned_vector(group + (i < 3 ? 3 * i : 8));
}

// The first word of the seat in vector `i` of its group.
template <int W>
constexpr int first_word_in_vector(std::size_t i) noexcept {
    return W == 3 && i == 3 ? 1 : 0;
}

// Lanes hold the seats of a group in the order 0, 2, 1, 3. Returns one bit for each seat, in seat
// order, that has a bit in its lane.
TICKETPOOL_TARGET inline std::uint32_t seats_of(__m256i lanes) noexcept {
    const __m256i none = _mm256_cmpeq_epi64(lanes, _mm256_setzero_si256());
    const __m256i in_order = _mm256_permute4x64_epi64(none, 0b11'01'10'00);
    return static_cast<std::uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(in_order))) ^ 0b1111U;
}

// In the lane of each seat of a group, some bit if the seat has a bit of the mask, else zero.
template <int W>
struct MetLanes {
    TICKETPOOL_TARGET explicit MetLanes(const SegmentMask& mask) noexcept
        : wanted(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask.w))) {
        if constexpr (W == 2) {
            wanted = _mm256_broadcastsi128_si256(_mm256_castsi256_si128(wanted));
        } else if constexpr (W == 3) {
            wanted_last = _mm256_permute4x64_epi64(wanted, 0b10'01'00'11);
        }
    }

    TICKETPOOL_TARGET __m256i operator()(const WideWord* group) const noexcept {
        if constexpr (W == 2) {
            return either_half(met(group, 0), met(group, 1));
        } else {
            const __m256i even = either_half(met(group, 0), met(group, 2));
            const __m256i odd = either_half(met(group, 1), met(group, 3));
            return _mm256_or_si256(_mm256_permute2x128_si256(even, odd, 0x20),
                                   _mm256_permute2x128_si256(even, odd, 0x31));
        }
    }

    TICKETPOOL_TARGET __m256i met(const WideWord* group, std::size_t i) const noexcept {
        return _mm256_and_si256(group_vector<W>(group, i),
                                first_word_in_vector<W>(i) == 0 ? wanted : wanted_last);
    }

    // Both words of each half of a vector, ORed: first half of a, of b, second half of a, of b.
    TICKETPOOL_TARGET static __m256i either_half(__m256i a, __m256i b) noexcept {
        return _mm256_or_si256(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
    }

    __m256i wanted;
    __m256i wanted_last{};
};

// All ones in the lane of each seat with no bit of the trip.
template <int W>
struct FreeSeats {
    TICKETPOOL_TARGET explicit FreeSeats(const SegmentMask& trip) noexcept : met(trip) {}

    TICKETPOOL_TARGET __m256i operator()(const WideWord* group) const noexcept {
        return _mm256_cmpeq_epi64(met(group), _mm256_setzero_si256());
    }

    MetLanes<W> met;
};

// In the lane of each seat of a group the 32 segments before a trip and, above them, the 32 after
// it, as if the trip had no length. The train ends with a taken segment on either side; bits beyond
// these are meaningless.
template <int W>
struct AroundLanes {
    static constexpr int kSegments = 32;

    // Two half words on either side; the shift leaves 32 segments in the lower one. Numbers that
    // belong to no half word of this seat are beyond the end of the train.
    TICKETPOOL_TARGET static __m256i half_words(int before, int after) noexcept {
        return _mm256_setr_epi32(before, before + 1, after, after + 1, before, before + 1, after,
                                 after + 1);
    }

    TICKETPOOL_TARGET AroundLanes(int from, int to, int segments) noexcept
        : halves(half_words(from / kSegments - 1, to / kSegments)) {
        if constexpr (W == 2) {  // as bytes of half a vector
            halves = _mm256_add_epi8(_mm256_mullo_epi32(halves, _mm256_set1_epi32(0x04040404)),
                                     _mm256_set1_epi32(0x03020100));
            halves = _mm256_and_si256(halves, _mm256_set1_epi8(15));
        }
        halves_last = _mm256_add_epi32(halves, _mm256_set1_epi32(2 * first_word_in_vector<W>(3)));
        shifts =
            _mm256_setr_epi64x(from % kSegments, to % kSegments, from % kSegments, to % kSegments);
        std::uint64_t walls = 0;
        if (from < kSegments) walls |= std::uint64_t{1} << (kSegments - 1 - from);
        if (segments - to < kSegments) walls |= std::uint64_t{1} << (kSegments + segments - to);
        ends = _mm256_set1_epi64x(static_cast<long long>(walls));
    }

    TICKETPOOL_TARGET __m256i operator()(const WideWord* group) const noexcept {
        const auto low = _mm256_castsi256_ps(_mm256_srlv_epi64(two_seats(group, 0), shifts));
        const auto high = _mm256_castsi256_ps(_mm256_srlv_epi64(two_seats(group, 1), shifts));
        const __m256i around = _mm256_castps_si256(_mm256_shuffle_ps(low, high, 0b10'00'10'00));
        return _mm256_or_si256(around, ends);
    }

    // A lane before the trip and one after it, of the seats 2 * pair and 2 * pair + 1.
    TICKETPOOL_TARGET __m256i two_seats(const WideWord* group, std::size_t pair) const noexcept {
        if constexpr (W == 2) {
            return _mm256_shuffle_epi8(group_vector<W>(group, pair), halves);
        } else {
            const __m256i first =
                _mm256_permutevar8x32_epi32(group_vector<W>(group, 2 * pair), halves);
            const __m256i second = _mm256_permutevar8x32_epi32(group_vector<W>(group, 2 * pair + 1),
                                                               pair == 0 ? halves : halves_last);
            return _mm256_blend_epi32(first, second, 0b11110000);
        }
    }

    __m256i halves;
    __m256i halves_last;  // of the last seat of the group
    __m256i shifts;
    __m256i ends;
};

}  // namespace ticketpool::kernel

#endif
