// Finding the seat whose free run around a trip is shortest.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

#include "kernel_lanes.hpp"
#include "ticketpool/kernels.hpp"
#include "wide_lanes.hpp"

namespace ticketpool::kernel {

// The trip in the form that run lengths are found with, computed once per scan.
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
    RunMasks masks{};
    for (int i = 0; i < kMaxWords; ++i) {
        masks.below[i] = below.w[i];
        masks.above[i] = above.w[i];
        masks.end[i] = wall.w[i];
    }
    return masks;
}

// The segments [begin, end) between the taken ones on either side of a trip.
struct Run {
    int begin;
    int end;

    TICKETPOOL_INLINE int length() const noexcept { return end - begin; }
};

// Maximal free run around the trip in a seat that is free over it, found by counting zeros, without
// branches if the seat is one word.
template <int W>
TICKETPOOL_INLINE Run run_around(const std::uint64_t* taken, const RunMasks& masks) noexcept {
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
    return {begin, end};
}

struct BestSeat {
    std::uint32_t seat;
    int run;
};

// Longer than any run, and with a bit of its own.
constexpr int kTaken = 4 * kMaxSegments;

// Examines the seats [begin, end); true if it met an exact fit, which cannot be bettered. After an
// atomic load the compiler reads everything behind a reference again, hence the copies.
template <typename Bits, int W>
TICKETPOOL_INLINE bool best_fit_range(const Word<Bits>* words, std::uint32_t begin,
                                      std::uint32_t end, const TripScan& scan,
                                      const RunMasks& run_masks, BestSeat& found) noexcept {
    const SegmentMask trip = scan.trip;
    const RunMasks masks = run_masks;
    const int exact = scan.to - scan.from;
    BestSeat best = found;
    for (std::uint32_t seat = begin; seat < end && best.run != exact; ++seat) {
        std::uint64_t taken[W];
        std::uint64_t met = 0;
        const Word<Bits>* const word = words + static_cast<std::size_t>(seat) * W;
        for (int i = 0; i < W; ++i) {
            taken[i] = word[i].load(std::memory_order_acquire);
            met |= taken[i] & trip.w[i];
        }
        int run = kTaken;
        if constexpr (W == 1) {  // without a branch: which seats are free cannot be predicted
            run = run_around<W>(taken, masks).length() | (met != 0 ? kTaken : 0);
        } else if (met == 0) {
            run = run_around<W>(taken, masks).length();
        }
        if (run < best.run) best = {seat, run};
    }
    found = best;
    return best.run == exact;
}

template <typename Bits, int W>
TICKETPOOL_INLINE std::uint32_t best_fit_in(const Word<Bits>* words, std::uint32_t seats,
                                            const TripScan& scan, std::uint32_t start) noexcept {
    const RunMasks masks = run_masks(scan);
    BestSeat best{kNoSeat, kTaken};
    if (!best_fit_range<Bits, W>(words, start, seats, scan, masks, best)) {
        best_fit_range<Bits, W>(words, 0, start, scan, masks, best);
    }
    return best.seat;
}

template <typename Bits, int W>
std::uint32_t best_fit_baseline(const void* words, std::uint32_t seats, const TripScan& scan,
                                std::uint32_t start) noexcept {
    return best_fit_in<Bits, W>(static_cast<const Word<Bits>*>(words), seats, scan, start);
}

#if defined(TICKETPOOL_VECTOR_KERNELS)

// All ones in each lane whose seat is free and has a shorter run than `run`, found without counting
// any length: let `end` be the bit that ends the run and `last` the last taken bit before the trip,
// then
//     end - last - 1 < run   <=>   last >= end - run   <=>   the bits up to `last`, as a number,
//                                                            are at least 2^end >> run.
// A carry makes the power of two: a 1 added at the trip's end runs through the free bits and stops
// at the first taken one. Without a taken bit before the trip, `last` is -1, and 0 is at least
// 2^end >> run exactly if end < run. Ends are shifted down by one, so that the highest bit of a
// word can be the last of the train; hence run > 1, which holds for all runs except exact ones.
template <typename Bits>
struct BetterLanes {
    TICKETPOOL_TARGET explicit BetterLanes(const TripScan& scan) noexcept
        : upto_trip(in_each_lane<Bits>(word_bits(0, scan.to))),
          below(in_each_lane<Bits>(word_bits(0, scan.from))),
          above(in_each_lane<Bits>(word_bits(scan.to - 1, scan.segments - 1))),
          carry(in_each_lane<Bits>(word_bits(scan.to - 1, scan.to))) {}

