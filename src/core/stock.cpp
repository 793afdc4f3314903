// Takes and gives back units of plain quantities, by the protocol in stock.hpp.
#include "ticketpool/stock.hpp"

#include <algorithm>
#include <limits>
#include <new>

namespace ticketpool {

namespace {

constexpr std::int64_t kUnitsALane = 256;  // from this many on, a lane is worth its cache line

// Takes from one lane all of `units` or, if `part` is set, what there is up to that. Returns how
// much.
std::int64_t take_from(StockLane& lane, std::int64_t units, bool part) noexcept {
    std::int64_t seen = lane.free.load(std::memory_order_acquire);
    while (seen >= (part ? 1 : units)) {
        const std::int64_t take = std::min(seen, units);
        // Fails only because another claim or give-back on this lane succeeded.
        if (lane.free.compare_exchange_weak(seen, seen - take, std::memory_order_acq_rel,
                                            std::memory_order_acquire)) {
            return take;
        }
    }
    return 0;
}

void add_units(Stock& stock, std::int64_t units, std::uint32_t start) noexcept {
    const std::int64_t count = stock.lane_count;
    const std::int64_t each = units >= kUnitsALane * count ? units / count : 0;
    for (std::uint32_t i = 0; each > 0 && i < stock.lane_count; ++i) {
        stock.lanes()[i].free.fetch_add(each, std::memory_order_acq_rel);
    }
    stock.lanes()[start % stock.lane_count].free.fetch_add(units - each * count,
                                                           std::memory_order_acq_rel);
}

// One attempt of several pieces.
Status gather(Stock& stock, std::int64_t units, std::uint32_t start) noexcept {
    std::uint32_t none = 0;
    if (!stock.control.unfinished.compare_exchange_strong(none, 1, std::memory_order_relaxed)) {
        return Status::kLookAgain;
    }
    std::int64_t taken = 0;
    for (std::uint32_t i = 0; i < stock.lane_count && taken < units; ++i) {
        taken += take_from(stock.lanes()[i], units - taken, true);
    }
    if (taken < units && taken > 0) add_units(stock, taken, start);
    end_attempt(stock.control, taken == units);
    return taken == units ? Status::kOk : Status::kLookAgain;
}

}  // namespace

std::uint32_t lanes_for(std::int64_t quantity, std::uint32_t cores) noexcept {
    const std::int64_t most = std::clamp(cores, 1U, kMaxLanes);
    return static_cast<std::uint32_t>(std::clamp(quantity / kUnitsALane, std::int64_t{1}, most));
}

Stock* Stock::init_in_place(void* memory, std::uint32_t lane_count) noexcept {
    Stock* stock = new (memory) Stock{};
    stock->lane_count = lane_count;
    stock->on_sale = true;
    for (std::uint32_t i = 0; i < lane_count; ++i) new (&stock->lanes()[i]) StockLane{};
    return stock;
}

Item* Item::init_in_place(void* memory, std::uint32_t lane_count) noexcept {
    Item* item = new (memory) Item{};
    Stock::init_in_place(item->root(), lane_count);
    item->bytes.store(bytes_required(lane_count), std::memory_order_relaxed);
    item->last = item->offset_of(item->root());
    return item;
}

void Item::link(Stock* stock) noexcept {
    // A new inventory nearly always has the highest id.
    Stock* before = stock_at(last);
    if (before->inventory_id > stock->inventory_id) before = root();
    for (Stock* next = after(before); next != nullptr && next->inventory_id < stock->inventory_id;
         next = after(before)) {
        before = next;
    }
    const std::uint64_t next = before->next.load(std::memory_order_relaxed);
    stock->next.store(next, std::memory_order_relaxed);
    before->next.store(offset_of(stock), std::memory_order_release);
    if (next == 0) last = offset_of(stock);
    bytes.fetch_add(Stock::bytes_required(stock->lane_count), std::memory_order_relaxed);
}

Stock* Item::find(std::int64_t inventory_id) noexcept {
    Stock* stock = root();
    while (stock != nullptr && stock->inventory_id != inventory_id) stock = after(stock);
    return stock;
}

std::int64_t count_free_units(const Stock& stock) noexcept {
    std::int64_t free = 0;
    for (std::uint32_t i = 0; i < stock.lane_count; ++i) {
        const std::int64_t lane = stock.lanes()[i].free.load(std::memory_order_acquire);
        free += std::min(lane, std::numeric_limits<std::int64_t>::max() - free);
    }
    return free;
}

void fill_units(Stock& stock, std::int64_t units) noexcept {
    if (units > 0) add_units(stock, units, 0);
}

Status claim_units(Stock& stock, std::int64_t units, std::uint32_t start) noexcept {
    Status status = Status::kSoldOut;
    for (std::uint32_t i = 0; i < stock.lane_count && status != Status::kOk; ++i) {
        // `start` may be any number: adding to it might wrap.
        const std::uint32_t lane = (start % stock.lane_count + i) % stock.lane_count;
        if (take_from(stock.lanes()[lane], units, false) == units) status = Status::kOk;
    }
    if (status != Status::kOk) {
        status = look_carefully(stock.control, [&] { return count_free_units(stock) >= units; });
        if (status == Status::kOk) status = gather(stock, units, start);
    }
    return status;
}

std::int64_t claim_all_units(Stock& stock) noexcept {
    std::int64_t units = 0;
    for (std::uint32_t i = 0; i < stock.lane_count; ++i) {
        units += stock.lanes()[i].free.exchange(0, std::memory_order_acq_rel);
    }
    return units;
}

void give_back_units(Stock& stock, std::int64_t units, std::uint32_t start) noexcept {
    begin_attempt(stock.control);
    add_units(stock, units, start);
    end_attempt(stock.control, false);
}

}  // namespace ticketpool
