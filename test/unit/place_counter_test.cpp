// Unnumbered places, compared with a table of numbers, and under several threads.
#include "ticketpool/place_counter.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <chrono>
#include <thread>
#include <utility>

#include "train.hpp"

namespace ticketpool {
namespace {

// One coach with places.
struct Coach {
    Coach(std::uint32_t places, int segments)
        : taken(new std::atomic<std::uint32_t>[static_cast<std::size_t>(segments)]()),
          map{taken.get(), &control, places, segments} {}

    std::vector<std::uint32_t> counters() const {
        return {taken.get(), taken.get() + map.segments};
    }

    std::unique_ptr<std::atomic<std::uint32_t>[]> taken;
    ClassControl control{};
    PlaceMap map;
};

// The same coach as a table of numbers, written to be obviously right.
struct NaiveCoach {
    std::uint32_t free_on(int segment, const std::uint32_t* own) const {
        const std::int64_t free = std::int64_t{places} + (own == nullptr ? 0 : own[segment]) -
                                  std::int64_t{taken[segment]};
        return static_cast<std::uint32_t>(std::max<std::int64_t>(free, 0));
    }
    std::uint32_t free(int from, int to, const std::uint32_t* own) const {
        std::uint32_t least = free_on(from, own);
        for (int i = from; i < to; ++i) least = std::min(least, free_on(i, own));
        return least;
    }
    void add(const SegmentMask& bits, int count) {
        for (int i = 0; i < static_cast<int>(taken.size()); ++i) {
            if (bits.test(i)) taken[i] += count;
        }
    }

    std::uint32_t places;
    std::vector<std::uint32_t> taken;
};

void expect_same(const Coach& coach, const NaiveCoach& naive, const std::uint32_t* own) {
    ASSERT_EQ(coach.counters(), naive.taken);
    std::uint64_t free = 0;
    for (int from = 0; from < coach.map.segments; ++from) {
        free += naive.free_on(from, nullptr);
        for (int to = from + 1; to <= coach.map.segments; ++to) {
            ASSERT_EQ(count_free_places(coach.map, from, to, nullptr),
                      naive.free(from, to, nullptr));
            ASSERT_EQ(count_free_places(coach.map, from, to, own), naive.free(from, to, own));
        }
    }
    ASSERT_EQ(count_free_place_segments(coach.map), free);
}

// Claims with and without holes, loads over the limit, give-backs: every trip, at every step.
TEST(Places, EveryTripAgreesWithTheModel) {
    std::mt19937_64 random(1);
    for (const int segments : {1, 2, 7, 12, 64, 65, 130}) {
        Coach coach(3, segments);
        NaiveCoach naive{3, std::vector<std::uint32_t>(segments)};
        std::vector<SegmentMask> held;
        std::uint32_t undone = 0;
        int refused = 0;
        for (int round = 0; round < (segments < 20 ? 300 : 25); ++round) {
            SegmentMask bits = random_mask(random, segments, 30);
            const std::uint64_t what = random() % 100;
            if (what < 55) {
                // Some places, of which own refunds hold a part: the pool gives the rest.
                const int from = static_cast<int>(random() % segments);
                const int to = from + 1 + static_cast<int>(random() % (segments - from));
                const std::uint32_t count = 1 + static_cast<std::uint32_t>(random() % 2);
                std::vector<std::uint32_t> own(segments);
                for (std::uint32_t& places : own) places = random() % 4 == 0 ? 1 : 0;
                bool fits = true;
                for (int i = from; i < to; ++i) {
                    fits = fits &&
                           (count <= own[i] || naive.taken[i] + count - own[i] <= naive.places);
                }
                ASSERT_EQ(try_claim_places(coach.map, from, to, count, own.data()), fits);
                for (std::uint32_t i = 0; fits && i < count; ++i) {
                    bits = SegmentMask{};
                    for (int segment = from; segment < to; ++segment) {
                        if (own[segment] <= i) bits.set(segment);
                    }
                    naive.add(bits, 1);
                    held.push_back(bits);
                }
                undone += !fits && to - from > 1;
                refused += !fits;
            } else if (what < 60) {
                mark_place(coach.map, bits);
                naive.add(bits, 1);
                held.push_back(bits);
            } else if (!held.empty()) {
                std::swap(held[random() % held.size()], held.back());
                release_place(coach.map, held.back());
                naive.add(held.back(), -1);
                held.pop_back();
            }
            std::vector<std::uint32_t> own(segments);
            for (std::uint32_t& count : own) count = static_cast<std::uint32_t>(random() % 3);
            expect_same(coach, naive, own.data());
            if (HasFatalFailure()) return;
            // An attempt at one segment writes only that segment's counter; one at several counts
            // as an attempt.
            ASSERT_EQ(coach.control.unfinished.load(), 0U);
            ASSERT_EQ(coach.control.undone.load(), undone);
        }
        EXPECT_GT(refused, 0);
        for (const SegmentMask& bits : held) release_place(coach.map, bits);
        EXPECT_EQ(coach.counters(), std::vector<std::uint32_t>(segments));
    }
}

// What is sold may be more than the coach has now: nothing is free, and nothing wraps around.
TEST(Places, OverTheLimitNothingIsFree) {
    Coach coach(2, 3);
    for (int i = 0; i < 5; ++i) mark_place(coach.map, trip_mask(1, 2));
    EXPECT_EQ(count_free_places(coach.map, 0, 3, nullptr), 0U);
    EXPECT_EQ(count_free_places(coach.map, 0, 1, nullptr), 2U);
    EXPECT_EQ(count_free_place_segments(coach.map), 4U);
    const std::uint32_t own[] = {0, 4, 0};
    EXPECT_EQ(count_free_places(coach.map, 0, 3, own), 1U);
    EXPECT_FALSE(try_claim_places(coach.map, 1, 2, 1, nullptr));
    EXPECT_FALSE(try_claim_places(coach.map, 0, 3, 1, nullptr));
    EXPECT_EQ(coach.counters(), (std::vector<std::uint32_t>{0, 5, 0}));
    for (int i = 0; i < 4; ++i) release_place(coach.map, trip_mask(1, 2));
    EXPECT_TRUE(try_claim_places(coach.map, 0, 3, 1, nullptr));
}

struct Buyer {
    int from;
    int to;
    std::uint32_t held = 0;
    Status last = Status::kOk;
};

// What the buyers say they hold, next to the counters under test.
struct Held {
    explicit Held(int segments)
        : on(new std::atomic<std::uint32_t>[static_cast<std::size_t>(segments)]()) {}

