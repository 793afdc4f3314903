// Claims units of stocks and counts what is free (stock_claim.hpp). A transaction takes its own
// pending releases of a stock (stock_ledger.hpp) before units of the pool.
#include "pool/stock_claim.hpp"

#include "pool/claim_retry.hpp"
#include "pool/ledger.hpp"
#include "pool/maker.hpp"
#include "pool/pins.hpp"
#include "pool/stock_ledger.hpp"

namespace ticketpool {

Status try_stock(const ItemRef& ref, Stock* stock, int64_t units) {
    const StockRef at = stock_ref(ref, stock);
    const int64_t from_own = Min(stock_own_units(at), units);
    const int64_t from_pool = units - from_own;
    if (from_pool > 0) {
        const Status status =
            claim_units(*stock, from_pool, static_cast<uint32_t>(my_backend_number()));
        if (status != Status::kOk) {
            return status;
        }
        pin_slot(ref.slot);
        stock_add_claim(at, from_pool);
    }
    if (from_own > 0) {
        stock_take_over(at, from_own);
    }
    return Status::kOk;
}

StockRef stock_ref(const ItemRef& ref, const Stock* stock) {
    return {ref.slot, ref.item->offset_of(stock)};
}

bool is_usable(const Stock* stock) {
    return is_made(stock->maker) &&
           stock->state.load(std::memory_order_acquire) != StockState::kGone;
}

bool is_merged(const ItemRef& ref, const Stock* stock) {
    return stock->state.load(std::memory_order_acquire) == StockState::kMerged ||
           stock_is_merging(stock_ref(ref, stock));
}

int64_t item_remaining_units(const ItemRef& ref) {
    // The root first: units that a merge moves there meanwhile are missed rather than counted
    // twice.
    int64_t units = 0;
    for (Stock* stock = ref.item->root(); stock != nullptr; stock = ref.item->after(stock)) {
        if (stock->on_sale && is_usable(stock)) {
            units = saturating_sum(units, count_free_units(*stock));
            units = saturating_sum(units, stock_own_units(stock_ref(ref, stock)));
        }
    }
    return units;
}

bool claim_from_stock(const ItemRef& ref, Stock* stock, int64_t units) {
    ledger_reserve(0);
    stock_reserve(1 + stock_release_count());
    return claim_until_decided(ref.slot, [&] { return try_stock(ref, stock, units); });
}

int64_t claim_rest(const ItemRef& ref, Stock* stock) {
    const StockRef at = stock_ref(ref, stock);
    const int64_t from_own = stock_own_units(at);
    const int64_t from_pool = claim_all_units(*stock);
    if (from_pool > 0) {
        stock_add_claim(at, from_pool);
    }
    if (from_own > 0) {
        stock_take_over(at, from_own);
    }
    return from_pool + from_own;
}

void link_stock(Item* item, Stock* stock) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    item->link(stock);
    LWLockRelease(shared.control->lock);
}

}  // namespace ticketpool
