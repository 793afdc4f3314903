// Plain quantities: lanes, gathering, the list of an item's stocks, and threads that buy and give
// back.
#include "ticketpool/stock.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <chrono>
#include <limits>
#include <memory>
#include <random>
#include <thread>
#include <vector>

namespace ticketpool {
namespace {

constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();

// An item in memory of its own, with room for stocks that are split off.
class Shelf {
  public:
    explicit Shelf(std::uint32_t lanes) : memory_(1) {
        item = Item::init_in_place(block(Item::bytes_required(lanes)), lanes);
        root = item->root();
        root->inventory_id = 1;
    }
    Stock* split_off(std::int64_t inventory_id, std::uint32_t lanes) {
        Stock* stock = Stock::init_in_place(block(Stock::bytes_required(lanes)), lanes);
        stock->inventory_id = inventory_id;
        item->link(stock);
        return stock;
    }
    void set_lanes(const std::vector<std::int64_t>& free) {
        for (std::size_t i = 0; i < free.size(); ++i) root->lanes()[i].free.store(free[i]);
    }
    Item* item;
    Stock* root;

  private:
    struct alignas(64) Line {
        char bytes[64];
    };
    void* block(std::size_t bytes) {
        memory_.push_back(std::make_unique<Line[]>(bytes / sizeof(Line)));
        return memory_.back().get();
    }
    std::vector<std::unique_ptr<Line[]>> memory_;
};

Status claim(Shelf& shelf, std::int64_t units, std::uint32_t start) {
    return claim_units(*shelf.root, units, start);
}

// Claims as a session would: calls again as long as the answer is kLookAgain.
Status claim_in_the_end(Stock& stock, std::int64_t units, std::uint32_t start) {
    Status status = claim_units(stock, units, start);
    while (status == Status::kLookAgain) {
        std::this_thread::yield();
        status = claim_units(stock, units, start);
    }
    return status;
}

TEST(Stock, LanesFollowQuantityAndCores) {
    EXPECT_EQ(lanes_for(1, 64), 1U);
    EXPECT_EQ(lanes_for(0, 0), 1U);
    EXPECT_EQ(lanes_for(1000000, 0), 1U);
    EXPECT_EQ(lanes_for(1000000, 2), 2U);
    EXPECT_EQ(lanes_for(kMost, 4096), kMaxLanes);
    EXPECT_LT(lanes_for(600, 64), 4U);
}

TEST(Stock, EveryUnitIsSoldOnceFromAnyLane) {
    for (std::uint32_t lanes = 1; lanes <= kMaxLanes; ++lanes) {
        Shelf shelf(lanes);
        fill_units(*shelf.root, 100);
        for (std::uint32_t i = 0; i < 100; ++i) ASSERT_EQ(claim(shelf, 1, i * 7), Status::kOk);
        EXPECT_EQ(claim(shelf, 1, 3), Status::kSoldOut);
        EXPECT_EQ(count_free_units(*shelf.root), 0);
    }
}

TEST(Stock, AllOrNone) {
    Shelf shelf(3);
    shelf.set_lanes({2, 0, 3});
    EXPECT_EQ(claim(shelf, 6, 0), Status::kSoldOut);
    EXPECT_EQ(count_free_units(*shelf.root), 5);
    EXPECT_EQ(claim(shelf, 3, 0), Status::kOk);  // from the one lane that has enough
    EXPECT_EQ(shelf.root->lanes()[0].free.load(), 2);
    shelf.set_lanes({2, 0, 3});
    EXPECT_EQ(claim(shelf, 5, 1), Status::kOk);  // gathered
    EXPECT_EQ(count_free_units(*shelf.root), 0);
    EXPECT_EQ(shelf.root->control.unfinished.load(), 0U);
}

TEST(Stock, HugeQuantities) {
    Shelf shelf(16);
    fill_units(*shelf.root, kMost);
    EXPECT_EQ(count_free_units(*shelf.root), kMost);
    EXPECT_EQ(claim(shelf, kMost, UINT32_MAX), Status::kOk);
    EXPECT_EQ(claim(shelf, 1, UINT32_MAX), Status::kSoldOut);
    give_back_units(*shelf.root, kMost, UINT32_MAX);
    EXPECT_EQ(claim_all_units(*shelf.root), kMost);
    // Rows written by hand may hold any number: the sum does not wrap.
    shelf.set_lanes({kMost, kMost, kMost});
    EXPECT_EQ(count_free_units(*shelf.root), kMost);
}

TEST(Stock, GivingBackMakesALookerLookAgain) {
    Shelf shelf(2);
    const std::uint32_t before = shelf.root->control.undone.load();
    give_back_units(*shelf.root, 1, 0);
    EXPECT_NE(shelf.root->control.undone.load(), before);
    EXPECT_EQ(shelf.root->control.unfinished.load(), 0U);
}

TEST(Stock, AnUnfinishedAttemptIsWaitedFor) {
    Shelf shelf(2);
    begin_attempt(shelf.root->control);
    EXPECT_EQ(claim(shelf, 1, 0), Status::kLookAgain);
    shelf.set_lanes({1, 1});
    EXPECT_EQ(claim(shelf, 2, 0), Status::kLookAgain) << "one gatherer at a time";
    EXPECT_EQ(claim(shelf, 1, 0), Status::kOk);
    end_attempt(shelf.root->control, true);
    EXPECT_EQ(claim(shelf, 1, 0), Status::kOk);
    EXPECT_EQ(claim(shelf, 1, 0), Status::kSoldOut);
}

TEST(Stock, ListIsInOrderOfId) {
    Shelf shelf(1);
    Stock* third = shelf.split_off(30, 1);
    Stock* second = shelf.split_off(20, 2);
    Stock* fourth = shelf.split_off(40, 1);
    EXPECT_EQ(shelf.item->after(shelf.root), second);
    EXPECT_EQ(shelf.item->after(second), third);
    EXPECT_EQ(shelf.item->after(third), fourth);
    EXPECT_EQ(shelf.item->after(fourth), nullptr);
    EXPECT_EQ(shelf.item->find(20), second);
    EXPECT_EQ(shelf.item->find(1), shelf.root);
    EXPECT_EQ(shelf.item->find(25), nullptr);
    EXPECT_EQ(shelf.item->bytes.load(),
              Item::bytes_required(1) + 2 * Stock::bytes_required(1) + Stock::bytes_required(2));
}

// ---------------------------------------------------------------------------------------------
// Threads
// ---------------------------------------------------------------------------------------------

constexpr auto kDuration = std::chrono::milliseconds(1000);

class Clock {
  public:
    bool running() const { return std::chrono::steady_clock::now() < end_; }

