// The algebra of segment masks, compared with loops over single bits.
#include "ticketpool/segment_mask.hpp"

#include <gtest/gtest.h>

#include <bitset>
#include <random>

namespace ticketpool {
namespace {

using Bits = std::bitset<kMaxSegments>;

Bits bits_of(const SegmentMask& mask) {
    Bits bits;
    for (int i = 0; i < kMaxSegments; ++i) bits[i] = mask.test(i);
    return bits;
}

SegmentMask random_any(std::mt19937_64& random) {
    SegmentMask mask;
    for (std::uint64_t& word : mask.w) word = random() & random();
    return mask;
}

// All of it can be computed by the compiler.
static_assert(trip_mask(0, 1).w[0] == 1);
static_assert(trip_mask(63, 65).touched_words() == 2);
static_assert((trip_mask(0, 256) & ~trip_mask(0, 256)).none());
static_assert(trip_mask(3, 9).is_subset_of(trip_mask(0, 10)));
static_assert(trip_mask(0, 256).popcount() == 256);

TEST(SegmentMask, WordsForEveryNumberOfSegments) {
    EXPECT_EQ(words_for(1), 1);
    EXPECT_EQ(words_for(64), 1);
    EXPECT_EQ(words_for(65), 2);
    EXPECT_EQ(words_for(128), 2);
    EXPECT_EQ(words_for(129), 3);
    EXPECT_EQ(words_for(192), 3);
    EXPECT_EQ(words_for(193), 4);
    EXPECT_EQ(words_for(256), 4);
}

TEST(SegmentMask, EveryTrip) {
    for (int from = 0; from <= kMaxSegments; ++from) {
        for (int to = from; to <= kMaxSegments; ++to) {
            const SegmentMask mask = trip_mask(from, to);
            ASSERT_EQ(mask.popcount(), to - from);
            ASSERT_EQ(mask.none(), from == to);
            if (from == to) continue;
            ASSERT_TRUE(mask.test(from) && mask.test(to - 1));
            ASSERT_EQ(mask.first_word(), from / 64);
            ASSERT_EQ(mask.last_word(), (to - 1) / 64);
            ASSERT_EQ(mask.touched_words(), (to - 1) / 64 - from / 64 + 1);
        }
    }
    EXPECT_EQ(SegmentMask{}.first_word(), -1);
    EXPECT_EQ(SegmentMask{}.last_word(), -1);
}

TEST(SegmentMask, AlgebraAgreesWithBitset) {
    std::mt19937_64 random(7);
    for (int round = 0; round < 2000; ++round) {
        const SegmentMask a = random_any(random);
        const SegmentMask b = round % 3 == 0 ? a & random_any(random) : random_any(random);
        const Bits x = bits_of(a);
        const Bits y = bits_of(b);
        ASSERT_EQ(bits_of(a & b), x & y);
        ASSERT_EQ(bits_of(a | b), x | y);
        ASSERT_EQ(bits_of(~a), ~x);
        ASSERT_EQ(bits_of(a.and_not(b)), x & ~y);
        ASSERT_EQ(a == b, x == y);
        ASSERT_TRUE(a == a);
        ASSERT_EQ(b.is_subset_of(a), (y & ~x).none());
        ASSERT_EQ(a.any(), x.any());
        ASSERT_EQ(a.popcount(), static_cast<int>(x.count()));
    }
}

TEST(SegmentMask, FreeRunAgreesWithWalking) {
    std::mt19937_64 random(8);
    for (const int segments : {1, 5, 63, 64, 65, 127, 128, 130, 192, 200, 255, 256}) {
        for (int round = 0; round < 400; ++round) {
            SegmentMask taken;
            const int sold = static_cast<int>(random() % 6);
            for (int i = 0; i < sold; ++i) taken.set(static_cast<int>(random() % segments));
            const int from = static_cast<int>(random() % segments);
            const int to = from + 1 + static_cast<int>(random() % (segments - from));
            if ((taken & trip_mask(from, to)).any()) continue;
            int begin = from;
            int end = to;
            while (begin > 0 && !taken.test(begin - 1)) --begin;
            while (end < segments && !taken.test(end)) ++end;
            ASSERT_EQ(run_begin(taken, from), begin);
            ASSERT_EQ(run_end(taken, to, segments), end);
            ASSERT_EQ(free_run(taken, from, to, segments), end - begin);
        }
    }
}

}  // namespace
}  // namespace ticketpool
