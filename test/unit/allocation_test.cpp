// Which seats are chosen: every answer of claim_seats compared with the naive model of train.hpp.
#include "ticketpool/allocation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <utility>
#include <vector>

#include "train.hpp"

namespace ticketpool {
namespace {

using Seats = std::vector<std::uint32_t>;

Seats seats_of(const Train& train) {
    Seats seats;
    for (const SeatClaim& claim : train.claims) seats.push_back(claim.seat);
    return seats;
}

Seats sorted(Seats seats) {
    std::sort(seats.begin(), seats.end());
    return seats;
}

std::string letters_of(const Train& train) {
    std::string letters;
    for (const SeatClaim& claim : train.claims) {
        letters += static_cast<char>(train.geometry[claim.seat].letter);
    }
    return letters;
}

std::set<int> coaches_of(const Train& train) {
    std::set<int> coaches;
    for (const SeatClaim& claim : train.claims) coaches.insert(train.geometry[claim.seat].coach);
    return coaches;
}

std::set<std::pair<int, int>> rows_of(const Train& train) {
    std::set<std::pair<int, int>> rows;
    for (const SeatClaim& claim : train.claims) {
        rows.insert({train.geometry[claim.seat].coach, train.geometry[claim.seat].row});
    }
    return rows;
}

void give_back(Train& train) {
    for (const SeatClaim& claim : train.claims) release(train.map, claim.seat, claim.from_pool);
}

// ---- one seat -------------------------------------------------------------------------------

TEST(SingleSeat, BestFitIsAShortestRunAtEveryWidth) {
    std::mt19937_64 random(11);
    for (const int segments : {6, 10, 29, 64, 100, 170, 256}) {
        for (int round = 0; round < 200; ++round) {
            Train train(31, segments);
            train.fill(random, 5 + static_cast<int>(random() % 30));
            const int from = static_cast<int>(random() % segments);
            const int to = std::min(segments, from + 1 + static_cast<int>(random() % 5));
            const NaiveTrain naive(train.map);
            int shortest = kMaxSegments + 1;
            for (std::uint32_t seat = 0; seat < 31; ++seat) {
                if (naive.is_free(seat, from, to)) {
                    shortest = std::min(shortest, naive.run(seat, from, to));
                }
            }
            SeatRequest wanted = train.request(from, to);
            wanted.seed = random();
            const bool has_wish = round % 2 == 1;  // the scan with a wish is another one
            if (has_wish) wanted.choice.items[wanted.choice.count++] = kNoWish;
            const Status status = train.claim(wanted);
            if (shortest > kMaxSegments) {
                ASSERT_EQ(status, Status::kSoldOut);
                continue;
            }
            ASSERT_EQ(status, Status::kOk);
            const std::uint32_t seat = train.claims[0].seat;
            ASSERT_TRUE(naive.is_free(seat, from, to));
            ASSERT_EQ(naive.run(seat, from, to), shortest);
            ASSERT_FALSE(seat_is_free(train.map, seat, wanted.trip));
            ASSERT_TRUE(train.claims[0].from_pool == wanted.trip);
            ASSERT_TRUE(train.claims[0].from_own.none());
        }
    }
}

TEST(SingleSeat, EqualFitsAreSpreadBySeed) {
    Train train(100, 20);
    std::set<std::uint32_t> met;
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        SeatRequest wanted = train.request(3, 8);
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        met.insert(train.claims[0].seat);
        give_back(train);
    }
    EXPECT_GT(met.size(), 60U);
}

TEST(SingleSeat, FirstFitTakesTheLowest) {
    Train train(10, 80);
    SeatRequest wanted = train.request(60, 70, 1, Allocation::kFirstFit);
    for (std::uint32_t seat = 0; seat < 10; ++seat) {
        wanted.seed = seat * 77;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        ASSERT_EQ(train.claims[0].seat, seat);
    }
    EXPECT_EQ(train.claim(wanted), Status::kSoldOut);
    release(train.map, 4, wanted.trip);
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(train.claims[0].seat, 4U);
}

TEST(SingleSeat, RandomReachesEverySeatAndWrapsAround) {
    Train train(16, 20);
    std::vector<int> met(16);
    for (std::uint64_t seed = 0; seed < 1600; ++seed) {
        SeatRequest wanted = train.request(3, 8, 1, Allocation::kRandom);
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        ++met[train.claims[0].seat];
        give_back(train);
    }
    for (const int times : met) EXPECT_NEAR(times, 100, 60);

    train.take_all_but({0});
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SeatRequest wanted = train.request(3, 8, 1, Allocation::kRandom);
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(train.claims[0].seat, 0U);
        give_back(train);
    }
}

