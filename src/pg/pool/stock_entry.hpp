// One thing that a transaction did to a plain quantity, and what the transaction's end makes of it:
// what ledger_entry.hpp is to seats. Entries are plain data without pointers. They are kept in the
// backend's log (stock_ledger.hpp) and, while their transaction is prepared, in shared memory
// (prepared.hpp).
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// A stock: the item's slot in the directory, and the offset from the item.
struct StockRef {
    uint32_t slot;
    uint64_t offset;
};

inline bool same_stock(const StockRef& a, const StockRef& b) {
    return a.slot == b.slot && a.offset == b.offset;
}

enum class StockKind : uint8_t { kClaim, kRelease, kTakeOver, kMade, kMerging, kSale, kLeaving };

struct StockEntry {
    StockKind kind;
    int level;  // transaction nesting level
    StockRef stock;
    int64_t units;   // kSale: kStockOnSale, kStockHasSeller
    size_t release;  // take-over: index of the release entry
};

inline constexpr int64_t kStockOnSale = 1;
inline constexpr int64_t kStockHasSeller = 2;

// Does it write whether the stock is on sale? Then it has a turn (see Stock) until it is settled or
// undone.
inline bool writes_sale(const StockEntry& entry) {
    return entry.kind == StockKind::kMerging || entry.kind == StockKind::kSale;
}

// Does the entry have a say in how the transaction ends? A take-over has none: it has taken its
// units out of a release, which is left with the rest.
inline bool is_final(const StockEntry& entry) {
    return entry.kind != StockKind::kTakeOver &&
           (entry.kind != StockKind::kRelease || entry.units > 0);
}

// What rollback and commit do to the pool for one entry; a rollback takes a transaction's entries
// last first. No-fail.
void undo_stock_entry(const StockEntry& entry);
void settle_stock_entry(const StockEntry& entry);

}  // namespace ticketpool
