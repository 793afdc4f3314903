// Plain quantities: the free units of an inventory as counters in shared memory, and the protocol
// by which buyers take and give back units without a lock.
//
// The lanes
// ---------
// One counter would be one cache line that every core fights over. So the free units of a stock are
// spread over lanes, each a cache line of its own; the free units of the stock are the sum over its
// lanes. A buyer starts at a lane of its own and takes all it wants from ONE lane, with one
// compare-and-swap that never goes below zero: the fast path, which writes nothing else that is
// shared. The other lanes are tried next. A claim does not belong to a lane: its units may be given
// back to another one.
//
// Several pieces
// --------------
// Only when no lane has enough by itself are the units gathered: an attempt of several pieces in
// the sense of seat_map.hpp, which says that it is under way (`unfinished`), takes what each lane
// has in ascending order, and if that is too little puts all of it back and counts `undone`.
// Gatherers do not refuse each other: one begins only if no attempt is unfinished (a
// compare-and-swap of `unfinished` from 0 to 1), so there is one at a time. It can fail only
// because another buyer took units for good in the meantime.
//
// Giving back is also an attempt, though of one piece:
//
//     unfinished.fetch_add(1);  lane.fetch_add(units);  undone.fetch_add(1);
//     unfinished.fetch_sub(1)
//
// The reason is that a look adds up the lanes one after the other: it may read lane 0 before units
// are given back to it, and lane 1 after a later purchase from there, and so miss units that were
// free at every instant.
//
// "Sold out" is the answer of look_carefully() over the sum of the lanes. Why it is right: let the
// view of the look be the operations on the lanes that it has seen. Add to the view each claim on
// another lane that happened before an operation in it; that only lowers the sum. What could
// falsify the view is an increase that the look has not seen although it happened before something
// that the look has seen. The increase's `unfinished.fetch_add` then happened before the look read
// `unfinished` (all operations on lanes are acquire and release). So the look either finds the
// increase unfinished, or reads its fetch_sub or a later one, and then its `undone.fetch_add`. The
// first read of `undone` cannot have included that increment: the look would then have seen the
// increase. Pieces of an attempt that was undone are found out in the same way (seat_map.hpp, steps
// 1 to 4). So the sum was too small at a moment that is consistent with all that anybody knew.
//
// Splitting and merging
// ---------------------
// Units never change their stock by themselves: what was claimed in a stock is given back to it. So
// what is free of each inventory, together with what transactions under way have claimed of it, is
// always its quantity less its live orders. A split or a merge claims all that is free in one
// stock, gives units to another stock when it commits, and changes both quantities accordingly
// (item_admin.cpp). Units that return to a merged stock later, from a purchase that was under way,
// stay there and are sold to the root's buyers.
//
// If a process dies in the middle of any of this, the server restarts and the memory is made again.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ticketpool/seat_map.hpp"
#include "ticketpool/status.hpp"

namespace ticketpool {

struct alignas(64) StockLane {
    std::atomic<std::int64_t> free;
};

inline constexpr std::uint32_t kMaxLanes = 16;

// How many lanes a stock should have: one if it is small, never more than `cores`.
std::uint32_t lanes_for(std::int64_t quantity, std::uint32_t cores) noexcept;

enum class StockState : std::uint8_t {
    kOpen,
    kMerged,  // sold to the root's buyers only, if anything is left or returns
    kGone,    // its item_split was rolled back; nobody can use it
};

// One inventory of an item. A stock whose `maker` is not settled is hidden from others.
// The padding keeps what gatherers write apart from what everybody reads.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding)
struct alignas(64) Stock {
    std::atomic<std::uint64_t> next;  // the next stock of the item, in bytes from the item; 0: none
    std::int64_t inventory_id;
    std::int64_t user_id;              // of the seller, if has_seller
    std::atomic<std::uint32_t> maker;  // transaction id of its item_split until settled, or 0
    std::uint32_t lane_count;
    std::atomic<StockState> state;
    // Written like the sale words of a departure (SaleStatus in departure.hpp), by a session that
    // has changed the status or seller in the inventory's row by hand or has merged the inventory:
    // one writer at a time, counted in sale_writers. Nobody bars an inventory.
    std::atomic<bool> has_seller;
    std::atomic<bool> on_sale;
    std::atomic<std::uint16_t> sale_writers;
    alignas(64) ClassControl control;  // apart from what everybody reads
    // StockLane[lane_count]