TEST(SingleSeat, WishBeatsFitButNeverCostsTheSale) {
    Train train(20, 20);
    train.take(3, trip_mask(0, 5));  // letter D: exact fit for [5, 20)
    SeatRequest wanted = train.request(5, 20);
    wanted.choice = choice_of("C", 1);
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(letters_of(train), "C");
    wanted.choice = choice_of("D", 1);
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(seats_of(train), Seats{3});  // best fit among those honoured
    wanted.choice = choice_of("window", 1);
    for (int i = 0; i < 8; ++i) {
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        ASSERT_EQ(train.geometry[train.claims[0].seat].flags, kWindow);
    }
    for (int i = 0; i < 10; ++i) ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(train.claim(wanted), Status::kSoldOut);
}

TEST(SingleSeat, WishUnderFirstFitAndRandom) {
    for (const Allocation policy : {Allocation::kFirstFit, Allocation::kRandom}) {
        Train train(20, 20);
        SeatRequest wanted = train.request(5, 20, 1, policy);
        wanted.choice = choice_of("F", 1);
        for (int i = 0; i < 4; ++i) {
            ASSERT_EQ(train.claim(wanted), Status::kOk);
            EXPECT_EQ(letters_of(train), "F");
            if (policy == Allocation::kFirstFit) {
                EXPECT_EQ(train.claims[0].seat, static_cast<std::uint32_t>(i) * 5 + 4);
            }
        }
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_NE(letters_of(train), "F");
    }
}

// The count that looks at many seats at a time, and corrects it for the own ones, against the count
// that goes from seat to seat.
TEST(SingleSeat, OwnBitsCountTheSameManySeatsAtATime) {
    std::mt19937 random(5);
    for (const int segments : {7, 12, 29, 64, 65, 150}) {
        for (int round = 0; round < 200; ++round) {
            Train train(40, segments);
            train.take_all();
            std::vector<OwnFree> own;
            for (std::uint32_t seat = 0; seat < 40; ++seat) {
                const auto stretch = [&] {
                    const int a = static_cast<int>(random() % static_cast<unsigned>(segments));
                    const int b = static_cast<int>(random() % static_cast<unsigned>(segments));
                    return trip_mask(std::min(a, b), std::max(a, b) + 1);
                };
                if (random() % 2 == 0) release(train.map, seat, stretch());
                if (random() % 3 == 0) own.push_back({seat, stretch()});
            }
            const int from = static_cast<int>(random() % static_cast<unsigned>(segments));
            const SegmentMask trip = trip_mask(from, std::min(segments, from + 3));
            const auto count = static_cast<std::uint32_t>(own.size());
            EXPECT_EQ(estimate_free_with_own(train.map, trip, own.data(), count),
                      count_free_with_own(train.map, trip, own.data(), count));
        }
    }
}

