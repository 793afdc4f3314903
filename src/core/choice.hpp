// What choosing a seat and choosing seats for a party have in common.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ticketpool/allocation.hpp"

namespace ticketpool {

// ---- own bits -------------------------------------------------------------------------------

// Walks the buyer's own bits along with seats in ascending order.
class OwnCursor {
  public:
    OwnCursor(const OwnFree* own, std::uint32_t count) noexcept : next_(own), end_(own + count) {}

    // The buyer's own bits of `seat`. Seats must be asked for in ascending order.
    SegmentMask bits(std::uint32_t seat) noexcept {
        while (next_ != end_ && next_->seat < seat) ++next_;
        return next_ != end_ && next_->seat == seat ? next_->bits : SegmentMask{};
    }

  private:
    const OwnFree* next_;
    const OwnFree* end_;
};

// `trip` on `seat`, split into what the buyer holds already and what the pool has to give.
inline SeatClaim split_claim(const SeatRequest& request, std::uint32_t seat) noexcept {
    const OwnFree* end = request.own + request.own_count;
    const OwnFree* at = std::lower_bound(
        request.own, end, seat, [](const OwnFree& o, std::uint32_t s) { return o.seat < s; });
    const SegmentMask own = at != end && at->seat == seat ? at->bits : SegmentMask{};
    return {seat, request.trip.and_not(own), request.trip & own};
}

// ---- positions ------------------------------------------------------------------------------

// A position in [0, seats) that differs from seed to seed and from try to try (splitmix64).
inline std::uint32_t spread(std::uint64_t seed, int attempt, std::uint32_t seats) noexcept {
    std::uint64_t x = seed + (static_cast<std::uint64_t>(attempt) + 1) * 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    x ^= x >> 31;
    return static_cast<std::uint32_t>(((x >> 32) * seats) >> 32);
}

// Distance from `start` on to `seat` in the cyclic order of seats.
inline std::uint32_t distance(std::uint32_t start, std::uint32_t seat,
                              std::uint32_t seats) noexcept {
    return seat >= start ? seat - start : seat + (seats - start);
}

// ---- wishes ---------------------------------------------------------------------------------

inline bool honours(const SeatGeometry& seat, std::uint8_t wish) noexcept {
    if (wish == kWishWindow) return (seat.flags & kWindow) != 0;
    if (wish == kWishAisle) return (seat.flags & kAisle) != 0;
    return wish != kNoWish && seat.letter == wish;
}

inline constexpr int kLetters = 26;

inline bool is_letter(std::uint8_t c) noexcept {
    return c >= 'A' && c <= 'Z';
}

// The wishes of a party, counted.
struct Wants {
    std::uint32_t letter[kLetters] = {};
    std::uint32_t window = 0;
    std::uint32_t aisle = 0;
    std::uint32_t total = 0;
};

inline Wants wants_of(const SeatRequest& request) noexcept {
    Wants wants;
    for (std::uint32_t i = 0; i < request.choice.count && i < request.party; ++i) {
        const std::uint8_t wish = request.choice.items[i];
        if (wish == kWishWindow) {
            ++wants.window;
        } else if (wish == kWishAisle) {
            ++wants.aisle;
        } else if (is_letter(wish)) {
            ++wants.letter[wish - 'A'];
        } else {
            continue;
        }
        ++wants.total;
    }
    return wants;
}

// Seats counted by letter and by window and aisle.
struct Tally {
    std::uint32_t seats[kLetters + 1][4] = {};

    void add(const SeatGeometry& seat) noexcept { ++slot(seat); }
    void remove(const SeatGeometry& seat) noexcept { --slot(seat); }

  private:
    std::uint32_t& slot(const SeatGeometry& seat) noexcept {
        const int letter = is_letter(seat.letter) ? seat.letter - 'A' : kLetters;
        return seats[letter][seat.flags & (kWindow | kAisle)];
    }
};

// How many of the wishes the seats of the tally can honour at once. Letters first, each from the
// seats that wishes for windows and aisles need least; then the rest for windows and aisles.
inline std::uint32_t honoured(const Wants& wants, const Tally& tally) noexcept {
    std::uint32_t count = 0;
    std::uint32_t left[4] = {};
    for (int letter = 0; letter <= kLetters; ++letter) {
        std::uint32_t need = letter < kLetters ? wants.letter[letter] : 0;
        for (int kind = 0; kind < 4; ++kind) {
            const std::uint32_t have = tally.seats[letter][kind];
            const std::uint32_t used = std::min(need, have);
            need -= used;
            count += used;
            left[kind] += have - used;
        }
    }
    const std::uint32_t window = std::min(wants.window, left[kWindow]);
    const std::uint32_t aisle = std::min(wants.aisle, left[kAisle]);
    const std::uint32_t unmet = (wants.window - window) + (wants.aisle - aisle);
    return count + window + aisle + std::min(unmet, left[kWindow | kAisle]);
}

// Passengers choose in this order: first those with a letter, who have the least choice; then those
// who want a window or an aisle, among seats that are only one of the two; last, among seats that
// are both.
inline constexpr int kRounds = 3;

inline bool suits_round(const SeatGeometry& seat, std::uint8_t wish, int round) noexcept {
    if (!honours(seat, wish)) return false;
    const bool both = (seat.flags & (kWindow | kAisle)) == (kWindow | kAisle);
    return (round == 0) == is_letter(wish) && (round == 0 || both == (round == 2));
}

}  // namespace ticketpool
