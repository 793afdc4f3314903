// The protocol of the waiting list's word: after everybody has ended, whoever waits and fits was
// served, or the departure is marked unserved. Two processes free what the waiter needs only
// together, a third joins the list meanwhile, and a worker serves.
#include "ticketpool/wait_control.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace ticketpool {
namespace {

TEST(WaitControl, MarksAndVersions) {
    WaitControl control{};
    EXPECT_FALSE(WaitControl::is_listed(control.look()));
    control.list();
    EXPECT_TRUE(WaitControl::is_listed(control.look()));
    EXPECT_FALSE(WaitControl::is_unserved(control.look()));
    const uint64_t seen = control.look();
    const uint64_t before = control.begin_giving_back();
    EXPECT_EQ(WaitControl::version_of(before), WaitControl::version_of(seen));
    EXPECT_TRUE(WaitControl::is_giving(control.look()));
    EXPECT_NE(WaitControl::version_of(control.look()), WaitControl::version_of(seen));
    control.end_giving_back();
    EXPECT_FALSE(WaitControl::is_giving(control.look()));
    control.mark_unserved();
    EXPECT_TRUE(WaitControl::is_unserved(control.look()));
}

TEST(WaitControl, ServedOnlyIfNothingHappened) {
    WaitControl control{};
    control.mark_unserved();
    const uint64_t seen = control.look();
    control.note_waiter();
    EXPECT_FALSE(control.served(seen, true));
    EXPECT_TRUE(WaitControl::is_unserved(control.look()));
    EXPECT_TRUE(control.served(control.look(), true));
    EXPECT_FALSE(WaitControl::is_unserved(control.look()));
    EXPECT_TRUE(WaitControl::is_listed(control.look()));
    control.mark_unserved();
    control.begin_giving_back();
    EXPECT_FALSE(control.served(control.look(), true));  // somebody is giving back
    control.end_giving_back();
    EXPECT_TRUE(control.served(control.look(), false));
    EXPECT_FALSE(WaitControl::is_listed(control.look()));
}

TEST(WaitControl, AMarkDuringAServiceStays) {
    WaitControl control{};
    control.mark_unserved();
    const uint64_t seen = control.look();
    control.mark_unserved();  // the bit was set before: only the version says so
    EXPECT_FALSE(control.served(seen, true));
}

// One departure with two seats, a waiter who needs both, and the list.
struct Departure {
    WaitControl waits{};
    std::atomic<uint32_t> taken{3};
    std::atomic<bool> waiting{false};  // the waiter's transaction has committed
    std::atomic<bool> awarded{false};

    bool fits(uint32_t own) const {
        return waiting.load(std::memory_order_acquire) &&
               (taken.load(std::memory_order_acquire) & ~own) == 0;
    }

    void award(uint32_t own) {
        if (fits(own)) awarded.store(true, std::memory_order_release);
    }

    // A refund: serves the list, commits, gives its seat back.
    void free(uint32_t seat) {
        const uint64_t seen = waits.look();
        if (WaitControl::is_listed(seen)) award(seat);
        const uint64_t before = waits.begin_giving_back();
        if (WaitControl::is_listed(before) &&
            (!WaitControl::is_listed(seen) || WaitControl::is_giving(seen) ||
             WaitControl::version_of(seen) != WaitControl::version_of(before))) {
            waits.mark_unserved();
        }
        taken.fetch_and(~seat, std::memory_order_acq_rel);
        waits.end_giving_back();
    }

    void join() {
        waits.list();
        const uint64_t seen = waits.look();
        if (taken.load(std::memory_order_acquire) == 0) awarded.store(true);
        waiting.store(true, std::memory_order_release);
        const uint64_t before = waits.note_waiter();
        if (WaitControl::is_giving(seen) ||
            WaitControl::version_of(seen) != WaitControl::version_of(before)) {
            waits.mark_unserved();
        }
    }

    void serve() {
        const uint64_t seen = waits.look();
        if (!WaitControl::is_unserved(seen)) return;
        award(0);
        waits.served(seen, waiting.load());
    }
};

TEST(WaitControl, ThreadsLeaveNobodyWhoFits) {
    constexpr int kRounds = 20000;
    std::atomic<int> round{0};
    std::atomic<int> ended{0};
    Departure* departure = nullptr;
    std::vector<std::thread> threads;
    for (int role = 0; role < 4; role++) {
        threads.emplace_back([&, role] {
            for (int i = 1; i <= kRounds; i++) {
                while (round.load(std::memory_order_acquire) < i) std::this_thread::yield();
                if (role < 2) {
                    departure->free(1U << role);
                } else if (role == 2) {
                    departure->join();
                } else {
                    departure->serve();
                }
                ended.fetch_add(1, std::memory_order_acq_rel);
            }
        });
    }
    int left = 0;
    for (int i = 1; i <= kRounds; i++) {
        Departure fresh;
        departure = &fresh;
        ended.store(0);
        round.store(i, std::memory_order_release);
        while (ended.load(std::memory_order_acquire) < 4) std::this_thread::yield();
        left += !fresh.awarded && fresh.fits(0) && !WaitControl::is_unserved(fresh.waits.look());
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(left, 0);
}

}  // namespace
}  // namespace ticketpool
