// Several threads buy one class empty. Only undoing gives anything back, so what is free at the end
// was free all along: a buyer that was told "sold out" although its request fits was refused
// falsely.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "train.hpp"

namespace ticketpool {
namespace {

struct Buyer {
    SeatRequest wanted;
    std::vector<SeatClaim> got;
    Status last = Status::kOk;
};

// Buys until the answer is "sold out", or an answer that is wrong here.
void buy_all(Train& train, Buyer& buyer, const std::atomic<bool>& go) {
    std::vector<std::uint64_t> scratch(
        scratch_bytes(train.map.seats, buyer.wanted.party, train.map.words_per_seat) / 8 + 1);
    std::vector<SeatClaim> claims(buyer.wanted.party);
    SeatMap map = train.map;
    while (!go.load()) {
    }
    while (true) {
        ++buyer.wanted.seed;
        buyer.last =
            claim_seats(map, train.geometry.data(), buyer.wanted, scratch.data(), claims.data());
        if (buyer.last == Status::kOk) {
            buyer.got.insert(buyer.got.end(), claims.begin(), claims.end());
        } else if (buyer.last == Status::kLookAgain) {
            std::this_thread::yield();
        } else {
            return;
        }
    }
}

// One class, sold to all buyers at once.
void sell_out(Train& train, std::vector<Buyer>& buyers) {
    std::atomic<bool> go{false};
    std::vector<std::thread> threads;
    for (Buyer& buyer : buyers) {
        threads.emplace_back([&train, &buyer, &go] { buy_all(train, buyer, go); });
    }
    go = true;
    for (std::thread& thread : threads) thread.join();
}

void expect_sold_right(const Train& train, const std::vector<Buyer>& buyers) {
    std::vector<SegmentMask> sold(train.map.seats);
    for (const Buyer& buyer : buyers) {
        EXPECT_EQ(buyer.last, Status::kSoldOut);
        for (const SeatClaim& claim : buyer.got) {
            ASSERT_TRUE((sold[claim.seat] & claim.from_pool).none()) << "sold twice";
            sold[claim.seat] |= claim.from_pool;
        }
        ASSERT_LT(count_free(train.map, buyer.wanted.trip), buyer.wanted.party) << "false refusal";
    }
    for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
        ASSERT_TRUE(load_seat(train.map, seat) == sold[seat]) << "left behind";
    }
    EXPECT_EQ(train.control.unfinished.load(), 0U);
}

struct Wish {
    int from;
    int to;
    std::uint32_t party;
};

void run_rounds(std::uint32_t seats, int segments, const std::vector<Wish>& wishes) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1200);
    for (std::uint64_t round = 0; std::chrono::steady_clock::now() < end; ++round) {
        Train train(seats, segments);
        std::vector<Buyer> buyers;
        for (const Wish& wish : wishes) {
            Buyer buyer;
            buyer.wanted =
                train.request(wish.from, wish.to, wish.party, static_cast<Allocation>(round % 3));
            buyer.wanted.seed = round * 1000;
            buyers.push_back(buyer);
        }
        sell_out(train, buyers);
        expect_sold_right(train, buyers);
        if (testing::Test::HasFatalFailure()) return;
    }
}

TEST(Threads, SingleSeats) {
    run_rounds(40, 12, {{0, 6, 1}, {3, 9, 1}, {6, 12, 1}, {0, 12, 1}});
}

// Seats of 8, 16 and 32 bits, of which 64, 32 and 16 share a cache line.
TEST(Threads, SingleSeatsOfAByte) {
    run_rounds(90, 6, {{0, 3, 1}, {2, 5, 1}, {4, 6, 1}, {0, 6, 1}});
}

TEST(Threads, SingleSeatsOfFourBytes) {
    run_rounds(50, 29, {{0, 13, 1}, {9, 20, 1}, {18, 29, 1}, {0, 29, 1}});
}

TEST(Threads, PartiesOnSeatsOfAByte) {
    run_rounds(22, 8, {{0, 4, 3}, {2, 6, 4}, {0, 8, 1}, {4, 8, 2}});
}

TEST(Threads, WideTripsAndSingleWords) {
    run_rounds(6, 200, {{10, 190, 1}, {60, 70, 1}, {100, 150, 1}, {180, 200, 1}});
}

TEST(Threads, Parties) {
    run_rounds(14, 20, {{0, 10, 3}, {5, 15, 4}, {0, 20, 1}, {9, 20, 2}});
}

TEST(Threads, WideParties) {
    run_rounds(9, 130, {{0, 130, 2}, {60, 70, 3}, {0, 64, 1}});
}

// Each thread takes and gives back bits of seats of its own, which lie between those of the others:
// after each step they must be what this thread made them. Returns how often they were not.
std::uint64_t count_disturbances(Train& train, std::uint32_t first, std::uint32_t step,
                                 const std::atomic<bool>& go) {
    std::mt19937_64 random(first);
    SeatMap map = train.map;
    std::vector<SegmentMask> taken(map.seats);
    std::uint64_t disturbed = 0;
    while (!go.load()) {
    }
    for (int i = 0; i < 300'000; ++i) {
        const auto seat = static_cast<std::uint32_t>(random() % (map.seats / step)) * step + first;
        const SegmentMask bits = all_segments(map.segments) & SegmentMask{{random() & random()}};
        if (random() % 2 == 0) {
            release(map, seat, bits);
            taken[seat] = taken[seat].and_not(bits);
        } else {
            disturbed += try_claim(map, seat, bits.and_not(taken[seat])) ? 0 : 1;
            taken[seat] |= bits;
        }
        disturbed += load_seat(map, seat) == taken[seat] ? 0 : 1;
    }
    return disturbed;
}

