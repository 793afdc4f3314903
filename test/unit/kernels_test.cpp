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
    for (const int segments : {1, 9, 40, 63, 64, 65, 100, 128, 129, 160, 192, 193, 255, 256}) {
        const int words = words_for(segments);
        for (const std::uint32_t seats : {1U, 3U, 4U, 8U, 21U, 67U}) {
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
                    ASSERT_EQ(kernels.count_free[words - 1](train.map.words, seats, scan.trip),
                              naive.count(from, to));
                    ASSERT_EQ(kernels.best_fit[words - 1](train.map.words, seats, scan, start),
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

TEST(Kernels, EveryTripOfASmallTrain) {
    std::mt19937_64 random(4);
    Train train(19, 10);
    train.fill(random, 35);
    const NaiveTrain naive(train.map);
    for (int from = 0; from < 10; ++from) {
        for (int to = from + 1; to <= 10; ++to) {
            const TripScan scan{trip_mask(from, to), from, to, 10};
            for (std::uint32_t start = 0; start < 19; ++start) {
                const std::uint32_t expected = naive_best_fit(naive, from, to, start);
                ASSERT_EQ(kernels().best_fit[0](train.map.words, 19, scan, start), expected);
                ASSERT_EQ(baseline_kernels().best_fit[0](train.map.words, 19, scan, start),
                          expected);
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
