// Reads the rows of an order without locking them: see order_lookup.hpp.
#include "tables/order_lookup.hpp"

#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"
#include "tables/order_days.hpp"
#include "tables/order_leaf.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

void add_row(HeapTuple tuple, OrderRows* rows) {
    // Room for 1, 2, 4, 8, ... rows.
    const size_t count = static_cast<size_t>(rows->count++);
    if (count == 0) {
        rows->row = static_cast<HeapTuple*>(palloc(sizeof(HeapTuple)));
    } else if ((count & (count - 1)) == 0) {
        rows->row = static_cast<HeapTuple*>(repalloc(rows->row, 2 * count * sizeof(HeapTuple)));
    }
    rows->row[count] = tuple;
}

bool read_directly(const OrderLeaf& leaf, int64_t order_id, Snapshot snapshot, OrderRows* rows) {
    TableReader reader;
    reader_open(&reader, leaf.relation, leaf.index[kPkeyIndex], snapshot);
    reader_key_int64(&reader, order_id);
    while (reader_next(&reader)) {
        add_row(ExecCopySlotHeapTuple(reader.row), rows);
    }
    if (rows->count > 0) {
        rows->columns = CreateTupleDescCopy(RelationGetDescr(reader.heap));
    }
    reader_close(&reader);
    return rows->count > 0;
}

// Reads through ticket_order, whose policies are those that count. `date` null: in all partitions.
bool read_by_sql(const Catalog& catalog, int64_t order_id, const DateADT* date, Snapshot snapshot,
                 OrderRows* rows) {
    MemoryContext context = CurrentMemoryContext;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const char* sql =
        psprintf("SELECT * FROM %s WHERE order_id = $1%s ORDER BY ticket_no",
                 qualified_name(catalog.order), date != nullptr ? " AND service_date = $2" : "");
    Oid types[] = {INT8OID, DATEOID};
    Datum values[] = {Int64GetDatum(order_id), DateADTGetDatum(date != nullptr ? *date : 0)};
    if (execute_planned(sql, date != nullptr ? 2 : 1, types, values, nullptr, snapshot) !=
        SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order_id);
    }
    MemoryContext spi = MemoryContextSwitchTo(context);
    for (uint64 i = 0; i < SPI_processed; i++) {
        add_row(heap_copytuple(SPI_tuptable->vals[i]), rows);
    }
    if (rows->count > 0) {
        rows->columns = CreateTupleDescCopy(SPI_tuptable->tupdesc);
    }
    MemoryContextSwitchTo(spi);
    SPI_finish();
    owner_end(scope);
    return rows->count > 0;
}

bool read_on_day(const Catalog& catalog, int64_t order_id, DateADT date, Snapshot snapshot,
                 OrderRows* rows) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, date, &leaf)) {
        return false;
    }
    return leaf.direct && !IsolationIsSerializable()
               ? read_directly(leaf, order_id, snapshot, rows)
               : read_by_sql(catalog, order_id, &date, snapshot, rows);
}

}  // namespace

bool read_order_rows(const Catalog& catalog, int64_t order_id, Snapshot snapshot, OrderRows* rows) {
    *rows = OrderRows{};
    DateADT date;
    return read_on_day(catalog, order_id, date_of_order(order_id), snapshot, rows) ||
           (day_of_order(catalog, order_id, &date) &&
            read_on_day(catalog, order_id, date, snapshot, rows)) ||
           read_by_sql(catalog, order_id, nullptr, snapshot, rows);
}

}  // namespace ticketpool
