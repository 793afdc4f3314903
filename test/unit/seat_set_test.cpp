// Sets of named seats over several classes: claims of one thread, and threads that race for sets
// that overlap.
#include "ticketpool/seat_set.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <barrier>
#include <thread>

#include "train.hpp"

namespace ticketpool {
namespace {

// Three classes, with controls of their own. A seat is named by (class, seat).
struct Classes {
    explicit Classes(int segments) : trip(trip_mask(0, segments)) {
        for (int c = 0; c < 3; ++c) trains.push_back(std::make_unique<Train>(8U, segments));
    }

    SetPiece piece(std::uint32_t number) const {
        return {trains[number / 8]->map, number / 8, number % 8, trip};
    }
    std::vector<SetPiece> set(const std::vector<std::uint32_t>& numbers) const {
        std::vector<SetPiece> pieces;
        for (const std::uint32_t number : numbers) pieces.push_back(piece(number));
        sort_set(pieces.data(), static_cast<std::uint32_t>(pieces.size()));
        return pieces;
    }
    bool is_free(std::uint32_t number) const {
        return load_seat(trains[number / 8]->map, number % 8).none();
    }
    bool is_at_rest() const {
        return std::all_of(trains.begin(), trains.end(),
                           [](const auto& train) { return train->control.unfinished.load() == 0; });
    }
    void give_back(const std::vector<SetPiece>& pieces) const {
        for (const SetPiece& piece : pieces) {
            SeatMap map = piece.map;
            release(map, piece.seat, piece.bits);
        }
    }

