// Rows of item_order: writing them, the columns, the locks.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/row_target.hpp"

namespace ticketpool {

enum ItemOrderColumn : AttrNumber {
    kItemOrderId = 1,
    kItemInventory,
    kItemId,
    kItemUser,
    kItemQuantity,
    kItemStatus,
    kItemRequest,
    kItemCreated,
    kItemModified,
    kItemRequestDigest,  // a user's columns may precede these two in the table: see below
    kItemHeldUntil,
    kItemOrderColumns = kItemHeldUntil
};

// Inserts rows and appends them, as stored, to the result set (which may be null).
void insert_item_orders(const Catalog& catalog, const RowValues* rows, int count,
                        ReturnSetInfo* result);

// For rows that another process inserts: would they be inserted without the executor? Without a
// lock the answer holds for the moment only.
bool inserts_item_orders_directly(const Catalog& catalog);
// Locks the table for writing, without waiting, to the end of the transaction. False: a lock of
// another session is in the way.
bool try_lock_item_orders(const Catalog& catalog);
// Appends rows to a result set, as they were inserted directly.
void return_item_orders(const Catalog& catalog, const RowValues* rows, int count,
                        ReturnSetInfo* result);

// The number of request_digest, and of held_until, in the table.
AttrNumber item_digest_column(const Catalog& catalog);
AttrNumber item_held_column(const Catalog& catalog);

// With the table locked for writing: 40001 unless the items on which this transaction has claims
// were loaded from the tables as they are now.
void require_same_item_epoch(const Catalog& catalog);

// Locks item_order to the end of the transaction. It is locked before any other table of items
// (order_leaf.hpp).
void lock_item_orders(const Catalog& catalog, LOCKMODE mode);

int64_t next_item_order_id(const Catalog& catalog);

}  // namespace ticketpool
