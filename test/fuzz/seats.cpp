// Seats of one class: every claim that the core grants or refuses is compared
// with a table of booleans.
#include "ticketpool/seat_map.hpp"

#include <algorithm>
#include <vector>

#include "../unit/train.hpp"
#include "input.hpp"
#include "ticketpool/matrix.hpp"

namespace ticketpool::fuzz {
namespace {

SegmentMask any_mask(Input& input, int segments) {
    if (input.byte() % 2 == 0) {
        const int from = input.between(0, segments);
        return trip_mask(from, input.between(from, segments));
    }
    SegmentMask mask;
    for (int i = 0; i < segments; i += 8) {
        const std::uint8_t bits = input.byte();
        for (int b = 0; b < 8 && i + b < segments; ++b) {
            if ((bits >> b & 1) != 0) mask.set(i + b);
        }
    }
    return mask;
}

// A train, its model, what buyers hold, and what they refunded but have not committed.
class Sale {
  public:
    Sale(Input& input, std::uint32_t seats, int segments)
        : train(seats, segments, input.between(1, 20), letters(input)), model(train.map) {}

    // Asks the core for everything that the model knows.
    void compare() {
        std::uint64_t free = 0;
        for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
            const SegmentMask taken = load_seat(train.map, seat);
            for (int i = 0; i < kMaxSegments; ++i) {
                FUZZ_CHECK(taken.test(i) == (i < model.segments && model.taken[seat][i]));
                free += i < model.segments && !model.taken[seat][i];
            }
        }
        FUZZ_CHECK(count_free_seat_segments(train.map) == free);
        FUZZ_CHECK(train.control.unfinished.load() == 0);
        compare_matrix();
    }

    void claim(Input& input) {
        SeatRequest wanted = request(input);
        const bool sound = 0 <= wanted.from && wanted.from < wanted.to &&
                           wanted.to <= model.segments && wanted.party > 0;
        const std::uint32_t free = sound ? model_count(wanted.from, wanted.to) : 0;
        if (sound) compare_counts(wanted, free);
        const Status status = train.claim(wanted);
        FUZZ_CHECK((status == Status::kMalformed) == !sound);
        if (!sound) return;
        // Nobody else is there: the answer is certain.
        FUZZ_CHECK(status == (free >= wanted.party ? Status::kOk : Status::kSoldOut));
        if (status != Status::kOk) return;
        if (wanted.party == 1 && own.empty() && wanted.choice.count == 0) check_policy(wanted);
        for (const SeatClaim& claim : train.claims) accept(claim, wanted.trip);
    }

    void give_back(Input& input) {
        if (held.empty()) return;
        const std::size_t which = input.number(2) % held.size();
        const SeatClaim claim = held[which];
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        if (input.byte() % 3 == 0) {
            refund(claim);
        } else {
            release(train.map, claim.seat, claim.from_pool);
            set(claim.seat, claim.from_pool, false);
            add_own(claim.seat, claim.from_own);
        }
    }

    // The transaction that refunded has committed.
    void commit() {
        for (const OwnFree& free : own) {
            release(train.map, free.seat, free.bits);
            set(free.seat, free.bits, false);
        }
        own.clear();
        // It can no longer be rolled back, even in part.
        for (SeatClaim& claim : held) {
            claim.from_pool |= claim.from_own;
            claim.from_own = SegmentMask{};
        }
    }

    void take_by_hand(Input& input) {
        const auto seat = static_cast<std::uint32_t>(input.number(2) % train.map.seats);
        const SegmentMask bits = any_mask(input, model.segments);
        const bool free = (taken(seat) & bits).none();
        FUZZ_CHECK(seat_is_free(train.map, seat, bits) == free);
        if (input.byte() % 2 == 0) {
            FUZZ_CHECK(try_claim(train.map, seat, bits) == free);
            if (!free) return;
        } else {
            FUZZ_CHECK(take_free(train.map, seat, bits) == bits.and_not(taken(seat)));
        }
        const SegmentMask got = bits.and_not(taken(seat));
        set(seat, bits, true);
        if (got.any()) held.push_back({seat, got, SegmentMask{}});
    }