TEST(SingleSeat, OwnBitsAreFreeForTheirOwnerOnly) {
    for (const int segments : {12, 20, 150}) {
        Train train(6, segments);
        train.take_all();
        const int to = segments - 4;
        SeatRequest wanted = train.request(4, to);
        EXPECT_EQ(train.claim(wanted), Status::kSoldOut);
        const OwnFree own[] = {{1, trip_mask(0, 6)}, {3, trip_mask(2, segments)}};
        wanted.own = own;
        wanted.own_count = 2;
        EXPECT_EQ(count_free_with_own(train.map, wanted.trip, own, 2), 1U);
        EXPECT_EQ(estimate_free_with_own(train.map, wanted.trip, own, 2), 1U);
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(train.claims[0].seat, 3U);
        EXPECT_TRUE(train.claims[0].from_own == wanted.trip);
        EXPECT_TRUE(train.claims[0].from_pool.none());

        // Partly own, partly from the pool: only the latter is claimed.
        release(train.map, 1, trip_mask(6, segments));
        wanted.own_count = 1;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(train.claims[0].seat, 1U);
        EXPECT_TRUE(train.claims[0].from_own == trip_mask(4, 6));
        EXPECT_TRUE(train.claims[0].from_pool == trip_mask(6, to));
        EXPECT_FALSE(seat_is_free(train.map, 1, trip_mask(to - 1, to)));
        EXPECT_TRUE(seat_is_free(train.map, 1, trip_mask(to, segments)));
        EXPECT_EQ(train.claim(wanted), Status::kSoldOut);
    }
}

TEST(SingleSeat, OwnBitsLengthenTheRun) {
    Train train(2, 20);
    train.take(0, trip_mask(0, 5));  // run of 15 for anyone else, of 20 for the owner
    train.take(1, trip_mask(0, 3));  // run of 17
    const OwnFree own[] = {{0, trip_mask(0, 5)}};
    SeatRequest wanted = train.request(8, 12);
    wanted.own = own;
    wanted.own_count = 1;
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(train.claims[0].seat, 1U);
}

TEST(SingleSeat, MalformedRequests) {
    Train train(4, 20);
    EXPECT_EQ(train.claim(train.request(5, 5)), Status::kMalformed);
    EXPECT_EQ(train.claim(train.request(0, 21)), Status::kMalformed);
    EXPECT_EQ(train.claim(train.request(-1, 5)), Status::kMalformed);
    SeatRequest nobody = train.request(0, 5);
    nobody.party = 0;
    EXPECT_EQ(train.claim(nobody), Status::kMalformed);
    EXPECT_EQ(count_free_seat_segments(train.map), 80U);
}

TEST(SingleSeat, NeedsNoScratchAndNoGeometry) {
    EXPECT_EQ(scratch_bytes(2000, 1, 4), 0U);
    EXPECT_GT(scratch_bytes(2000, 2, 1), 0U);
    Train train(4, 20);
    SeatRequest wanted = train.request(0, 5);
    wanted.choice = choice_of("window", 1);
    SeatClaim claim;
    EXPECT_EQ(claim_seats(train.map, nullptr, wanted, nullptr, &claim), Status::kOk);
}

// ---- a party --------------------------------------------------------------------------------

TEST(Party, SameRowIfAnyRowHasRoom) {
    // Two coaches of four rows; every row has two free seats, except row 3 of coach 1, which has
    // four.
    Train train(40, 20);
    for (std::uint32_t row = 0; row < 8; ++row) {
        train.take(row * 5 + 1);
        if (row == 6) continue;
        train.take(row * 5);
        train.take(row * 5 + 3);
    }
    for (const Allocation policy :
         {Allocation::kBestFit, Allocation::kFirstFit, Allocation::kRandom}) {
        for (std::uint64_t seed = 0; seed < 30; ++seed) {
            SeatRequest wanted = train.request(2, 9, 4, policy);
            wanted.seed = seed;
            ASSERT_EQ(train.claim(wanted), Status::kOk);
            EXPECT_EQ(sorted(seats_of(train)), (Seats{30, 32, 33, 34}));
            give_back(train);
            wanted.party = 2;
            ASSERT_EQ(train.claim(wanted), Status::kOk);
            EXPECT_EQ(rows_of(train).size(), 1U);
            give_back(train);
        }
    }
}

