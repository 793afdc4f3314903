// Quotas, unnumbered places and plain quantities, compared with models of plain numbers.
#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "../unit/train.hpp"
#include "input.hpp"
#include "ticketpool/place_counter.hpp"
#include "ticketpool/quota.hpp"
#include "ticketpool/stock.hpp"

namespace ticketpool::fuzz {
namespace {

// A quota of some seats of a train over a stretch: what it offers, what it sold, what it gave back.
class QuotaSale {
  public:
    QuotaSale(Input& input, Train& of, const std::vector<std::uint32_t>& numbers, int from, int to)
        : train(of),
          stretch(trip_mask(from, to)),
          memory_(
              Quota::bytes_required(static_cast<std::uint32_t>(numbers.size()), of.map.segments) /
                  sizeof(Line) +
              1) {
        quota = Quota::init_in_place(memory_.data(), static_cast<std::uint32_t>(numbers.size()),
                                     from, to, of.map.segments);
        own = quota->seat_map(&of.control);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            quota->numbers()[i] = numbers[i];
            quota->geometry()[i] = of.geometry[numbers[i]];
            of.take(numbers[i], stretch);
        }
        for (std::uint32_t n = 0; n < of.map.seats; ++n) {
            const auto place = std::find(numbers.begin(), numbers.end(), n);
            FUZZ_CHECK(quota->find(n) == (place == numbers.end() ? -1 : place - numbers.begin()));
        }
        seed_ = input.byte();
    }

    void claim(Input& input) {
        const int from = input.between(0, train.map.segments - 1);
        const int to = input.between(from + 1, train.map.segments);
        SeatRequest wanted =
            train.request(from, to, static_cast<std::uint32_t>(input.between(1, 6)),
                          static_cast<Allocation>(input.byte() % 3));
        wanted.seed = ++seed_;
        const std::uint32_t free = count_free(own, wanted.trip);
        FUZZ_CHECK(free == 0 || (wanted.trip.is_subset_of(stretch) && !quota->closed.load()));
        std::vector<SeatClaim> got(wanted.party);
        std::vector<std::uint64_t> scratch(
            scratch_bytes(own.seats, wanted.party, own.words_per_seat) / 8);
        const Status status =
            claim_seats(own, quota->geometry(), wanted, scratch.data(), got.data());
        settle_attempt(*quota, own, train.map);
        FUZZ_CHECK(status == (free >= wanted.party ? Status::kOk : Status::kSoldOut));
        if (status == Status::kOk) sold.insert(sold.end(), got.begin(), got.end());
    }

    void give_one_back(Input& input) {
        if (sold.empty()) return;
        const std::size_t which = input.number(2) % sold.size();
        give_back(*quota, own, train.map, sold[which].seat, sold[which].from_pool);
        sold.erase(sold.begin() + static_cast<std::ptrdiff_t>(which));
    }

    void close() {
        if (quota->closed.load()) return;
        std::vector<SegmentMask> free;
        for (std::uint32_t seat = 0; seat < own.seats; ++seat) {
            free.push_back(take_free(own, seat, stretch));
        }
        quota->closed.store(true);
        for (std::uint32_t seat = 0; seat < own.seats; ++seat) {
            release(train.map, quota->numbers()[seat], free[seat]);
        }
    }

    // For each bit of the stretch: the quota offers it or has sold it, or the departure offers it.
    void compare() {
        for (std::uint32_t seat = 0; seat < own.seats; ++seat) {
            SegmentMask mine;
            for (const SeatClaim& claim : sold) {
                if (claim.seat == seat) {
                    FUZZ_CHECK((mine & claim.from_pool).none());
                    mine |= claim.from_pool;
                }
            }
            const SegmentMask in_quota = stretch.and_not(load_seat(own, seat));
            const SegmentMask in_train =
                stretch.and_not(load_seat(train.map, quota->numbers()[seat]));
            FUZZ_CHECK((in_quota & in_train).none() && (in_quota & mine).none() &&
                       (in_train & mine).none());
            FUZZ_CHECK((in_quota | in_train | mine) == stretch);
            FUZZ_CHECK(quota->closed.load() ? in_quota.none() : in_train.none());
        }
    }

    Train& train;
    SegmentMask stretch;
    Quota* quota;
    SeatMap own{};
    std::vector<SeatClaim> sold;

  private:
    std::vector<Line> memory_;
    std::uint64_t seed_;
};

struct NaivePlaces {
    std::uint32_t free(int from, int to, const std::vector<std::uint32_t>& own) const {
        std::int64_t least = INT64_MAX;
        for (int s = from; s < to; ++s) {
            least = std::min(least, std::int64_t{places} + own[s] - taken[s]);
        }
        return static_cast<std::uint32_t>(std::max<std::int64_t>(least, 0));
    }
    std::uint32_t places;
    std::vector<std::uint32_t> taken;
};

}  // namespace