TEST(Threads, NeighboursNeverDisturbEachOther) {
    constexpr std::uint32_t kThreads = 4;
    for (const int segments : {6, 12, 29, 64}) {
        Train train(8, segments);  // at the narrowest width all in the same eight bytes
        std::uint64_t disturbed[kThreads] = {};
        std::atomic<bool> go{false};
        std::vector<std::thread> threads;
        for (std::uint32_t i = 0; i < kThreads; ++i) {
            threads.emplace_back(
                [&, i] { disturbed[i] = count_disturbances(train, i, kThreads, go); });
        }
        go = true;
        for (std::thread& thread : threads) thread.join();
        for (const std::uint64_t count : disturbed) EXPECT_EQ(count, 0U) << segments;
    }
}

// A party that can never be complete keeps claiming and undoing next to a buyer of a single seat,
// for whom one seat is always free: the buyer must never hear "sold out".
TEST(Threads, FailingAttemptsRefuseNobody) {
    Train train(4, 130);
    train.take(3, trip_mask(129, 130));
    std::atomic<bool> stop{false};
    std::thread failing([&] {
        SeatMap map = train.map;
        const SegmentMask all = trip_mask(0, 130);
        const SeatClaim claims[] = {{0, all, {}}, {1, all, {}}, {2, all, {}}, {3, all, {}}};
        while (!stop.load()) EXPECT_FALSE(try_claim_all(map, claims, 4));
    });
    SeatMap map = train.map;
    int sold = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1200);
    for (std::uint64_t seed = 0; std::chrono::steady_clock::now() < end; ++seed) {
        SeatRequest wanted = train.request(3, 8);
        wanted.seed = seed;
        SeatClaim claim;
        const Status status = claim_seats(map, train.geometry.data(), wanted, nullptr, &claim);
        if (status == Status::kOk) {
            ++sold;
            release(map, claim.seat, claim.from_pool);
        } else {
            EXPECT_EQ(status, Status::kLookAgain);
            std::this_thread::yield();
        }
        if (testing::Test::HasFailure()) break;
    }
    stop = true;
    failing.join();
    EXPECT_GT(sold, 0);
    EXPECT_EQ(count_free_seat_segments(train.map), 4 * 130 - 1U);
    EXPECT_EQ(train.control.unfinished.load(), 0U);
}

// The same with the protocol alone: [from, to) is free in one seat, except while an attempt at
// `claims` is under way, which fails on its last piece. The threads are close enough for a look
// between any two steps of the attempt.
void expect_no_blame(Train& train, int from, int to, const std::vector<SeatClaim>& claims) {
    std::atomic<bool> stop{false};
    std::thread failing([&] {
        SeatMap map = train.map;
        const auto count = static_cast<std::uint32_t>(claims.size());
        while (!stop.load(std::memory_order_relaxed)) {
            EXPECT_FALSE(try_claim_all(map, claims.data(), count));
        }
    });
    const SeatMap& map = train.map;
    const TripScan wanted{trip_mask(from, to), from, to, map.segments};
    const BestFit best_fit = kernels().best_fit[map.shape()];
    int counts[4] = {};
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1200);
    while (std::chrono::steady_clock::now() < end) {
        for (int i = 0; i < 1000; ++i) {
            const Status look = look_carefully(train.control, [&] {
                return best_fit(map.words, map.seats, wanted, 0) != kNoSeat;
            });
            ++counts[static_cast<int>(look)];
        }
    }
    stop = true;
    failing.join();
    EXPECT_EQ(counts[static_cast<int>(Status::kSoldOut)], 0);
    EXPECT_GT(counts[static_cast<int>(Status::kOk)], 0);
}

// One seat of two words, the second of which is taken.
TEST(Threads, CarefulLookNeverBlamesAnAttempt) {
    Train train(1, 66);
    train.take(0, trip_mask(65, 66));
    expect_no_blame(train, 60, 62, {{0, trip_mask(60, 66), {}}});
}

// A party of two, for which only one seat is left, among enough seats for the vector scan.
TEST(Threads, CarefulLookNeverBlamesAParty) {
    Train train(16, 40);
    train.take_all_but({3});
    expect_no_blame(train, 5, 8, {{3, trip_mask(5, 8), {}}, {9, trip_mask(5, 8), {}}});
}

TEST(Threads, CarefulLookNeverBlamesAPartyOnNarrowWords) {
    Train train(70, 8);
    train.take_all_but({3});
    expect_no_blame(train, 5, 8, {{3, trip_mask(5, 8), {}}, {9, trip_mask(5, 8), {}}});
}

}  // namespace
}  // namespace ticketpool