    std::vector<std::unique_ptr<Train>> trains;
    SegmentMask trip;
};

Status claim(const std::vector<SetPiece>& pieces) {
    return claim_set_once(pieces.data(), static_cast<std::uint32_t>(pieces.size()));
}

TEST(SeatSet, TakesAllOrNone) {
    for (const int segments : {1, 9, 33, 64, 65, 256}) {
        const Classes classes(segments);
        EXPECT_EQ(claim(classes.set({17, 3, 9})), Status::kOk);
        EXPECT_FALSE(classes.is_free(3) || classes.is_free(9) || classes.is_free(17));
        // The taken one is first, in the middle, or last.
        for (const std::vector<std::uint32_t>& numbers :
             {std::vector<std::uint32_t>{3, 10, 18}, {2, 9, 18}, {2, 10, 17}}) {
            const std::vector<SetPiece> pieces = classes.set(numbers);
            EXPECT_EQ(claim(pieces), Status::kSoldOut);
            EXPECT_FALSE(try_claim_set(pieces.data(), 3));
            for (const std::uint32_t number : {2U, 10U, 18U}) EXPECT_TRUE(classes.is_free(number));
        }
        EXPECT_TRUE(classes.is_at_rest());
        EXPECT_EQ(claim(classes.set({2, 10, 18})), Status::kOk);
    }
}

TEST(SeatSet, PiecesWithoutBitsTakePart) {
    const Classes classes(5);
    classes.trains[0]->take(3);
    std::vector<SetPiece> pieces = classes.set({3, 9});
    pieces[0].bits = SegmentMask{};
    EXPECT_EQ(claim(pieces), Status::kOk);
    EXPECT_FALSE(classes.is_free(9));
}

TEST(SeatSet, OneWordIsNoAttempt) {
    const Classes classes(5);
    classes.trains[0]->take(3);
    const std::vector<SetPiece> pieces = classes.set({3});
    EXPECT_FALSE(try_claim_set(pieces.data(), 1));
    EXPECT_EQ(classes.trains[0]->control.undone.load(), 0U);
}

TEST(SeatSet, IsSortedByClassAndSeat) {
    const Classes classes(5);
    const std::vector<SetPiece> pieces = classes.set({20, 3, 9, 1, 8});
    std::vector<std::uint32_t> numbers;
    for (const SetPiece& piece : pieces) {
        numbers.push_back(static_cast<std::uint32_t>(piece.source) * 8 + piece.seat);
    }
    EXPECT_EQ(numbers, (std::vector<std::uint32_t>{1, 3, 8, 9, 20}));
}

// A look that meets an unfinished attempt in the class of a seat that is taken says so, and does
// not care about one in another class.
TEST(SeatSet, LooksAtTheClassOfTheSeat) {
    const Classes classes(5);
    classes.trains[1]->take(2);
    begin_attempt(classes.trains[1]->control);
    EXPECT_EQ(claim(classes.set({3, 10})), Status::kLookAgain);
    end_attempt(classes.trains[1]->control, true);
    begin_attempt(classes.trains[0]->control);
    EXPECT_EQ(claim(classes.set({3, 10})), Status::kSoldOut);
    end_attempt(classes.trains[0]->control, true);
}

constexpr int kThreads = 3;

// In each round every thread makes one attempt at a set; `check` looks at what came of it.
template <typename Wanted, typename Attempt, typename Check>
void race(int rounds, const Classes& classes, Wanted wanted, Attempt attempt, Check check) {
    std::vector<std::vector<SetPiece>> sets(kThreads);
    std::vector<Status> status(kThreads);
    std::mt19937_64 random(7);
    int round = 0;
    const auto next = [&]() noexcept {
        for (auto& pieces : sets) pieces = classes.set(wanted(random));
    };
    const auto finish = [&]() noexcept {
        if (round > 0) {
            check(sets, status);
            for (int t = 0; t < kThreads; ++t) {
                if (status[t] == Status::kOk) classes.give_back(sets[t]);
            }
        }
        ++round;
        next();
    };
    std::barrier barrier(kThreads, finish);
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i) {
                barrier.arrive_and_wait();
                status[t] = attempt(sets[t]);
            }
            barrier.arrive_and_wait();
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_TRUE(classes.is_at_rest());
}

// The order. Of single attempts at one set, named in any order, one succeeds: whoever has the first
// piece has all.
TEST(SeatSetThreads, OneOfEqualSetsIsHadAtTheFirstAttempt) {
    for (const int segments : {5, 130}) {
        const Classes classes(segments);
        std::vector<std::uint32_t> all(24);
        for (std::uint32_t i = 0; i < 24; ++i) all[i] = i;
        int neither = 0;
        race(
            3000, classes,
            [&](auto& random) {
                std::shuffle(all.begin(), all.end(), random);
                return all;
            },
            [](const auto& pieces) {
                return try_claim_set(pieces.data(), static_cast<std::uint32_t>(pieces.size()))
                           ? Status::kOk
                           : Status::kSoldOut;
            },
            [&](const auto&, const auto& status) {
                neither += std::count(status.begin(), status.end(), Status::kOk) == 1 ? 0 : 1;
            });
        EXPECT_EQ(neither, 0);
    }
}

// The careful look. Nobody is refused unless a set that overlaps was had, and no seat is had twice.
TEST(SeatSetThreads, NobodyIsRefusedWithoutAWinner) {
    for (const int segments : {5, 130}) {
        const Classes classes(segments);
        int false_refusals = 0;
        int twice = 0;
        const auto overlap = [](const auto& a, const auto& b) {
            return std::any_of(a.begin(), a.end(), [&](const SetPiece& left) {
                return std::any_of(b.begin(), b.end(), [&](const SetPiece& right) {
                    return left.source == right.source && left.seat == right.seat;
                });
            });
        };
        race(
            3000, classes,
            [&](auto& random) {
                std::vector<std::uint32_t> numbers(24);
                for (std::uint32_t i = 0; i < 24; ++i) numbers[i] = i;
                std::shuffle(numbers.begin(), numbers.end(), random);
                numbers.resize(4 + random() % 8);
                return numbers;
            },
            [](const auto& pieces) {
                Status status = Status::kLookAgain;
                while (status == Status::kLookAgain) status = claim(pieces);
                return status;
            },
            [&](const auto& sets, const auto& status) {
                for (int a = 0; a < kThreads; ++a) {
                    bool rival = false;
                    for (int b = 0; b < kThreads; ++b) {
                        if (b == a || status[b] != Status::kOk || !overlap(sets[a], sets[b])) {
                            continue;
                        }
                        rival = true;
                        twice += status[a] == Status::kOk ? 1 : 0;
                    }
                    false_refusals += status[a] == Status::kSoldOut && !rival ? 1 : 0;
                }
            });
        EXPECT_EQ(false_refusals, 0);
        EXPECT_EQ(twice, 0);
    }
}

}  // namespace
}  // namespace ticketpool
