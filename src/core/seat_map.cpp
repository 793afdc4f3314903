// Claims and releases the seats of a class, by the protocol in seat_map.hpp.
#include "ticketpool/seat_map.hpp"

#include <bit>
#include <new>

#include "ticketpool/kernels.hpp"

namespace ticketpool {

namespace {

// A compare-and-swap fails only because another one on the same word succeeded. After this many
// failures in a row the word counts as taken, which costs a lost race and keeps the loop bounded.
constexpr int kMaxSwaps = 256;

// Release on success publishes the attempt's unfinished.fetch_add along with the bit (step 1 of the
// argument in the header); acquire makes visible what the last holder of the bit did.
template <typename Bits>
bool claim_word(std::atomic<Bits>& word, std::uint64_t wanted) noexcept {
    const auto bits = static_cast<Bits>(wanted);
    Bits seen = word.load(std::memory_order_relaxed);
    for (int i = 0; i < kMaxSwaps; ++i) {
        if ((seen & bits) != 0) return false;
        if (word.compare_exchange_weak(seen, static_cast<Bits>(seen | bits),
                                       std::memory_order_acq_rel, std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

// Claims the words of one seat in ascending order. Returns the word at which it failed, leaving the
// words below it claimed, or kMaxWords if all are claimed.
int claim_words(SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept {
    return with_words(map, [&](const auto& seats) noexcept {
        int failed = kMaxWords;
        seats.for_each(seat, [&](auto& word, int i) noexcept {
            if (bits.w[i] == 0 || claim_word(word, bits.w[i])) return true;
            failed = i;
            return false;
        });
        return failed;
    });
}

// Acquire as well: an undoing on a quota looks at the quota's `closed` next.
template <typename Bits>
void clear_word(std::atomic<Bits>& word, std::uint64_t bits) noexcept {
    word.fetch_and(static_cast<Bits>(~bits), std::memory_order_acq_rel);
}

// Clears the bits of the words below `end`.
void clear_words(SeatMap& map, std::uint32_t seat, const SegmentMask& bits, int end) noexcept {
    with_words(map, [&](const auto& seats) noexcept {
        seats.for_each(seat, [&](auto& word, int i) noexcept {
            if (i < end && bits.w[i] != 0) clear_word(word, bits.w[i]);
            return true;
        });
    });
}

// Returns those of `bits` that were clear.
template <typename Bits>
std::uint64_t set_word(std::atomic<Bits>& word, std::uint64_t bits) noexcept {
    const Bits before = word.fetch_or(static_cast<Bits>(bits), std::memory_order_acq_rel);
    return bits & ~std::uint64_t{before};
}

template <typename Bits>
void init_word(std::atomic<Bits>& word, std::uint64_t bits) noexcept {
    new (&word) std::atomic<Bits>(static_cast<Bits>(bits));
}

}  // namespace

void init_seats(SeatMap& map, const SegmentMask& taken) noexcept {
    with_words(map, [&](const auto& seats) noexcept {
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            seats.for_each(seat, [&](auto& word, int i) noexcept {
                init_word(word, taken.w[i]);
                return true;
            });
        }
    });
}

std::uint32_t count_free(const SeatMap& map, const SegmentMask& trip) noexcept {
    return kernels().count_free[map.shape()](map.words, map.seats, trip);
}

std::uint64_t count_free_seat_segments(const SeatMap& map) noexcept {
    const SegmentMask all = trip_mask(0, map.segments);
    return with_words(map, [&](const auto& seats) noexcept {
        std::uint64_t free = 0;
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            seats.for_each(seat, [&](const auto& word, int i) noexcept {
                const std::uint64_t taken = word.load(std::memory_order_relaxed);
                free += static_cast<std::uint64_t>(std::popcount(all.w[i] & ~taken));
                return true;
            });
        }
        return free;
    });
}

bool try_claim(SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept {
    const SeatClaim claim{seat, bits, {}};
    return try_claim_all(map, &claim, 1);
}

bool try_claim_all(SeatMap& map, const SeatClaim* claims, std::uint32_t count) noexcept {
    std::uint32_t pieces = 0;
    for (std::uint32_t i = 0; i < count && pieces < 2; ++i) {
        pieces += static_cast<std::uint32_t>(claims[i].from_pool.touched_words());
    }
    const bool several = pieces > 1;

    if (several) begin_attempt(*map.control);
    std::uint32_t done = 0;
    int failed_word = kMaxWords;
    for (; done < count; ++done) {
        failed_word = claim_words(map, claims[done].seat, claims[done].from_pool);
        if (failed_word != kMaxWords) break;
    }
    const bool taken = done == count;
    if (!taken && several) {
        clear_words(map, claims[done].seat, claims[done].from_pool, failed_word);
        while (done > 0) {
            --done;
            clear_words(map, claims[done].seat, claims[done].from_pool, kMaxWords);
        }
    }
    if (several) end_attempt(*map.control, taken);
    return taken;
}

void release(SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept {
    std::atomic<std::uint64_t>& releases = map.control->releases;
    releases.fetch_add(1, std::memory_order_relaxed);  // the clearing that follows releases it
    clear_words(map, seat, bits, kMaxWords);
    releases.fetch_add(kReleaseFinished - 1, std::memory_order_release);
}

SegmentMask take_free(SeatMap& map, std::uint32_t seat, const SegmentMask& bits) noexcept {
    SegmentMask taken;
    with_words(map, [&](const auto& seats) noexcept {
        seats.for_each(seat, [&](auto& word, int i) noexcept {
            if (bits.w[i] != 0) taken.w[i] = set_word(word, bits.w[i]);
            return true;
        });
    });
    return taken;
}

}  // namespace ticketpool
