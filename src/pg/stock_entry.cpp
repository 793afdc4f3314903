#include "stock_entry.hpp"

namespace ticketpool {

namespace {

Stock& stock_of(const StockEntry& entry) {
    return *shared.slots[entry.stock.slot].item()->stock_at(entry.stock.offset);
}

void give_back(const StockEntry& entry) {
    if (entry.units > 0) {
        give_back_units(stock_of(entry), entry.units, static_cast<uint32_t>(my_backend_number()));
    }
}

}  // namespace

void undo_stock_entry(const StockEntry& entry) {
    if (entry.kind == StockKind::kClaim) {
        give_back(entry);
    } else if (entry.kind == StockKind::kMade) {
        // The transaction's claims on it are undone already, and nobody else has any. Its units
        // come back with the claim on the root.
        Stock& stock = stock_of(entry);
        stock.state.store(StockState::kGone, std::memory_order_release);
        claim_all_units(stock);
        stock.maker.store(0, std::memory_order_release);  // no xid outlives its transaction
    }
}

void settle_stock_entry(const StockEntry& entry) {
    if (entry.kind == StockKind::kRelease) {
        give_back(entry);
    } else if (entry.kind == StockKind::kMade) {
        stock_of(entry).maker.store(0, std::memory_order_release);
    } else if (entry.kind == StockKind::kMerging) {
        stock_of(entry).state.store(StockState::kMerged, std::memory_order_release);
    } else if (entry.kind == StockKind::kLeaving) {
        stock_of(entry).state.store(StockState::kGone, std::memory_order_release);
    }
}

}  // namespace ticketpool
