// Quotas: two maps that never offer the same bit, alone and while threads sell, give back and
// close.
#include "ticketpool/quota.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <numeric>
#include <thread>
#include <utility>

#include "train.hpp"

namespace ticketpool {
namespace {

// A quota of some seats of a class over [from, to), with rubbish behind it.
class TestQuota {
  public:
    static constexpr char kRubbish = 0x5A;

    TestQuota(Train& train, const std::vector<std::uint32_t>& numbers, int from, int to)
        : bytes_(Quota::bytes_required(static_cast<std::uint32_t>(numbers.size()),
                                       train.map.segments)),
          lines_(bytes_ / sizeof(Line) + 2),
          pool(train.map),
          stretch(trip_mask(from, to)) {
        std::memset(static_cast<void*>(lines_.data()), kRubbish, lines_.size() * sizeof(Line));
        quota = Quota::init_in_place(lines_.data(), static_cast<std::uint32_t>(numbers.size()),
                                     from, to, train.map.segments);
        own = quota->seat_map(&train.control);
        for (std::size_t i = 0; i < numbers.size(); ++i) {
            quota->numbers()[i] = numbers[i];
            quota->geometry()[i] = train.geometry[numbers[i]];
            train.take(numbers[i], stretch);
        }
    }

    bool wrote_behind_its_end() const {
        const char* first = lines_.data()->bytes;
        return !std::all_of(first + bytes_, first + lines_.size() * sizeof(Line),
                            [](char c) { return c == kRubbish; });
    }

  private:
    std::size_t bytes_;
    std::vector<Line> lines_;

