#include "table_scan.hpp"

#include "errors.hpp"

extern "C" {
#include "access/stratnum.h"
#include "access/transam.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
}

namespace ticketpool {

Snapshot take_fresh_snapshot() {
    return RegisterSnapshot(GetLatestSnapshot());
}

Snapshot take_others_snapshot() {
    Snapshot snapshot = take_fresh_snapshot();
    snapshot->curcid = FirstCommandId;  // before all commands of this transaction
    return snapshot;
}

void drop_snapshot(Snapshot snapshot) {
    UnregisterSnapshot(snapshot);
}

Relation open_table(Oid relation) {
    Relation opened = try_table_open(relation, AccessShareLock);
    if (opened == nullptr) {
        report_gone();
    }
    return opened;
}

void reader_open(TableReader* reader, Oid heap, Oid index, Snapshot snapshot) {
    *reader = TableReader{};
    reader->heap = open_table(heap);
    reader->index = try_relation_open(index, AccessShareLock);
    if (reader->index == nullptr || reader->index->rd_index == nullptr ||
        reader->index->rd_index->indrelid != heap) {
        report_gone();
    }
    reader->row = table_slot_create(reader->heap, nullptr);
    reader->snapshot = snapshot;
}

static void add_key(TableReader* reader, RegProcedure equal, Datum value) {
    Assert(reader->key_count < static_cast<int>(lengthof(reader->keys)));
    ScanKeyData* key = &reader->keys[reader->key_count++];
    ScanKeyInit(key, static_cast<AttrNumber>(reader->key_count), BTEqualStrategyNumber, equal,
                value);
    key->sk_collation = reader->index->rd_indcollation[reader->key_count - 1];
}

void reader_key_text(TableReader* reader, Text value) {
    add_key(reader, F_TEXTEQ, text_datum(value));
}

void reader_key_int64(TableReader* reader, int64_t value) {
    add_key(reader, F_INT8EQ, Int64GetDatum(value));
}

void reader_key_date(TableReader* reader, DateADT value) {
    add_key(reader, F_DATE_EQ, DateADTGetDatum(value));
}

void reader_key_uuid(TableReader* reader, Datum value) {
    add_key(reader, F_UUID_EQ, value);
}

// Inserted by a transaction of somebody else that has not ended?
static bool is_undecided(TupleTableSlot* row) {
    bool is_null;
    const TransactionId inserter =
        DatumGetTransactionId(slot_getsysattr(row, MinTransactionIdAttributeNumber, &is_null));
    return TransactionIdIsNormal(inserter) && !TransactionIdIsCurrentTransactionId(inserter) &&
           TransactionIdIsInProgress(inserter);
}

bool reader_next(TableReader* reader) {
    if (reader->scan == nullptr) {
        reader->scan =
            index_beginscan(reader->heap, reader->index, SnapshotAny, reader->key_count, 0);
        index_rescan(reader->scan, reader->keys, reader->key_count, nullptr, 0);
    }
    while (index_getnext_slot(reader->scan, ForwardScanDirection, reader->row)) {
        CHECK_FOR_INTERRUPTS();
        const bool wanted =
            reader->snapshot != nullptr
                ? table_tuple_satisfies_snapshot(reader->heap, reader->row, reader->snapshot)
                : is_undecided(reader->row);
        if (wanted) {
            return true;
        }
    }
    return false;
}

void reader_close(TableReader* reader) {
    if (reader->scan != nullptr) {
        index_endscan(reader->scan);
    }
    ExecDropSingleTupleTableSlot(reader->row);
    index_close(reader->index, AccessShareLock);
    table_close(reader->heap, AccessShareLock);
}

Datum row_value(TupleTableSlot* row, AttrNumber attribute, bool* is_null) {
    return slot_getattr(row, attribute, is_null);
}

Datum row_datum(TupleTableSlot* row, AttrNumber attribute) {
    bool is_null;
    const Datum value = slot_getattr(row, attribute, &is_null);
    if (is_null) {
        ereport(ERROR, (errcode(ERRCODE_NOT_NULL_VIOLATION),
                        errmsg("a column of a ticketpool table is NULL"),
                        errdetail("Column %d may not be NULL.", attribute)));
    }
    return value;
}

}  // namespace ticketpool