// Row numbers start again in every coach: the last row of one and the first of the next may have
// the same.
TEST(Party, RowsOfDifferentCoachesAreDifferent) {
    Train train(10, 20, 1);  // two coaches of one row each, both with row number 1
    train.take_all_but({4, 5, 6});
    for (const Allocation policy : {Allocation::kBestFit, Allocation::kFirstFit}) {
        ASSERT_EQ(train.claim(train.request(0, 5, 2, policy)), Status::kOk);
        EXPECT_EQ(sorted(seats_of(train)), (Seats{5, 6}));
        give_back(train);
    }
    ASSERT_EQ(train.claim(train.request(0, 5, 3)), Status::kOk);
    EXPECT_EQ(coaches_of(train).size(), 2U);
}

// Seats in no group: a coach of them is not one row, and a row of another coach is better.
TEST(Party, SeatsInNoGroupAreNotARow) {
    Train train(40, 6);
    for (std::uint32_t seat = 0; seat < 20; ++seat) train.geometry[seat].row = 0;
    ASSERT_EQ(train.claim(train.request(0, 6, 5, Allocation::kFirstFit)), Status::kOk);
    EXPECT_EQ(train.claims[0].seat, 20U);
    EXPECT_EQ(rows_of(train).size(), 1U);
    // If no row has room, they are as good as any stretch of a coach.
    for (SeatGeometry& seat : train.geometry) seat.row = 0;
    ASSERT_EQ(train.claim(train.request(0, 6, 5, Allocation::kFirstFit)), Status::kOk);
    for (std::uint32_t i = 0; i < 5; ++i) EXPECT_EQ(train.claims[i].seat, i);
}

TEST(Party, BestFitTakesTheRowWithTheSmallestSumOfRuns) {
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Train train(20, 20);
        // Row 3: two seats with short runs, and three that would be a good second best.
        train.take(10, trip_mask(12, 13));
        train.take(13, trip_mask(14, 15));
        train.take(0, trip_mask(10, 11));  // a single short run elsewhere must not mislead
        SeatRequest wanted = train.request(2, 9, 2);
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(sorted(seats_of(train)), (Seats{10, 13}));
    }
}

TEST(Party, FirstFitTakesTheFirstRow) {
    Train train(20, 20);
    train.take(0);
    train.take(1);
    train.take(2);
    SeatRequest wanted = train.request(2, 9, 3, Allocation::kFirstFit);
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(seats_of(train), (Seats{5, 6, 7}));
    wanted.party = 2;
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(seats_of(train), (Seats{3, 4}));
}

TEST(Party, RandomStartsAnywhere) {
    Train train(80, 20);
    std::set<std::pair<int, int>> met;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        SeatRequest wanted = train.request(2, 9, 5, Allocation::kRandom);
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        ASSERT_EQ(rows_of(train).size(), 1U);
        met.insert(*rows_of(train).begin());
        give_back(train);
    }
    EXPECT_EQ(met.size(), 16U);
}

TEST(Party, SameCoachAndTheTightestStretch) {
    // Coach 0 has six seats far apart, coach 1 has six close together, coach 2 too few.
    Train train(60, 20);
    train.take_all_but({0, 4, 8, 12, 16, 19, 22, 24, 26, 28, 30, 31, 40, 41, 45, 46});
    for (const Allocation policy :
         {Allocation::kBestFit, Allocation::kFirstFit, Allocation::kRandom}) {
        SeatRequest wanted = train.request(2, 9, 6, policy);
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(sorted(seats_of(train)), (Seats{22, 24, 26, 28, 30, 31}));
        give_back(train);
        wanted.party = 5;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(sorted(seats_of(train)), (Seats{24, 26, 28, 30, 31}));
        give_back(train);
    }
}