    static std::size_t bytes_required(std::uint32_t lane_count) noexcept {
        return sizeof(Stock) + lane_count * sizeof(StockLane);
    }
    // An empty stock, on sale, over raw memory.
    static Stock* init_in_place(void* memory, std::uint32_t lane_count) noexcept;

    StockLane* lanes() noexcept { return reinterpret_cast<StockLane*>(this + 1); }
    const StockLane* lanes() const noexcept { return reinterpret_cast<const StockLane*>(this + 1); }
};

// An item: its root inventory and the inventories that were split off, together one unit of the
// directory. The root's stock is in the item's own block; the other stocks have blocks of their
// own.
struct alignas(64) Item {
    std::int64_t item_id;
    std::atomic<std::uint64_t> bytes;  // of the item and all its stocks
    std::uint64_t last;                // the last stock of the list, as Stock::next; for link()

    static std::size_t bytes_required(std::uint32_t lane_count) noexcept {
        return sizeof(Item) + Stock::bytes_required(lane_count);
    }
    static Item* init_in_place(void* memory, std::uint32_t lane_count) noexcept;

    Stock* root() noexcept { return reinterpret_cast<Stock*>(this + 1); }
    Stock* stock_at(std::uint64_t offset) noexcept {
        return offset == 0 ? nullptr
                           : reinterpret_cast<Stock*>(reinterpret_cast<char*>(this) + offset);
    }
    std::uint64_t offset_of(const Stock* stock) const noexcept {
        return static_cast<std::uint64_t>(reinterpret_cast<const char*>(stock) -
                                          reinterpret_cast<const char*>(this));
    }
    // The list: the root first, then in order of inventory_id.
    Stock* after(const Stock* stock) noexcept {
        return stock_at(stock->next.load(std::memory_order_acquire));
    }
    // Puts a stock into the list while others walk it. One caller at a time.
    void link(Stock* stock) noexcept;
    // The stock of an inventory, whatever its state; null if there is none.
    Stock* find(std::int64_t inventory_id) noexcept;
};

static_assert(std::atomic<std::int64_t>::is_always_lock_free);
static_assert(std::is_standard_layout_v<Stock> && std::is_trivially_destructible_v<Stock>);
static_assert(std::is_standard_layout_v<Item> && std::is_trivially_destructible_v<Item>);
static_assert(sizeof(StockLane) == 64 && sizeof(Stock) == 128 && sizeof(Item) == 64);

// At most INT64_MAX: rows written by hand may say anything. Neither is negative.
inline std::int64_t saturating_sum(std::int64_t a, std::int64_t b) noexcept {
    return b > INT64_MAX - a ? INT64_MAX : a + b;
}

// The sum of the lanes, at most INT64_MAX. Exact while nobody buys.
std::int64_t count_free_units(const Stock& stock) noexcept;

// Spreads units over the lanes of a stock that nobody else sees yet.
void fill_units(Stock& stock, std::int64_t units) noexcept;

// Takes `units` (> 0), all or none, starting at lane `start` (any number, taken modulo the lanes).
// Returns kOk, kSoldOut or kLookAgain.
Status claim_units(Stock& stock, std::int64_t units, std::uint32_t start) noexcept;

// Takes whatever is free; returns how much that was.
std::int64_t claim_all_units(Stock& stock) noexcept;

// Gives units back. Cannot fail.
void give_back_units(Stock& stock, std::int64_t units, std::uint32_t start) noexcept;

}  // namespace ticketpool