    void take_several(Input& input) {
        std::vector<SeatClaim> claims;
        bool free = true;
        for (std::uint32_t seat = input.byte(); seat < train.map.seats && claims.size() < 12;
             seat += 1U + input.byte()) {
            claims.push_back({seat, any_mask(input, model.segments), SegmentMask{}});
            free = free && (taken(seat) & claims.back().from_pool).none();
        }
        FUZZ_CHECK(try_claim_all(train.map, claims.data(),
                                 static_cast<std::uint32_t>(claims.size())) == free);
        for (const SeatClaim& claim : claims) {
            if (!free) break;
            set(claim.seat, claim.from_pool, true);
            held.push_back(claim);
        }
    }

    Train train;
    NaiveTrain model;
    std::vector<SeatClaim> held;
    std::vector<OwnFree> own;  // in order of seat

  private:
    static std::string letters(Input& input) {
        static const std::string all[] = {"ABCDF", "ACDF", "A", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "AF"};
        return all[input.byte() % 5];
    }

    SegmentMask taken(std::uint32_t seat) const {
        SegmentMask mask;
        for (int i = 0; i < model.segments; ++i) {
            if (model.taken[seat][i]) mask.set(i);
        }
        return mask;
    }
    void set(std::uint32_t seat, const SegmentMask& bits, bool to) {
        for (int i = 0; i < model.segments; ++i) {
            if (bits.test(i)) model.taken[seat][i] = to;
        }
    }

    SeatRequest request(Input& input) {
        const bool odd = input.byte() % 16 == 0;
        const int from =
            odd ? input.between(-2, model.segments + 1) : input.between(0, model.segments - 1);
        const int to =
            odd ? input.between(-2, model.segments + 1) : input.between(from + 1, model.segments);
        SeatRequest wanted;
        wanted.from = from;
        wanted.to = to;
        wanted.party = static_cast<std::uint32_t>(input.byte() % 4 != 0 ? 1 : input.between(0, 40));
        wanted.trip =
            from >= 0 && from < to && to <= kMaxSegments ? trip_mask(from, to) : SegmentMask{};
        wanted.policy = static_cast<Allocation>(input.byte() % 3);
        wanted.seed = input.number(2);
        wanted.apart = input.byte() % 4 == 0;
        const std::string text = input.byte() % 3 == 0 ? input.text(12) : "";
        ChoiceWords words;
        parse_seat_choice(text.data(), text.size(), wanted.party, ChoiceVocabulary{},
                          &wanted.choice, &words);
        wanted.own = own.data();
        wanted.own_count = static_cast<std::uint32_t>(own.size());
        return wanted;
    }

    SegmentMask own_bits(std::uint32_t seat) const {
        for (const OwnFree& free : own) {
            if (free.seat == seat) return free.bits;
        }
        return {};
    }

    std::uint32_t model_count(int from, int to) const {
        std::uint32_t free = 0;
        for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
            free += (taken(seat).and_not(own_bits(seat)) & trip_mask(from, to)).none();
        }
        return free;
    }

    void compare_counts(const SeatRequest& wanted, std::uint32_t free) const {
        FUZZ_CHECK(count_free(train.map, wanted.trip) == model.count(wanted.from, wanted.to));
        FUZZ_CHECK(count_free_with_own(train.map, wanted.trip, own.data(),
                                       static_cast<std::uint32_t>(own.size())) == free);
    }

