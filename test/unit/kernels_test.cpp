#include "ticketpool/kernels.hpp"

#include <gtest/gtest.h>

#include "train.hpp"

namespace ticketpool {
namespace {

// The first seat in cyclic order from `start` whose run is the shortest of all.
std::uint32_t naive_best_fit(const NaiveTrain& naive, int from, int to, std::uint32_t start) {
    const auto seats = static_cast<std::uint32_t>(naive.taken.size());
    std::uint32_t best = kNoSeat;
    int best_run = 0;
    for (std::uint32_t i = 0; i < seats; ++i) {
        const std::uint32_t seat = (start + i) % seats;
        if (!naive.is_free(seat, from, to)) continue;
        const int run = naive.run(seat, from, to);
        if (best == kNoSeat || run < best_run) {
            best = seat;
            best_run = run;
        }
    }
    return best;
}

void compare_with_model(const Kernels& kernels) {
    std::mt19937_64 random(3);
    for (const int segments : {1,  6,  7,  8,  9,   15,  16,  17,  29,  31,  32,  33,
                               40, 63, 64, 65, 100, 128, 129, 160, 192, 193, 255, 256}) {
        for (const std::uint32_t seats : {1U, 3U, 4U, 8U, 21U, 67U, 100U, 130U, 257U}) {
            for (const int percent : {0, 2, 10, 30, 100}) {
                Train train(seats, segments);
                train.fill(random, percent);
                const NaiveTrain naive(train.map);
                for (int round = 0; round < 12; ++round) {
                    const int from = static_cast<int>(random() % segments);
                    const int longest =
                        round % 2 == 0 ? std::min(segments - from, 4) : segments - from;
                    const int to = from + 1 + static_cast<int>(random() % longest);
                    const TripScan scan{trip_mask(from, to), from, to, segments};
                    const auto start = static_cast<std::uint32_t>(random() % seats);
                    ASSERT_EQ(
                        kernels.count_free[train.map.shape()](train.map.words, seats, scan.trip),
                        naive.count(from, to));
                    ASSERT_EQ(
                        kernels.best_fit[train.map.shape()](train.map.words, seats, scan, start),
                        naive_best_fit(naive, from, to, start))
                        << segments << " segments, [" << from << "," << to << ") from " << start;
                }
            }
        }
    }
}

TEST(Kernels, BaselineAgreesWithTheModel) {
    compare_with_model(baseline_kernels());
}

TEST(Kernels, VectorAgreesWithTheModel) {
    if (vector_kernels() == nullptr) GTEST_SKIP() << "no vector kernels in this build or machine";
    compare_with_model(*vector_kernels());
}

// All trips of one train from all starts, for all kernels there are.
void compare_every_trip(const Train& train) {
    const SeatMap& map = train.map;
    const NaiveTrain naive(map);
    const Kernels* all[] = {&baseline_kernels(), vector_kernels()};
    for (int from = 0; from < map.segments; ++from) {
        for (int to = from + 1; to <= map.segments; ++to) {
            const TripScan scan{trip_mask(from, to), from, to, map.segments};
            for (std::uint32_t start = 0; start < map.seats; ++start) {
                const std::uint32_t expected = naive_best_fit(naive, from, to, start);
                for (const Kernels* kernels : all) {
                    if (kernels == nullptr) continue;
                    ASSERT_EQ(kernels->best_fit[map.shape()](map.words, map.seats, scan, start),
                              expected)
                        << map.segments << " segments, [" << from << "," << to << ") from " << start
                        << (kernels == all[0] ? ", baseline" : ", vector");
                }
            }
        }
    }
}

// The seats of two cache lines and one more.
std::uint32_t seats_of_two_lines(int segments) {
    return static_cast<std::uint32_t>(2 * static_cast<int>(kLineBytes) / seat_bytes_for(segments)) +
           1;
}

TEST(Kernels, EveryTripOfSmallTrains) {
    std::mt19937_64 random(4);
    for (const int segments : {1, 2, 6, 9, 10, 17, 31, 33}) {
        for (const int percent : {0, 3, 10, 35, 100}) {
            Train train(seats_of_two_lines(segments), segments);
            train.fill(random, percent);
            compare_every_trip(train);
            if (HasFatalFailure()) return;
        }
    }
}

// The last bit of a word, and no bit to spare behind it.
TEST(Kernels, EveryTripOfAFullWord) {
    std::mt19937_64 random(5);
    for (const int segments : {7, 8, 15, 16, 31, 32, 63, 64}) {
        for (const int percent : {0, 4, 20}) {
            Train train(seats_of_two_lines(segments), segments);
            train.fill(random, percent);
            compare_every_trip(train);
            if (HasFatalFailure()) return;
        }
    }
}

// Each seat is better than the one before it, or worse, so that a scan has to go on or may not.
TEST(Kernels, RunsThatShrinkAndGrow) {
    for (const int segments : {6, 8, 16, 29, 32, 40, 64}) {
        Train shrinking(static_cast<std::uint32_t>(segments), segments);
        Train growing(static_cast<std::uint32_t>(segments), segments);
        for (int i = 0; i < segments; ++i) {
            const auto seat = static_cast<std::uint32_t>(i);
            const int left = i / 2;
            const SegmentMask kept = trip_mask(left, segments - (i - left));
            shrinking.take(seat, all_segments(segments).and_not(kept));
            growing.take(static_cast<std::uint32_t>(segments) - 1 - seat,
                         all_segments(segments).and_not(kept));
        }
        compare_every_trip(shrinking);
        compare_every_trip(growing);
        if (HasFatalFailure()) return;
    }
}

// A count of a lane of one byte overflows after 255 vectors.
TEST(Kernels, CountsMoreSeatsThanALaneCan) {
    for (const int segments : {6, 12, 29, 64}) {
        for (const std::uint32_t seats : {255U * 64, 255U * 64 + 1, 60'000U}) {
            Train train(seats, segments);
            train.take(seats - 1);
            for (const Kernels* kernels : {&baseline_kernels(), vector_kernels()}) {
                if (kernels == nullptr) continue;
                EXPECT_EQ(
                    kernels->count_free[train.map.shape()](train.map.words, seats, trip_mask(1, 4)),
                    seats - 1);
            }
        }
    }
}

// The same seats as bits of any width: an answer does not depend on how wide the words are.
TEST(Kernels, EveryWidthGivesTheSameAnswers) {
    std::mt19937_64 random(6);
    for (const Kernels* kernels : {&baseline_kernels(), vector_kernels()}) {
        if (kernels == nullptr) continue;
        for (const int percent : {5, 20, 50}) {
            Train narrow(500, 6);
            narrow.fill(random, percent);
            for (const int segments : {9, 17, 33, 65, 129, 193}) {
                Train wide(500, segments);
                const SegmentMask behind = trip_mask(6, segments);
                for (std::uint32_t seat = 0; seat < 500; ++seat) {
                    wide.take(seat, load_seat(narrow.map, seat) | behind);
                }
                for (int from = 0; from < 6; ++from) {
                    for (int to = from + 1; to <= 6; ++to) {
                        const auto start = static_cast<std::uint32_t>(random() % 500);
                        const auto best = [&](const SeatMap& map) {
                            const TripScan scan{trip_mask(from, to), from, to, map.segments};
                            return kernels->best_fit[map.shape()](map.words, 500, scan, start);
                        };
                        ASSERT_EQ(best(narrow.map), best(wide.map)) << segments;
                    }
                }
            }
        }
    }
}

TEST(Kernels, InitChoosesTheBest) {
    kernels_init();
    const Kernels* best = vector_kernels() != nullptr ? vector_kernels() : &baseline_kernels();
    EXPECT_EQ(&kernels(), best);
}

}  // namespace
}  // namespace ticketpool