TEST(Party, AnywhereInFewCoaches) {
    // Four coaches with 5, 3, 6 and 2 free seats, one in each row.
    Train train(80, 20, 4);
    train.take_all_but({0, 5, 6, 10, 15, 20, 25, 30, 40, 41, 45, 50, 51, 55, 60, 65});
    ASSERT_EQ(train.claim(train.request(2, 9, 8)), Status::kOk);
    EXPECT_EQ(coaches_of(train).size(), 2U);
    give_back(train);
    ASSERT_EQ(train.claim(train.request(2, 9, 16)), Status::kOk);
    EXPECT_EQ(coaches_of(train).size(), 4U);
    const std::vector<SeatClaim> all = train.claims;
    EXPECT_EQ(train.claim(train.request(2, 9, 2)), Status::kSoldOut);
    train.claims = all;
    give_back(train);
    EXPECT_EQ(train.claim(train.request(2, 9, 17)), Status::kSoldOut);
    EXPECT_EQ(train.claim(train.request(2, 9, 81)), Status::kSoldOut);
    EXPECT_EQ(count_free(train.map, trip_mask(2, 9)), 16U);
    EXPECT_EQ(train.control.unfinished.load(), 0U);
}

TEST(Party, WishesInPassengerOrder) {
    Train train(20, 20);
    const struct {
        const char* choice;
        const char* letters;
    } rows[] = {{"FA", "FA"}, {"AF", "AF"}, {"DCB", "DCB"}, {"F,window", "FA"}, {"window,F", "AF"}};
    for (const auto& row : rows) {
        const auto party = static_cast<std::uint32_t>(std::string(row.letters).size());
        SeatRequest wanted = train.request(2, 9, party);
        wanted.choice = choice_of(row.choice, party);
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(letters_of(train), row.letters) << row.choice;
        EXPECT_EQ(rows_of(train).size(), 1U);
        give_back(train);
    }
    // Two passengers want the same letter: one of them gets it.
    SeatRequest wanted = train.request(2, 9, 2);
    wanted.choice = choice_of("FF", 2);
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(rows_of(train).size(), 1U);
    EXPECT_NE(letters_of(train).find('F'), std::string::npos);
}

// A row A | C F whose A is at a window and at the aisle: it goes to the passenger who needs it
// most.
TEST(Party, SeatsAtWindowAndAisle) {
    const struct {
        const char* choice;
        const char* letters;
    } rows[] = {{"window,aisle", "FC"}, {"aisle,window", "CF"}, {"window,window", "FA"},
                {"aisle,aisle", "CA"},  {"window,A", "FA"},     {"aisle,A,window", "CAF"}};
    for (const auto& row : rows) {
        for (const int longest : {0, 1, 2}) {  // no matter which of the seats fits best
            Train train(6, 20, 2, "ACF");
            train.geometry[0].flags = train.geometry[3].flags = kWindow | kAisle;
            for (std::uint32_t seat = 0; seat < 6; ++seat) {
                if (static_cast<int>(seat % 3) != longest) train.take(seat, trip_mask(15, 16));
            }
            const auto party = static_cast<std::uint32_t>(std::string(row.letters).size());
            SeatRequest wanted = train.request(2, 9, party);
            wanted.choice = choice_of(row.choice, party);
            ASSERT_EQ(train.claim(wanted), Status::kOk);
            EXPECT_EQ(letters_of(train), row.letters) << row.choice;
            EXPECT_EQ(rows_of(train).size(), 1U);
        }
    }
}

TEST(Party, SittingTogetherGoesBeforeLetters) {
    // Row 1 has B and C; A and F are free, but in different rows.
    Train train(20, 20);
    train.take_all_but({1, 2, 5, 14});
    SeatRequest wanted = train.request(2, 9, 2);
    wanted.choice = choice_of("AF", 2);
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    EXPECT_EQ(sorted(seats_of(train)), (Seats{1, 2}));
}

TEST(Party, MostWishesHonouredAmongEqualRows) {
    Train train(20, 20);
    train.take_all_but({0, 1, 6, 9, 10, 14, 16, 17});  // AB, BF, AF, BC
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SeatRequest wanted = train.request(2, 9, 2);
        wanted.choice = choice_of("FA", 2);
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(seats_of(train), (Seats{14, 10}));
        give_back(train);
    }
}

