// The seats of one class of one departure: one mask per seat, in shared memory, and the protocol
// by which buyers take and give back bits of it without a lock.
//
// The claim protocol
// ------------------
// A bit that is set is taken. A claim that needs ONE word of ONE seat is a single compare-and-swap
// and writes nothing else that is shared: the fast path of nearly every purchase.
//
// An attempt that needs several word operations (a wide seat whose trip crosses words, a party of
// several seats) can be seen half done, so it says that it is under way:
//
//     unfinished.fetch_add(1)
//     claim the pieces in ascending (seat, word) order
//     all taken:      unfinished.fetch_sub(1)                                    it holds all
//     a piece failed: clear own pieces, undone.fetch_add(1), unfinished.fetch_sub(1)
//                                                                    it holds nothing; choose again
//
// Ascending order means that no two attempts refuse each other: an attempt that failed at piece p
// holds nothing above p, so it can no longer stop the attempt that holds p. Of all rivals, the one
// that has got furthest up the order goes on.
//
// No caller may answer "sold out" because of bits that a failing attempt held for a moment. So the
// scan that looks for seats, by a caller that holds nothing itself, is a careful look:
//
//     u0 = undone
//     scan the seats; enough are free: go and claim them
//     unfinished != 0: kLookAgain
//     undone != u0:    scan again (a bounded number of times, then kLookAgain)
//     else:            kSoldOut
//
// Why this is right. Suppose the scan saw a bit that attempt A had claimed.
//  (1) The load that saw the bit is an acquire load and reads from A's compare-and-swap (release),
//      or from a later read-modify-write of the same word, which continues its release sequence. So
//      A's unfinished.fetch_add happens before the look at `unfinished`, which follows the scan.
//  (2) If that look reads a value from before A's fetch_sub, A is counted in it: kLookAgain.
//  (3) Otherwise it reads A's fetch_sub (release) or a later read-modify-write of `unfinished`, so
//      all that A did happens before the look at `undone`. If A kept its seats, the refusal is
//      right. If A undid its claims, the look at `undone` sees A's increment.
//  (4) That increment is not in u0 already: u0 is an acquire load, and if it had read A's increment
//      (release) or a later one, A's clearing of the bit would happen before the scan, which then
//      could not have seen the bit.
//  So a bit seen in passing leads to kLookAgain or another scan, and kSoldOut rests on bits of
//  finished claims only. Each step is a release/acquire pair on one variable; no step compares the
//  order of two independent variables as seen by third parties, so nothing needs seq_cst, and no
//  fence between threads is used (ThreadSanitizer does not understand fences). Where the scan is
//  made of vector loads, load_vector() says why they are acquire loads.
//
// Giving back (release) clears bits with release order, so that their next holder sees all that
// their last holder did. It is not an attempt and touches neither `unfinished` nor `undone`. It is
// counted in `releases`: as under way before it clears the first bit, and as finished after the
// last one. A refusal may rest on that count without a scan (sold_out_memo.hpp):
//
//     reader: r = releases (acquire), none under way in it; scan as above: kSoldOut; remember r
//     later:  releases (acquire) is still r: sold out, no seat is looked at
//
// Only release() frees a bit of a finished claim, and kSoldOut rests on such bits only. A release
// that r counts as finished had cleared its bits before the scan began. Any other release changes
// the number before it clears its first bit: a caller that has seen the bit free, or has been told
// of the release, finds a number other than r. No number ever recurs.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ticketpool/segment_mask.hpp"
#include "ticketpool/status.hpp"

