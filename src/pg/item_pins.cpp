// See item_pins.hpp.
#include "item_pins.hpp"

#include "directory.hpp"
#include "errors.hpp"
#include "ledger.hpp"

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
    ledger_pin(ref.slot);
    end_announcement();
}

}  // namespace ticketpool
