// Undoes and settles one entry of a log of plain quantities: its units or its stock in the pool.
#include "pool/stock_entry.hpp"

#include "pool/shared_memory.hpp"

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

void end_turn(const StockEntry& entry) {
    stock_of(entry).sale_writers.fetch_sub(1, std::memory_order_release);
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
        stock.maker.store(0, std::memory_order_release);  // no xid is kept after its transaction
    }
    if (writes_sale(entry)) {
        end_turn(entry);
    }
}

void settle_stock_entry(const StockEntry& entry) {
    if (entry.kind == StockKind::kRelease) {
        give_back(entry);
    } else if (entry.kind == StockKind::kMade) {
        stock_of(entry).maker.store(0, std::memory_order_release);
    } else if (entry.kind == StockKind::kMerging) {
        // What is given back to it is the root's, also if it was closed before.
        stock_of(entry).state.store(StockState::kMerged, std::memory_order_release);
        stock_of(entry).on_sale.store(true, std::memory_order_release);
    } else if (entry.kind == StockKind::kSale) {
        stock_of(entry).has_seller.store((entry.units & kStockHasSeller) != 0,
                                         std::memory_order_release);
        stock_of(entry).on_sale.store((entry.units & kStockOnSale) != 0, std::memory_order_release);
    } else if (entry.kind == StockKind::kLeaving) {
        stock_of(entry).state.store(StockState::kGone, std::memory_order_release);
    }
    if (writes_sale(entry)) {
        end_turn(entry);
    }
}

}  // namespace ticketpool
