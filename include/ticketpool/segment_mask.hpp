// Mask algebra over the segments of a departure. Segment i lies between stop i and stop i + 1; a
// trip from stop `from` to stop `to` needs the segments [from, to).
//
// A SegmentMask is a plain value of four words, whatever the width of the seat it is meant for:
// bits at and above `segments` are zero. Everything here is constexpr and touches no memory except
// its arguments.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

namespace ticketpool {

inline constexpr int kWordBits = 64;
inline constexpr int kMaxWords = 4;
inline constexpr int kMaxSegments = kMaxWords * kWordBits;  // 256
inline constexpr int kMaxStops = kMaxSegments + 1;          // 257

// Words that one seat needs for `segments` segments (1..256): 1..4.
constexpr int words_for(int segments) noexcept {
    return (segments + kWordBits - 1) / kWordBits;
}

// Bits of each of these words: 8, 16, 32 or 64, the fewest that hold a short train. A seat of
// several words is made of 64-bit ones.
constexpr int bits_per_word_for(int segments) noexcept {
    return segments <= 8 ? 8 : segments <= 16 ? 16 : segments <= 32 ? 32 : kWordBits;
}

// 8, 16, 32, 64, 128, 192 and 256 bits.
inline constexpr int kSeatShapes = 3 + kMaxWords;

// Bytes that one seat takes: 1, 2, 4, 8, 16, 24 or 32.
constexpr int seat_bytes_for(int segments) noexcept {
    return words_for(segments) * bits_per_word_for(segments) / 8;
}

// The bits [from, to) of one word, 0 <= from <= to <= 64.
constexpr std::uint64_t word_bits(int from, int to) noexcept {
    const std::uint64_t below_to =
        to >= kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << to) - 1;
    const std::uint64_t below_from =
        from >= kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << from) - 1;
    return below_to & ~below_from;
}

struct SegmentMask {
    std::uint64_t w[kMaxWords] = {};

    // True if no bit is set.
    constexpr bool none() const noexcept { return (w[0] | w[1] | w[2] | w[3]) == 0; }

    // True if at least one bit is set.
    constexpr bool any() const noexcept { return !none(); }

    // True if bit `segment` (0..255) is set.
    constexpr bool test(int segment) const noexcept {
        return ((w[segment / kWordBits] >> (segment % kWordBits)) & 1) != 0;
    }

    // Sets bit `segment` (0..255).
    constexpr void set(int segment) noexcept {
        w[segment / kWordBits] |= std::uint64_t{1} << (segment % kWordBits);
    }

    // Number of set bits, 0..256.
    constexpr int popcount() const noexcept {
        int bits = 0;
        for (const std::uint64_t word : w) bits += std::popcount(word);
        return bits;
    }

    // True if every bit of this mask is set in `other`; the empty mask is a subset of all.
    constexpr bool is_subset_of(const SegmentMask& other) const noexcept {
        return and_not(other).none();
    }

    // The bits of this mask that are not in `other`.
    constexpr SegmentMask and_not(const SegmentMask& other) const noexcept {
        SegmentMask out;
        for (int i = 0; i < kMaxWords; ++i) out.w[i] = w[i] & ~other.w[i];
        return out;
    }

    // Index of the lowest word with a bit set, or -1 if there is none.
    constexpr int first_word() const noexcept {
        for (int i = 0; i < kMaxWords; ++i) {
            if (w[i] != 0) return i;
        }
        return -1;
    }

    // Index of the highest word with a bit set, or -1 if there is none.
    constexpr int last_word() const noexcept {
        for (int i = kMaxWords - 1; i >= 0; --i) {
            if (w[i] != 0) return i;
        }
        return -1;
    }

    // Number of words with a bit set: the atomic operations that a claim of this mask takes.
    constexpr int touched_words() const noexcept {
        int touched = 0;
        for (const std::uint64_t word : w) touched += word != 0 ? 1 : 0;
        return touched;
    }

    friend constexpr SegmentMask operator&(const SegmentMask& a, const SegmentMask& b) noexcept {
        SegmentMask out;
        for (int i = 0; i < kMaxWords; ++i) out.w[i] = a.w[i] & b.w[i];
        return out;
    }

    friend constexpr SegmentMask operator|(const SegmentMask& a, const SegmentMask& b) noexcept {
        SegmentMask out;
        for (int i = 0; i < kMaxWords; ++i) out.w[i] = a.w[i] | b.w[i];
        return out;
    }

    friend constexpr SegmentMask operator~(const SegmentMask& a) noexcept {
        SegmentMask out;
        for (int i = 0; i < kMaxWords; ++i) out.w[i] = ~a.w[i];
        return out;
    }

    constexpr SegmentMask& operator|=(const SegmentMask& other) noexcept {
        return *this = *this | other;
    }

    constexpr SegmentMask& operator&=(const SegmentMask& other) noexcept {
        return *this = *this & other;
    }

    friend constexpr bool operator==(const SegmentMask& a, const SegmentMask& b) noexcept {
        return ((a.w[0] ^ b.w[0]) | (a.w[1] ^ b.w[1]) | (a.w[2] ^ b.w[2]) | (a.w[3] ^ b.w[3])) == 0;
    }
};

static_assert(std::is_standard_layout_v<SegmentMask>);
static_assert(std::is_trivially_copyable_v<SegmentMask>);
static_assert(std::is_trivially_destructible_v<SegmentMask>);
static_assert(sizeof(SegmentMask) == kMaxWords * sizeof(std::uint64_t));

// The segments [from, to), 0 <= from <= to <= 256; empty if from == to.
constexpr SegmentMask trip_mask(int from, int to) noexcept {
    SegmentMask out;
    for (int i = 0; i < kMaxWords; ++i) {
        const int base = i * kWordBits;
        const int low = from <= base ? 0 : (from - base < kWordBits ? from - base : kWordBits);
        const int high = to <= base ? 0 : (to - base < kWordBits ? to - base : kWordBits);
        if (low < high) out.w[i] = word_bits(low, high);
    }
    return out;
}

// First segment of the maximal run of clear bits of `taken` that ends at `from` (exclusive), that
// is the smallest a such that [a, from) is clear. Returns `from` if segment from - 1 is taken.
constexpr int run_begin(const SegmentMask& taken, int from) noexcept {
    for (int i = (from - 1) / kWordBits; from > 0 && i >= 0; --i) {
        const int base = i * kWordBits;
        const int high = from - base < kWordBits ? from - base : kWordBits;
        const std::uint64_t below = taken.w[i] & word_bits(0, high);
        if (below != 0) return base + kWordBits - std::countl_zero(below);
    }
    return 0;
}

// End (exclusive) of the maximal run of clear bits of `taken` that begins at `to`, bounded by
// `segments`. Returns `to` if segment `to` is taken.
constexpr int run_end(const SegmentMask& taken, int to, int segments) noexcept {
    for (int i = to / kWordBits; i < words_for(segments); ++i) {
        const int base = i * kWordBits;
        const int low = to > base ? to - base : 0;
        const std::uint64_t above = taken.w[i] & ~word_bits(0, low);
        if (above != 0) {
            const int end = base + std::countr_zero(above);
            return end < segments ? end : segments;
        }
    }
    return segments;
}

// Length, in segments, of the maximal free run that contains [from, to) within [0, segments).
// [from, to) itself must be clear in `taken`. At least to - from.
constexpr int free_run(const SegmentMask& taken, int from, int to, int segments) noexcept {
    return run_end(taken, to, segments) - run_begin(taken, from);
}

}  // namespace ticketpool
