// Readers look for keys in hash chains, without the lock, while others evict slots and use them
// for other keys. What a reader finds has to be what it looked for, and must stay so as long as
// the reader announces it: key and block are plain memory here, so ThreadSanitizer sees each read
// of what is written at the same time.
#include "ticketpool/slot_chain.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

namespace ticketpool {
namespace {

constexpr std::uint32_t kSlots = 12;
constexpr std::uint32_t kBuckets = 4;
constexpr std::uint32_t kReaders = 3;
constexpr std::uint64_t kReady = 2;  // the low two bits of a version; 0: free, 1: loading

struct Slot {
    std::atomic<std::uint64_t> version{0};
    std::atomic<std::uint32_t> tag{0};  // what a reader without an announcement may look at
    SlotLink next{kNoSlot};             // in a chain, or in the free list
    std::uint32_t key = 0;
    std::array<std::uint32_t, 8> block{};
};

struct Directory {
    std::array<Slot, kSlots> slots;
    std::array<SlotLink, kBuckets> buckets;
    std::array<std::atomic<std::uint32_t>, kReaders> reading{};
    std::mutex lock;
    std::uint32_t free_slots = kNoSlot;

    Directory() {
        for (SlotLink& bucket : buckets) bucket = kNoSlot;
        for (std::uint32_t i = 0; i < kSlots; ++i) give_back(i);
    }

    SlotLink* next(std::uint32_t slot) { return &slots[slot].next; }
    static std::uint32_t tag_of(std::uint32_t key) { return key / 2; }  // of two keys each

    void give_back(std::uint32_t slot) {
        slots[slot].next.store(free_slots, std::memory_order_relaxed);
        free_slots = slot;
    }

    bool is_announced(std::uint32_t slot) {
        for (const auto& reader : reading) {
            if (reader.load(std::memory_order_seq_cst) == slot + 1) return true;
        }
        return false;
    }

    // The evictor's half of the protocol.
    bool try_evict(std::uint32_t index) {
        Slot& slot = slots[index];
        const std::uint64_t version = slot.version.load(std::memory_order_acquire);
        if ((version & 3) != kReady) return false;
        slot.version.store((version & ~3ULL) + 4 + 1, std::memory_order_seq_cst);
        if (is_announced(index)) {
            slot.version.store((version & ~3ULL) + 8 + kReady, std::memory_order_seq_cst);
            return false;
        }
        chain_remove(&buckets[slot.key % kBuckets], index,
                     [&](std::uint32_t s) { return next(s); });
        slot.version.store((version & ~3ULL) + 8, std::memory_order_release);
        give_back(index);
        return true;
    }

    std::uint32_t chain_find(std::uint32_t key) {
        std::uint32_t slot = buckets[key % kBuckets].load(std::memory_order_relaxed);
        while (slot != kNoSlot && slots[slot].key != key) {
            slot = slots[slot].next.load(std::memory_order_relaxed);
        }
        return slot;
    }

    // The loader's half: a slot that is free, or becomes so, gets the key and then its block.
    void load(std::uint32_t key, std::uint32_t victim) {
        std::uint32_t index = kNoSlot;
        {
            const std::lock_guard guard(lock);
            if (chain_find(key) != kNoSlot) return;
            if (free_slots == kNoSlot && !try_evict(victim)) return;
            index = free_slots;
            free_slots = slots[index].next.load(std::memory_order_relaxed);
            slots[index].key = key;
            slots[index].tag.store(tag_of(key), std::memory_order_relaxed);
            chain_push(&buckets[key % kBuckets], &slots[index].next, index);
            slots[index].version.fetch_add(1, std::memory_order_release);
        }
        slots[index].block.fill(key);
        slots[index].version.fetch_add(4 + kReady - 1, std::memory_order_seq_cst);
    }
};

struct View {
    Directory& directory;
    std::uint32_t reader;
    std::uint32_t key;