void quotas(Input input) {
    const int segments = input.between(1, kMaxSegments);
    Train train(static_cast<std::uint32_t>(input.between(1, 60)), segments);
    std::vector<std::uint32_t> numbers;
    for (std::uint32_t n = input.byte() % 4U; n < train.map.seats; n += 1U + input.byte() % 4U) {
        numbers.push_back(n);
    }
    if (numbers.empty()) return;
    const int from = input.between(0, segments - 1);
    QuotaSale sale(input, train, numbers, from, input.between(from + 1, segments));
    for (int step = 0; step < 60 && !input.empty(); ++step) {
        const int what = input.byte() % 16;
        if (what == 0)
            sale.close();
        else if (what < 7)
            sale.give_one_back(input);
        else
            sale.claim(input);
        sale.compare();
    }
    sale.close();
    while (!sale.sold.empty()) sale.give_one_back(input);
    sale.compare();
    FUZZ_CHECK(count_free_seat_segments(train.map) ==
               std::uint64_t{train.map.seats} * static_cast<unsigned>(segments));
}

void places(Input input) {
    const int segments = input.between(1, kMaxSegments);
    static constexpr std::uint32_t sizes[] = {0, 1, 2, 7, 100, 100'000, 2'000'000'000};
    NaivePlaces model{sizes[input.byte() % 7], std::vector<std::uint32_t>(segments)};
    const auto taken = std::make_unique<std::atomic<std::uint32_t>[]>(segments);
    ClassControl control{};
    PlaceMap map{taken.get(), &control, model.places, segments};
    std::vector<SegmentMask> held;
    for (int step = 0; step < 100 && !input.empty(); ++step) {
        const int from = input.between(0, segments - 1);
        const int to = input.between(from + 1, segments);
        const SegmentMask trip = trip_mask(from, to);
        std::vector<std::uint32_t> own(segments);
        const int what = input.byte() % 4;
        // Own refunds: some of the places that are taken.
        for (int s = from; what == 1 && s < to; ++s)
            own[s] = std::min<std::uint32_t>(input.byte() % 3U, model.taken[s]);
        const std::uint32_t free = model.free(from, to, own);
        FUZZ_CHECK(count_free_places(map, from, to, own.data()) == free);
        if (what < 2) {
            const auto count = static_cast<std::uint32_t>(input.number(input.byte() % 5));
            const bool got = try_claim_places(map, from, to, count, own.data());
            // On each segment, what own refunds do not cover has to be free.
            bool fits = true;
            for (int s = from; s < to; ++s) {
                const std::uint32_t needed = count > own[s] ? count - own[s] : 0;
                fits = fits && (needed == 0 || (model.taken[s] <= model.places &&
                                                needed <= model.places - model.taken[s]));
            }
            FUZZ_CHECK(got == fits);
            for (int s = from; got && s < to; ++s) {
                model.taken[s] += count > own[s] ? count - own[s] : 0;
            }
        } else if (what == 2 || held.empty()) {
            if (held.size() > 20) continue;
            mark_place(map, trip);
            for (int s = from; s < to; ++s) ++model.taken[s];
            held.push_back(trip);
        } else {
            release_place(map, held.back());
            for (int s = 0; s < segments; ++s) model.taken[s] -= held.back().test(s);
            held.pop_back();
        }
        std::uint64_t left = 0;
        for (int s = 0; s < segments; ++s) {
            FUZZ_CHECK(map.taken[s].load() == model.taken[s]);
            left += model.places > model.taken[s] ? model.places - model.taken[s] : 0;
        }
        FUZZ_CHECK(count_free_place_segments(map) == left);
        FUZZ_CHECK(control.unfinished.load() == 0);
    }
}

void stocks(Input input) {
    const std::int64_t quantity = static_cast<std::int64_t>(input.number(input.byte() % 9) >> 1);
    const std::uint32_t lanes = lanes_for(quantity, input.byte());
    FUZZ_CHECK(lanes >= 1 && lanes <= kMaxLanes);
    std::vector<Line> memory(Item::bytes_required(lanes) / sizeof(Line));
    Item* item = Item::init_in_place(memory.data(), lanes);
    Stock& stock = *item->root();
    fill_units(stock, quantity);
    std::int64_t free = quantity;
    std::vector<std::int64_t> held;
    for (int step = 0; step < 200 && !input.empty(); ++step) {
        FUZZ_CHECK(count_free_units(stock) == free);
        const std::uint32_t start = input.byte();
        const int what = input.byte() % 8;
        if (what == 0) {
            const std::int64_t got = claim_all_units(stock);
            FUZZ_CHECK(got == free);
            held.push_back(got);
            free = 0;
        } else if (what < 3 && !held.empty()) {
            give_back_units(stock, held.back(), start);
            free += held.back();
            held.pop_back();
        } else {
            // About as much as there is, or any number.
            const std::int64_t near = std::max<std::int64_t>(free, 2) - 2 + input.byte() % 3;
            const auto any = static_cast<std::int64_t>(input.number(input.byte() % 9) >> 1);
            const std::int64_t units = std::max<std::int64_t>(1, what % 2 == 0 ? near : any);
            const Status status = claim_units(stock, units, start);
            FUZZ_CHECK(status == (units <= free ? Status::kOk : Status::kSoldOut));
            if (status != Status::kOk) continue;
            free -= units;
            held.push_back(units);
        }
        for (std::uint32_t lane = 0; lane < lanes; ++lane) {
            FUZZ_CHECK(stock.lanes()[lane].free.load() >= 0);
        }
        FUZZ_CHECK(stock.control.unfinished.load() == 0);
    }
    for (const std::int64_t units : held) give_back_units(stock, units, 0);
    FUZZ_CHECK(count_free_units(stock) == quantity);
}

}  // namespace ticketpool::fuzz
