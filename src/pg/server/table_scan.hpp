// Reading the extension's own tables by index. It needs no executor, no SPI and no rights of the
// caller, and takes no predicate locks, which would fail serializable buyers for rows that others
// write.
//
// The scan itself sees every row version (SnapshotAny takes no predicate locks). Each version is
// then judged by the snapshot that the reader was opened with. In undecided mode (no snapshot) the
// reader yields instead the versions that transactions of others have inserted that have not ended;
// with SnapshotAny it yields all.
#pragma once

#include <initializer_list>

#include "server/pg.hpp"

namespace ticketpool {

struct TableReader {
    Relation heap;
    Relation index;
    IndexScanDesc scan;
    TupleTableSlot* row;  // the current row
    Snapshot snapshot;    // registered; null in undecided mode
    ScanKeyData keys[6];
    int key_count;
    bool by_snapshot;              // the scan itself yields what the snapshot shows
    struct HeapOrder* heap_order;  // null: in order of the index
};

// A snapshot of now, whatever the isolation level of the transaction; registered.
Snapshot take_fresh_snapshot();
// The same, without what this transaction itself has done.
Snapshot take_others_snapshot();
void drop_snapshot(Snapshot snapshot);

// A table of the extension; 42P01 if it has just been dropped.
Relation open_table(Oid relation);

// Locks tables or indexes without waiting, to the end of the transaction. False: another session
// has one of them; those before it stay locked.
bool try_lock_relations(std::initializer_list<Oid> relations, LOCKMODE mode);

void reader_open(TableReader* reader, Oid heap, Oid index, Snapshot snapshot);
// Equality keys on the leading index columns, in order.
void reader_key_text(TableReader* reader, Text value);
void reader_key_int32(TableReader* reader, int32_t value);
void reader_key_int64(TableReader* reader, int64_t value);
void reader_key_date(TableReader* reader, DateADT value);
void reader_key_uuid(TableReader* reader, Datum value);
// The last key, on the next index column: rows with a larger value.
void reader_key_int64_above(TableReader* reader, int64_t value);
// Before the first row: lets the scan itself judge by the snapshot, which costs fewer instructions
// a row. Has no effect under SERIALIZABLE, where such a scan takes predicate locks.
void reader_by_snapshot(TableReader* reader);
// Before the first row: reads in the order of the table instead of the index, for scans of very
// many rows, which would otherwise jump from page to page. Not in undecided mode: between the look
// into the index and the look at the row, a place in the table may get a new row, which only a
// snapshot hides.
void reader_in_heap_order(TableReader* reader);
// False at the end. The first call starts the scan.
bool reader_next(TableReader* reader);
// Starts again from the beginning, with another value of the first key.
void reader_again_int64(TableReader* reader, int64_t value);
void reader_close(TableReader* reader);

// A reader that shows the rows of now, and drops its snapshot at the end.
void open_now(TableReader* reader, Oid heap, Oid index);
void close_now(TableReader* reader);

// Which transactions have still to decide about the current row version: top-level transactions of
// others that are in progress, or InvalidTransactionId. For readers that see every version
// (SnapshotAny).
struct VersionFate {
    TransactionId inserter;
    TransactionId deleter;  // it deletes or updates the row; one that only locks it does not count
};
VersionFate fate_of_version(const TableReader& reader);

// Columns of the current row by table attribute number. row_datum() and those below ereport on
// NULL.
Datum row_value(TupleTableSlot* row, AttrNumber attribute, bool* is_null);
Datum row_datum(TupleTableSlot* row, AttrNumber attribute);
inline int64_t row_int64(TupleTableSlot* row, AttrNumber attribute) {
    return DatumGetInt64(row_datum(row, attribute));
}
inline int32_t row_int32(TupleTableSlot* row, AttrNumber attribute) {
    return DatumGetInt32(row_datum(row, attribute));
}
inline Text row_text(TupleTableSlot* row, AttrNumber attribute) {
    return text_of(row_datum(row, attribute));
}

}  // namespace ticketpool
