// Counts the remaining seats between all pairs of stops: see matrix.hpp.
#include "ticketpool/matrix.hpp"

namespace ticketpool {

namespace {

// Counts the maximal free runs [a, b) of one seat in runs[a * width + b].
inline void count_runs(const SegmentMask& taken, int segments, std::uint32_t* runs,
                       std::size_t width) noexcept {
    const SegmentMask free = ~taken;
    int stop = 0;
    while (stop < segments) {
        const int begin = run_end(free, stop, segments);  // end of the taken stretch
        if (begin == segments) return;
        const int end = run_end(taken, begin, segments);
        ++runs[static_cast<std::size_t>(begin) * width + static_cast<std::size_t>(end)];
        stop = end;
    }
}

template <typename Bits>
void count_runs_of_all(const SeatWords<Bits>& words, const SeatMap& map, const OwnFree* own,
                       std::uint32_t own_count, std::uint32_t* runs, std::size_t width) noexcept {
    const OwnFree* const own_end = own + own_count;
    for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
        SegmentMask taken = words.load(seat);
        while (own != own_end && own->seat < seat) ++own;
        if (own != own_end && own->seat == seat) taken = taken.and_not(own->bits);
        count_runs(taken, map.segments, runs, width);
    }
}

}  // namespace

std::size_t matrix_scratch_bytes(int segments) noexcept {
    const std::size_t width = static_cast<std::size_t>(segments) + 1;
    return width * width * sizeof(std::uint32_t);
}

void remaining_matrix(const SeatMap& map, const OwnFree* own, std::uint32_t own_count,
                      std::uint32_t* cells, void* scratch) noexcept {
    const std::size_t width = static_cast<std::size_t>(map.segments) + 1;
    auto* runs = static_cast<std::uint32_t*>(scratch);
    for (std::size_t i = 0; i < width * width; ++i) runs[i] = 0;

    with_words(map, [&](const auto& seats) noexcept {
        count_runs_of_all(seats, map, own, own_count, runs, width);
    });

    // A seat is free over [a, b) if and only if exactly one of its runs [x, y) has x <= a, b <= y.
    // So each cell is a sum over that quadrant, computed in place; unsigned wrap-around in between
    // cancels out.
    for (std::size_t a = 0; a + 1 < width; ++a) {
        for (std::size_t b = width - 1; b > a; --b) {
            std::uint32_t sum = runs[a * width + b];
            if (a > 0) sum += runs[(a - 1) * width + b];
            if (b + 1 < width) sum += runs[a * width + b + 1];
            if (a > 0 && b + 1 < width) sum -= runs[(a - 1) * width + b + 1];
            runs[a * width + b] = sum;
            cells[a * width + b] += sum;
        }
    }
}

}  // namespace ticketpool
