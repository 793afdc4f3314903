// Rows of ticket_order: writing them (row_writer.hpp), reading them.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

// Inserts the rows of one service date and appends them, as stored, to the result set (which may be
// null). Fails (40001) if the partition has changed behind the pool's back since the seats were
// claimed.
void insert_orders(const Catalog& catalog, DateADT date, const OrderValues* rows, int count,
                   ReturnSetInfo* result);

// Appends rows to a result set, as they were inserted directly into this partition.
void return_orders(const OrderLeaf& leaf, const OrderValues* rows, int count,
                   ReturnSetInfo* result);

// With the partition locked: were the departures on which this transaction has claims loaded from
// the partition as it is now? If not, rows without a claim may be on the same seats: ereports
// 40001.
void require_same_epoch(const Catalog& catalog, DateADT date);

// update_row(), try_update_row() and read_row() of a row of the partition.
void update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values, uint32_t changed,
                  HeapTuple* tuple);
bool try_update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values,
                      uint32_t changed, HeapTuple* tuple);
void read_order(const OrderLeaf& leaf, Relation heap, HeapTuple tuple, OrderValues* values);

}  // namespace ticketpool