  public:
    Quota* quota;
    SeatMap own{};
    SeatMap pool;  // the departure's
    SegmentMask stretch;
};

TEST(Quota, OffersItsStretchAndNothingElse) {
    for (const int segments : {1, 5, 8, 9, 17, 29, 33, 64, 65, 130, 256}) {
        for (const std::uint32_t seats : {1, 2, 7}) {
            for (const int from : {0, segments / 2, segments - 1}) {
                for (const int to : {from + 1, (from + 1 + segments) / 2, segments}) {
                    if (to <= from) continue;
                    Train train(seats, segments);
                    std::vector<std::uint32_t> numbers(seats);
                    std::iota(numbers.begin(), numbers.end(), 0U);
                    const TestQuota test(train, numbers, from, to);
                    const SegmentMask outside = all_segments(segments) & ~trip_mask(from, to);
                    ASSERT_EQ(test.own.seats, seats);
                    ASSERT_EQ(test.own.segments, segments);
                    ASSERT_EQ(test.own.shape(), train.map.shape());
                    ASSERT_EQ(test.own.control, &train.control);
                    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(test.own.words) % 64, 0U);
                    for (std::uint32_t seat = 0; seat < seats; ++seat) {
                        ASSERT_TRUE(load_seat(test.own, seat) == outside);
                        // The two maps never offer the same bit and offer all between them.
                        ASSERT_TRUE(load_seat(train.map, seat) == trip_mask(from, to));
                    }
                    ASSERT_EQ(test.quota->from, from);
                    ASSERT_EQ(test.quota->to, to);
                    ASSERT_FALSE(test.quota->closed.load());
                    ASSERT_EQ(test.quota->maker.load(), 0);
                    ASSERT_EQ(test.quota->next.get(), nullptr);
                    // Numbers and geometry are still there, and nothing was written past them.
                    ASSERT_EQ(std::memcmp(test.quota->numbers(), numbers.data(), seats * 4), 0);
                    ASSERT_EQ(std::memcmp(test.quota->geometry(), train.geometry.data(), seats * 8),
                              0);
                    ASSERT_FALSE(test.wrote_behind_its_end());
                }
            }
        }
    }
}

TEST(Quota, FindsItsSeats) {
    std::mt19937_64 random(1);
    Train train(60, 4);
    for (int round = 0; round < 300; ++round) {
        std::vector<std::uint32_t> numbers;
        for (std::uint32_t number = 0; number < 60; ++number) {
            if (random() % 100 < static_cast<std::uint64_t>(round % 101)) numbers.push_back(number);
        }
        if (numbers.empty()) numbers.push_back(static_cast<std::uint32_t>(random() % 60));
        const TestQuota test(train, numbers, 1, 3);
        for (std::uint32_t number = 0; number < 62; ++number) {
            const auto at = std::find(numbers.begin(), numbers.end(), number);
            ASSERT_EQ(test.quota->find(number), at == numbers.end() ? -1 : at - numbers.begin());
        }
        ASSERT_EQ(test.quota->find(UINT32_MAX), -1);
    }
}

// While the quota is open, what is given back stays in it.
TEST(Quota, GivesBackToItself) {
    for (const int segments : {20, 40, 130}) {
        Train train(10, segments);
        TestQuota test(train, {2, 5, 9}, 3, segments - 4);
        const SegmentMask trip = trip_mask(5, segments - 6);
        ASSERT_TRUE(try_claim(test.own, 1, trip));
        give_back(*test.quota, test.own, test.pool, 1, trip & trip_mask(0, 8));
        EXPECT_TRUE(load_seat(test.own, 1) == (all_segments(segments) & ~trip_mask(3, 8) &
                                               ~trip_mask(segments - 6, segments - 4)));
        give_back(*test.quota, test.own, test.pool, 1, trip);
        EXPECT_TRUE(load_seat(test.own, 1) == (all_segments(segments) & ~test.stretch));
        for (const std::uint32_t number : {2, 5, 9}) {
            EXPECT_TRUE(load_seat(train.map, number) == test.stretch);
        }
    }
}

// When the quota is closed, what is given back goes to the departure's seat of that number, and
// only once.
TEST(Quota, GivesBackToTheDepartureWhenClosed) {
    for (const int segments : {20, 40, 130}) {
        Train train(10, segments);
        TestQuota test(train, {2, 5, 9}, 3, segments - 4);
        const SegmentMask sold = trip_mask(7, segments - 9);
        ASSERT_TRUE(try_claim(test.own, 1, sold));
        test.quota->closed = true;
        for (std::uint32_t seat = 0; seat < 3; ++seat) {
            move_to_departure(*test.quota, test.own, test.pool, seat);
            EXPECT_TRUE(load_seat(test.own, seat) == all_segments(segments));
        }
        EXPECT_TRUE(load_seat(train.map, 2).none());
        EXPECT_TRUE(load_seat(train.map, 5) == sold);
        EXPECT_TRUE(load_seat(train.map, 9).none());

        // A part of the ticket is given back; the rest is still sold.
        give_back(*test.quota, test.own, test.pool, 1, trip_mask(7, 9));
        EXPECT_TRUE(load_seat(train.map, 5) == trip_mask(9, segments - 9));
        EXPECT_TRUE(load_seat(test.own, 1) == all_segments(segments));

        // What the departure has sold since then is not moved again.
        ASSERT_TRUE(try_claim(test.pool, 5, trip_mask(0, 9)));
        ASSERT_TRUE(try_claim(test.pool, 2, all_segments(segments)));
        move_to_departure(*test.quota, test.own, test.pool, 0);
        move_to_departure(*test.quota, test.own, test.pool, 1);
        give_back(*test.quota, test.own, test.pool, 1, trip_mask(9, segments - 9));
        EXPECT_TRUE(load_seat(train.map, 2) == all_segments(segments));
        EXPECT_TRUE(load_seat(train.map, 5) == trip_mask(0, 9));
    }
}

struct Ticket {
    std::uint32_t seat;
    SegmentMask bits;
};

// Sells in the quota's map, word by word, and rolls about half of it back. What an attempt holds
// when a later word fails is given back as by a rollback.
std::vector<Ticket> sell(TestQuota& test, std::uint64_t seed, const std::atomic<bool>& go) {
    std::mt19937_64 random(seed);
    SeatMap own = test.own;
    SeatMap pool = test.pool;
    std::vector<Ticket> sold;
    while (!go.load()) {
    }
    for (int i = 0; i < 80; ++i) {
        const Ticket ticket{
            static_cast<std::uint32_t>(random() % own.seats),
            random_mask(random, own.segments, random() % 2 == 0 ? 5 : 40) & test.stretch};
        SegmentMask got;
        bool complete = true;
        for (int word = 0; word < own.words_per_seat && complete; ++word) {
            SegmentMask piece;
            piece.w[word] = ticket.bits.w[word];
            complete = try_claim(own, ticket.seat, piece);
            if (complete) got |= piece;
        }
        if (complete && random() % 2 == 0) {
            sold.push_back(ticket);
        } else {
            give_back(*test.quota, own, pool, ticket.seat, got);
        }
        if (!sold.empty() && random() % 3 == 0) {
            std::swap(sold[random() % sold.size()], sold.back());
            give_back(*test.quota, own, pool, sold.back().seat, sold.back().bits);
            sold.pop_back();
        }
    }
    return sold;
}

// Claims what is unsold, then commits: releases that in the departure's map, closes, and moves what
// was given back in between.
void close(TestQuota& test, std::uint64_t seed, const std::atomic<bool>& go) {
    std::mt19937_64 random(seed);
    SeatMap own = test.own;
    SeatMap pool = test.pool;
    while (!go.load()) {
    }
    for (std::uint64_t i = random() % 4000; i > 0; --i)
        static_cast<void>(test.quota->closed.load());
    std::vector<Ticket> mine;
    for (std::uint32_t seat = 0; seat < own.seats; ++seat) {
        const SegmentMask free = test.stretch & ~load_seat(own, seat);
        if (free.any() && try_claim(own, seat, free)) mine.push_back({seat, free});
    }
    for (const Ticket& claim : mine) release(pool, test.quota->numbers()[claim.seat], claim.bits);
    test.quota->closed.store(true, std::memory_order_release);
    for (std::uint32_t seat = 0; seat < own.seats; ++seat) {
        move_to_departure(*test.quota, own, pool, seat);
    }
}

// Buys in the departure's map what arrives there, and keeps it: a bit that is moved twice would be
// taken away from here.
std::vector<Ticket> buy(TestQuota& test, std::uint64_t seed, const std::atomic<bool>& stop) {
    std::mt19937_64 random(seed);
    SeatMap pool = test.pool;
    std::vector<Ticket> bought;
    while (!stop.load()) {
        const auto seat = static_cast<std::uint32_t>(random() % pool.seats);
        const auto segment = static_cast<int>(random() % pool.segments);
        const SegmentMask bits = trip_mask(segment, segment + 1);
        if (test.stretch.test(segment) && try_claim(pool, seat, bits)) {
            bought.push_back({seat, bits});
        }
    }
    return bought;
}

void add_once(std::vector<SegmentMask>& seats, std::uint32_t seat, const SegmentMask& bits) {
    ASSERT_TRUE((seats[seat] & bits).none()) << "sold twice";
    seats[seat] |= bits;
}

void run_rounds(int segments, int from, int to) {
    constexpr int kSellers = 3;
    const std::vector<std::uint32_t> numbers = {1, 2, 5, 6, 8};
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(600);
    for (std::uint64_t round = 0; std::chrono::steady_clock::now() < end; ++round) {
        Train train(9, segments);
        TestQuota test(train, numbers, from, to);
        std::atomic<bool> go{false};
        std::atomic<bool> stop{false};
        std::vector<Ticket> sold[kSellers];
        std::vector<Ticket> bought;
        std::vector<std::thread> threads;
        for (int i = 0; i < kSellers; ++i) {
            threads.emplace_back([&, i] { sold[i] = sell(test, round * 8 + i, go); });
        }
        threads.emplace_back([&] { close(test, round, go); });
        std::thread buyer([&] { bought = buy(test, round, stop); });
        go = true;
        for (std::thread& thread : threads) thread.join();

        // Refunds after the closing, several at once: the second half of the tickets of each.
        std::vector<std::thread> refunds;
        for (std::vector<Ticket>& tickets : sold) {
            refunds.emplace_back([&] {
                SeatMap own = test.own;
                SeatMap pool = test.pool;
                for (std::size_t kept = tickets.size() / 2; tickets.size() > kept;) {
                    give_back(*test.quota, own, pool, tickets.back().seat, tickets.back().bits);
                    tickets.pop_back();
                }
            });
        }
        for (std::thread& thread : refunds) thread.join();
        stop = true;
        buyer.join();

        // Every bit is sold once, by the quota or by the departure, or is free in the departure's
        // map; the quota no longer offers anything.
        std::vector<SegmentMask> taken(train.map.seats);
        for (const Ticket& ticket : bought) add_once(taken, ticket.seat, ticket.bits);
        for (const std::vector<Ticket>& tickets : sold) {
            for (const Ticket& ticket : tickets) {
                add_once(taken, numbers[ticket.seat], ticket.bits);
            }
        }
        for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
            ASSERT_TRUE(load_seat(train.map, seat) == taken[seat])
                << "round " << round << ", seat " << seat;
        }
        for (std::uint32_t seat = 0; seat < test.own.seats; ++seat) {
            ASSERT_TRUE(load_seat(test.own, seat) == all_segments(segments));
        }
        ASSERT_EQ(train.control.unfinished.load(), 0U);
        if (testing::Test::HasFatalFailure()) return;
    }
}

