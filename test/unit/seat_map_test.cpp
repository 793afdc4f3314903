// The seats of a class: claims, releases and careful looks of one thread, at every width of a seat.
#include "ticketpool/seat_map.hpp"

#include <gtest/gtest.h>

#include "train.hpp"

namespace ticketpool {
namespace {

std::uint32_t unfinished(const Train& train) {
    return train.control.unfinished.load();
}
std::uint32_t undone(const Train& train) {
    return train.control.undone.load();
}

TEST(SeatMap, EveryTripOfSmallTrainsAgreesWithTheModel) {
    std::mt19937_64 random(1);
    for (const int segments : {1, 2, 3, 6, 8, 9, 12, 16, 17, 29, 32, 33}) {
        for (const int percent : {0, 15, 40, 80}) {
            Train train(23, segments);
            train.fill(random, percent);
            const NaiveTrain naive(train.map);
            std::uint64_t free_bits = 0;
            for (const auto& seat : naive.taken) {
                for (const bool taken : seat) free_bits += !taken;
            }
            EXPECT_EQ(count_free_seat_segments(train.map), free_bits);
            for (int from = 0; from < segments; ++from) {
                for (int to = from + 1; to <= segments; ++to) {
                    const SegmentMask trip = trip_mask(from, to);
                    ASSERT_EQ(count_free(train.map, trip), naive.count(from, to));
                    ASSERT_EQ(count_free_with_own(train.map, trip, nullptr, 0),
                              naive.count(from, to));
                    for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
                        ASSERT_EQ(seat_is_free(train.map, seat, trip),
                                  naive.is_free(seat, from, to));
                    }
                }
            }
        }
    }
}

// Claims are all or none, and release gives back exactly, at every width.
TEST(SeatMap, ClaimAndReleaseAgreeWithTheModel) {
    std::mt19937_64 random(2);
    for (const int segments : {6, 8, 9, 16, 17, 29, 32, 33, 64, 65, 128, 150, 192, 250, 256}) {
        Train train(5, segments);
        for (int round = 0; round < 600; ++round) {
            const auto seat = static_cast<std::uint32_t>(random() % 5);
            const int from = static_cast<int>(random() % segments);
            const int to = from + 1 + static_cast<int>(random() % (segments - from));
            const SegmentMask trip = trip_mask(from, to);
            const SegmentMask before = load_seat(train.map, seat);
            if (random() % 2 == 0) {
                const bool fits = NaiveTrain(train.map).is_free(seat, from, to);
                ASSERT_EQ(try_claim(train.map, seat, trip), fits);
                ASSERT_TRUE(load_seat(train.map, seat) == (fits ? before | trip : before));
            } else {
                release(train.map, seat, trip);
                release(train.map, seat, trip);
                ASSERT_TRUE(load_seat(train.map, seat) == before.and_not(trip));
            }
            ASSERT_EQ(unfinished(train), 0U);
        }
    }
}

TEST(SeatMap, WidthsAndBytes) {
    struct {
        int segments, shape, seat_bytes;
    } const widths[] = {{1, 0, 1},    {6, 0, 1},    {8, 0, 1},    {9, 1, 2},
                        {16, 1, 2},   {17, 2, 4},   {29, 2, 4},   {32, 2, 4},
                        {33, 3, 8},   {64, 3, 8},   {65, 4, 16},  {128, 4, 16},
                        {129, 5, 24}, {192, 5, 24}, {193, 6, 32}, {256, 6, 32}};
    for (const auto& width : widths) {
        EXPECT_EQ(seat_map_at(nullptr, nullptr, 1, width.segments).shape(), width.shape);
        EXPECT_EQ(seat_bytes_for(width.segments), width.seat_bytes);
        EXPECT_EQ(seat_map_stride(0, width.segments), 0U);
        EXPECT_EQ(seat_map_stride(1, width.segments), 32U);
        EXPECT_EQ(seat_map_stride(640, width.segments), 640U * width.seat_bytes);
        EXPECT_EQ(seat_map_stride(641, width.segments), 640U * width.seat_bytes + 32);
        EXPECT_EQ(seat_map_bytes(0, width.segments), 0U);
        EXPECT_EQ(seat_map_bytes(1, width.segments), 64U);
        EXPECT_EQ(seat_map_bytes(640, width.segments), 640U * width.seat_bytes);
        EXPECT_EQ(seat_map_bytes(641, width.segments), 640U * width.seat_bytes + 64);
    }
}

// Every operation on a seat leaves its neighbours unchanged, whatever they hold.
TEST(SeatMap, NeighboursKeepTheirBits) {
    std::mt19937_64 random(8);
    for (const int segments : {6, 8, 9, 16, 17, 29, 32, 33, 64, 65, 256}) {
        Train train(19, segments);
        train.fill(random, 50);
        std::vector<SegmentMask> wanted;
        for (std::uint32_t seat = 0; seat < 19; ++seat)
            wanted.push_back(load_seat(train.map, seat));
        for (int round = 0; round < 300; ++round) {
            const auto seat = static_cast<std::uint32_t>(random() % 19);
            const SegmentMask bits = random_mask(random, segments, 30);
            if (round % 3 == 0) {
                release(train.map, seat, bits);
                wanted[seat] = wanted[seat].and_not(bits);
            } else if (round % 3 == 1) {
                ASSERT_TRUE(take_free(train.map, seat, bits) == bits.and_not(wanted[seat]));
                wanted[seat] |= bits;
            } else if (try_claim(train.map, seat, bits)) {
                ASSERT_TRUE((wanted[seat] & bits).none());
                wanted[seat] |= bits;
            }
            for (std::uint32_t s = 0; s < 19; ++s) {
                ASSERT_TRUE(load_seat(train.map, s) == wanted[s]) << segments << ": " << s;
            }
        }
    }
}

TEST(SeatMap, OneWordOfOneSeatTouchesNoCounter) {
    Train train(3, 130);
    EXPECT_TRUE(try_claim(train.map, 1, trip_mask(70, 90)));
    EXPECT_FALSE(try_claim(train.map, 1, trip_mask(80, 100)));
    EXPECT_TRUE(try_claim(train.map, 1, SegmentMask{}));
    EXPECT_EQ(undone(train), 0U);
    EXPECT_EQ(unfinished(train), 0U);
}

TEST(SeatMap, FailedWideClaimUndoesAndSaysSo) {
    Train train(1, 200);
    train.take(0, trip_mask(150, 151));
    const SegmentMask before = load_seat(train.map, 0);
    EXPECT_FALSE(try_claim(train.map, 0, trip_mask(10, 180)));
    EXPECT_TRUE(load_seat(train.map, 0) == before);
    EXPECT_EQ(undone(train), 1U);
    EXPECT_EQ(unfinished(train), 0U);
    EXPECT_TRUE(try_claim(train.map, 0, trip_mask(10, 150)));
    EXPECT_EQ(undone(train), 1U);
    EXPECT_EQ(unfinished(train), 0U);
}

TEST(SeatMap, FailedPartyUndoesAllSeats) {
    Train train(6, 100);
    train.take(4, trip_mask(70, 71));
    std::vector<SegmentMask> before;
    for (std::uint32_t seat = 0; seat < 6; ++seat) before.push_back(load_seat(train.map, seat));
    const SegmentMask trip = trip_mask(60, 80);
    const SeatClaim claims[] = {{0, trip, {}}, {2, trip, {}}, {4, trip, {}}, {5, trip, {}}};
    EXPECT_FALSE(try_claim_all(train.map, claims, 4));
    for (std::uint32_t seat = 0; seat < 6; ++seat) {
        EXPECT_TRUE(load_seat(train.map, seat) == before[seat]) << seat;
    }
    EXPECT_EQ(undone(train), 1U);
    EXPECT_EQ(unfinished(train), 0U);
    EXPECT_TRUE(try_claim_all(train.map, claims, 2));
    EXPECT_FALSE(seat_is_free(train.map, 0, trip));
    EXPECT_FALSE(seat_is_free(train.map, 2, trip));
}

// While an attempt is under way, its mark must be visible to any process that sees one of its bits.
// A single-threaded stand-in: the attempt is made by hand.
TEST(CarefulLook, UnfinishedAttemptMeansLookAgain) {
    Train train(2, 10);
    train.take_all();
    train.control.unfinished = 1;
    EXPECT_EQ(train.claim(train.request(2, 5)), Status::kLookAgain);
    EXPECT_EQ(train.claim(train.request(2, 5, 2)), Status::kLookAgain);
    train.control.unfinished = 0;
    EXPECT_EQ(train.claim(train.request(2, 5)), Status::kSoldOut);
    EXPECT_EQ(train.claim(train.request(2, 5, 2)), Status::kSoldOut);
    EXPECT_EQ(unfinished(train), 0U);
}

TEST(CarefulLook, UndoneAttemptMeansAnotherScan) {
    ClassControl control{};
    int scans = 0;
    const auto undone_once = [&] {
        if (++scans == 1) ++control.undone;
        return false;
    };
    EXPECT_EQ(look_carefully(control, undone_once), Status::kSoldOut);
    EXPECT_EQ(scans, 2);

    scans = 0;
    const auto undone_always = [&] {
        ++scans;
        ++control.undone;
        return false;
    };
    EXPECT_EQ(look_carefully(control, undone_always), Status::kLookAgain);
    EXPECT_EQ(scans, kMaxLooks);

    // The seat that the failing attempt gave back is found by the second scan.
    scans = 0;
    const auto freed = [&] {
        if (++scans == 1) {
            ++control.undone;
            return false;
        }
        return true;
    };
    EXPECT_EQ(look_carefully(control, freed), Status::kOk);
}

// An attempt that begins, fails and ends within one scan leaves no trace except `undone`.
TEST(CarefulLook, AttemptThatComesAndGoesDuringTheScan) {
    Train train(2, 130);
    train.take(1);
    train.take(0, trip_mask(100, 101));
    const SegmentMask trip = trip_mask(0, 10);
    int scans = 0;
    const auto scan = [&] {
        if (++scans > 1) return count_free_with_own(train.map, trip, nullptr, 0) >= 1;
        train.take(0, trip);  // seen half done ...
        const bool enough = count_free_with_own(train.map, trip, nullptr, 0) >= 1;
        release(train.map, 0, trip);
        EXPECT_FALSE(try_claim(train.map, 0, trip_mask(0, 110)));  // ... and undone
        return enough;
    };
    EXPECT_EQ(look_carefully(train.control, scan), Status::kOk);
    EXPECT_EQ(scans, 2);
}

}  // namespace
}  // namespace ticketpool
