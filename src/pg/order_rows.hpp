// ticket_order: which partition, writing rows (row_writer.hpp), reading them.
#pragma once

#include "catalog.hpp"
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
    Oid live() const { return index[kLiveIndex]; }
    Oid request() const { return index[kRequestIndex]; }
};

// Columns by OrderColumn.
using OrderValues = RowValues;

// The partition of a service date; false: there is none.
bool find_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf);
// Creates it where there is none (standalone, then attached: an idle buyer blocks nobody).
void ensure_order_leaf(const Catalog& catalog, DateADT date);

// A new order id for the date, below 2^53; and back: the date that an id names.
int64_t next_order_id(const Catalog& catalog, DateADT date);
DateADT date_of_order(int64_t order_id);

// Inserts the rows of one service date and appends them, as stored, to the result set (may be
// null).
void insert_orders(const Catalog& catalog, DateADT date, const OrderValues* rows, int count,
                   ReturnSetInfo* result);

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