    TICKETPOOL_TARGET Lanes<Bits> operator()(const Word<Bits>* words) const noexcept {
        const Lanes<Bits> taken = load(words);
        const Lanes<Bits> free = above & ~shift_right<Bits>(taken, 1);
        const Lanes<Bits> end = (free + carry) & ~free;
        // A bit within the trip makes this number larger than any number without one or, as the
        // highest bit is the sign, smaller than what is needed.
        const auto before = reinterpret_cast<SignedLanes<Bits>>(taken & upto_trip);
        const auto needed = reinterpret_cast<SignedLanes<Bits>>(shift_right<Bits>(end, shift));
        const auto no_better =
            (needed > before) | (before > reinterpret_cast<SignedLanes<Bits>>(below));
        return reinterpret_cast<Lanes<Bits>>(~no_better);
    }

    Lanes<Bits> upto_trip;
    Lanes<Bits> below;
    Lanes<Bits> above;
    Lanes<Bits> carry;
    int shift = 0;  // run - 1
};

// The first seat of [seat, end) whose lane passes, or `end`.
template <typename Bits, typename Test>
TICKETPOOL_TARGET inline std::uint32_t next_seat(const Word<Bits>* words, std::uint32_t seat,
                                                 std::uint32_t end, const Test& passes) noexcept {
    constexpr std::uint32_t kSeats = kLineSeats<Bits>;
    for (std::uint32_t line = seat - seat % kSeats; line < end; line += kSeats) {
        const Lanes<Bits> low = passes(words + line);
        const Lanes<Bits> high = passes(words + line + kSeats / 2);
        const auto any = reinterpret_cast<__m256i>(low | high);
        if (_mm256_testz_si256(any, any) != 0) continue;
        std::uint64_t bytes = passed_bytes<Bits>(low, high);
        if (line < seat) bytes &= ~std::uint64_t{0} << (seat - line) * sizeof(Bits);
        if (bytes == 0) continue;
        const auto byte = static_cast<std::uint32_t>(std::countr_zero(bytes));
        return std::min(end, line + byte / std::uint32_t{sizeof(Bits)});
    }
    return end;
}

// One word per seat: only seats that are better than the best so far are examined one by one, and
// they are few. Until a seat is found, every free seat is better, which is a simpler test: a
// sold-out train costs least. `Free` and `Better` are the two tests, for vectors of some width.
template <typename Bits, typename Free, typename Better>
struct OneWordScan {
    TICKETPOOL_INLINE explicit OneWordScan(const TripScan& trip_scan) noexcept
        : free(trip_scan.trip), better(trip_scan), masks(run_masks(trip_scan)), scan(trip_scan) {}

    // True if it met an exact fit.
    TICKETPOOL_INLINE bool look_at(const Word<Bits>* words, std::uint32_t begin,
                                   std::uint32_t end) noexcept {
        for (std::uint32_t seat = begin;; ++seat) {
            seat = best.seat == kNoSeat ? next_seat(words, seat, end, free)
                                        : next_seat(words, seat, end, better);
            if (seat == end) return false;
            if (best_fit_range<Bits, 1>(words, seat, seat + 1, scan, masks, best)) return true;
            better.shift = best.run - 1;
        }
    }

    TICKETPOOL_INLINE std::uint32_t best_from(const Word<Bits>* words, std::uint32_t seats,
                                              std::uint32_t start) noexcept {
        if (!look_at(words, start, seats)) look_at(words, 0, start);
        std::atomic_signal_fence(std::memory_order_acquire);  // see load_vector
        return best.seat;
    }

    const Free free;
    Better better;
    const RunMasks masks;
    const TripScan& scan;
    BestSeat best{kNoSeat, kTaken};
};

template <typename Bits>
TICKETPOOL_TARGET std::uint32_t best_fit_1(const void* words, std::uint32_t seats,
                                           const TripScan& trip_scan,
                                           std::uint32_t start) noexcept {
    OneWordScan<Bits, FreeLanes<Bits>, BetterLanes<Bits>> scan(trip_scan);
    return scan.best_from(static_cast<const Word<Bits>*>(words), seats, start);
}

// ---- several words a seat -------------------------------------------------------------------

// Some bit in the lane of each seat that is free and may be better than one with this run around
// the trip: a seat without a taken bit within the run has all of that run itself.
template <int W>
struct CloserSeats {
    TICKETPOOL_TARGET CloserSeats(const SegmentMask& trip, Run run) noexcept
        : free(trip), closer(trip_mask(run.begin, run.end)) {}

    TICKETPOOL_TARGET __m256i operator()(const WideWord* group) const noexcept {
        return _mm256_and_si256(closer(group), free(group));
    }

    FreeSeats<W> free;
    MetLanes<W> closer;
};

// Some bit in the lane of each seat that is free and has a run that is longer than the trip by less
// than `spare` segments; `spare` is 1..AroundLanes::kSegments. Let `end` be the bit that ends the
// run and `last` the last taken bit before the trip, in bits around a trip without length, then
//     end - last - 1 < spare   <=>   last >= end - spare   <=>   of the bits from `end` up, moved
//                                                                down by `spare`, one meets a bit
//                                                                before the trip.
// If `last` or `end` is out of view, no bit does, and the run is too long.
template <int W>
struct BetterSeats {
    TICKETPOOL_TARGET explicit BetterSeats(const TripScan& scan) noexcept
        : free(scan.trip), around(scan.from, scan.to, scan.segments) {}

