// Microbenchmarks of the core: time per call on one class, compared with the time to read its
// bytes.
//
// The curves of the plots are those of count and best_fit. Their arguments are seats, segments, per
// cent of the seats sold, and 0 for the baseline, 1 for AVX2 or 2 for AVX-512. Each curve varies
// one of the first three.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <vector>

#include "ticketpool/allocation.hpp"
#include "ticketpool/kernels.hpp"
#include "ticketpool/matrix.hpp"
#include "ticketpool/seat_map.hpp"

namespace ticketpool {
namespace {

constexpr std::uint32_t kSeats = 2000;

// A class of which the given share of seats, in per cent, is sold from end to end; the other seats
// are empty. No trip finds an exact fit, so a best-fit scan has to look at every seat.
struct Class {
    Class(int segments, int sold_percent, std::uint32_t seats = kSeats)
        : words(seat_map_bytes(seats, segments) / kLineBytes), geometry(seats) {
        map = seat_map_at(words.data(), &control, seats, segments);
        std::mt19937_64 random(1);
        for (std::uint32_t seat = 0; seat < seats; ++seat) {
            SegmentMask mask;
            if (static_cast<int>(random() % 100) < sold_percent) mask = trip_mask(0, segments);
            try_claim(map, seat, mask);
            const auto place = static_cast<std::uint8_t>(seat % 5);
            geometry[seat] = {static_cast<std::uint16_t>(seat / 90),
                              static_cast<std::uint16_t>(seat % 90 / 5),
                              static_cast<std::uint8_t>("ABCDF"[place]),
                              static_cast<std::uint8_t>(place % 4 == 0 ? kWindow : 0), 0};
        }
    }