    SlotLink* next(std::uint32_t slot) const { return directory.next(slot); }
    bool may_match(std::uint32_t slot) const {
        return directory.slots[slot].tag.load(std::memory_order_relaxed) == Directory::tag_of(key);
    }
    bool announce(std::uint32_t slot) const {
        directory.reading[reader].store(slot + 1, std::memory_order_seq_cst);
        return (directory.slots[slot].version.load(std::memory_order_seq_cst) & 3) == kReady;
    }
    bool matches(std::uint32_t slot) const { return directory.slots[slot].key == key; }
};

std::uint32_t find(Directory& directory, std::uint32_t reader, std::uint32_t key) {
    return find_unlocked(&directory.buckets[key % kBuckets], View{directory, reader, key});
}

TEST(SlotChain, FindsAllThatIsThereWhileNobodyWrites) {
    Directory directory;
    for (std::uint32_t key = 0; key < kSlots; ++key) directory.load(key, 0);
    for (std::uint32_t key = 0; key < kSlots; ++key) {
        const std::uint32_t slot = find(directory, 0, key);
        ASSERT_NE(slot, kNoSlot) << key;
        EXPECT_EQ(directory.slots[slot].key, key);
        EXPECT_EQ(directory.reading[0], slot + 1);
    }
    EXPECT_EQ(find(directory, 0, kSlots), kNoSlot);
}

TEST(SlotChain, TakesSlotsOutOfTheFrontTheMiddleAndTheEnd) {
    for (std::uint32_t gone : {0U, 4U, 8U}) {
        Directory directory;
        for (std::uint32_t key : {0U, 4U, 8U}) directory.load(key, 0);
        ASSERT_TRUE(directory.try_evict(directory.chain_find(gone)));
        for (std::uint32_t key : {0U, 4U, 8U}) {
            EXPECT_EQ(find(directory, 0, key) == kNoSlot, key == gone) << key;
        }
    }
}

TEST(SlotChain, LeavesAnAnnouncedSlotAlone) {
    Directory directory;
    directory.load(3, 0);
    const std::uint32_t slot = find(directory, 0, 3);
    EXPECT_FALSE(directory.try_evict(slot));
    EXPECT_EQ(find(directory, 1, 3), slot);
    directory.reading[0] = directory.reading[1] = 0;
    EXPECT_TRUE(directory.try_evict(slot));
    EXPECT_EQ(find(directory, 0, 3), kNoSlot);
}

// A walk that has gone astray comes to an end.
TEST(SlotChain, EndsInACircle) {
    Directory directory;
    directory.slots[0].next = 1;
    directory.slots[1].next = 0;
    directory.buckets[1] = 0;
    EXPECT_EQ(find(directory, 0, 5), kNoSlot);
}

TEST(Threads, SlotsThatLeaveAndComeWhileOthersLookForThem) {
    constexpr std::uint32_t kKeys = 2 * kSlots;
    Directory directory;
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> hits{0};
    std::vector<std::thread> threads;
    for (std::uint32_t reader = 0; reader < kReaders; ++reader) {
        threads.emplace_back([&, reader] {
            std::mt19937 random(reader);
            std::uint64_t found = 0;
            while (!stop.load(std::memory_order_relaxed)) {
                const std::uint32_t key = random() % kKeys;
                const std::uint32_t slot = find(directory, reader, key);
                for (int again = 0; slot != kNoSlot && again < 3; ++again) {
                    const Slot& it = directory.slots[slot];
                    bool right = it.key == key;
                    for (std::uint32_t word : it.block) right = right && word == key;
                    if (!right) {
                        ADD_FAILURE() << "what was announced is not, or no longer, key " << key;
                        stop = true;
                    }
                }
                found += slot != kNoSlot ? 1 : 0;
                directory.reading[reader].store(0, std::memory_order_release);
            }
            hits += found;
        });
    }
    std::uint64_t evictions = 0;
    std::mt19937 random(99);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
    while (std::chrono::steady_clock::now() < end && !stop) {
        directory.load(random() % kKeys, random() % kSlots);
        const std::lock_guard guard(directory.lock);
        evictions += directory.try_evict(random() % kSlots) ? 1 : 0;
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_GT(hits.load(), 1000U);
    EXPECT_GT(evictions, 1000U);
}

}  // namespace
}  // namespace ticketpool
