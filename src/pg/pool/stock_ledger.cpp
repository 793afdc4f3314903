// The log of what this transaction did to plain quantities (stock_ledger.hpp).
#include "pool/stock_ledger.hpp"

#include "pool/pins.hpp"
#include "pool/shared_memory.hpp"
#include "pool/undo_log.hpp"

namespace ticketpool {

namespace {

constinit UndoLog<StockEntry, StockKind::kLeaving> log{};

StockEntry* append(StockKind kind, const StockRef& stock, int64_t units) {
    return log.append(StockEntry{kind, GetCurrentTransactionNestLevel(), stock, units, 0});
}

void undo(const StockEntry& entry) {
    undo_stock_entry(entry);
    if (entry.kind == StockKind::kClaim) {
        publish_claims(entry.stock.slot, -1);
    } else if (entry.kind == StockKind::kTakeOver) {
        log.entries[entry.release].units += entry.units;
    }
}

bool has_entry(StockKind kind, const StockRef& stock) {
    return log.find(kind, [&](const StockEntry& entry) { return same_stock(entry.stock, stock); });
}

}  // namespace

void stock_reserve(size_t entries) {
    log.reserve(entries);
}

void stock_add_claim(const StockRef& stock, int64_t units) {
    append(StockKind::kClaim, stock, units);
    publish_claims(stock.slot, 1);
}

void stock_add_release(const StockRef& stock, int64_t units) {
    append(StockKind::kRelease, stock, units);
}

void stock_add_made(const StockRef& stock) {
    append(StockKind::kMade, stock, 0);
}

// Appends an entry that writes whether a stock is on sale. It is this transaction's turn.
static void append_sale(StockKind kind, const StockRef& ref, int64_t words) {
    append(kind, ref, words);
    Stock* stock = shared.slots[ref.slot].item()->stock_at(ref.offset);
    stock->sale_writers.fetch_add(1, std::memory_order_relaxed);
}

void stock_add_merging(const StockRef& stock) {
    append_sale(StockKind::kMerging, stock, 0);
}

void stock_add_sale(const StockRef& stock, bool on_sale, bool has_seller) {
    append_sale(StockKind::kSale, stock,
                (on_sale ? kStockOnSale : 0) | (has_seller ? kStockHasSeller : 0));
}

uint32_t stock_sale_writes(const StockRef& stock) {
    return log.count_if([&](const StockEntry& entry) {
        return same_stock(entry.stock, stock) && writes_sale(entry);
    });
}

bool stock_has_sale(const StockRef& stock) {
    return has_entry(StockKind::kSale, stock);
}

void stock_add_leaving(const StockRef& stock) {
    append(StockKind::kLeaving, stock, 0);
}

void stock_take_over(const StockRef& stock, int64_t units) {
    int64_t left = units;
    log.find(StockKind::kRelease, [&](StockEntry& entry) {
        if (same_stock(entry.stock, stock) && entry.units > 0) {
            const int64_t part = Min(entry.units, left);
            append(StockKind::kTakeOver, stock, part)->release = log.index_of(entry);
            entry.units -= part;
            left -= part;
        }
        return left == 0;
    });
}

size_t stock_release_count() {
    return log.count_of(StockKind::kRelease);
}

int64_t stock_own_units(const StockRef& stock) {
    int64_t units = 0;
    log.for_each(StockKind::kRelease, [&](const StockEntry& entry) {
        units += same_stock(entry.stock, stock) ? entry.units : 0;
    });
    return units;
}

bool stock_is_merging(const StockRef& stock) {
    return has_entry(StockKind::kMerging, stock);
}

bool stock_is_leaving(const StockRef& stock) {
    return has_entry(StockKind::kLeaving, stock);
}

uint32_t stock_final_count() {
    return log.final_count();
}

void stock_copy_final(StockEntry* copy) {
    log.copy_final(copy);
}

void stock_forget() {
    log.forget();
}

void stock_settle() {
    log.settle(settle_stock_entry);
}

void stock_undo_level(int level) {
    log.undo_level(level, undo);
}

void stock_promote_level(int level) {
    log.promote(level);
}

}  // namespace ticketpool