  private:
    std::chrono::steady_clock::time_point end_ = std::chrono::steady_clock::now() + kDuration;
};

// Only undoing gives anything back: a buyer whose refused request still fits at the end was refused
// falsely, and whatever is missing was sold twice.
TEST(StockThreads, SellsOutExactly) {
    const Clock clock;
    for (std::uint32_t round = 0; clock.running(); ++round) {
        Shelf shelf(1 + round % 5);
        const std::int64_t quantity = 40 + round % 300;
        fill_units(*shelf.root, quantity);
        std::atomic<std::int64_t> sold{0};
        std::barrier start(4);
        std::vector<std::thread> buyers;
        for (std::uint32_t b = 0; b < 4; ++b) {
            buyers.emplace_back([&, b] {
                std::mt19937 random(round * 4 + b);
                std::int64_t units = 1 + random() % 7;
                start.arrive_and_wait();
                // Smaller and smaller requests: the last one is for one unit.
                while (units > 0) {
                    if (claim_in_the_end(*shelf.root, units, b) == Status::kOk) {
                        sold += units;
                    } else {
                        ASSERT_LT(count_free_units(*shelf.root), units) << "refused falsely";
                        units--;
                    }
                }
            });
        }
        for (std::thread& buyer : buyers) buyer.join();
        ASSERT_EQ(count_free_units(*shelf.root), 0) << "a unit that nobody could buy";
        ASSERT_EQ(sold.load(), quantity);
        ASSERT_EQ(shelf.root->control.unfinished.load(), 0U);
    }
}

// Two sessions move units between lanes. There is one unit more than they can hold, so a buyer of
// one unit must never hear "sold out", although it may find each lane empty when it looks at it.
TEST(StockThreads, GivingBackRefusesNobody) {
    Shelf shelf(2);
    fill_units(*shelf.root, 3);
    const Clock clock;
    std::atomic<std::uint64_t> refused{0};
    std::vector<std::thread> sessions;
    for (std::uint32_t s = 0; s < 3; ++s) {
        sessions.emplace_back([&, s] {
            for (std::uint32_t i = s; clock.running(); ++i) {
                if (claim_in_the_end(*shelf.root, 1, i) != Status::kOk) {
                    ++refused;
                } else {
                    give_back_units(*shelf.root, 1, i + 1);
                }
            }
        });
    }
    for (std::thread& session : sessions) session.join();
    EXPECT_EQ(refused.load(), 0U);
    EXPECT_EQ(count_free_units(*shelf.root), 3);
}

// Each gatherer needs what both lanes have: one of them must get it.
TEST(StockThreads, GatherersDoNotRefuseEachOther) {
    const Clock clock;
    Shelf shelf(4);
    while (clock.running()) {
        shelf.set_lanes({2, 1, 0, 2});
        std::atomic<int> served{0};
        std::barrier start(3);
        std::vector<std::thread> gatherers;
        for (std::uint32_t g = 0; g < 3; ++g) {
            gatherers.emplace_back([&, g] {
                start.arrive_and_wait();
                if (claim_in_the_end(*shelf.root, 4, g) == Status::kOk) ++served;
            });
        }
        for (std::thread& gatherer : gatherers) gatherer.join();
        ASSERT_EQ(served.load(), 1);
        ASSERT_EQ(count_free_units(*shelf.root), 1);
    }
}

// What a split takes, and what sessions buy and give back meanwhile, adds up to all there is.
TEST(StockThreads, TakingTheRestLosesNothing) {
    const Clock clock;
    while (clock.running()) {
        Shelf shelf(3);
        fill_units(*shelf.root, 20);
        std::barrier start(4);
        std::atomic<std::int64_t> sold{0};
        std::vector<std::thread> sessions;
        for (std::uint32_t s = 0; s < 3; ++s) {
            sessions.emplace_back([&, s] {
                start.arrive_and_wait();
                for (std::uint32_t i = 0; i < 40; ++i) {
                    const std::int64_t units = 1 + (i + s) % 6;
                    if (claim_in_the_end(*shelf.root, units, i) != Status::kOk) continue;
                    if (i % 8 == 0) {
                        sold += units;
                    } else {
                        give_back_units(*shelf.root, units, i + s);
                    }
                }
            });
        }
        start.arrive_and_wait();
        const std::int64_t rest = claim_all_units(*shelf.root);
        for (std::thread& session : sessions) session.join();
        ASSERT_EQ(rest + sold.load() + count_free_units(*shelf.root), 20);
        ASSERT_EQ(shelf.root->control.unfinished.load(), 0U);
    }
}

}  // namespace
}  // namespace ticketpool