namespace ticketpool {

// The counters of the protocol above. They are apart from the seats, as single-word claims only
// read them. The classes of a departure share a cache line: what writes to it, a party or a seat
// given back, is a transaction with a commit of its own, which costs many thousand times as much as
// the transfer of a cache line.
struct alignas(16) ClassControl {
    std::atomic<std::uint32_t> unfinished;  // attempts of several pieces that are under way
    std::atomic<std::uint32_t> undone;      // attempts that gave up and cleared their pieces; wraps
    std::atomic<std::uint64_t> releases;  // kReleaseFinished per finished one, 1 per one under way
};

// There can't be more releases under way than processes. The count of finished ones has 44 bits.
inline constexpr std::uint64_t kReleaseFinished = std::uint64_t{1} << 20;

constexpr bool is_release_under_way(std::uint64_t releases) noexcept {
    return releases % kReleaseFinished != 0;
}

static_assert(std::is_standard_layout_v<ClassControl>);
static_assert(std::is_trivially_destructible_v<ClassControl>);
static_assert(sizeof(ClassControl) == 16);

// The words that a seat may be made of. A narrow word is an object of its own: an atomic operation
// on it neither reads nor writes its neighbours in the same eight bytes.
template <typename Bits>
inline constexpr bool kIsSeatWord = std::atomic<Bits>::is_always_lock_free &&
                                    sizeof(std::atomic<Bits>) == sizeof(Bits) &&
                                    alignof(std::atomic<Bits>) == sizeof(Bits) &&
                                    std::is_trivially_destructible_v<std::atomic<Bits>>;
static_assert(kIsSeatWord<std::uint8_t> && kIsSeatWord<std::uint16_t> &&
              kIsSeatWord<std::uint32_t> && kIsSeatWord<std::uint64_t>);

// A view of the seats of one class, made by seat_map_at. The view is private to the caller; what it
// points to is shared. Seat s occupies the words_per_seat words from s * words_per_seat on; a set
// bit is a taken segment. Bits at and above `segments` are never set. If the words and the
// ClassControl are all zeros, the train is empty.
//
// A scan reads two vectors, or one of twice the size, at a time. So `words` is aligned to a vector
// (kVectorBytes), and seat_map_bytes bytes from there can be read. Bytes past the last seat are
// read but ignored; they may be the beginning of the next class, which others write.
struct SeatMap {
    void* words;  // std::atomic<std::uintN_t>[seats * words_per_seat], N = bits_per_word
    ClassControl* control;
    std::uint32_t seats;
    int words_per_seat;  // words_for(segments)
    int bits_per_word;   // bits_per_word_for(segments)
    int segments;        // 1..kMaxSegments

    // Which of the kSeatShapes this is, from 0 on.
    int shape() const noexcept {
        return std::countr_zero(static_cast<unsigned>(bits_per_word)) - 3 + words_per_seat - 1;
    }
};

static_assert(std::is_trivially_copyable_v<SeatMap>);

inline constexpr std::size_t kLineBytes = 64;
inline constexpr std::size_t kVectorBytes = 32;

constexpr std::size_t round_up(std::size_t bytes, std::size_t unit) noexcept {
    return (bytes + unit - 1) / unit * unit;
}

// Bytes from the first word of a class to where the words of another class may begin.
constexpr std::size_t seat_map_stride(std::uint32_t seats, int segments) noexcept {
    return round_up(std::size_t{seats} * static_cast<unsigned>(seat_bytes_for(segments)),
                    kVectorBytes);
}

// Bytes from the first word of a class that a scan may read: up to a vector more than the stride.
constexpr std::size_t seat_map_bytes(std::uint32_t seats, int segments) noexcept {
    return round_up(seat_map_stride(seats, segments), 2 * kVectorBytes);
}

inline SeatMap seat_map_at(void* words, ClassControl* control, std::uint32_t seats,
                           int segments) noexcept {
    return {words, control, seats, words_for(segments), bits_per_word_for(segments), segments};
}

// Writes every seat over raw memory, each with the bits `taken`.
void init_seats(SeatMap& map, const SegmentMask& taken) noexcept;

// A SeatMap as seen by code that is compiled for one type of word, so that a loop over seats asks
// for the type once, not at every seat.
template <typename Bits>
struct SeatWords {
    std::atomic<Bits>* words;
    int words_per_seat;

    // Calls use(word, i) for the words i of `seat` in ascending order, as long as `use` returns
    // true. True if all calls did. The one place that knows where the words of a seat are.
    template <typename Use>
    bool for_each(std::uint32_t seat, Use use) const noexcept {
        if constexpr (sizeof(Bits) < sizeof(std::uint64_t)) {
            return use(words[seat], 0);
        } else {
            auto* word = words + std::size_t{seat} * static_cast<std::size_t>(words_per_seat);
            for (int i = 0; i < words_per_seat; ++i) {
                if (!use(word[i], i)) return false;
            }
            return true;
        }
    }