TEST(Party, MostWishesHonouredAmongEqualStretches) {
    // One free pair of neighbours across rows per coach (F and A, C and D ...), in rows of five.
    Train train(60, 20);
    train.take_all_but({4, 5, 29, 30, 44, 45});
    train.geometry[29].letter = 'E';
    train.geometry[44].letter = 'E';
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        SeatRequest wanted = train.request(2, 9, 2);
        wanted.choice = choice_of("AF", 2);
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(seats_of(train), (Seats{5, 4}));
        give_back(train);
    }
}

TEST(Party, MostWishesHonouredAmongEqualCoaches) {
    Train train(80, 20);
    train.take_all_but({0, 21, 44, 63});  // A, B, F, D, each in a coach of its own
    SeatRequest wanted = train.request(2, 9, 2);
    wanted.choice = choice_of("FA", 2);
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
        wanted.seed = seed;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(seats_of(train), (Seats{44, 0}));
        give_back(train);
    }
}

TEST(Party, OwnBitsCountAsFree) {
    for (const int segments : {12, 20, 200}) {
        Train train(20, segments);
        train.take_all_but({7});
        const OwnFree own[] = {{6, all_segments(segments)}, {8, trip_mask(0, 5)}};
        release(train.map, 8, trip_mask(5, segments));
        SeatRequest wanted = train.request(2, segments - 1, 3);
        EXPECT_EQ(train.claim(wanted), Status::kSoldOut);
        wanted.own = own;
        wanted.own_count = 2;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(sorted(seats_of(train)), (Seats{6, 7, 8}));
        for (const SeatClaim& claim : train.claims) {
            EXPECT_TRUE((claim.from_pool | claim.from_own) == wanted.trip);
            EXPECT_TRUE((claim.from_pool & claim.from_own).none());
            if (claim.seat == 6) {
                EXPECT_TRUE(claim.from_pool.none());
            }
            if (claim.seat == 7) {
                EXPECT_TRUE(claim.from_own.none());
            }
            if (claim.seat == 8) {
                EXPECT_TRUE(claim.from_own == trip_mask(2, 5));
            }
        }
    }
}

// Whatever is free, a party is seated if and only if there are enough seats; each seat is used
// once, and they are as close together as possible.
TEST(Party, RandomTrainsAgainstTheModel) {
    std::mt19937_64 random(12);
    for (int round = 0; round < 1500; ++round) {
        const int segments = round % 3 == 0 ? 90 : 12;
        const int rows = 1 + static_cast<int>(random() % 4);
        Train train(30, segments, rows, random() % 2 == 0 ? "ABCDF" : "ACDF");
        train.fill(random, static_cast<int>(random() % 12));
        const int from = static_cast<int>(random() % (segments - 3));
        const auto party = 2 + static_cast<std::uint32_t>(random() % 9);
        SeatRequest wanted =
            train.request(from, from + 3, party, static_cast<Allocation>(random() % 3));
        wanted.seed = random();
        const char* choices[] = {"", "AF", "window", "aisle,A", "CD"};
        wanted.choice = choice_of(choices[random() % 5], party);

        const NaiveTrain naive(train.map);
        std::vector<std::uint32_t> row_free(4096);
        std::vector<std::uint32_t> coach_free(4096);
        for (std::uint32_t seat = 0; seat < 30; ++seat) {
            if (!naive.is_free(seat, from, from + 3)) continue;
            ++row_free[train.geometry[seat].coach * 64U + train.geometry[seat].row];
            ++coach_free[train.geometry[seat].coach];
        }
        const Status status = train.claim(wanted);
        if (naive.count(from, from + 3) < party) {
            ASSERT_EQ(status, Status::kSoldOut);
            ASSERT_EQ(count_free(train.map, wanted.trip), naive.count(from, from + 3));
            continue;
        }
        ASSERT_EQ(status, Status::kOk);
        for (const SeatClaim& claim : train.claims) {
            ASSERT_TRUE(naive.is_free(claim.seat, from, from + 3));
        }
        const Seats seats = seats_of(train);
        ASSERT_EQ(std::set<std::uint32_t>(seats.begin(), seats.end()).size(), party);
        ASSERT_EQ(count_free(train.map, wanted.trip), naive.count(from, from + 3) - party);
        if (*std::max_element(row_free.begin(), row_free.end()) >= party) {
            ASSERT_EQ(rows_of(train).size(), 1U);
        }
        std::sort(coach_free.rbegin(), coach_free.rend());
        std::size_t coaches = 0;
        for (std::uint32_t seated = 0; seated < party; ++coaches) seated += coach_free[coaches];
        ASSERT_EQ(coaches_of(train).size(), coaches);
    }
}

