// The matrix of remaining seats, compared with one count per pair of stops.
#include "ticketpool/matrix.hpp"

#include <gtest/gtest.h>

#include "train.hpp"

namespace ticketpool {
namespace {

std::vector<std::uint32_t> matrix_of(const Train& train, const std::vector<OwnFree>& own,
                                     std::uint32_t filled_with) {
    const int segments = train.map.segments;
    const std::size_t width = static_cast<std::size_t>(segments) + 1;
    std::vector<std::uint32_t> cells(width * width, filled_with);
    std::vector<std::uint32_t> scratch(matrix_scratch_bytes(segments) / 4, 0xdeadbeef);
    remaining_matrix(train.map, own.data(), static_cast<std::uint32_t>(own.size()), cells.data(),
                     scratch.data());
    return cells;
}

TEST(Matrix, AgreesWithTheModelForEveryPair) {
    std::mt19937_64 random(5);
    for (const int segments : {1, 2, 6, 11, 29, 64, 65, 130, 200, 256}) {
        for (const int percent : {0, 3, 20, 100}) {
            Train train(13, segments);
            train.fill(random, percent);
            const NaiveTrain naive(train.map);
            const std::vector<std::uint32_t> cells = matrix_of(train, {}, 5);
            const int width = segments + 1;
            for (int a = 0; a <= segments; ++a) {
                for (int b = 0; b <= segments; ++b) {
                    const std::uint32_t free = a < b ? naive.count(a, b) : 0;
                    ASSERT_EQ(cells[a * width + b], 5 + free) << a << ".." << b;
                }
            }
        }
    }
}

TEST(Matrix, OwnBitsCountAsFree) {
    std::mt19937_64 random(6);
    Train train(9, 20);
    train.fill(random, 40);
    const std::vector<OwnFree> own = {
        {0, trip_mask(3, 9)}, {4, trip_mask(0, 20)}, {8, trip_mask(19, 20)}};
    const std::vector<std::uint32_t> cells = matrix_of(train, own, 0);
    for (const OwnFree& bits : own) release(train.map, bits.seat, bits.bits);
    EXPECT_EQ(cells, matrix_of(train, {}, 0));
}

}  // namespace
}  // namespace ticketpool