    TICKETPOOL_TARGET __m256i operator()(const WideWord* group) const noexcept {
        const __m256i taken = around(group);
        const __m256i before = _mm256_and_si256(taken, _mm256_set1_epi64x(0xffffffff));
        const __m256i after = _mm256_xor_si256(taken, before);
        const __m256i from_end_up =
            _mm256_or_si256(after, _mm256_sub_epi64(_mm256_setzero_si256(), after));
        const __m256i meeting =
            _mm256_and_si256(before, _mm256_srl_epi64(from_end_up, _mm_cvtsi32_si128(spare)));
        return _mm256_and_si256(meeting, free(group));
    }

    FreeSeats<W> free;
    AroundLanes<W> around;
    int spare = 0;
};

// Like OneWordScan, examines one by one only seats that are better than the best so far. While the
// best seat has more room around the trip than BetterSeats sees, it examines all seats that may be
// better. As they can be many, the scan goes on past those that are not better, and starts again
// with a new test after one that is.
template <int W>
struct WideScan {
    TICKETPOOL_TARGET explicit WideScan(const TripScan& trip_scan) noexcept
        : free(trip_scan.trip), better(trip_scan), masks(run_masks(trip_scan)), scan(trip_scan) {}

    // True if it met an exact fit. Vectors are read only as far as there are whole pairs of groups.
    TICKETPOOL_TARGET bool look_at(const WideWord* words, std::uint32_t begin, std::uint32_t end,
                                   std::uint32_t seats) noexcept {
        const std::uint32_t in_pairs = std::min(end, seats - seats % kPairSeats);
        std::uint32_t seat = begin;
        while (seat < in_pairs) {
            if (best == kNoSeat) {
                seat = next_best(words, seat, in_pairs, free);
            } else if (better.spare > AroundLanes<W>::kSegments) {
                seat = next_best(words, seat, in_pairs, CloserSeats<W>(scan.trip, run));
            } else {
                seat = next_best(words, seat, in_pairs, better);
            }
            if (is_exact()) return true;
        }
        for (; seat < end; ++seat) {
            if (take_if_better(words, seat) && is_exact()) return true;
        }
        return false;
    }

    // Searches from `seat` on for a better one. Returns the seat after it, or `end`.
    template <typename Test>
    TICKETPOOL_TARGET std::uint32_t next_best(const WideWord* words, std::uint32_t seat,
                                              std::uint32_t end, const Test& passes) noexcept {
        for (std::uint32_t pair = seat - seat % kPairSeats; pair < end; pair += kPairSeats) {
            const WideWord* group = words + std::size_t{pair} * W;
            const __m256i low = passes(group);
            const __m256i high = passes(group + kGroupWords<W>);
            const __m256i any = _mm256_or_si256(low, high);
            if (_mm256_testz_si256(any, any) != 0) continue;
            std::uint32_t passed = seats_of(low) | seats_of(high) << kGroupSeats;
            if (pair < seat) passed &= ~0U << (seat - pair);
            for (; passed != 0; passed &= passed - 1) {
                const std::uint32_t at =
                    pair + static_cast<std::uint32_t>(std::countr_zero(passed));
                if (at >= end) return end;
                if (take_if_better(words, at)) return at + 1;
            }
        }
        return end;
    }

    TICKETPOOL_TARGET bool take_if_better(const WideWord* words, std::uint32_t seat) noexcept {
        const WideWord* word = words + std::size_t{seat} * W;
        std::uint64_t taken[W];
        std::uint64_t met = 0;
        for (int i = 0; i < W; ++i) {
            taken[i] = word[i].load(std::memory_order_acquire);
            met |= taken[i] & scan.trip.w[i];
        }
        if (met != 0) return false;
        const Run around = run_around<W>(taken, masks);
        if (best != kNoSeat && around.length() >= run.length()) return false;
        best = seat;
        run = around;
        better.spare = run.length() - (scan.to - scan.from);
        return true;
    }

    bool is_exact() const noexcept { return best != kNoSeat && better.spare == 0; }

    const FreeSeats<W> free;
    BetterSeats<W> better;
    const RunMasks masks;
    const TripScan& scan;
    std::uint32_t best = kNoSeat;
    Run run{};
};

template <int W>
TICKETPOOL_TARGET std::uint32_t best_fit_wide(const void* from, std::uint32_t seats,
                                              const TripScan& trip_scan,
                                              std::uint32_t start) noexcept {
    const auto* words = static_cast<const WideWord*>(from);
    WideScan<W> scan(trip_scan);
    if (!scan.look_at(words, start, seats, seats)) scan.look_at(words, 0, start, seats);
    std::atomic_signal_fence(std::memory_order_acquire);  // see load_vector
    return scan.best;
}

#endif

}  // namespace ticketpool::kernel
