// The function behind the view item_pool.
#include "load/directory.hpp"
#include "pool/announcement.hpp"
#include "pool/monitoring.hpp"
#include "pool/prepared.hpp"
#include "pool/stock_claim.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"
#include "tables/inventory_rows.hpp"

namespace ticketpool {
namespace {

void return_item(const Catalog& catalog, const ItemRef& ref, ReturnSetInfo* result) {
    Snapshot snapshot = take_fresh_snapshot();
    Inventories inventories;
    int64_t quantity = 0;
    read_inventories(catalog, ref.item->item_id, snapshot, nullptr, &inventories);
    drop_snapshot(snapshot);
    for (int i = 0; i < inventories.count; i++) {
        quantity = saturating_sum(quantity, inventories.rows[i].quantity);
    }
    int32_t stocks = 0;
    for (Stock* stock = ref.item->root(); stock != nullptr; stock = ref.item->after(stock)) {
        stocks += is_usable(stock) && !is_merged(ref, stock) ? 1 : 0;
    }
    Datum values[] = {Int64GetDatum(ref.item->item_id),
                      Int32GetDatum(stocks),
                      Int64GetDatum(quantity),
                      Int64GetDatum(item_remaining_units(ref)),
                      Int64GetDatum(claims_in_flight(ref.slot)),
                      Int64GetDatum(static_cast<int64_t>(ref.item->bytes.load())),
                      TimestampTzGetDatum(last_use_of(ref.slot))};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(item_pool) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    prepared_resolve(kNoSlot);
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        ItemRef ref;
        CHECK_FOR_INTERRUPTS();
        if (directory_announce_item(catalog, i, &ref)) {
            return_item(catalog, ref, result);
            end_announcement();
        }
    }
    return 0;
}