    // Each claim is exactly the trip, made of what was free and of what is the buyer's own; no seat
    // appears twice.
    void accept(const SeatClaim& claim, const SegmentMask& trip) {
        FUZZ_CHECK(claim.seat < train.map.seats);
        FUZZ_CHECK((claim.from_pool | claim.from_own) == trip);
        FUZZ_CHECK((claim.from_pool & claim.from_own).none());
        FUZZ_CHECK((claim.from_pool & taken(claim.seat)).none());
        FUZZ_CHECK(claim.from_own.is_subset_of(own_bits(claim.seat)));
        set(claim.seat, claim.from_pool, true);
        for (OwnFree& free : own) {
            if (free.seat == claim.seat) free.bits = free.bits.and_not(claim.from_own);
        }
        std::erase_if(own, [](const OwnFree& free) { return free.bits.none(); });
        held.push_back(claim);
    }

    // The seat as it was before: none of the claim is marked in the model yet.
    void check_policy(const SeatRequest& wanted) const {
        const std::uint32_t got = train.claims[0].seat;
        int best = kMaxSegments + 1;
        std::uint32_t first = kNoSeat;
        for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
            if (!model.is_free(seat, wanted.from, wanted.to)) continue;
            first = std::min(first, seat);
            best = std::min(best, model.run(seat, wanted.from, wanted.to));
        }
        FUZZ_CHECK(model.is_free(got, wanted.from, wanted.to));
        if (wanted.policy == Allocation::kFirstFit) FUZZ_CHECK(got == first);
        if (wanted.policy == Allocation::kBestFit) {
            FUZZ_CHECK(model.run(got, wanted.from, wanted.to) == best);
        }
    }

    void refund(const SeatClaim& claim) { add_own(claim.seat, claim.from_pool | claim.from_own); }
    void add_own(std::uint32_t seat, const SegmentMask& bits) {
        if (bits.none()) return;
        const auto place = std::lower_bound(
            own.begin(), own.end(), seat,
            [](const OwnFree& free, std::uint32_t wanted) { return free.seat < wanted; });
        if (place != own.end() && place->seat == seat) {
            place->bits |= bits;
        } else {
            own.insert(place, {seat, bits});
        }
    }

    void compare_matrix() {
        const int segments = model.segments;
        if (segments > 40) return;  // the model is slow
        std::vector<std::uint32_t> cells(static_cast<std::size_t>(segments + 1) * (segments + 1));
        std::vector<std::uint64_t> scratch(matrix_scratch_bytes(segments) / 8 + 1);
        remaining_matrix(train.map, own.data(), static_cast<std::uint32_t>(own.size()),
                         cells.data(), scratch.data());
        for (int from = 0; from < segments; ++from) {
            for (int to = from + 1; to <= segments; ++to) {
                FUZZ_CHECK(cells[static_cast<std::size_t>(from * (segments + 1) + to)] ==
                           model_count(from, to));
            }
        }
    }
};

}  // namespace

void seats(Input input) {
    static constexpr int widths[] = {1, 3, 8, 9, 16, 17, 32, 33, 64, 65, 128, 129, 192, 200, 256};
    const int segments =
        input.byte() % 2 == 0 ? widths[input.byte() % 15] : input.between(1, kMaxSegments);
    const auto count = static_cast<std::uint32_t>(input.between(1, segments > 64 ? 40 : 150));
    Sale sale(input, count, segments);
    for (int step = 0; step < 200 && !input.empty(); ++step) {
        switch (input.byte() % 8) {
            case 0:
                sale.give_back(input);
                break;
            case 1:
                sale.take_by_hand(input);
                break;
            case 2:
                sale.take_several(input);
                break;
            case 3:
                step % 16 == 0 ? sale.commit() : sale.give_back(input);
                break;
            default:
                sale.claim(input);
        }
    }
    sale.compare();
    sale.commit();
    for (const SeatClaim& claim : sale.held) {
        release(sale.train.map, claim.seat, claim.from_pool);
    }
    FUZZ_CHECK(count_free_seat_segments(sale.train.map) ==
               std::uint64_t{count} * static_cast<unsigned>(segments));
}

}  // namespace ticketpool::fuzz