    struct alignas(kLineBytes) Line {
        char bytes[kLineBytes];
    };
    std::vector<Line> words;
    std::vector<SeatGeometry> geometry;
    ClassControl control{};
    SeatMap map{};
};

const Kernels* kernels_for(benchmark::State& state) {
    const Kernels* all[] = {&baseline_kernels(), avx2_kernels(), avx512_kernels()};
    const Kernels* chosen = all[state.range(3)];
    if (chosen == nullptr) state.SkipWithError("no such kernels on this machine");
    return chosen;
}

void scan_arguments(benchmark::internal::Benchmark* b) {
    std::set<std::vector<std::int64_t>> points;
    for (int vector = 0; vector < (avx512_kernels() == nullptr ? 2 : 3); ++vector) {
        for (const int seats : {100, 200, 500, 1000, 2000, 5000, 10000, 20000}) {
            points.insert({seats, 40, 50, vector});
        }
        for (const int segments :
             {1, 6, 8, 9, 16, 17, 29, 32, 33, 64, 65, 96, 128, 129, 160, 192, 193, 224, 256}) {
            points.insert({kSeats, segments, 50, vector});
        }
        for (int sold = 0; sold <= 100; sold += 10) points.insert({kSeats, 40, sold, vector});
    }
    for (const auto& point : points) b->Args(point);
}

Class class_for(const benchmark::State& state) {
    return {static_cast<int>(state.range(1)), static_cast<int>(state.range(2)),
            static_cast<std::uint32_t>(state.range(0))};
}

void count(benchmark::State& state) {
    const Kernels* chosen = kernels_for(state);
    if (chosen == nullptr) return;
    const Class seats = class_for(state);
    const int from = seats.map.segments / 4;
    const SegmentMask trip = trip_mask(from, std::min(from + 8, seats.map.segments));
    const CountFree scan = chosen->count_free[seats.map.shape()];
    for (auto _ : state) {
        benchmark::DoNotOptimize(scan(seats.map.words, seats.map.seats, trip));
    }
}
BENCHMARK(count)->Apply(scan_arguments);

void best_fit(benchmark::State& state) {
    const Kernels* chosen = kernels_for(state);
    if (chosen == nullptr) return;
    const Class seats = class_for(state);
    const int from = seats.map.segments / 4;
    const int to = std::min(from + 3, seats.map.segments);
    const TripScan trip{trip_mask(from, to), from, to, seats.map.segments};
    const BestFit scan = chosen->best_fit[seats.map.shape()];
    for (auto _ : state) {
        benchmark::DoNotOptimize(scan(seats.map.words, seats.map.seats, trip, seats.map.seats / 3));
    }
}
BENCHMARK(best_fit)->Apply(scan_arguments);

// The floor of a scan: adding up, or copying, the bytes of 2,000 seats, which stay in the nearest
// cache that has room for them. Argument: words of a seat.
#if defined(__x86_64__)
__attribute__((target_clones("avx2", "default"), optimize("O3")))
#endif
std::uint64_t
sum(const std::uint64_t* words, std::size_t count) {
    std::uint64_t lane[16] = {};  // several sums at a time: one would measure an addition's latency
    for (std::size_t i = 0; i + 16 <= count; i += 16) {
        for (std::size_t j = 0; j < 16; ++j) lane[j] += words[i + j];
    }
    std::uint64_t total = 0;
    for (const std::uint64_t part : lane) total += part;
    return total;
}

void read_floor(benchmark::State& state) {
    const std::vector<std::uint64_t> words(kSeats * static_cast<std::size_t>(state.range(0)), 1);
    for (auto _ : state) {
        benchmark::DoNotOptimize(sum(words.data(), words.size()));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(read_floor)->DenseRange(1, kMaxWords);

void copy_floor(benchmark::State& state) {
    const std::vector<std::uint64_t> words(kSeats * static_cast<std::size_t>(state.range(0)), 1);
    std::vector<std::uint64_t> copy(words.size());
    for (auto _ : state) {
        std::memcpy(copy.data(), words.data(), words.size() * sizeof(std::uint64_t));
        benchmark::DoNotOptimize(copy.data());
        benchmark::ClobberMemory();
    }
}
BENCHMARK(copy_floor)->DenseRange(1, kMaxWords);

// Choose, claim and give back. Arguments: segments, per cent sold, party.
void sell(benchmark::State& state) {
    kernels_init();
    const auto segments = static_cast<int>(state.range(0));
    Class seats(segments, static_cast<int>(state.range(1)));
    SeatRequest request;
    request.from = segments / 4;
    request.to = request.from + 8;
    request.trip = trip_mask(request.from, request.to);
    request.party = static_cast<std::uint32_t>(state.range(2));
    std::vector<std::uint64_t> scratch(
        scratch_bytes(kSeats, request.party, seats.map.words_per_seat) / 8);
    std::vector<SeatClaim> claims(request.party);
    for (auto _ : state) {
        ++request.seed;
        if (claim_seats(seats.map, seats.geometry.data(), request, scratch.data(), claims.data()) !=
            Status::kOk) {
            continue;
        }
        for (const SeatClaim& claim : claims) release(seats.map, claim.seat, claim.from_pool);
    }
}
BENCHMARK(sell)->ArgsProduct({{40, 100}, {0, 50}, {1, 2, 5, 20}});

// No seat is free: the scan, and the careful look that follows it.
void sold_out(benchmark::State& state) {
    kernels_init();
    Class seats(40, 100);
    SeatRequest request;
    request.to = 8;
    request.trip = trip_mask(0, 8);
    SeatClaim claim;
    for (auto _ : state) {
        benchmark::DoNotOptimize(claim_seats(seats.map, nullptr, request, nullptr, &claim));
    }
}
BENCHMARK(sold_out);

void matrix(benchmark::State& state) {
    const auto segments = static_cast<int>(state.range(0));
    Class seats(segments, 50);
    for (std::uint32_t seat = 0; seat < kSeats; ++seat) {  // four runs in half of the seats
        const int quarter = segments / 4;
        for (int i = quarter; i < segments; i += quarter)
            try_claim(seats.map, seat, trip_mask(i, i + 1));
    }
    const auto width = static_cast<std::size_t>(segments) + 1;
    std::vector<std::uint32_t> cells(width * width);
    std::vector<std::uint32_t> scratch(matrix_scratch_bytes(segments) / sizeof(std::uint32_t));
    for (auto _ : state) {
        remaining_matrix(seats.map, nullptr, 0, cells.data(), scratch.data());
        benchmark::DoNotOptimize(cells.data());
    }
}
BENCHMARK(matrix)->Arg(40)->Arg(100)->Arg(250);

// Threads that buy on one class. Trips are random, and each thread gives back the oldest of its 16
// tickets for every one that it buys. Argument: seats; with ten, all threads meet at the last free
// ones. A lost race is a seat that another thread took between choosing and claiming; look_again is
// an answer upon which the caller repeats the call.
void rush(benchmark::State& state) {
    static std::unique_ptr<Class> seats;
    static std::mutex guard;
    constexpr int kSegments = 29;
    constexpr std::size_t kTickets = 16;
    {
        const std::lock_guard<std::mutex> lock(guard);
        if (state.thread_index() == 0) {
            kernels_init();
            seats =
                std::make_unique<Class>(kSegments, 0, static_cast<std::uint32_t>(state.range(0)));
        }
    }
    std::mt19937_64 random(static_cast<std::uint64_t>(state.thread_index()) + 1);
    SeatClaim tickets[kTickets] = {};
    std::uint32_t lost = 0;
    std::int64_t again = 0;
    std::int64_t sold_out = 0;
    std::size_t turn = 0;
    for (auto _ : state) {  // threads start together, once the class is made
        SeatClaim& ticket = tickets[turn++ % kTickets];
        release(seats->map, ticket.seat, ticket.from_pool);
        ticket = {};
        SeatRequest request;
        request.from = static_cast<int>(random() % kSegments);
        request.to = request.from + 1 +
                     static_cast<int>(random() % static_cast<unsigned>(kSegments - request.from));
        request.trip = trip_mask(request.from, request.to);
        request.seed = random();
        SeatClaim claim;
        Status status;
        while ((status = claim_seats(seats->map, nullptr, request, nullptr, &claim, &lost)) ==
               Status::kLookAgain) {
            ++again;
        }
        if (status == Status::kOk) {
            ticket = claim;
        } else {
            ++sold_out;
        }
    }
    for (const SeatClaim& ticket : tickets) release(seats->map, ticket.seat, ticket.from_pool);
    using benchmark::Counter;
    state.counters["lost_races"] = Counter(lost, Counter::kAvgIterations);
    state.counters["look_again"] = Counter(static_cast<double>(again), Counter::kAvgIterations);
    state.counters["sold_out"] = Counter(static_cast<double>(sold_out), Counter::kAvgIterations);
}
BENCHMARK(rush)->Arg(10)->Arg(100)->Arg(2000)->ThreadRange(1, 16)->UseRealTime();

}  // namespace
}  // namespace ticketpool
