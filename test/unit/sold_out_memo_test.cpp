// The memo of refusals: an entry holds for one question, and only until something is given back.
#include "ticketpool/sold_out_memo.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "train.hpp"

namespace ticketpool {
namespace {

using Question = SoldOutMemo::Question;

constexpr Question kQuestion{6, 3, 1, 2, 4, 9};

std::unique_ptr<SoldOutMemo> empty_memo() {
    return std::make_unique<SoldOutMemo>();
}

TEST(SoldOutMemo, KnowsNothingAtFirst) {
    const auto memo = empty_memo();
    EXPECT_FALSE(memo->holds(kQuestion, 0));
    EXPECT_FALSE(memo->holds({2, 0, 1, 0, 0, 1}, 0));
}

TEST(SoldOutMemo, HoldsForOneQuestionAndCount) {
    const auto memo = empty_memo();
    const std::uint64_t count = 7 * kReleaseFinished;
    memo->remember(kQuestion, count);
    EXPECT_TRUE(memo->holds(kQuestion, count));
    EXPECT_FALSE(memo->holds(kQuestion, count + 1));
    EXPECT_FALSE(memo->holds(kQuestion, count + kReleaseFinished));
    EXPECT_FALSE(memo->holds(kQuestion, count - kReleaseFinished));
    const Question others[] = {{10, 3, 1, 2, 4, 9}, {6, 4, 1, 2, 4, 9}, {6, 3, 2, 2, 4, 9},
                               {6, 3, 1, 1, 4, 9},  {6, 3, 1, 2, 3, 9}, {6, 3, 1, 2, 4, 8}};
    for (const Question& other : others) EXPECT_FALSE(memo->holds(other, count));
}

TEST(SoldOutMemo, TakesNoNoteWhileSomethingIsGivenBack) {
    const auto memo = empty_memo();
    memo->remember(kQuestion, 7 * kReleaseFinished + 1);
    EXPECT_FALSE(memo->holds(kQuestion, 7 * kReleaseFinished + 1));
}

// Entries share places: the later question takes the place, and the earlier one has to be asked
// again.
TEST(SoldOutMemo, NeverMistakesOneQuestionForAnother) {
    const auto memo = empty_memo();
    for (std::uint32_t slot = 0; slot < 40; ++slot) {
        for (std::uint16_t from = 0; from < 60; ++from) {
            const std::uint64_t count = (slot + from) * kReleaseFinished;
            memo->remember({2, slot, 1, 0, from, 60}, count);
            for (std::uint32_t other = 0; other < 40; ++other) {
                ASSERT_EQ(memo->holds({2, other, 1, 0, from, 60}, count), other == slot);
            }
        }
    }
}

TEST(SoldOutMemo, EachReleaseCounts) {
    Train train(20, 8);
    train.take_all_but({});
    const std::uint64_t before = train.control.releases.load();
    EXPECT_FALSE(is_release_under_way(before));
    release(train.map, 3, trip_mask(2, 4));
    EXPECT_EQ(train.control.releases.load(), before + kReleaseFinished);
    release(train.map, 3, trip_mask(4, 5));
    EXPECT_EQ(train.control.releases.load(), before + 2 * kReleaseFinished);
}

// Asks as a sale does: the memo first, then the seats.
Status ask(Train& train, SoldOutMemo& memo, SeatClaim* claim) {
    const SeatRequest request = train.request(2, 5, 1, Allocation::kBestFit);
    const Question question{2, 0, 1, 0, 2, 5};
    const std::uint64_t releases = train.control.releases.load(std::memory_order_acquire);
    if (memo.holds(question, releases)) return Status::kSoldOut;
    SeatMap map = train.map;
    const Status status = claim_seats(map, train.geometry.data(), request, nullptr, claim);
    if (status == Status::kSoldOut) memo.remember(question, releases);
    return status;
}

// One thread gives the last seat back, again and again, while another one keeps asking. If it asks
// after the release, or after it has itself seen the seat free, it gets the seat.
TEST(SoldOutMemo, NeverHidesWhatWasGivenBack) {
    Train train(300, 8);
    train.take_all_but({});
    const auto memo = empty_memo();
    std::atomic<std::uint64_t> given{0};
    std::atomic<std::uint64_t> taken{0};
    std::atomic<bool> stop{false};
    std::thread giver([&] {
        SeatMap map = train.map;
        while (!stop.load()) {
            if (given.load() > taken.load()) continue;
            release(map, 299, trip_mask(0, 8));
            given.fetch_add(1);
        }
    });
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    std::uint64_t false_refusals = 0;
    while (std::chrono::steady_clock::now() < end) {
        const bool is_free =
            given.load() > taken.load() || seat_is_free(train.map, 299, trip_mask(2, 5));
        SeatClaim claim{};
        if (ask(train, *memo, &claim) == Status::kOk) {
            // Claim the rest of the seat as well, so that all of it is given back the next time.
            SeatMap map = train.map;
            take_free(map, claim.seat, trip_mask(0, 8));
            while (given.load() == taken.load()) {
            }
            taken.fetch_add(1);
        } else if (is_free) {
            ++false_refusals;
            break;
        }
    }
    stop = true;
    giver.join();
    EXPECT_EQ(false_refusals, 0U);
    EXPECT_GT(taken.load(), 0U);
}

}  // namespace
}  // namespace ticketpool