TEST(Party, WithoutGeometryAStretchIsEnough) {
    Train train(12, 20);
    train.take_all_but({0, 4, 6, 7, 9});
    const SeatRequest wanted = train.request(0, 4, 3);
    std::vector<std::uint64_t> scratch(scratch_bytes(12, 3, 1) / 8);
    SeatClaim claims[3];
    ASSERT_EQ(claim_seats(train.map, nullptr, wanted, scratch.data(), claims), Status::kOk);
    EXPECT_EQ(claims[0].seat + claims[1].seat + claims[2].seat, 4U + 6 + 7);
}

// A party that stays apart gets what its passengers would get one after the other.
TEST(Party, ApartIsOneByOne) {
    std::mt19937_64 random(23);
    for (int round = 0; round < 400; ++round) {
        const int segments = round % 2 == 0 ? 12 : 100;
        Train together(40, segments);
        together.fill(random, 3 + static_cast<int>(random() % 20));
        Train single(40, segments);
        for (std::uint32_t seat = 0; seat < 40; ++seat) {
            single.take(seat, load_seat(together.map, seat));
        }
        const int from = static_cast<int>(random() % segments);
        const int to = std::min(segments, from + 1 + static_cast<int>(random() % 4));
        const NaiveTrain naive(together.map);
        const std::uint32_t party = 1 + static_cast<std::uint32_t>(random() % 20);
        for (const Allocation policy :
             {Allocation::kBestFit, Allocation::kFirstFit, Allocation::kRandom}) {
            SeatRequest wanted = together.request(from, to, party, policy);
            wanted.apart = true;
            wanted.seed = random();
            if (naive.count(from, to) < party) {
                ASSERT_EQ(together.claim(wanted), Status::kSoldOut);
                continue;
            }
            ASSERT_EQ(together.claim(wanted), Status::kOk);
            std::multiset<int> runs_together;
            std::multiset<int> runs_single;
            Seats seats_single;
            for (const SeatClaim& claim : together.claims) {
                ASSERT_TRUE(naive.is_free(claim.seat, from, to));
                runs_together.insert(naive.run(claim.seat, from, to));
            }
            ASSERT_TRUE(
                std::is_sorted(together.claims.begin(), together.claims.end(),
                               [](const auto& a, const auto& b) { return a.seat <= b.seat; }));
            for (std::uint32_t i = 0; i < party; ++i) {
                ASSERT_EQ(single.claim(single.request(from, to, 1, policy)), Status::kOk);
                seats_single.push_back(single.claims[0].seat);
                runs_single.insert(naive.run(single.claims[0].seat, from, to));
            }
            if (policy == Allocation::kBestFit) {
                ASSERT_EQ(runs_together, runs_single);
            } else if (policy == Allocation::kFirstFit) {
                ASSERT_EQ(seats_of(together), sorted(seats_single));
            }
            give_back(together);
            for (const std::uint32_t seat : seats_single) release(single.map, seat, wanted.trip);
        }
    }
}

TEST(Party, ManyMoreThanWishes) {
    Train train(400, 20, 10);
    SeatRequest wanted = train.request(0, 4, 100);
    wanted.choice = choice_of("window", 100);
    ASSERT_EQ(train.claim(wanted), Status::kOk);
    int honoured = 0;
    for (int i = 0; i < 32; ++i) honoured += train.geometry[train.claims[i].seat].flags == kWindow;
    EXPECT_EQ(honoured, 32);
    EXPECT_EQ(count_free(train.map, wanted.trip), 300U);
}

}  // namespace
}  // namespace ticketpool