// Two threads do their step at the same time, again and again, one of them a little later each
// time: close enough to meet between any two operations. `check` runs when both are done and
// prepares the next round; false ends the race.
template <typename Step, typename Other, typename Check>
void race(Step step, Other other, Check check) {
    std::atomic<std::uint64_t> begun{0};
    std::atomic<std::uint64_t> done{0};
    std::atomic<bool> stop{false};
    const auto wait_for = [&stop](const std::atomic<std::uint64_t>& counter, std::uint64_t value) {
        for (int spins = 0; counter.load() < value && !stop.load(); ++spins) {
            if (spins > 2000) std::this_thread::yield();
        }
    };
    const auto dawdle = [&stop](std::uint64_t steps) {
        for (; steps > 0; --steps) static_cast<void>(stop.load());
    };
    std::thread thread([&] {
        for (std::uint64_t round = 1;; ++round) {
            wait_for(begun, round);
            if (stop.load()) return;
            dawdle(round % 256);
            other();
            done.store(round);
        }
    });
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(600);
    bool right = true;
    for (std::uint64_t round = 1; right && std::chrono::steady_clock::now() < end; ++round) {
        begun.store(round);
        dawdle(128);
        step();
        wait_for(done, round);
        right = check();
    }
    stop = true;
    thread.join();
}

