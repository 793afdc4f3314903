#include "stock_entries.hpp"

#include "ledger.hpp"

namespace ticketpool {

namespace {

enum class StockKind : uint8_t { kClaim, kRelease, kTakeOver, kMade, kMerging };

struct StockEntry {
    StockKind kind;
    int level;  // transaction nesting level
    StockRef stock;
    int64_t units;
    size_t release;  // take-over: index of the release entry
};

struct Log {
    StockEntry* entries;
    size_t count;
    size_t room;
    size_t releases;  // entries of kind release
    size_t mergings;  // entries of kind merging
};
constinit Log log{};

constexpr size_t kKeepEntries = 4096;  // more room than this is given back at the transaction's end

Stock* stock_of(const StockRef& stock) {
    return shared.slots[stock.slot].item()->stock_at(stock.offset);
}

bool same_stock(const StockRef& a, const StockRef& b) {
    return a.slot == b.slot && a.offset == b.offset;
}

void give_back(const StockRef& ref, int64_t units) {
    if (units > 0) {
        give_back_units(*stock_of(ref), units, static_cast<uint32_t>(my_backend_number()));
    }
}

StockEntry* append(StockKind kind, const StockRef& stock, int64_t units) {
    if (unlikely(log.count >= log.room)) {
        // A caller that forgot to reserve: better a restart, which is safe, than a damaged log.
        elog(PANIC, "ticketpool ledger has no room");
    }
    StockEntry* entry = &log.entries[log.count++];
    *entry = StockEntry{kind, GetCurrentTransactionNestLevel(), stock, units, 0};
    return entry;
}

void undo(const StockEntry& entry) {
    switch (entry.kind) {
        case StockKind::kClaim:
            give_back(entry.stock, entry.units);
            ledger_publish_claims(entry.stock.slot, -1);
            break;
        case StockKind::kRelease:
            log.releases--;
            break;
        case StockKind::kTakeOver:
            log.entries[entry.release].units += entry.units;
            break;
        case StockKind::kMade: {
            // Own claims on it are undone already, and nobody else has any. Its units come back
            // with the claim on the root.
            Stock* stock = stock_of(entry.stock);
            stock->state.store(StockState::kGone, std::memory_order_release);
            claim_all_units(*stock);
            stock->maker.store(0, std::memory_order_release);  // no xid outlives its transaction
            break;
        }
        case StockKind::kMerging:
            log.mergings--;
            break;
    }
}

void give_room_back() {
    if (log.room > kKeepEntries) {
        pfree(log.entries);
        log.entries = nullptr;
        log.room = 0;
    }
}

}  // namespace

void stock_reserve(size_t entries) {
    const size_t wanted = log.count + entries;
    if (wanted > log.room) {
        const size_t room = Max(wanted, Max(log.room * 2, static_cast<size_t>(64)));
        log.entries = static_cast<StockEntry*>(
            log.entries == nullptr
                ? MemoryContextAllocHuge(TopMemoryContext, room * sizeof(StockEntry))
                : repalloc_huge(log.entries, room * sizeof(StockEntry)));
        log.room = room;
    }
}

void stock_add_claim(const StockRef& stock, int64_t units) {
    append(StockKind::kClaim, stock, units);
    ledger_publish_claims(stock.slot, 1);
}

void stock_add_release(const StockRef& stock, int64_t units) {
    append(StockKind::kRelease, stock, units);
    log.releases++;
}

void stock_add_made(const StockRef& stock) {
    append(StockKind::kMade, stock, 0);
}

void stock_add_merging(const StockRef& stock) {
    append(StockKind::kMerging, stock, 0);
    log.mergings++;
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

bool stock_is_merging(const StockRef& stock) {
    size_t seen = 0;
    for (size_t i = 0; seen < log.mergings; i++) {
        const StockEntry& entry = log.entries[i];
        if (entry.kind == StockKind::kMerging) {
            seen++;
            if (same_stock(entry.stock, stock)) {
                return true;
            }
        }
    }
    return false;
}

size_t stock_entry_count() {
    return log.count;
}

void stock_settle() {
    for (size_t i = 0; i < log.count; i++) {
        const StockEntry& entry = log.entries[i];
        if (entry.kind == StockKind::kRelease) {
            give_back(entry.stock, entry.units);
        } else if (entry.kind == StockKind::kMade) {
            stock_of(entry.stock)->maker.store(0, std::memory_order_release);
        } else if (entry.kind == StockKind::kMerging) {
            stock_of(entry.stock)->state.store(StockState::kMerged, std::memory_order_release);
        }
    }
    log.count = 0;
    log.releases = 0;
    log.mergings = 0;
    give_room_back();
}

void stock_undo_level(int level) {
    while (log.count > 0 && log.entries[log.count - 1].level >= level) {
        undo(log.entries[--log.count]);
    }
    if (log.count == 0) {
        give_room_back();
    }
}

void stock_promote_level(int level) {
    for (size_t i = log.count; i > 0 && log.entries[i - 1].level >= level; i--) {
        log.entries[i - 1].level = level - 1;
    }
}

}  // namespace ticketpool