    void take(const Buyer& buyer, std::uint32_t places) {
        for (int i = buyer.from; i < buyer.to; ++i) {
            if (on[i].fetch_add(1, std::memory_order_relaxed) >= places) oversold = true;
        }
    }
    void give(const Buyer& buyer) {
        for (int i = buyer.from; i < buyer.to; ++i) on[i].fetch_sub(1, std::memory_order_relaxed);
    }

    std::unique_ptr<std::atomic<std::uint32_t>[]> on;
    std::atomic<bool> oversold{false};
};

bool buy_place(PlaceMap& map, Buyer& buyer, Held& held) {
    buyer.last = look_carefully(
        *map.control, [&] { return count_free_places(map, buyer.from, buyer.to, nullptr) >= 1; });
    if (buyer.last == Status::kOk && !try_claim_places(map, buyer.from, buyer.to, 1, nullptr)) {
        buyer.last = Status::kLookAgain;
    }
    if (buyer.last != Status::kOk) return false;
    held.take(buyer, map.places);
    ++buyer.held;
    return true;
}

// Buys and gives back; when all threads have done that, buys until the answer is "sold out". From
// then on only undoing gives anything back: a buyer that was refused although its request fits was
// refused falsely.
void trade(Coach& coach, Buyer& buyer, Held& held, std::uint64_t seed, std::barrier<>& together) {
    PlaceMap map = coach.map;
    std::mt19937_64 random(seed);
    together.arrive_and_wait();
    for (int i = 0; i < 60; ++i) {
        if (buyer.held > 0 && random() % 2 == 0) {
            held.give(buyer);
            --buyer.held;
            release_place(map, trip_mask(buyer.from, buyer.to));
        } else {
            buy_place(map, buyer, held);
        }
    }
    together.arrive_and_wait();
    do {
        if (!buy_place(map, buyer, held)) std::this_thread::yield();
    } while (buyer.last != Status::kSoldOut);
}

void expect_sold_right(const Coach& coach, const std::vector<Buyer>& buyers, const Held& held) {
    ASSERT_FALSE(held.oversold.load());
    ASSERT_EQ(coach.control.unfinished.load(), 0U);
    std::vector<std::uint32_t> sold(coach.map.segments);
    for (const Buyer& buyer : buyers) {
        for (int i = buyer.from; i < buyer.to; ++i) sold[i] += buyer.held;
        ASSERT_EQ(count_free_places(coach.map, buyer.from, buyer.to, nullptr), 0U)
            << "false refusal";
    }
    for (const std::uint32_t count : sold) ASSERT_LE(count, coach.map.places);
    ASSERT_EQ(coach.counters(), sold) << "left behind";
}

void run_rounds(std::uint32_t places, int segments, const std::vector<Buyer>& wishes) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(600);
    for (std::uint64_t round = 0; std::chrono::steady_clock::now() < end; ++round) {
        Coach coach(places, segments);
        Held held(segments);
        std::vector<Buyer> buyers = wishes;
        std::barrier together(static_cast<std::ptrdiff_t>(buyers.size()));
        std::vector<std::thread> threads;
        for (std::size_t i = 0; i < buyers.size(); ++i) {
            threads.emplace_back(
                [&, i] { trade(coach, buyers[i], held, round * 16 + i, together); });
        }
        for (std::thread& thread : threads) thread.join();
        expect_sold_right(coach, buyers, held);
        if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(PlaceThreads, UntilFull) {
    run_rounds(30, 8, {{0, 8}, {0, 3}, {2, 6}, {5, 8}});
}

TEST(PlaceThreads, TheLastPlaces) {
    run_rounds(2, 100, {{0, 100}, {99, 100}, {40, 60}, {50, 100}});
}

// An attempt fails on its last segment: a buyer of the first segment must never hear "sold out".
TEST(PlaceThreads, CarefulLookNeverBlamesAnAttempt) {
    Coach coach(1, 3);
    mark_place(coach.map, trip_mask(2, 3));
    std::atomic<bool> stop{false};
    std::thread failing([&] {
        PlaceMap map = coach.map;
        while (!stop.load(std::memory_order_relaxed)) {
            EXPECT_FALSE(try_claim_places(map, 0, 3, 1, nullptr));
        }
    });
    int counts[4] = {};
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(600);
    while (std::chrono::steady_clock::now() < end) {
        for (int i = 0; i < 1000; ++i) {
            const Status look = look_carefully(
                coach.control, [&] { return count_free_places(coach.map, 0, 1, nullptr) >= 1; });
            ++counts[static_cast<int>(look)];
        }
    }
    stop = true;
    failing.join();
    EXPECT_EQ(counts[static_cast<int>(Status::kSoldOut)], 0);
    EXPECT_GT(counts[static_cast<int>(Status::kOk)], 0);
    EXPECT_EQ(coach.counters(), (std::vector<std::uint32_t>{0, 0, 1}));
}

}  // namespace
}  // namespace ticketpool
