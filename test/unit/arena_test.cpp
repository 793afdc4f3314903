// The allocator: alignment, holes that join, and no block that overlaps another.
#include "ticketpool/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace ticketpool {
namespace {

struct alignas(64) Line {
    unsigned char bytes[64];
};

// An arena with memory of its own.
struct Pool {
    explicit Pool(std::size_t bytes) : memory(bytes / sizeof(Line)) {
        created = arena.create(memory.data(), memory.size() * sizeof(Line));
    }

    std::vector<Line> memory;
    Arena arena;
    bool created;
};

// A block that knows what its owner wrote into it.
struct Block {
    unsigned char* at;
    std::size_t bytes;
    unsigned char written;

    bool is_intact() const {
        return std::all_of(at, at + bytes, [this](unsigned char c) { return c == written; });
    }
};

Block filled(void* at, std::size_t bytes, unsigned char value) {
    std::memset(at, value, bytes);
    return {static_cast<unsigned char*>(at), bytes, value};
}

// As many blocks of this size as there is room for.
std::vector<Block> fill(Pool& pool, std::size_t bytes) {
    std::vector<Block> blocks;
    while (void* at = pool.arena.allocate(bytes)) {
        blocks.push_back(filled(at, bytes, static_cast<unsigned char>(blocks.size())));
    }
    return blocks;
}

bool is_inside(const Pool& pool, const void* at, std::size_t bytes) {
    const auto first = reinterpret_cast<std::uintptr_t>(pool.memory.data());
    const auto block = reinterpret_cast<std::uintptr_t>(at);
    return block >= first && block + bytes <= first + pool.memory.size() * sizeof(Line);
}

TEST(Arena, BlocksAreAlignedAndWithinTheMemory) {
    Pool pool(1 << 20);
    ASSERT_TRUE(pool.created);
    EXPECT_LE(pool.arena.total_bytes(), std::size_t{1 << 20});
    EXPECT_LT(pool.arena.free_bytes(), pool.arena.total_bytes());
    for (std::size_t bytes = 1; bytes <= 700; ++bytes) {
        void* at = pool.arena.allocate(bytes);
        ASSERT_NE(at, nullptr);
        ASSERT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0U) << bytes;
        ASSERT_TRUE(is_inside(pool, at, bytes));
    }
}

TEST(Arena, TooLittleMemoryIsRefused) {
    EXPECT_FALSE(Pool(0).created);
    EXPECT_FALSE(Pool(64).created);
    bool was_created = false;
    for (std::size_t bytes = 0; bytes <= 4096; bytes += 64) {
        Pool pool(bytes);
        EXPECT_TRUE(pool.created || !was_created) << bytes;  // more memory is never worse
        was_created = pool.created;
        if (pool.created && pool.arena.allocate(64) != nullptr) {
            EXPECT_EQ(pool.arena.allocate(bytes), nullptr);
        }
    }
    EXPECT_TRUE(was_created);
}

TEST(Arena, ExhaustionIsNullAndHarmless) {
    Pool pool(1 << 18);
    const std::size_t at_first = pool.arena.free_bytes();
    EXPECT_EQ(pool.arena.allocate(1 << 18), nullptr);
    EXPECT_EQ(pool.arena.allocate(std::size_t{1} << 40), nullptr);
    EXPECT_EQ(pool.arena.free_bytes(), at_first);

    const std::vector<Block> blocks = fill(pool, 1000);
    // Nothing is wasted except the bookkeeping.
    EXPECT_GE(blocks.size(), at_first / Arena::footprint(1000));
    EXPECT_LE(blocks.size(), at_first / 1000);
    EXPECT_EQ(pool.arena.allocate(1000), nullptr);
    for (const Block& block : blocks) ASSERT_TRUE(block.is_intact());
    // After one block is given back, one block can be had, and it is the same one.
    pool.arena.deallocate(blocks[7].at);
    EXPECT_EQ(pool.arena.allocate(1000), blocks[7].at);
    EXPECT_EQ(pool.arena.allocate(1000), nullptr);
}

TEST(Arena, EverythingComesBackInAnyOrder) {
    std::mt19937_64 random(1);
    Pool pool(1 << 18);
    const std::size_t at_first = pool.arena.free_bytes();
    for (const std::size_t bytes : {1, 64, 65, 128, 1000, 5000}) {
        std::vector<Block> blocks = fill(pool, bytes);
        ASSERT_GT(blocks.size(), 10U);
        std::shuffle(blocks.begin(), blocks.end(), random);
        for (const Block& block : blocks) {
            ASSERT_TRUE(block.is_intact());
            pool.arena.deallocate(block.at);
        }
        ASSERT_EQ(pool.arena.free_bytes(), at_first) << bytes;
        // The holes have become one again.
        void* all = pool.arena.allocate(at_first - 256);
        ASSERT_NE(all, nullptr) << bytes;
        pool.arena.deallocate(all);
    }
}

