// What choosing a seat and choosing seats for a party have in common.
#pragma once

#include <algorithm>
#include <bit>
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

// A wish for a letter, a window or an aisle.
inline bool honours(const SeatGeometry& seat, std::uint8_t wish) noexcept {
    if (wish == kWishWindow) return (seat.flags & kWindow) != 0;
    if (wish == kWishAisle) return (seat.flags & kAisle) != 0;
    return wish != kNoWish && seat.letter == wish;
}

// Any wish. `number`: the seat's number in the map that `words` is for.
inline bool honours(const SeatGeometry& seat, std::uint32_t number, std::uint8_t wish,
                    const WishWords* words) noexcept {
    if (wish >= kWishSeat) return words->seat[wish - kWishSeat] == number;
    if (wish < kWishProperty) return honours(seat, wish);
    return (words->properties[seat.properties] >> (wish - kWishProperty) & 1U) != 0;
}

inline constexpr int kLetters = 26;

inline bool is_letter(std::uint8_t c) noexcept {
    return c >= 'A' && c <= 'Z';
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

// The wishes of a party, of three kinds: letters, windows and aisles (LetterWishes); the same wish
// for all (SameWish); any (AnyWishes). Each kind can say how many of its wishes a set of seats can
// honour at once; a Tally is such a set.

enum class WishKind { kLetters, kSame, kAny };

// Without geometry no wish counts. Letters, windows and aisles of large parties are the same wish
// where they are for all.
inline WishKind kind_of_wishes(const SeatGeometry* geometry, const SeatRequest& request) noexcept {
    const SeatChoice& choice = request.choice;
    const bool counts =
        choice.words != nullptr || (choice.is_for_all && request.party > kMaxSeatChoices);
    if (geometry == nullptr || !counts) return WishKind::kLetters;
    return choice.is_for_all ? WishKind::kSame : WishKind::kAny;
}

class LetterWishes {
  public:
    static constexpr bool kOfLetters = true;
    struct Tally {
        std::uint32_t seats[kLetters + 1][4] = {};  // by letter, and by window and aisle
    };

    LetterWishes(const SeatGeometry* geometry, const SeatRequest& request) noexcept
        : geometry_(geometry),
          choice_(request.choice),
          count_(std::min<std::uint32_t>(request.choice.count, request.party)) {
        if (geometry == nullptr) return;
        for (std::uint32_t i = 0; i < count_; ++i) {
            const std::uint8_t wish = request.choice.items[i];
            if (wish == kWishWindow) {
                ++window_;
            } else if (wish == kWishAisle) {
                ++aisle_;
            } else if (is_letter(wish)) {
                ++letter_[wish - 'A'];
            } else {
                continue;
            }
            ++total_;
        }
    }

    std::uint32_t total() const noexcept { return total_; }

    // The passengers whose wish the seat honours, one bit each.
    std::uint32_t suits(std::uint32_t seat) const noexcept {
        std::uint32_t passengers = 0;
        for (std::uint32_t i = 0; i < count_; ++i) {
            passengers |= honours(geometry_[seat], choice_.items[i]) ? 1U << i : 0U;
        }
        return passengers;
    }

    void add(Tally& tally, std::uint32_t seat) const noexcept { ++slot(tally, seat); }
    void remove(Tally& tally, std::uint32_t seat) const noexcept { --slot(tally, seat); }

    // Letters first, each from the seats that wishes for windows and aisles need least; then the
    // rest for windows and aisles.
    std::uint32_t honoured(const Tally& tally) const noexcept {
        std::uint32_t count = 0;
        std::uint32_t left[4] = {};
        for (int letter = 0; letter <= kLetters; ++letter) {
            std::uint32_t need = letter < kLetters ? letter_[letter] : 0;
            for (int kind = 0; kind < 4; ++kind) {
                const std::uint32_t have = tally.seats[letter][kind];
                const std::uint32_t used = std::min(need, have);
                need -= used;
                count += used;
                left[kind] += have - used;
            }
        }
        const std::uint32_t window = std::min(window_, left[kWindow]);
        const std::uint32_t aisle = std::min(aisle_, left[kAisle]);
        const std::uint32_t unmet = (window_ - window) + (aisle_ - aisle);
        return count + window + aisle + std::min(unmet, left[kWindow | kAisle]);
    }

  private:
    std::uint32_t& slot(Tally& tally, std::uint32_t number) const noexcept {
        const SeatGeometry& seat = geometry_[number];
        const int letter = is_letter(seat.letter) ? seat.letter - 'A' : kLetters;
        return tally.seats[letter][seat.flags & (kWindow | kAisle)];
    }

    const SeatGeometry* geometry_;
    const SeatChoice& choice_;
    std::uint32_t count_;
    std::uint32_t letter_[kLetters] = {};
    std::uint32_t window_ = 0;
    std::uint32_t aisle_ = 0;
    std::uint32_t total_ = 0;
};

class SameWish {
  public:
    static constexpr bool kOfLetters = false;
    struct Tally {
        std::uint32_t honouring = 0;
    };

    SameWish(const SeatGeometry* geometry, const SeatRequest& request) noexcept
        : geometry_(geometry),
          words_(request.choice.words),
          wish_(request.choice.items[0]),
          total_(wish_ != kNoWish ? request.party : 0) {}

    std::uint32_t total() const noexcept { return total_; }
    bool honours(std::uint32_t seat) const noexcept {
        return ticketpool::honours(geometry_[seat], seat, wish_, words_);
    }
    void add(Tally& tally, std::uint32_t seat) const noexcept {
        tally.honouring += honours(seat) ? 1U : 0U;
    }
    void remove(Tally& tally, std::uint32_t seat) const noexcept {
        tally.honouring -= honours(seat) ? 1U : 0U;
    }
    std::uint32_t honoured(const Tally& tally) const noexcept {
        return std::min(total_, tally.honouring);
    }

  private:
    const SeatGeometry* geometry_;
    const WishWords* words_;
    std::uint8_t wish_;
    std::uint32_t total_;
};

class AnyWishes {
  public:
    static constexpr bool kOfLetters = false;
    // Seats counted by what they suit. Seats of kinds beyond kKinds are left out: then fewer wishes
    // may be honoured than could be.
    static constexpr std::uint32_t kKinds = 64;
    struct Tally {
        std::uint32_t kinds = 0;
        struct Kind {
            std::uint32_t suits;
            std::uint32_t seats;
        } kind[kKinds];
    };

    AnyWishes(const SeatGeometry* geometry, const SeatRequest& request) noexcept
        : geometry_(geometry),
          choice_(request.choice),
          count_(std::min<std::uint32_t>(request.choice.count, request.party)) {
        for (std::uint32_t i = 0; i < count_; ++i) {
            total_ += choice_.items[i] != kNoWish ? 1U : 0U;
        }
    }

    std::uint32_t total() const noexcept { return total_; }

    // The passengers whose wish the seat honours, one bit each.
    std::uint32_t suits(std::uint32_t seat) const noexcept {
        std::uint32_t passengers = 0;
        for (std::uint32_t i = 0; i < count_; ++i) {
            if (honours(geometry_[seat], seat, choice_.items[i], choice_.words)) {
                passengers |= 1U << i;
            }
        }
        return passengers;
    }

    void add(Tally& tally, std::uint32_t seat) const noexcept {
        const std::uint32_t passengers = suits(seat);
        if (passengers == 0) return;
        std::uint32_t empty = tally.kinds;
        for (std::uint32_t k = 0; k < tally.kinds; ++k) {
            if (tally.kind[k].suits == passengers) {
                ++tally.kind[k].seats;
                return;
            }
            if (tally.kind[k].seats == 0) empty = k;
        }
        if (empty == kKinds) return;
        if (empty == tally.kinds) ++tally.kinds;
        tally.kind[empty] = {passengers, 1};
    }
    void remove(Tally& tally, std::uint32_t seat) const noexcept {
        const std::uint32_t passengers = suits(seat);
        for (std::uint32_t k = 0; k < tally.kinds; ++k) {
            if (tally.kind[k].suits == passengers && tally.kind[k].seats > 0) {
                --tally.kind[k].seats;
                return;
            }
        }
    }
    std::uint32_t honoured(const Tally& tally) const noexcept {
        Assignment assignment{tally, {}};
        std::uint32_t count = 0;
        for (std::uint32_t i = 0; i < count_; ++i) {
            std::uint64_t asked = 0;
            count += assignment.seat(i, asked) ? 1U : 0U;
        }
        return count;
    }

  private:
    // Passengers of whom each has a seat of some kind. A passenger for whom no seat is left gets
    // one if others can move to other kinds (an augmenting path).
    struct Assignment {
        const Tally& tally;
        std::uint32_t seated[kKinds];  // passengers on seats of the kind, one bit each

        // `asked`: kinds that have been looked at. The depth is at most the number of kinds.
        bool seat(std::uint32_t passenger, std::uint64_t& asked) noexcept {
            for (std::uint32_t k = 0; k < tally.kinds; ++k) {
                if ((tally.kind[k].suits >> passenger & 1U) == 0 || (asked >> k & 1U) != 0 ||
                    tally.kind[k].seats == 0) {
                    continue;
                }
                asked |= std::uint64_t{1} << k;
                if (static_cast<std::uint32_t>(std::popcount(seated[k])) < tally.kind[k].seats) {
                    seated[k] |= 1U << passenger;
                    return true;
                }
                for (std::uint32_t left = seated[k]; left != 0; left &= left - 1) {
                    const auto other = static_cast<std::uint32_t>(std::countr_zero(left));
                    if (!seat(other, asked)) continue;
                    seated[k] = (seated[k] & ~(1U << other)) | 1U << passenger;
                    return true;
                }
            }
            return false;
        }
    };

    const SeatGeometry* geometry_;
    const SeatChoice& choice_;
    std::uint32_t count_;
    std::uint32_t total_ = 0;
};

// Which of some seats honours whose wish. Seats are added one after the other; a seat that was of
// use stays so. If they are added in order of preference, the seats used are the best that honour
// as many wishes as can be honoured at once.
class Matching {
  public:
    static constexpr std::uint32_t kNone = UINT32_MAX;

    Matching() noexcept {
        for (std::uint32_t& seat : seat_of_) seat = kNone;
    }

    // suits(seat): the passengers whose wish the seat honours. True if one more wish is honoured.
    template <typename Suits>
    bool add(std::uint32_t seat, Suits suits) noexcept {
        std::uint32_t asked = 0;
        return give(seat, suits, asked);
    }

    std::uint32_t seat_of(std::uint32_t passenger) const noexcept { return seat_of_[passenger]; }

  private:
    // The depth is at most the number of passengers with a wish.
    template <typename Suits>
    bool give(std::uint32_t seat, Suits suits, std::uint32_t& asked) noexcept {
        const std::uint32_t passengers = suits(seat);
        for (std::uint32_t left = passengers; left != 0; left &= left - 1) {
            const auto i = static_cast<std::uint32_t>(std::countr_zero(left));
            if ((asked >> i & 1U) != 0) continue;
            asked |= 1U << i;
            if (seat_of_[i] == kNone || give(seat_of_[i], suits, asked)) {
                seat_of_[i] = seat;
                return true;
            }
        }
        return false;
    }

    std::uint32_t seat_of_[kMaxSeatChoices];
};

static_assert(kMaxSeatChoices <= 32);

}  // namespace ticketpool
