// Finds items and pins them: see item_pins.hpp.
#include "load/item_pins.hpp"

#include "load/directory.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "server/errors.hpp"
#include "tables/arrival_locks.hpp"

namespace ticketpool {

void report_no_item(int64_t item_id) {
    ereport(ERROR,
            (errcode(kErrorNoDeparture), errmsg("item " INT64_FORMAT " does not exist", item_id),
             errdetail("item_inventory has no row of it."),
             errhint("Put the item on sale with item_open.")));
}

ItemRef require_item(const Catalog& catalog, int64_t item_id) {
    const ItemRef ref = directory_find_item(catalog, item_id);
    if (ref.item == nullptr) {
        report_no_item(item_id);
    }
    return ref;
}

void pin_item(const ItemRef& ref) {
    ledger_reserve(0);
    pin_slot(ref.slot);
    end_announcement();
}

ItemRef pin_item_by_hand(const Catalog& catalog, int64_t item_id) {
    const ItemRef ref = directory_find_item(catalog, item_id);
    if (ref.item != nullptr) {
        pin_item(ref);
    }
    return ref;
}

ItemRef pin_item_or_lock(const Catalog& catalog, int64_t item_id) {
    ItemRef ref = pin_item_by_hand(catalog, item_id);
    if (ref.item == nullptr) {
        lock_item_orphan(catalog, item_id);
        ref = pin_item_by_hand(catalog, item_id);
    }
    return ref;
}

}  // namespace ticketpool
