#include "pool/stock_entries.hpp"

#include "pool/pins.hpp"
#include "pool/shared_memory.hpp"
#include "pool/undo_log.hpp"

namespace ticketpool {

namespace {

struct Log : UndoLog<StockEntry> {
    size_t releases;  // entries of kind release
    size_t mergings;  // entries of kind merging
    size_t leavings;  // entries of kind leaving
};
constinit Log log{};

StockEntry* append(StockKind kind, const StockRef& stock, int64_t units) {
    return log.append(StockEntry{kind, GetCurrentTransactionNestLevel(), stock, units, 0});
}

void undo(const StockEntry& entry) {
    undo_stock_entry(entry);
    switch (entry.kind) {
        case StockKind::kClaim:
            publish_claims(entry.stock.slot, -1);
            break;
        case StockKind::kRelease:
            log.releases--;
            break;
        case StockKind::kTakeOver:
            log.entries[entry.release].units += entry.units;
            break;
        case StockKind::kMerging:
            log.mergings--;
            break;
        case StockKind::kLeaving:
            log.leavings--;
            break;
        case StockKind::kSale:
        case StockKind::kMade:
            break;
    }
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
    log.releases++;
}

void stock_add_made(const StockRef& stock) {
    append(StockKind::kMade, stock, 0);
}

// An entry that writes whether a stock is on sale: it is this transaction's turn.
static void append_sale(StockKind kind, const StockRef& ref, int64_t words) {
    append(kind, ref, words);
    Stock* stock = shared.slots[ref.slot].item()->stock_at(ref.offset);
    stock->sale_writers.fetch_add(1, std::memory_order_relaxed);
}

void stock_add_merging(const StockRef& stock) {
    append_sale(StockKind::kMerging, stock, 0);
    log.mergings++;
}

void stock_add_sale(const StockRef& stock, bool on_sale, bool has_seller) {
    append_sale(StockKind::kSale, stock,
                (on_sale ? kStockOnSale : 0) | (has_seller ? kStockHasSeller : 0));
}

uint32_t stock_sale_writes(const StockRef& stock) {
    uint32_t count = 0;
    for (size_t i = 0; i < log.count; i++) {
        count += same_stock(log.entries[i].stock, stock) && writes_sale(log.entries[i]) ? 1 : 0;
    }
    return count;
}

bool stock_has_sale(const StockRef& stock) {
    for (size_t i = log.count; i > 0; i--) {
        if (same_stock(log.entries[i - 1].stock, stock) &&
            log.entries[i - 1].kind == StockKind::kSale) {
            return true;
        }
    }
    return false;
}

void stock_add_leaving(const StockRef& stock) {
    append(StockKind::kLeaving, stock, 0);
    log.leavings++;
}

void stock_take_over(const StockRef& stock, int64_t units) {
    const size_t end = log.count;
    int64_t left = units;
    for (size_t i = 0; i < end && left > 0; i++) {
        StockEntry& entry = log.entries[i];
        if (entry.kind == StockKind::kRelease && same_stock(entry.stock, stock) &&
            entry.units > 0) {
            const int64_t part = Min(entry.units, left);
            append(StockKind::kTakeOver, stock, part)->release = i;
            entry.units -= part;
            left -= part;
        }
    }
}

size_t stock_release_count() {
    return log.releases;
}

int64_t stock_own_units(const StockRef& stock) {
    int64_t units = 0;
    size_t seen = 0;
    for (size_t i = 0; seen < log.releases; i++) {
        const StockEntry& entry = log.entries[i];
        if (entry.kind == StockKind::kRelease) {
            seen++;
            units += same_stock(entry.stock, stock) ? entry.units : 0;
        }
    }
    return units;
}

// Is there an entry of this kind, of which there are `count`?
static bool has_entry(const StockRef& stock, StockKind kind, size_t count) {
    for (size_t i = 0; count > 0; i++) {
        const StockEntry& entry = log.entries[i];
        if (entry.kind == kind) {
            count--;
            if (same_stock(entry.stock, stock)) {
                return true;
            }
        }
    }
    return false;
}

bool stock_is_merging(const StockRef& stock) {
    return has_entry(stock, StockKind::kMerging, log.mergings);
}

bool stock_is_leaving(const StockRef& stock) {
    return has_entry(stock, StockKind::kLeaving, log.leavings);
}

uint32_t stock_final_count() {
    return log.final_count();
}

void stock_copy_final(StockEntry* copy) {
    log.copy_final(copy);
}

void stock_forget() {
    log.count = 0;
    log.releases = 0;
    log.mergings = 0;
    log.leavings = 0;
    log.give_room_back();
}

void stock_settle() {
    for (size_t i = 0; i < log.count; i++) {
        settle_stock_entry(log.entries[i]);
    }
    stock_forget();
}

void stock_undo_level(int level) {
    log.undo_to(log.first_of_level(level), undo);
    if (log.count == 0) {
        log.give_room_back();
    }
}

void stock_promote_level(int level) {
    log.promote(level);
}

}  // namespace ticketpool
