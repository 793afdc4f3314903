// The scans: all kernels that this machine can run give the answers of a naive loop.
#include "ticketpool/kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "train.hpp"

namespace ticketpool {
namespace {

struct NamedKernels {
    const char* name;
    const Kernels* kernels;
};

// The kernels that this machine can run; the baseline first.
std::vector<NamedKernels> all_kernels() {
    std::vector<NamedKernels> all{
        {"baseline", &baseline_kernels()}, {"AVX2", avx2_kernels()}, {"AVX-512", avx512_kernels()}};
    std::erase_if(all, [](const NamedKernels& one) { return one.kernels == nullptr; });
    return all;
}

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

TEST(Kernels, AgreeWithTheModel) {
    for (const auto& [name, kernels] : all_kernels()) {
        SCOPED_TRACE(name);
        compare_with_model(*kernels);
    }
}

// All trips of one train from all starts, for all kernels.
void compare_every_trip(const Train& train) {
    const SeatMap& map = train.map;
    const NaiveTrain naive(map);
    const std::vector<NamedKernels> all = all_kernels();
    for (int from = 0; from < map.segments; ++from) {
        for (int to = from + 1; to <= map.segments; ++to) {
            const TripScan scan{trip_mask(from, to), from, to, map.segments};
            for (std::uint32_t start = 0; start < map.seats; ++start) {
                const std::uint32_t expected = naive_best_fit(naive, from, to, start);
                for (const auto& [name, kernels] : all) {
                    ASSERT_EQ(kernels->best_fit[map.shape()](map.words, map.seats, scan, start),
                              expected)
                        << map.segments << " segments, [" << from << "," << to << ") from " << start
                        << ", " << name;
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

// Trains that end with the last bit of a word: no bit is left after it.
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

// Each seat is better than the one before it, or each is worse, so that a scan has to go on or must
// not take another.
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

// ---- several words a seat -------------------------------------------------------------------

// Writes, after the last seat and as far as a scan reads, what looks like seats that fit the trip
// exactly.
void put_phantoms_behind(const SeatMap& map, const SegmentMask& trip) {
    auto* words = static_cast<std::atomic<std::uint64_t>*>(map.words);
    const std::size_t end = seat_map_bytes(map.seats, map.segments) / sizeof(std::uint64_t);
    const auto width = static_cast<std::size_t>(map.words_per_seat);
    for (std::size_t i = map.seats * width; i < end; ++i) {
        words[i].store(~trip.w[i % width], std::memory_order_relaxed);
    }
}

// One trip from the given start, for all kernels.
void compare_trip(const Train& train, const NaiveTrain& naive, int from, int to,
                  std::uint32_t start) {
    const SeatMap& map = train.map;
    const TripScan scan{trip_mask(from, to), from, to, map.segments};
    put_phantoms_behind(map, scan.trip);
    const std::uint32_t best = naive_best_fit(naive, from, to, start);
    const std::uint32_t free = naive.count(from, to);
    for (const auto& [name, kernels] : all_kernels()) {
        ASSERT_EQ(kernels->count_free[map.shape()](map.words, map.seats, scan.trip), free)
            << map.seats << " seats, " << map.segments << " segments, [" << from << "," << to
            << "), " << name;
        ASSERT_EQ(kernels->best_fit[map.shape()](map.words, map.seats, scan, start), best)
            << map.seats << " seats, " << map.segments << " segments, [" << from << "," << to
            << ") from " << start << ", " << name;
    }
}

// Stops next to the ends of words, of their halves, and of the train.
std::vector<int> stops_at_edges(int segments) {
    std::vector<int> stops;
    for (int edge = 0; edge <= segments; edge += 32) {
        for (const int stop : {edge - 1, edge, edge + 1}) {
            if (stop >= 0 && stop <= segments) stops.push_back(stop);
        }
    }
    for (const int stop : {segments - 33, segments - 31, segments - 1, segments}) {
        stops.push_back(stop);
    }
    return stops;
}

// Sells random trips of any length until `percent` of the seat-segments are sold.
void sell_trips(Train& train, std::mt19937_64& random, int percent) {
    const SeatMap& map = train.map;
    const int wanted = static_cast<int>(map.seats) * map.segments * percent / 100;
    int sold = 0;
    for (int tries = 0; sold < wanted && tries < 20 * static_cast<int>(map.seats); ++tries) {
        const int from = static_cast<int>(random() % static_cast<unsigned>(map.segments));
        const int to =
            from + 1 + static_cast<int>(random() % static_cast<unsigned>(map.segments - from));
        const auto seat = static_cast<std::uint32_t>(random() % map.seats);
        if (try_claim(train.map, seat, trip_mask(from, to))) sold += to - from;
    }
}

constexpr int kWideTrains[] = {65, 96, 97, 127, 128, 129, 161, 191, 192, 193, 225, 255, 256};

TEST(Kernels, TripsAtTheEdgesOfWords) {
    std::mt19937_64 random(7);
    for (const int segments : kWideTrains) {
        for (const std::uint32_t seats : {7U, 8U, 21U}) {
            for (const int percent : {0, 1, 4, 30, 60, 100}) {
                Train train(seats, segments);
                if (percent > 20 && percent < 100) {
                    sell_trips(train, random, percent);
                } else {
                    train.fill(random, percent);
                }
                const NaiveTrain naive(train.map);
                const std::vector<int> stops = stops_at_edges(segments);
                for (const int from : stops) {
                    for (const int to : stops) {
                        if (from >= to) continue;
                        const auto start = static_cast<std::uint32_t>(random() % seats);
                        compare_trip(train, naive, from, to, start);
                        if (HasFatalFailure()) return;
                    }
                }
            }
        }
    }
}

// The segments that a seat has free: the trip, `before` more before it and `after` more after it.
SegmentMask all_but_run(int segments, int from, int to, int before, int after) {
    return all_segments(segments).and_not(trip_mask(from - before, to + after));
}

// Two seats, of which the second has a run as long as the first, or a segment more or less.
TEST(Kernels, RunsOfNearlyTheSameLength) {
    std::mt19937_64 random(8);
    for (const int segments : kWideTrains) {
        for (int round = 0; round < 400; ++round) {
            const auto below = [&](int end) {
                return static_cast<int>(random() % static_cast<unsigned>(end));
            };
            const int from = below(segments);
            const int longest = round % 2 == 0 ? std::min(segments - from, 4) : segments - from;
            const int to = from + 1 + below(longest);
            const int room = from + segments - to;
            const auto take = [&](Train& train, std::uint32_t seat, int more) {
                const int least = std::max(0, more - (segments - to));
                const int before = least + below(std::min(from, more) - least + 1);
                train.take(seat, all_but_run(segments, from, to, before, more - before));
            };
            Train train(17, segments);
            train.take_all();
            const auto first = static_cast<std::uint32_t>(below(17));
            const auto second = static_cast<std::uint32_t>(below(17));
            const int more = below(std::min(room, 80) + 1);
            set_seat(train.map, first, SegmentMask{});
            take(train, first, more);
            set_seat(train.map, second, SegmentMask{});
            take(train, second, std::clamp(more - 1 + below(3), 0, room));
            const NaiveTrain naive(train.map);
            for (const std::uint32_t start : {0U, first, second, 16U}) {
                compare_trip(train, naive, from, to, start);
                if (HasFatalFailure()) return;
            }
        }
    }
}

// Runs of every length, the longest first or last or in any order: a scan has to go on after each.
TEST(Kernels, RunsOfEveryLength) {
    std::mt19937_64 random(9);
    for (const int segments : kWideTrains) {
        for (const int from : {0, 20, 40, segments / 2, segments - 3}) {
            const int to = from + 3;
            const auto seats = static_cast<std::uint32_t>(segments - 3);
            std::vector<std::uint32_t> seat(seats);
            for (std::uint32_t i = 0; i < seats; ++i) seat[i] = i;
            for (int order = 0; order < 3; ++order) {
                Train train(seats, segments);
                for (std::uint32_t i = 0; i < seats; ++i) {
                    const int more = segments - 3 - static_cast<int>(i);
                    const int before = std::min(from, more / 2);
                    const int after = std::min(segments - to, more - before);
                    train.take(seat[i], all_but_run(segments, from, to, more - after, after));
                }
                const NaiveTrain naive(train.map);
                for (std::uint32_t start = 0; start < seats; start += 5) {
                    compare_trip(train, naive, from, to, start);
                    if (HasFatalFailure()) return;
                }
                if (order == 0) std::reverse(seat.begin(), seat.end());
                if (order == 1) std::shuffle(seat.begin(), seat.end(), random);
            }
        }
    }
}

TEST(Kernels, AgreeOnFullTrains) {
    std::mt19937_64 random(10);
    for (const int segments : {8, 16, 29, 32, 64, 65, 100, 128, 160, 192, 200, 256}) {
        for (const std::uint32_t seats : {999U, 1000U, 1004U, 1007U}) {
            for (const int percent : {5, 25, 50, 75, 90}) {
                Train train(seats, segments);
                sell_trips(train, random, percent);
                const SeatMap& map = train.map;
                for (int round = 0; round < 20; ++round) {
                    const auto below = [&](int end) {
                        return static_cast<int>(random() % static_cast<unsigned>(end));
                    };
                    const int from = below(segments);
                    const int to = from + 1 + below(segments - from);
                    const TripScan scan{trip_mask(from, to), from, to, segments};
                    const auto start = static_cast<std::uint32_t>(random() % seats);
                    const auto best = [&](const Kernels& kernels) {
                        return kernels.best_fit[map.shape()](map.words, seats, scan, start);
                    };
                    const auto free = [&](const Kernels& kernels) {
                        return kernels.count_free[map.shape()](map.words, seats, scan.trip);
                    };
                    for (const auto& [name, kernels] : all_kernels()) {
                        ASSERT_EQ(free(*kernels), free(baseline_kernels())) << name;
                        ASSERT_EQ(best(*kernels), best(baseline_kernels()))
                            << name << ", " << segments << " segments, [" << from << "," << to
                            << ") from " << start;
                    }
                }
            }
        }
    }
}

// A count in a lane of one byte overflows after 255 vectors.
TEST(Kernels, CountsMoreSeatsThanALaneCan) {
    for (const int segments : {6, 12, 29, 64}) {
        for (const std::uint32_t seats : {255U * 64, 255U * 64 + 1, 60'000U}) {
            Train train(seats, segments);
            train.take(seats - 1);
            for (const auto& [name, kernels] : all_kernels()) {
                EXPECT_EQ(
                    kernels->count_free[train.map.shape()](train.map.words, seats, trip_mask(1, 4)),
                    seats - 1);
            }
        }
    }
}

// The same seats in words of every width: the answer does not depend on the width of the words.
TEST(Kernels, EveryWidthGivesTheSameAnswers) {
    std::mt19937_64 random(6);
    for (const NamedKernels& one : all_kernels()) {
        const Kernels* kernels = one.kernels;
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

#if defined(TICKETPOOL_ASSUME_AVX512)
TEST(Kernels, AreAllThere) {
    if (avx2_kernels() == nullptr) GTEST_SKIP() << "what stands for AVX-512 needs AVX2";
    EXPECT_EQ(all_kernels().size(), 3U);
}
#endif

TEST(Kernels, InitChoosesTheBest) {
    kernels_init();
    if (avx2_kernels() == nullptr) {
        EXPECT_EQ(&kernels(), &baseline_kernels());
    } else if (&kernels() != avx512_kernels()) {  // which are not worth it everywhere
        EXPECT_EQ(&kernels(), avx2_kernels());
    }
#if defined(TICKETPOOL_ASSUME_AVX512)
    EXPECT_EQ(&kernels(), all_kernels().back().kernels);
#endif
}

}  // namespace
}  // namespace ticketpool
