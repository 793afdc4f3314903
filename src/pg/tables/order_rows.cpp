// Writes and reads rows of ticket_order: see order_rows.hpp.
#include "tables/order_rows.hpp"

#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "tables/epoch.hpp"
#include "tables/row_writer.hpp"
#include "ticketpool/order_status.hpp"

namespace ticketpool {

void require_same_epoch(const Catalog& catalog, DateADT date) {
    DirectorySlot* slot = pinned_of_other_epoch(catalog.order, date, epoch_of(catalog, date));
    if (slot != nullptr && !epoch_is_own(date)) {
        slot->epoch.fetch_or(kStale, std::memory_order_acq_rel);
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to a change of the partition of %s",
                               date_text(date)),
                        errdetail("It was attached, or its triggers were switched off, after the "
                                  "seats were claimed."),
                        errhint("Retry the transaction.")));
    }
}

void insert_orders(const Catalog& catalog, DateADT date, const OrderValues* rows, int count,
                   ReturnSetInfo* result) {
    OrderLeaf leaf;
    Relation heap = open_order_leaf(catalog, date, &leaf);
    require_same_epoch(catalog, date);
    write_rows(catalog, order_shape, leaf, heap, catalog.order, rows, count, result);
    table_close(heap, NoLock);
}

void return_orders(const OrderLeaf& leaf, const OrderValues* rows, int count,
                   ReturnSetInfo* result) {
    return_rows(order_shape, leaf, rows, count, result);
}

void read_order(const OrderLeaf& leaf, Relation heap, HeapTuple tuple, OrderValues* values) {
    read_row(order_shape, leaf, heap, tuple, values);
}

// The indexes that the row belongs in: the partial ones have entries of rows with some statuses.
static uint32_t indexes_of(const OrderValues& values) {
    OrderStatus status;
    const Text name = text_of(values.value[kStatus]);
    const bool known = parse_order_status(name.data, name.length, &status);
    uint32_t entries = 1U << kPkeyIndex;
    entries |= known && is_live(status) ? 1U << kLiveIndex : 0;
    entries |= known && status == OrderStatus::kHeld ? 1U << kHeldIndex : 0;
    entries |= values.is_null[kRequestId] ? 0 : 1U << kRequestIndex;
    entries |= values.is_null[kSettledAt] ? 1U << kUnsettledIndex : 0;
    return entries;
}

void update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values, uint32_t changed,
                  HeapTuple* tuple) {
    update_row(order_shape, leaf, heap, values, changed, indexes_of(values), tuple);
}

bool try_update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values,
                      uint32_t changed, HeapTuple* tuple) {
    return try_update_row(order_shape, leaf, heap, values, changed, indexes_of(values), tuple);
}

}  // namespace ticketpool
