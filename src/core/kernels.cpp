#include "ticketpool/kernels.hpp"

#include <bit>

// ThreadSanitizer sees a vector load as a plain access and would call it a race with the atomic
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
#endif

// Inlined into a caller with a `target` attribute, the same source is compiled for that target.
#define TICKETPOOL_INLINE inline __attribute__((always_inline))

namespace ticketpool {

namespace {

using Word = std::atomic<std::uint64_t>;

// ---- any machine ---------------------------------------------------------------------------

template <int W>
TICKETPOOL_INLINE bool is_free(const Word* seat, const SegmentMask& trip) noexcept {
    std::uint64_t taken = 0;
    for (int i = 0; i < W; ++i) taken |= seat[i].load(std::memory_order_relaxed) & trip.w[i];
    return taken == 0;
}

template <int W>
TICKETPOOL_INLINE std::uint32_t count_free_in(const Word* words, std::uint32_t seats,
                                              const SegmentMask& wanted) noexcept {
    const SegmentMask trip = wanted;  // a copy: see best_fit_range
    std::uint32_t free = 0;
    for (std::uint32_t seat = 0; seat < seats; ++seat, words += W) {
        free += is_free<W>(words, trip) ? 1U : 0U;
    }
    return free;
}

// The trip as the run length wants it, computed once per scan.
struct RunMasks {
    std::uint64_t below[kMaxWords];  // segments before the trip
    std::uint64_t above[kMaxWords];  // segments after the trip
    std::uint64_t end[kMaxWords];    // the first bit after the train, if any: a wall
};

TICKETPOOL_INLINE RunMasks run_masks(const TripScan& scan) noexcept {
    const SegmentMask below = trip_mask(0, scan.from);
    const SegmentMask above = trip_mask(scan.to, kMaxSegments);
    SegmentMask wall;
    if (scan.segments < kMaxSegments) wall.set(scan.segments);
    RunMasks masks;
    for (int i = 0; i < kMaxWords; ++i) {
        masks.below[i] = below.w[i];
        masks.above[i] = above.w[i];
        masks.end[i] = wall.w[i];
    }
    return masks;
}

// Maximal free run around the trip in a seat that is free over it. For one word: the distance
// between the taken bits on either side, found by counting zeros; no branches.
template <int W>
TICKETPOOL_INLINE int run_length(const std::uint64_t* taken, const RunMasks& masks) noexcept {
    int begin = 0;
    int end = W * kWordBits;
    if constexpr (W == 1) {
        begin = kWordBits - std::countl_zero(taken[0] & masks.below[0]);
        end = std::countr_zero((taken[0] | masks.end[0]) & masks.above[0]);
    } else {
        for (int i = 0; i < W; ++i) {  // the last word with a bit below wins
            const std::uint64_t below = taken[i] & masks.below[i];
            begin = below != 0 ? (i + 1) * kWordBits - std::countl_zero(below) : begin;
        }
        for (int i = W - 1; i >= 0; --i) {  // the first word with a bit above wins
            const std::uint64_t above = (taken[i] | masks.end[i]) & masks.above[i];
            end = above != 0 ? i * kWordBits + std::countr_zero(above) : end;
        }
    }
    return end - begin;
}

struct BestSeat {
    std::uint32_t seat;
    int run;
};

// Longer than any run, and with a bit of its own.
constexpr int kTaken = 4 * kMaxSegments;

// Looks at the seats [begin, end); true if it met an exact fit, which cannot be bettered. The
// compiler takes an atomic load as a reason to read everything behind a reference again, hence the
// copies.
template <int W>
TICKETPOOL_INLINE bool best_fit_range(const Word* words, std::uint32_t begin, std::uint32_t end,
                                      const TripScan& scan, const RunMasks& run_masks,
                                      BestSeat& found) noexcept {
    const SegmentMask trip = scan.trip;
    const RunMasks masks = run_masks;
    const int exact = scan.to - scan.from;
    BestSeat best = found;
    for (std::uint32_t seat = begin; seat < end && best.run != exact; ++seat) {
        std::uint64_t taken[W];
        std::uint64_t met = 0;
        for (int i = 0; i < W; ++i) {
            taken[i] = words[std::size_t{seat} * W + static_cast<std::size_t>(i)].load(
                std::memory_order_acquire);
            met |= taken[i] & trip.w[i];
        }
        int run = kTaken;
        if constexpr (W == 1) {  // without a branch: which seats are free cannot be predicted
            run = run_length<W>(taken, masks) | (met != 0 ? kTaken : 0);
        } else if (met == 0) {
            run = run_length<W>(taken, masks);
        }
        if (run < best.run) best = {seat, run};
    }
    found = best;
    return best.run == exact;
}

template <int W>
TICKETPOOL_INLINE std::uint32_t best_fit_in(const Word* words, std::uint32_t seats,
                                            const TripScan& scan, std::uint32_t start) noexcept {
    const RunMasks masks = run_masks(scan);
    BestSeat best{kNoSeat, kTaken};
    if (!best_fit_range<W>(words, start, seats, scan, masks, best)) {
        best_fit_range<W>(words, 0, start, scan, masks, best);
    }
    return best.seat;
}

template <int W>
std::uint32_t count_free_baseline(const Word* words, std::uint32_t seats,
                                  const SegmentMask& trip) noexcept {
    return count_free_in<W>(words, seats, trip);
}

template <int W>
std::uint32_t best_fit_baseline(const Word* words, std::uint32_t seats, const TripScan& scan,
                                std::uint32_t start) noexcept {
    return best_fit_in<W>(words, seats, scan, start);
}

constexpr Kernels kBaseline = {
    {count_free_baseline<1>, count_free_baseline<2>, count_free_baseline<3>,
     count_free_baseline<4>},
    {best_fit_baseline<1>, best_fit_baseline<2>, best_fit_baseline<3>, best_fit_baseline<4>},
};

constinit const Kernels* chosen = &kBaseline;

// ---- x86-64 with AVX2 ----------------------------------------------------------------------

#if defined(TICKETPOOL_VECTOR_KERNELS)

#define TICKETPOOL_TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))

// The vector loads stand for loads of the words: on x86-64 each aligned eight-byte part of a vector
// load is read in one piece, and nothing here needs the parts, or two uses of one part, to be of
// one moment: a seat is chosen by a look at its word alone, and claimed by compare-and-swap.
//
// "Sold out" may rest on the vector loads of best fit, which therefore have to be acquire loads. In
// hardware every load is one: x86-64 reorders loads neither with later loads nor with later stores.
// To the compiler they are plain loads. An acquire load before the scan keeps it from moving them
// up, a signal fence after the scan from moving them down; neither is an instruction.
TICKETPOOL_TARGET inline __m256i load4(const Word* words) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words));
}