TEST(Arena, EverySecondBlockFreed) {
    constexpr std::size_t kBytes = 2000;
    Pool pool(1 << 18);
    const std::size_t at_first = pool.arena.free_bytes();
    std::vector<Block> blocks = fill(pool, kBytes);
    const std::size_t when_full = pool.arena.free_bytes();
    for (std::size_t i = 1; i + 1 < blocks.size(); i += 2) pool.arena.deallocate(blocks[i].at);

    // Half of the memory is free, and no hole has room for more than one block.
    const std::size_t holes = (blocks.size() - 1) / 2;
    EXPECT_GE(pool.arena.free_bytes() - when_full, holes * kBytes);
    EXPECT_EQ(pool.arena.allocate(2 * kBytes), nullptr);
    EXPECT_EQ(pool.arena.allocate(kBytes + 256), nullptr);
    for (std::size_t i = 1; i + 1 < blocks.size(); i += 2) {
        void* at = pool.arena.allocate(kBytes);
        ASSERT_NE(at, nullptr) << i;
        blocks[i] = filled(at, kBytes, static_cast<unsigned char>(i));
    }
    EXPECT_EQ(pool.arena.allocate(kBytes), nullptr);
    EXPECT_EQ(pool.arena.free_bytes(), when_full);

    // Two neighbours, once freed, make one hole for a block that neither of them had room for.
    pool.arena.deallocate(blocks[4].at);
    blocks.erase(blocks.begin() + 4);
    std::sort(blocks.begin(), blocks.end(),
              [](const Block& a, const Block& b) { return a.at > b.at; });
    pool.arena.deallocate(blocks.back().at);
    blocks.pop_back();
    for (const Block& block : blocks) {
        ASSERT_TRUE(block.is_intact());
        pool.arena.deallocate(block.at);
    }
    EXPECT_EQ(pool.arena.free_bytes(), at_first);
}

// Neighbouring holes become one, whichever of the two is freed first.
TEST(Arena, NeighbouringHolesJoin) {
    for (const bool forward : {false, true}) {
        Pool pool(1 << 16);
        std::vector<Block> blocks = fill(pool, 1000);
        std::sort(blocks.begin(), blocks.end(),
                  [](const Block& a, const Block& b) { return a.at < b.at; });
        EXPECT_EQ(pool.arena.allocate(2000), nullptr);
        pool.arena.deallocate(blocks[forward ? 10 : 11].at);
        EXPECT_EQ(pool.arena.allocate(2000), nullptr);
        pool.arena.deallocate(blocks[forward ? 11 : 10].at);
        EXPECT_EQ(pool.arena.allocate(2000), static_cast<void*>(blocks[10].at));
    }
}

// Blocks of all sizes are allocated and freed; no two overlap, none takes more than its footprint.
TEST(Arena, BlocksStayApart) {
    std::mt19937_64 random(2);
    Pool pool(1 << 19);
    const std::size_t at_first = pool.arena.free_bytes();
    std::vector<Block> blocks;
    int refused = 0;
    for (int round = 0; round < 20000; ++round) {
        if (random() % 100 < 52) {
            const std::size_t bytes = 1 + random() % (random() % 8 == 0 ? 30000 : 900);
            const std::size_t before = pool.arena.free_bytes();
            void* at = pool.arena.allocate(bytes);
            if (at == nullptr) {
                ++refused;
                ASSERT_EQ(pool.arena.free_bytes(), before);
                continue;
            }
            ASSERT_EQ(reinterpret_cast<std::uintptr_t>(at) % 64, 0U);
            ASSERT_TRUE(is_inside(pool, at, bytes));
            ASSERT_GE(before - pool.arena.free_bytes(), bytes);
            ASSERT_LE(before - pool.arena.free_bytes(), Arena::footprint(bytes)) << bytes;
            blocks.push_back(filled(at, bytes, static_cast<unsigned char>(random())));
        } else if (!blocks.empty()) {
            const std::size_t i = random() % blocks.size();
            ASSERT_TRUE(blocks[i].is_intact());
            pool.arena.deallocate(blocks[i].at);
            blocks[i] = blocks.back();
            blocks.pop_back();
        }
    }
    EXPECT_GT(refused, 0);
    for (const Block& block : blocks) {
        ASSERT_TRUE(block.is_intact());
        pool.arena.deallocate(block.at);
    }
    EXPECT_EQ(pool.arena.free_bytes(), at_first);
}

}  // namespace
}  // namespace ticketpool