// The last ticket is given back while the quota is being closed: one of the two threads moves its
// seat.
TEST(QuotaThreads, GiveBackMeetsTheClosing) {
    Train train(1, 10);
    TestQuota test(train, {0}, 2, 8);
    set_seat(test.own, 0, all_segments(10));
    race(
        [&] {
            SeatMap own = test.own;
            SeatMap pool = test.pool;
            give_back(*test.quota, own, pool, 0, test.stretch);
        },
        [&] {
            SeatMap own = test.own;
            SeatMap pool = test.pool;
            test.quota->closed.store(true, std::memory_order_release);
            move_to_departure(*test.quota, own, pool, 0);
        },
        [&] {
            const bool moved =
                load_seat(train.map, 0).none() && load_seat(test.own, 0) == all_segments(10);
            EXPECT_TRUE(moved);
            test.quota->closed = false;
            set_seat(train.map, 0, test.stretch);
            return moved;
        });
}

// Two tickets of one seat are given back to a closed quota, and both buyers buy again what they
// find.
TEST(QuotaThreads, GiveBacksMeetEachOther) {
    Train train(1, 10);
    TestQuota test(train, {0}, 2, 8);
    test.quota->closed = true;
    set_seat(test.own, 0, all_segments(10));
    SegmentMask bought[2];
    const auto exchange = [&](int who) {
        SeatMap own = test.own;
        SeatMap pool = test.pool;
        give_back(*test.quota, own, pool, 0, who == 0 ? trip_mask(2, 5) : trip_mask(5, 8));
        bought[who] = {};
        for (const SegmentMask& trip : {trip_mask(2, 5), trip_mask(5, 8)}) {
            if (try_claim(pool, 0, trip)) bought[who] |= trip;
        }
    };
    race([&] { exchange(0); }, [&] { exchange(1); },
         [&] {
             const bool right = (bought[0] & bought[1]).none() &&
                                load_seat(train.map, 0) == (bought[0] | bought[1]) &&
                                load_seat(test.own, 0) == all_segments(10);
             EXPECT_TRUE(right);
             set_seat(train.map, 0, test.stretch);
             return right;
         });
}