TICKETPOOL_TARGET inline __m256i load4(const SegmentMask& mask) noexcept {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(mask.w));
}

TICKETPOOL_TARGET inline std::uint32_t sum4(__m256i lanes) noexcept {
    const __m128i two =
        _mm_add_epi64(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    return static_cast<std::uint32_t>(_mm_cvtsi128_si64(two) + _mm_extract_epi64(two, 1));
}

// All ones in each lane whose word is free.
TICKETPOOL_TARGET inline __m256i free_lanes(const Word* words, __m256i trip) noexcept {
    return _mm256_cmpeq_epi64(_mm256_and_si256(load4(words), trip), _mm256_setzero_si256());
}

TICKETPOOL_TARGET std::uint32_t count_free_1(const Word* words, std::uint32_t seats,
                                             const SegmentMask& trip) noexcept {
    const __m256i wanted = _mm256_set1_epi64x(static_cast<long long>(trip.w[0]));
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();
    std::uint32_t seat = 0;
    for (; seat + 8 <= seats; seat += 8) {
        even = _mm256_sub_epi64(even, free_lanes(words + seat, wanted));
        odd = _mm256_sub_epi64(odd, free_lanes(words + seat + 4, wanted));
    }
    return sum4(_mm256_add_epi64(even, odd)) + count_free_in<1>(words + seat, seats - seat, trip);
}

TICKETPOOL_TARGET std::uint32_t count_free_2(const Word* words, std::uint32_t seats,
                                             const SegmentMask& trip) noexcept {
    const __m256i wanted = _mm256_broadcastsi128_si256(_mm256_castsi256_si128(load4(trip)));
    __m256i free = _mm256_setzero_si256();
    std::uint32_t seat = 0;
    for (; seat + 4 <= seats; seat += 4) {
        const Word* at = words + std::size_t{seat} * 2;
        const __m256i a = _mm256_and_si256(load4(at), wanted);
        const __m256i b = _mm256_and_si256(load4(at + 4), wanted);
        // The two words of a seat in one lane; the order of the seats does not matter.
        const __m256i met =
            _mm256_or_si256(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        free = _mm256_sub_epi64(free, _mm256_cmpeq_epi64(met, _mm256_setzero_si256()));
    }
    return sum4(free) + count_free_in<2>(words + std::size_t{seat} * 2, seats - seat, trip);
}

// One bit per word, set if it is free.
TICKETPOOL_TARGET inline std::uint32_t free_bits(const Word* words, __m256i trip) noexcept {
    return static_cast<std::uint32_t>(
        _mm256_movemask_pd(_mm256_castsi256_pd(free_lanes(words, trip))));
}

TICKETPOOL_TARGET std::uint32_t count_free_3(const Word* words, std::uint32_t seats,
                                             const SegmentMask& trip) noexcept {
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
        const Word* at = words + std::size_t{seat} * 3;
        const std::uint32_t bits =
            free_bits(at, first) | free_bits(at + 4, second) << 4 | free_bits(at + 8, third) << 8;
        free +=
            static_cast<std::uint32_t>(std::popcount(bits & bits >> 1 & bits >> 2 & kFirstWords));
    }
    return free + count_free_in<3>(words + std::size_t{seat} * 3, seats - seat, trip);
}

TICKETPOOL_TARGET std::uint32_t count_free_4(const Word* words, std::uint32_t seats,
                                             const SegmentMask& trip) noexcept {
    const __m256i wanted = load4(trip);
    std::uint32_t free = 0;
    for (std::uint32_t seat = 0; seat < seats; ++seat) {
        free += static_cast<std::uint32_t>(
            _mm256_testz_si256(load4(words + std::size_t{seat} * 4), wanted));
    }
    return free;
}

constexpr std::uint32_t kBlock = 8;  // seats of one word that are tested at once

// Lanes whose seat can be taken at all.
struct FreeLanes {
    TICKETPOOL_TARGET explicit FreeLanes(const TripScan& scan) noexcept
        : wanted(_mm256_set1_epi64x(static_cast<long long>(scan.trip.w[0]))) {}

    TICKETPOOL_TARGET __m256i operator()(const Word* words) const noexcept {
        return free_lanes(words, wanted);
    }

    __m256i wanted;
};

// Lanes whose seat is free and has a shorter run than `run`, found without counting the length of
// any: let `end` be the bit that ends the run and `last` the last taken bit before the trip, then
//     end - last - 1 < run   <=>   last >= end - run   <=>   the bits up to `last`, as a number,
//                                                            are at least 2^end >> run.
// The power of two comes of a carry: one added at the trip's end runs through the free bits and
// stops at the first taken one. Without a taken bit before the trip `last` is -1, and 0 is at least
// 2^end >> run just if end < run. Ends are shifted down by one, so that bit 63 can be the last of
// the train; hence run > 1, which holds for all runs but exact ones.
struct BetterLanes {
    TICKETPOOL_TARGET BetterLanes(const TripScan& scan, int run) noexcept
        : upto_trip(_mm256_set1_epi64x(static_cast<long long>(word_bits(0, scan.to)))),
          below(_mm256_set1_epi64x(static_cast<long long>(word_bits(0, scan.from)))),
          above(_mm256_set1_epi64x(
              static_cast<long long>(word_bits(scan.to - 1, scan.segments - 1)))),
          carry(_mm256_set1_epi64x(static_cast<long long>(word_bits(scan.to - 1, scan.to)))),
          shift(_mm_cvtsi32_si128(run - 1)) {}

    TICKETPOOL_TARGET __m256i operator()(const Word* words) const noexcept {
        const __m256i taken = load4(words);
        const __m256i free = _mm256_andnot_si256(_mm256_srli_epi64(taken, 1), above);
        const __m256i end = _mm256_andnot_si256(free, _mm256_add_epi64(free, carry));
        const __m256i needed = _mm256_srl_epi64(end, shift);
        // A bit within the trip makes this number larger than any without one, or, as bit 63 is the
        // sign, smaller than what is needed.
        const __m256i before = _mm256_and_si256(taken, upto_trip);
        const __m256i no_better =
            _mm256_or_si256(_mm256_cmpgt_epi64(needed, before), _mm256_cmpgt_epi64(before, below));
        return _mm256_xor_si256(no_better, _mm256_set1_epi64x(-1));
    }

    __m256i upto_trip;
    __m256i below;
    __m256i above;
    __m256i carry;
    __m128i shift;
};

// The first seat from `seat` on whose lane passes, or one that has less than a block to `end`.
template <typename Lanes>
TICKETPOOL_TARGET inline std::uint32_t next_seat(const Word* words, std::uint32_t seat,
                                                 std::uint32_t end, const Lanes& lanes) noexcept {
    for (; seat + kBlock <= end; seat += kBlock) {
        const __m256i low = lanes(words + seat);
        const __m256i high = lanes(words + seat + 4);
        const __m256i any = _mm256_or_si256(low, high);
        if (_mm256_testz_si256(any, any) != 0) continue;
        const int passed = _mm256_movemask_pd(_mm256_castsi256_pd(low)) |
                           _mm256_movemask_pd(_mm256_castsi256_pd(high)) << 4;
        return seat + static_cast<std::uint32_t>(std::countr_zero(static_cast<unsigned>(passed)));
    }
    return seat;
}

// One word per seat: only seats that are better than the best so far are looked at one by one, and
// they are few. Until one is found all that are free would be better, which is a simpler question:
// a sold-out train costs least.
TICKETPOOL_TARGET inline bool best_fit_range_1(const Word* words, std::uint32_t begin,
                                               std::uint32_t end, const TripScan& scan,
                                               const RunMasks& masks, BestSeat& best) noexcept {
    for (std::uint32_t seat = begin;; ++seat) {
        seat = best.seat == kNoSeat ? next_seat(words, seat, end, FreeLanes(scan))
                                    : next_seat(words, seat, end, BetterLanes(scan, best.run));
        if (seat + kBlock > end) return best_fit_range<1>(words, seat, end, scan, masks, best);
        if (best_fit_range<1>(words, seat, seat + 1, scan, masks, best)) return true;
    }
}

TICKETPOOL_TARGET std::uint32_t best_fit_1(const Word* words, std::uint32_t seats,
                                           const TripScan& scan, std::uint32_t start) noexcept {
    const RunMasks masks = run_masks(scan);
    BestSeat best{kNoSeat, kTaken};
    if (!best_fit_range_1(words, start, seats, scan, masks, best)) {
        best_fit_range_1(words, 0, start, scan, masks, best);
    }
    std::atomic_signal_fence(std::memory_order_acquire);  // see load4
    return best.seat;
}

template <int W>
TICKETPOOL_TARGET std::uint32_t best_fit_wide(const Word* words, std::uint32_t seats,
                                              const TripScan& scan, std::uint32_t start) noexcept {
    return best_fit_in<W>(words, seats, scan, start);
}

constexpr Kernels kVector = {
    {count_free_1, count_free_2, count_free_3, count_free_4},
    {best_fit_1, best_fit_wide<2>, best_fit_wide<3>, best_fit_wide<4>},
};

// Not all compilers know "lzcnt" as a name, and without it LZCNT runs as BSR, which counts wrong.
bool has_lzcnt() noexcept {
    unsigned int eax = 0;
    unsigned int ebx = 0;
    unsigned int ecx = 0;
    unsigned int edx = 0;
    return __get_cpuid(0x80000001U, &eax, &ebx, &ecx, &edx) != 0 && (ecx & (1U << 5)) != 0;
}

bool has_vector() noexcept {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt") && has_lzcnt();
}

#endif

}  // namespace

const Kernels& baseline_kernels() noexcept {
    return kBaseline;
}

const Kernels* vector_kernels() noexcept {
#if defined(TICKETPOOL_VECTOR_KERNELS)
    return has_vector() ? &kVector : nullptr;
#else
    return nullptr;
#endif
}

const Kernels& kernels() noexcept {
    return *chosen;
}

void kernels_init() noexcept {
    const Kernels* vector = vector_kernels();
    chosen = vector != nullptr ? vector : &kBaseline;
}

}  // namespace ticketpool