    // See load_seat and seat_is_free.
    SegmentMask load(std::uint32_t seat) const noexcept {
        SegmentMask mask;
        for_each(seat, [&](const auto& word, int i) noexcept {
            mask.w[i] = word.load(std::memory_order_acquire);
            return true;
        });
        return mask;
    }
    bool is_free(std::uint32_t seat, const SegmentMask& bits) const noexcept {
        return for_each(seat, [&](const auto& word, int i) noexcept {
            return (word.load(std::memory_order_acquire) & bits.w[i]) == 0;
        });
    }
};

template <typename Bits>
SeatWords<Bits> words_as(const SeatMap& map) noexcept {
    return {static_cast<std::atomic<Bits>*>(map.words), map.words_per_seat};
}

// Calls use(SeatWords<…>) with the words of the map in their actual type.
template <typename Use>
auto with_words(const SeatMap& map, Use use) noexcept {
    switch (map.bits_per_word) {
        case 8:
            return use(words_as<std::uint8_t>(map));
        case 16:
            return use(words_as<std::uint16_t>(map));
        case 32:
            return use(words_as<std::uint32_t>(map));
        default:
            return use(words_as<std::uint64_t>(map));
    }
}

// What a purchase took of one seat. from_pool | from_own is the trip; only from_pool was claimed in
// the pool, from_own was still held there by the buyer's own refunds.
struct SeatClaim {
    std::uint32_t seat;
    SegmentMask from_pool;
    SegmentMask from_own;
};

static_assert(std::is_trivially_copyable_v<SeatClaim>);

// The words of `seat` as one mask. Acquire loads, word by word: each word is right by itself, but
// the words of a wide seat may be from different moments.
inline SegmentMask load_seat(const SeatMap& map, std::uint32_t seat) noexcept {
    return with_words(map, [&](const auto& seats) noexcept { return seats.load(seat); });
}

// True if no bit of `bits` is taken in `seat`. Acquire loads.
inline bool seat_is_free(const SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept {
    return with_words(map, [&](const auto& seats) noexcept { return seats.is_free(seat, bits); });
}

// Number of seats with no bit of `trip` taken. Loads are relaxed: an estimate while others buy,
// exact when nobody does. Not the careful look; see look_carefully.
std::uint32_t count_free(const SeatMap& map, const SegmentMask& trip) noexcept;

// Total of free bits within [0, segments) over all seats, in seat-segments. Relaxed loads.
std::uint64_t count_free_seat_segments(const SeatMap& map) noexcept;

// Takes `bits` of `seat`, all or none. True if the caller now holds them, false if one of them was
// taken (or the word stayed contended beyond a fixed number of tries). Follows the protocol above:
// a compare-and-swap (acquire-release) for each touched word, ascending. Empty `bits` succeed.
bool try_claim(SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept;

// Takes from_pool of each claim, all or none, as one attempt. `claims` must be sorted by seat, each
// seat at most once; claims with an empty from_pool take part without any operation.
bool try_claim_all(SeatMap& map, const SeatClaim* claims, std::uint32_t count) noexcept;

// Gives `bits` of `seat` back: one fetch_and (acquire-release) for each touched word, between two
// fetch_adds (relaxed, release) of `releases`. Cannot fail; idempotent, and harmless for bits that
// were never taken.
void release(SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept;

// Takes what is free of `bits` in `seat` and returns it: one fetch_or (acquire-release) for each
// touched word. This is not an attempt: the caller keeps whatever it got.
SegmentMask take_free(SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept;

// The beginning and end of an attempt of several pieces, also for claims that try_claim_all does
// not know. The beginning is relaxed: the compare-and-swap that follows releases it. The end is a
// release: a process that sees the attempt gone sees what it did, in particular the increment of
// `undone`.
inline void begin_attempt(ClassControl& control) noexcept {
    control.unfinished.fetch_add(1, std::memory_order_relaxed);
}

inline void end_attempt(ClassControl& control, bool taken) noexcept {
    if (!taken) control.undone.fetch_add(1, std::memory_order_release);
    control.unfinished.fetch_sub(1, std::memory_order_release);
}

inline constexpr int kMaxLooks = 4;  // careful scans before kLookAgain

// The careful look of the protocol above. `enough_free` scans with acquire loads and says whether
// the caller's claim would fit; it is called at most kMaxLooks times. The caller must hold no
// unfinished attempt of its own. kOk: it would fit, go and claim; else kSoldOut or kLookAgain.
template <typename Scan>
Status look_carefully(const ClassControl& control, Scan enough_free) noexcept {
    for (int look = 0; look < kMaxLooks; ++look) {
        const std::uint32_t undone = control.undone.load(std::memory_order_acquire);
        if (enough_free()) return Status::kOk;
        // In this order: an attempt that is no longer under way has already counted its undoing.
        if (control.unfinished.load(std::memory_order_acquire) != 0) return Status::kLookAgain;
        if (control.undone.load(std::memory_order_acquire) == undone) return Status::kSoldOut;
    }
    return Status::kLookAgain;
}

}  // namespace ticketpool
