// ticket_order: which partition, writing rows (row_writer.hpp), reading them.
#pragma once

#include "catalog.hpp"
#include "epoch.hpp"
#include "pg.hpp"
#include "row_writer.hpp"
#include "table_scan.hpp"

namespace ticketpool {

enum OrderColumn : AttrNumber {
    kOrderId = 1,
    kTicketNo,
    kDepartureId,
    kServiceDate,
    kUserId,
    kPassengerId,
    kSeatClass,
    kCoach,
    kSeat,
    kFromStop,
    kToStop,
    kStatus,
    kHeldUntil,
    kChannel,
    kRequestId,
    kCreatedAt,
    kChangedAt,
    kChangedFrom,
    kOrderColumns = kChangedFrom
};

// Its indexes, in this order everywhere.
enum OrderIndex { kPkeyIndex, kLiveIndex, kRequestIndex, kHeldIndex, kOrderIndexes };

// A partition of ticket_order.
struct OrderLeaf : RowTarget {
    TriggerMark mark;  // of its trigger: see epoch.hpp

    Oid live() const { return index[kLiveIndex]; }
    Oid request() const { return index[kRequestIndex]; }
};

// Columns by OrderColumn.
using OrderValues = RowValues;

// The partition of a service date; false: there is none.
bool find_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf);
// Its relation and mark, and nothing else, as this session knows them; null: it does not. Relation
// InvalidOid: no partition.
const OrderLeaf* known_order_partition(DateADT date);
// Makes them known, unless they change at this moment. Locks no partition; see partition_of().
void look_up_order_partition(const Catalog& catalog, DateADT date);
// The number in the partition, or any table like ticket_order, of each of our columns.
void find_order_columns(Relation relation, OrderLeaf* leaf);
// The partition's index of live rows; ereports where it has none.
Oid live_index(const Catalog& catalog, Relation relation);
// Creates it where there is none (standalone, then attached: an idle buyer blocks nobody). 55000
// where the day has departures: it had a partition then, whose orders may come back with it.
void ensure_order_leaf(const Catalog& catalog, DateADT date);
// 23514: the day has no partition.
void require_order_leaf(const Catalog& catalog, DateADT date);

// A new order id for the date, below 2^53; and back: the date that an id names.
int64_t next_order_id(const Catalog& catalog, DateADT date);
DateADT date_of_order(int64_t order_id);

// Inserts the rows of one service date and appends them, as stored, to the result set (may be
// null).
// Fails (40001) where the partition has changed behind the pool's back since the seats were
// claimed.
void insert_orders(const Catalog& catalog, DateADT date, const OrderValues* rows, int count,
                   ReturnSetInfo* result);

// Opens the partition of a date for writing and makes sure that what we know of it still holds;
// ereports where there is none.
Relation open_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf);

// With the partition locked: were the departures that this transaction claims on loaded from it as
// it is? If not, rows that nobody claimed for may be on the same seats: ereports 40001.
void require_same_epoch(const Catalog& catalog, DateADT date);

// update_row(), try_update_row() and read_row() of a row of the partition.
void update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values, uint32_t changed,
                  HeapTuple* tuple);
bool try_update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values,
                      uint32_t changed, HeapTuple* tuple);
void read_order(const OrderLeaf& leaf, Relation heap, HeapTuple tuple, OrderValues* values);

// Appends the current row of a reader on the partition to the result set.
void return_order_row(TableReader* reader, ReturnSetInfo* result);

// Runs SQL as the extension's owner with a search_path that the caller has no hand in.
struct OwnerScope {
    Oid user;
    int security_context;
    int guc_level;
};
void owner_begin(const Catalog& catalog, OwnerScope* scope);
void owner_end(const OwnerScope& scope);

// Appends the rows that SPI has just returned to the result set.
void return_spi_rows(ReturnSetInfo* result);

// Quoted "schema.relation", for SQL text.
const char* qualified_name(Oid relation);

void install_order_callbacks();

}  // namespace ticketpool