TEST(QuotaThreads, ClosedWhileItIsSold) {
    run_rounds(12, 2, 9);
}

TEST(QuotaThreads, ClosedWhileItIsSoldInBytes) {
    run_rounds(8, 1, 7);
}

TEST(QuotaThreads, ClosedWhileItIsSoldOverSeveralWords) {
    run_rounds(150, 40, 140);
}

// What an attempt undoes after the closer's look must not be lost.
void attempts_while_closing(int segments, int from, int to, bool party) {
    int rounds = 0, bad = 0;
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1000);
    for (std::uint64_t round = 0; std::chrono::steady_clock::now() < end; ++round) {
        Train train(4, segments);
        TestQuota test(train, {0, 1, 2, 3}, from, to);
        std::atomic<bool> go{false};
        std::vector<std::thread> threads;
        for (int i = 0; i < 2; ++i)
            threads.emplace_back([&, i] {
                SeatMap own = test.own, pool = test.pool;
                std::mt19937_64 random(round * 8 + static_cast<unsigned>(i));
                while (!go.load()) {
                }
                for (int n = 0; n < 60; ++n) {
                    const std::uint32_t s = static_cast<std::uint32_t>(random() % 3);
                    SeatClaim claims[2] = {{s, test.stretch, {}}, {s + 1, test.stretch, {}}};
                    const std::uint32_t count = party ? 2 : 1;
                    const bool ok = try_claim_all(own, claims, count);
                    settle_attempt(*test.quota, own, pool);
                    if (ok) {
                        for (std::uint32_t k = 0; k < count; ++k)
                            give_back(*test.quota, own, pool, claims[k].seat, test.stretch);
                    }
                }
            });
        threads.emplace_back([&] { close(test, round, go); });
        go = true;
        for (auto& t : threads) t.join();
        ++rounds;
        bool lost = false;
        for (std::uint32_t s = 0; s < 4; ++s) lost |= load_seat(train.map, s).any();
        bad += lost;
    }
    EXPECT_EQ(bad, 0) << "of " << rounds << " rounds: bits in neither map";
}
TEST(QuotaThreads, AttemptsOfPartiesMeetTheClosing) {
    attempts_while_closing(12, 2, 9, true);
}
TEST(QuotaThreads, AttemptsOnWideSeatsMeetTheClosing) {
    attempts_while_closing(150, 40, 140, false);
}
// The same by hand, in the order that loses the bits.
TEST(Quota, AnUndoneAttemptOnAClosedQuotaIsSettled) {
    Train train(2, 12);
    TestQuota test(train, {0, 1}, 2, 9);
    ASSERT_TRUE(try_claim(test.own, 0, test.stretch));  // the attempt's first piece
    test.quota->closed = true;                          // the closer
    move_to_departure(*test.quota, test.own, test.pool, 0);
    move_to_departure(*test.quota, test.own, test.pool, 1);
    ASSERT_FALSE(try_claim(test.own, 1, test.stretch));  // the second piece fails
    release(test.own, 0, test.stretch);                  // what try_claim_all does
    settle_attempt(*test.quota, test.own, test.pool);
    EXPECT_TRUE(load_seat(train.map, 0).none()) << "lost";
}

}  // namespace
}  // namespace ticketpool
