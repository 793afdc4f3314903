// What the kernels are made of: words, and vectors of words.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "ticketpool/segment_mask.hpp"

// ThreadSanitizer sees a vector load as a plain access and would report a race with the atomic
// operations of others, so builds under it have the atomic path only.
#if defined(__SANITIZE_THREAD__)
#define TICKETPOOL_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TICKETPOOL_THREAD_SANITIZER 1
#endif
#endif

#if defined(__x86_64__) && !defined(TICKETPOOL_THREAD_SANITIZER)
#define TICKETPOOL_VECTOR_KERNELS 1
#include <cpuid.h>
#include <immintrin.h>
#define TICKETPOOL_TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#if defined(TICKETPOOL_EMULATED_AVX512)  // for tests on machines without it
#define TICKETPOOL_TARGET_512 TICKETPOOL_TARGET
#else
#define TICKETPOOL_TARGET_512 __attribute__((target("avx512f,avx512bw,avx2,bmi,bmi2,lzcnt,popcnt")))
#endif
#endif

// Inlined into a caller with a `target` attribute, the same source is compiled for that target.
#define TICKETPOOL_INLINE inline __attribute__((always_inline))

namespace ticketpool::kernel {

// A seat is W words of type Bits; W > 1 for 64-bit ones only.
template <typename Bits>
using Word = std::atomic<Bits>;

#if defined(TICKETPOOL_VECTOR_KERNELS)

// The vector loads take the place of loads of the words. On x86-64, each aligned part of up to
// eight bytes of a vector load is read in one piece. Nothing here needs the parts, or two uses of
// one part, to be from the same moment: a seat is chosen by a look at its word alone, and claimed
// by compare-and-swap.
//
// "Sold out" may rest on the vector loads of best fit, which therefore have to be acquire loads. In
// hardware every load is one: x86-64 reorders loads neither with later loads nor with later stores.
// To the compiler they are plain loads. An acquire load before the scan keeps the compiler from
// moving them up, and a signal fence after the scan keeps it from moving them down; neither adds an
// instruction.
TICKETPOOL_TARGET inline __m256i load_vector(const void* words) noexcept {
    return _mm256_load_si256(static_cast<const __m256i*>(words));
}

// The same from the address of any word of 64 bits: if the vector crosses two cache lines, each of
// its words is within one of them.
TICKETPOOL_TARGET inline __m256i load_unaligned_vector(const void* words) noexcept {
    return _mm256_loadu_si256(static_cast<const __m256i*>(words));
}

// 32 bytes as lanes of one word each, with the operators of the compiler's vector types; a
// comparison gives all ones or none in each lane.
template <typename Bits>
struct Vector {
    typedef Bits Lanes __attribute__((vector_size(32)));
    typedef std::make_signed_t<Bits> SignedLanes __attribute__((vector_size(32)));
};
template <typename Bits>
using Lanes = typename Vector<Bits>::Lanes;
template <typename Bits>
using SignedLanes = typename Vector<Bits>::SignedLanes;

template <typename Bits>
TICKETPOOL_TARGET inline Lanes<Bits> load(const Word<Bits>* words) noexcept {
    return reinterpret_cast<Lanes<Bits>>(load_vector(words));
}

template <typename Bits>
TICKETPOOL_TARGET inline Lanes<Bits> in_each_lane(std::uint64_t bits) noexcept {
    return Lanes<Bits>{} + static_cast<Bits>(bits);
}

template <typename Bits>
TICKETPOOL_TARGET inline Lanes<Bits> shift_right(Lanes<Bits> lanes, int count) noexcept {
    const auto all = reinterpret_cast<__m256i>(lanes);
    const __m128i n = _mm_cvtsi32_si128(count);
    if constexpr (sizeof(Bits) == 8) return reinterpret_cast<Lanes<Bits>>(_mm256_srl_epi64(all, n));
    if constexpr (sizeof(Bits) == 4) return reinterpret_cast<Lanes<Bits>>(_mm256_srl_epi32(all, n));
    const auto pairs = reinterpret_cast<Lanes<Bits>>(_mm256_srl_epi16(all, n));
    if constexpr (sizeof(Bits) == 2) return pairs;
    return pairs & in_each_lane<Bits>(0xffU >> count);  // less the bits of the neighbour
}

// One bit for each byte of a line whose lane passed; `low` and `high` are results of comparisons.
template <typename Bits>
TICKETPOOL_TARGET inline std::uint64_t passed_bytes(Lanes<Bits> low, Lanes<Bits> high) noexcept {
    const int bytes_low = _mm256_movemask_epi8(reinterpret_cast<__m256i>(low));
    const int bytes_high = _mm256_movemask_epi8(reinterpret_cast<__m256i>(high));
    return static_cast<std::uint32_t>(bytes_low) |
           std::uint64_t{static_cast<std::uint32_t>(bytes_high)} << 32;
}

// Seats of one word are examined in lines: two vectors, or one of twice the size, at once. Such a
// line is as long as a cache line; if the class begins in the middle of a cache line, it is half of
// each of two.
template <typename Bits>
constexpr std::uint32_t kLineSeats = 64 / sizeof(Bits);

// All ones in each lane whose seat is free over the trip.
template <typename Bits>
struct FreeLanes {
    TICKETPOOL_TARGET explicit FreeLanes(const SegmentMask& trip) noexcept
        : wanted(in_each_lane<Bits>(trip.w[0])) {}

    TICKETPOOL_TARGET Lanes<Bits> operator()(const Word<Bits>* words) const noexcept {
        return reinterpret_cast<Lanes<Bits>>((load(words) & wanted) == Lanes<Bits>{});
    }

    Lanes<Bits> wanted;
};

#endif

}  // namespace ticketpool::kernel
