// Rows of item_order: see item_rows.hpp.
#include "tables/item_rows.hpp"

#include "server/errors.hpp"
#include "tables/epoch.hpp"
#include "tables/node_number.hpp"
#include "tables/row_writer.hpp"

extern "C" {
#include "storage/lmgr.h"
}

namespace ticketpool {

namespace {

const TableShape kShape{"item_order",
                        "the row of an order was not stored",
                        kItemOrderColumns,
                        {{nullptr, InvalidOid, false},
                         {"order_id", INT8OID, false},
                         {"inventory_id", INT8OID, false},
                         {"item_id", INT8OID, false},
                         {"user_id", INT8OID, false},
                         {"buy_quantity", INT8OID, false},
                         {"status", TEXTOID, false},
                         {"request_id", UUIDOID, true},
                         {"create_time", TIMESTAMPTZOID, false},
                         {"modify_time", TIMESTAMPTZOID, true},
                         {"request_digest", UUIDOID, true},
                         {"held_until", TIMESTAMPTZOID, true}},
                        4,
                        {{{kItemOrderId}, 1, true, false, 0},
                         {{kItemId, kItemUser}, 2, false, true, 0},
                         {{kItemUser, kItemRequest}, 2, true, true, kItemRequest},
                         {{kItemHeldUntil}, 1, false, true, kItemHeldUntil}},
                        kItemOrderId,
                        kItemId,
                        kItemStatus,
                        {"sold", "held"}};
static_assert(kItemOrderColumns <= kMostColumns);

constinit CachedTarget cache{};

const RowTarget& find_target(const Catalog& catalog) {
    if (unlikely(!cache.is_of(catalog.item_order))) {
        const Oid indexes[] = {catalog.item_order_pkey, catalog.item_order_live,
                               catalog.item_order_request, catalog.item_order_held};
        keep_target(catalog, kShape, catalog.item_order, indexes, &cache);
    }
    return cache.target;
}

}  // namespace

// As for tickets, order_rows.hpp.
void require_same_item_epoch(const Catalog& catalog) {
    DirectorySlot* slot =
        pinned_of_other_epoch(catalog.item_order, kItemDate, item_epoch_of(catalog));
    if (slot != nullptr && !item_epoch_is_own()) {
        slot->epoch.fetch_or(kStale, std::memory_order_acq_rel);
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to a change of item_order"),
                        errdetail("Triggers were switched off there or on item_inventory after the "
                                  "units were claimed."),
                        errhint("Retry the transaction.")));
    }
}

void insert_item_orders(const Catalog& catalog, const RowValues* rows, int count,
                        ReturnSetInfo* result) {
    // Once the table is open for writing, nothing about it changes.
    Relation heap = try_table_open(catalog.item_order, RowExclusiveLock);
    if (heap == nullptr) {
        report_gone();
    }
    require_same_item_epoch(catalog);
    RowTarget target = find_target(catalog);
    target.direct = target.direct && !rights_are_watched();
    write_rows(catalog, kShape, target, heap, catalog.item_order, rows, count, result);
    table_close(heap, NoLock);
}

bool inserts_item_orders_directly(const Catalog& catalog) {
    return find_target(catalog).direct && !rights_are_watched();
}

bool try_lock_item_orders(const Catalog& catalog) {
    return ConditionalLockRelationOid(catalog.item_order, RowExclusiveLock);
}

void return_item_orders(const Catalog& catalog, const RowValues* rows, int count,
                        ReturnSetInfo* result) {
    return_rows(kShape, find_target(catalog), rows, count, result);
}

AttrNumber item_digest_column(const Catalog& catalog) {
    return find_target(catalog).column[kItemRequestDigest];
}

AttrNumber item_held_column(const Catalog& catalog) {
    return find_target(catalog).column[kItemHeldUntil];
}

void lock_item_orders(const Catalog& catalog, LOCKMODE mode) {
    LockRelationOid(catalog.item_order, mode);
}

int64_t next_item_order_id(const Catalog& catalog) {
    return next_id(catalog, catalog.item_order_sequence);
}

}  // namespace ticketpool
