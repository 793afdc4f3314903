// Chooses seats for one passenger or a party and claims them: see allocation.hpp.
#include "ticketpool/allocation.hpp"

#include <algorithm>
#include <utility>

#include "choice.hpp"
#include "party.hpp"
#include "ticketpool/kernels.hpp"

namespace ticketpool {

namespace {

constexpr int kMaxTries = 64;  // plans made before kLookAgain

// ---- passengers -----------------------------------------------------------------------------

// Hands out the claimed seats: moves to out[i] a seat that honours passenger i's wish, as far as
// the seats allow.
void seat_by_letters(const SeatGeometry* geometry, const SeatRequest& request,
                     SeatClaim* out) noexcept {
    const std::uint32_t wishes = std::min<std::uint32_t>(request.choice.count, request.party);
    std::uint32_t seated = 0;  // passengers who have their wish, one bit each (kMaxSeatChoices)
    for (int round = 0; round < kRounds; ++round) {
        for (std::uint32_t i = 0; i < wishes; ++i) {
            const std::uint8_t wish = request.choice.items[i];
            if ((seated >> i & 1U) != 0 || wish == kNoWish) continue;
            for (std::uint32_t j = 0; j < request.party; ++j) {
                if (j < kMaxSeatChoices && (seated >> j & 1U) != 0) continue;
                if (!suits_round(geometry[out[j].seat], wish, round)) continue;
                std::swap(out[i], out[j]);
                seated |= 1U << i;
                break;
            }
        }
    }
}

void seat_same(const SameWish& wish, std::uint32_t party, SeatClaim* out) noexcept {
    std::uint32_t next = 0;
    for (std::uint32_t i = 0; i < party; ++i) {
        if (wish.honours(out[i].seat)) std::swap(out[next++], out[i]);
    }
}

void seat_any(const AnyWishes& wishes, std::uint32_t party, SeatClaim* out) noexcept {
    Matching matching;
    for (std::uint32_t j = 0; j < party; ++j) {
        matching.add(j, [&](std::uint32_t at) noexcept { return wishes.suits(out[at].seat); });
    }
    std::uint32_t at[kMaxSeatChoices];  // where the seat is that honours passenger i's wish
    const std::uint32_t passengers = std::min(party, kMaxSeatChoices);
    for (std::uint32_t i = 0; i < passengers; ++i) at[i] = matching.seat_of(i);
    for (std::uint32_t i = 0; i < passengers; ++i) {
        if (at[i] == Matching::kNone || at[i] == i) continue;
        std::swap(out[i], out[at[i]]);
        for (std::uint32_t k = i + 1; k < passengers; ++k) {
            if (at[k] == i) at[k] = at[i];
        }
    }
}

void seat_passengers(const SeatGeometry* geometry, const SeatRequest& request,
                     SeatClaim* out) noexcept {
    switch (kind_of_wishes(geometry, request)) {
        case WishKind::kSame:
            return seat_same(SameWish(geometry, request), request.party, out);
        case WishKind::kAny:
            return seat_any(AnyWishes(geometry, request), request.party, out);
        default:
            return seat_by_letters(geometry, request, out);
    }
}

// ---- one seat -------------------------------------------------------------------------------

constexpr std::uint32_t kUnwished = 2 * kMaxSegments;  // added to the rank: more than any free run

// Best seat so far in a scan; a smaller rank wins, and the first of equals.
struct BestSingle {
    std::uint32_t seat = kNoSeat;
    std::uint32_t rank = UINT32_MAX;
};

// The rank puts the wish above the free run: a seat that honours the wish beats any that does not.
// True if the scan met a seat that cannot be bettered. `honours`: of a seat's number.
template <typename Bits, typename Honours>
bool scan_single(const SeatWords<Bits>& seats, int segments, std::uint8_t wish, Honours honours,
                 const SeatRequest& request, std::uint32_t begin, std::uint32_t end,
                 BestSingle& best) noexcept {
    const bool best_fit = request.policy == Allocation::kBestFit;
    const auto exact = static_cast<std::uint32_t>(request.to - request.from);
    OwnCursor own(request.own, request.own_count);
    for (std::uint32_t seat = begin; seat < end; ++seat) {
        const SegmentMask taken = seats.load(seat).and_not(own.bits(seat));
        if ((taken & request.trip).any()) continue;
        std::uint32_t rank = exact;
        if (best_fit) {
            rank = static_cast<std::uint32_t>(free_run(taken, request.from, request.to, segments));
        }
        if (wish != kNoWish && !honours(seat)) rank += kUnwished;
        if (rank < best.rank) best = {seat, rank};
        if (rank == exact) return true;
    }
    return false;
}

template <typename Bits>
std::uint32_t first_free(const SeatWords<Bits>& seats, const SegmentMask& trip, std::uint32_t begin,
                         std::uint32_t end) noexcept {
    for (std::uint32_t seat = begin; seat < end; ++seat) {
        if (seats.is_free(seat, trip)) return seat;
    }
    return kNoSeat;
}

template <typename Honours>
std::uint32_t choose_wished(const SeatMap& map, std::uint8_t wish, Honours honours,
                            const SeatRequest& request, std::uint32_t start) noexcept {
    return with_words(map, [&](const auto& seats) noexcept {
        BestSingle best;
        if (!scan_single(seats, map.segments, wish, honours, request, start, map.seats, best)) {
            scan_single(seats, map.segments, wish, honours, request, 0, start, best);
        }
        return request.only_wished && best.rank >= kUnwished ? kNoSeat : best.seat;
    });
}

std::uint32_t choose_single(const SeatMap& map, const SeatGeometry* geometry,
                            const SeatRequest& request, int attempt) noexcept {
    const std::uint32_t start =
        request.policy == Allocation::kFirstFit ? 0 : spread(request.seed, attempt, map.seats);
    if (request.own_count > 0 || request.choice.count > 0) {
        const SeatChoice& choice = request.choice;
        const std::uint8_t wish =
            geometry != nullptr && choice.count > 0 ? choice.items[0] : kNoWish;
        if (wish >= kWishProperty) {
            const auto suits = [=, words = choice.words](std::uint32_t seat) noexcept {
                return honours(geometry[seat], seat, wish, words);
            };
            return choose_wished(map, wish, suits, request, start);
        }
        const auto suits = [=](std::uint32_t seat) noexcept {
            return honours(geometry[seat], wish);
        };
        return choose_wished(map, wish, suits, request, start);
    }
    if (request.policy == Allocation::kBestFit) {
        const TripScan scan{request.trip, request.from, request.to, map.segments};
        return kernels().best_fit[map.shape()](map.words, map.seats, scan, start);
    }
    return with_words(map, [&](const auto& seats) noexcept {
        const std::uint32_t seat = first_free(seats, request.trip, start, map.seats);
        return seat != kNoSeat ? seat : first_free(seats, request.trip, 0, start);
    });
}

// ---- choose and claim -----------------------------------------------------------------------

// Fills `out`, sorted by seat, with what is to be claimed; false if too few seats are free. Its
// loads suit a careful look.
bool choose(const SeatMap& map, const SeatGeometry* geometry, const SeatRequest& request,
            int attempt, void* scratch, SeatClaim* out) noexcept {
    if (request.party == 1) {
        const std::uint32_t seat = choose_single(map, geometry, request, attempt);
        if (seat == kNoSeat) return false;
        out[0] = split_claim(request, seat);
        return true;
    }
    const std::uint32_t start =
        request.policy == Allocation::kFirstFit ? 0 : spread(request.seed, attempt, map.seats);
    const std::uint32_t* chosen = choose_party(map, geometry, request, start, scratch);
    if (chosen == nullptr) return false;
    for (std::uint32_t i = 0; i < request.party; ++i) out[i] = split_claim(request, chosen[i]);
    return true;
}

bool is_malformed(const SeatMap& map, const SeatRequest& request) noexcept {
    return request.party == 0 || request.from < 0 || request.from >= request.to ||
           request.to > map.segments || request.choice.count > kMaxSeatChoices;
}

}  // namespace

std::size_t scratch_bytes(std::uint32_t seats, std::uint32_t party, int) noexcept {
    if (party <= 1 || party > seats) return 0;
    return party_scratch_bytes(seats, party);
}

Status claim_seats(SeatMap& map, const SeatGeometry* geometry, const SeatRequest& request,
                   void* scratch, SeatClaim* out, std::uint32_t* lost_races) noexcept {
    if (is_malformed(map, request)) return Status::kMalformed;
    if (request.party > map.seats) return Status::kSoldOut;
    for (int attempt = 0; attempt < kMaxTries; ++attempt) {
        // The scan that chooses is the scan of the careful look: a caller that is told "sold out",
        // as most callers are on a busy day, pays for one scan and not for a second one to make
        // sure.
        const Status look = look_carefully(*map.control, [&]() noexcept {
            return choose(map, geometry, request, attempt, scratch, out);
        });
        if (look != Status::kOk) return look;
        if (try_claim_all(map, out, request.party)) {
            if (geometry != nullptr) seat_passengers(geometry, request, out);
            return Status::kOk;
        }
        if (lost_races != nullptr) ++*lost_races;
    }
    return Status::kLookAgain;
}

std::uint32_t count_free_with_own(const SeatMap& map, const SegmentMask& trip, const OwnFree* own,
                                  std::uint32_t own_count) noexcept {
    return with_words(map, [&](const auto& seats) noexcept {
        std::uint32_t free = 0;
        OwnCursor cursor(own, own_count);
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            free += seats.is_free(seat, trip.and_not(cursor.bits(seat))) ? 1U : 0U;
        }
        return free;
    });
}

std::uint32_t estimate_free_with_own(const SeatMap& map, const SegmentMask& trip,
                                     const OwnFree* own, std::uint32_t own_count) noexcept {
    std::uint32_t free = count_free(map, trip);
    with_words(map, [&](const auto& seats) noexcept {
        for (std::uint32_t i = 0; i < own_count; ++i) {
            const OwnFree& seat = own[i];
            free +=
                !seats.is_free(seat.seat, trip) && seats.is_free(seat.seat, trip.and_not(seat.bits))
                    ? 1U
                    : 0U;
        }
        return true;
    });
    return free;
}

void mark_free(const SeatMap& map, const SegmentMask& trip, const OwnFree* own,
               std::uint32_t own_count, const std::uint32_t* numbers, bool* free) noexcept {
    with_words(map, [&](const auto& seats) noexcept {
        OwnCursor cursor(own, own_count);
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            if (seats.is_free(seat, trip.and_not(cursor.bits(seat)))) {
                free[numbers == nullptr ? seat : numbers[seat]] = true;
            }
        }
        return true;
    });
}

}  // namespace ticketpool
