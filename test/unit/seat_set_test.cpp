// Sets of named seats over several classes: claims of one thread, and threads that race for sets
// that overlap.
#include "ticketpool/seat_set.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <thread>

#include "train.hpp"

namespace ticketpool {
namespace {

// Three classes, with controls of their own. A seat is named by (class, seat).
struct Classes {
    explicit Classes(int segments, std::uint32_t seats = 8)
        : seats(seats), trip(trip_mask(0, segments)) {
        for (int c = 0; c < 3; ++c) trains.push_back(std::make_unique<Train>(seats, segments));
    }

    SetPiece piece(std::uint32_t number) const {
        return {trains[number / seats]->map, number / seats, number % seats, trip};
    }
    std::vector<SetPiece> set(const std::vector<std::uint32_t>& numbers) const {
        std::vector<SetPiece> pieces;
        for (const std::uint32_t number : numbers) pieces.push_back(piece(number));
        sort_set(pieces.data(), static_cast<std::uint32_t>(pieces.size()));
        return pieces;
    }
    bool is_free(std::uint32_t number) const {
        return load_seat(trains[number / seats]->map, number % seats).none();
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

    std::uint32_t seats;  // of a class
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

constexpr int kRounds = 300;

// Spins, so that both threads go on at the same moment, but leaves the processor to others if that
// takes long.
void wait_for(const std::atomic<int>& round, int wanted) {
    for (int spins = 0; round.load() < wanted; ++spins) {
        if (spins > 2000) std::this_thread::yield();
    }
}

// In each round two threads, no more than most machines can run at once, make an attempt at a set
// at the same moment; `check` looks at what came of it.
template <typename Wanted, typename Attempt, typename Check>
void race(const Classes& classes, Wanted wanted, Attempt attempt, Check check) {
    std::vector<SetPiece> sets[2];
    Status status[2];
    std::atomic<int> started{0};
    std::atomic<int> finished{0};
    std::thread other([&] {
        for (int round = 1; round <= kRounds; ++round) {
            wait_for(started, round);
            status[1] = attempt(sets[1]);
            finished = round;
        }
    });
    std::mt19937_64 random(7);
    for (int round = 1; round <= kRounds; ++round) {
        for (auto& pieces : sets) pieces = classes.set(wanted(random));
        started = round;
        status[0] = attempt(sets[0]);
        wait_for(finished, round);
        check(sets, status);
        for (int t = 0; t < 2; ++t) {
            if (status[t] == Status::kOk) classes.give_back(sets[t]);
        }
    }
    other.join();
    EXPECT_TRUE(classes.is_at_rest());
}

std::vector<std::uint32_t> shuffled(const Classes& classes, std::mt19937_64& random) {
    std::vector<std::uint32_t> numbers(classes.trains.size() * classes.seats);
    std::iota(numbers.begin(), numbers.end(), 0U);
    std::shuffle(numbers.begin(), numbers.end(), random);
    return numbers;
}

// The order. Of single attempts at one set, named in any order, one succeeds: whoever has the first
// piece has all.
TEST(SeatSetThreads, OneOfEqualSetsIsHadAtTheFirstAttempt) {
    for (const int segments : {5, 130}) {
        const Classes classes(segments, 300);
        int wrong = 0;
        race(
            classes, [&](auto& random) { return shuffled(classes, random); },
            [](const auto& pieces) {
                return try_claim_set(pieces.data(), static_cast<std::uint32_t>(pieces.size()))
                           ? Status::kOk
                           : Status::kSoldOut;
            },
            [&](const auto&, const auto& status) {
                wrong += (status[0] == Status::kOk) == (status[1] == Status::kOk) ? 1 : 0;
            });
        EXPECT_EQ(wrong, 0);
    }
}

// The careful look. One thread makes attempts that always fail at their last piece; the other wants
// seats that are free, except for what such an attempt holds in passing, and always gets them.
TEST(SeatSetThreads, NobodyIsRefusedForAnAttemptThatFails) {
    for (const int segments : {5, 130}) {
        const Classes classes(segments, 30);
        std::vector<std::uint32_t> numbers(classes.trains.size() * classes.seats);
        std::iota(numbers.begin(), numbers.end(), 0U);
        const std::vector<SetPiece> failing = classes.set(numbers);
        const std::uint32_t last = numbers.back();
        numbers.pop_back();
        const std::vector<SetPiece> wanted = classes.set(numbers);
        classes.trains[last / classes.seats]->take(last % classes.seats);
        std::atomic<bool> over{false};
        std::thread other([&] {
            while (!over.load()) {
                EXPECT_FALSE(
                    try_claim_set(failing.data(), static_cast<std::uint32_t>(failing.size())));
            }
        });
        int refused = 0;
        for (int round = 0; round < 4 * kRounds; ++round) {
            Status status = claim(wanted);
            for (; status == Status::kLookAgain; status = claim(wanted)) std::this_thread::yield();
            refused += status == Status::kOk ? 0 : 1;
            if (status == Status::kOk) classes.give_back(wanted);
        }
        over = true;
        other.join();
        EXPECT_EQ(refused, 0);
        EXPECT_TRUE(classes.is_at_rest());
    }
}

}  // namespace
}  // namespace ticketpool
