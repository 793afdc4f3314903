// Microbenchmarks of the core: time per call on one class of 2,000 seats.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "ticketpool/allocation.hpp"
#include "ticketpool/kernels.hpp"
#include "ticketpool/matrix.hpp"
#include "ticketpool/seat_map.hpp"

namespace ticketpool {
namespace {

constexpr std::uint32_t kSeats = 2000;

// A class of which the given share of seats, in per cent, is sold from end to end and the rest is
// empty. No trip meets an exact fit, so a best-fit scan has to look at every seat.
struct Class {
    Class(int segments, int sold_percent)
        : words(seat_map_bytes(kSeats, segments) / kLineBytes), geometry(kSeats) {
        map = seat_map_at(words.data(), &control, kSeats, segments);
        std::mt19937_64 random(1);
        for (std::uint32_t seat = 0; seat < kSeats; ++seat) {
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

// Arguments of the scans: segments, per cent sold, 0 for the baseline and 1 for vector kernels.
const Kernels* kernels_for(benchmark::State& state) {
    const Kernels* chosen = state.range(2) == 0 ? &baseline_kernels() : vector_kernels();
    if (chosen == nullptr) state.SkipWithError("no vector kernels on this machine");
    return chosen;
}

void scan_arguments(benchmark::internal::Benchmark* b) {
    for (int segments : {6, 12, 29, 40, 100, 150, 250}) {
        for (int taken : {0, 50, 100}) {
            for (int vector : {0, 1}) b->Args({segments, taken, vector});
        }
    }
}

void count(benchmark::State& state) {
    const Kernels* chosen = kernels_for(state);
    if (chosen == nullptr) return;
    const auto segments = static_cast<int>(state.range(0));
    const Class seats(segments, static_cast<int>(state.range(1)));
    const SegmentMask trip = trip_mask(segments / 4, std::min(segments / 4 + 8, segments));
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            chosen->count_free[seats.map.shape()](seats.map.words, kSeats, trip));
    }
}
BENCHMARK(count)->Apply(scan_arguments);

void best_fit(benchmark::State& state) {
    const Kernels* chosen = kernels_for(state);
    if (chosen == nullptr) return;
    const auto segments = static_cast<int>(state.range(0));
    const Class seats(segments, static_cast<int>(state.range(1)));
    const int from = segments / 4;
    const TripScan scan{trip_mask(from, from + 3), from, from + 3, segments};
    for (auto _ : state) {
        benchmark::DoNotOptimize(
            chosen->best_fit[seats.map.shape()](seats.map.words, kSeats, scan, 700));
    }
}
BENCHMARK(best_fit)->Apply(scan_arguments);

// Choose, claim and give back. Arguments: segments, per cent sold, party.
void sell(benchmark::State& state) {
    kernels_init();
    const auto segments = static_cast<int>(state.range(0));
    Class seats(segments, static_cast<int>(state.range(1)));
    SeatRequest request;
    request.from = segments / 4;
    request.to = std::min(request.from + 8, segments);
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
BENCHMARK(sell)->ArgsProduct({{6, 29, 40, 100}, {0, 50}, {1, 2, 5, 20}});

// No seat is free: the scan and the careful look.
void sold_out(benchmark::State& state) {
    kernels_init();
    Class seats(static_cast<int>(state.range(0)), 100);
    SeatRequest request;
    request.to = 5;
    request.trip = trip_mask(0, 5);
    SeatClaim claim;
    for (auto _ : state) {
        benchmark::DoNotOptimize(claim_seats(seats.map, nullptr, request, nullptr, &claim));
    }
}
BENCHMARK(sold_out)->Arg(6)->Arg(12)->Arg(29)->Arg(40);

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
BENCHMARK(matrix)->Arg(12)->Arg(29)->Arg(40)->Arg(100)->Arg(250);

}  // namespace
}  // namespace ticketpool
