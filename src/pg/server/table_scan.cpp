// Scans the extension's tables by index and judges each row version (table_scan.hpp).
#include "server/table_scan.hpp"

#include "server/errors.hpp"

extern "C" {
#include "access/stratnum.h"
#include "access/subtrans.h"
#include "access/sysattr.h"
#include "access/transam.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
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

bool try_lock_relations(std::initializer_list<Oid> relations, LOCKMODE mode) {
    for (const Oid relation : relations) {
        if (!ConditionalLockRelationOid(relation, mode)) {
            return false;
        }
    }
    return true;
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

static void add_key(TableReader* reader, RegProcedure compare, Datum value,
                    StrategyNumber strategy = BTEqualStrategyNumber) {
    Assert(reader->key_count < static_cast<int>(lengthof(reader->keys)));
    ScanKeyData* key = &reader->keys[reader->key_count++];
    ScanKeyInit(key, static_cast<AttrNumber>(reader->key_count), strategy, compare, value);
    key->sk_collation = reader->index->rd_indcollation[reader->key_count - 1];
}

void reader_key_text(TableReader* reader, Text value) {
    add_key(reader, F_TEXTEQ, text_datum(value));
}

void reader_key_int32(TableReader* reader, int32_t value) {
    add_key(reader, F_INT4EQ, Int32GetDatum(value));
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

void reader_key_int64_above(TableReader* reader, int64_t value) {
    add_key(reader, F_INT8GT, Int64GetDatum(value), BTGreaterStrategyNumber);
}

// Was the row inserted by another session's transaction that has not ended?
static bool is_undecided(TupleTableSlot* row) {
    bool is_null;
    const TransactionId inserter =
        DatumGetTransactionId(slot_getsysattr(row, MinTransactionIdAttributeNumber, &is_null));
    return TransactionIdIsNormal(inserter) && !TransactionIdIsCurrentTransactionId(inserter) &&
           TransactionIdIsInProgress(inserter);
}

// Where the rows are, sorted, and how far they have been read.
struct HeapOrder {
    ItemPointerData* places;
    size_t count;
    size_t next;
    IndexFetchTableData* fetch;
    bool more_versions;  // of the row before `next`
};

static int compare_places(const void* a, const void* b) {
    return ItemPointerCompare(static_cast<ItemPointer>(const_cast<void*>(a)),
                              static_cast<ItemPointer>(const_cast<void*>(b)));
}

static void find_places(TableReader* reader) {
    HeapOrder* order = reader->heap_order;
    size_t room = 1024;
    order->places = static_cast<ItemPointerData*>(palloc(room * sizeof(ItemPointerData)));
    while (const ItemPointerData* place = index_getnext_tid(reader->scan, ForwardScanDirection)) {
        CHECK_FOR_INTERRUPTS();
        if (order->count == room) {
            room *= 2;
            order->places = static_cast<ItemPointerData*>(
                repalloc_huge(order->places, room * sizeof(ItemPointerData)));
        }
        order->places[order->count++] = *place;
    }
    qsort(order->places, order->count, sizeof(ItemPointerData), compare_places);
    order->fetch = table_index_fetch_begin(reader->heap);
}

void reader_in_heap_order(TableReader* reader) {
    Assert(reader->snapshot != nullptr && reader->scan == nullptr);
    reader->heap_order = static_cast<HeapOrder*>(palloc0(sizeof(HeapOrder)));
}

// The next version of the next row, whatever its visibility.
static bool next_in_heap_order(TableReader* reader) {
    HeapOrder* order = reader->heap_order;
    if (order->fetch == nullptr) {
        find_places(reader);
    }
    bool all_dead = false;
    while (order->more_versions || order->next < order->count) {
        ItemPointerData* place = &order->places[order->next - (order->more_versions ? 1 : 0)];
        order->next += order->more_versions ? 0 : 1;
        if (table_index_fetch_tuple(order->fetch, place, SnapshotAny, reader->row,
                                    &order->more_versions, &all_dead)) {
            return true;
        }
        order->more_versions = false;
    }
    return false;
}

static bool next_version(TableReader* reader) {
    return reader->heap_order != nullptr
               ? next_in_heap_order(reader)
               : index_getnext_slot(reader->scan, ForwardScanDirection, reader->row);
}

static bool is_wanted(TableReader* reader) {
    return reader->snapshot != nullptr
               ? table_tuple_satisfies_snapshot(reader->heap, reader->row, reader->snapshot)
               : is_undecided(reader->row);
}

void reader_by_snapshot(TableReader* reader) {
    Assert(IsMVCCSnapshot(reader->snapshot) && reader->scan == nullptr);
    reader->by_snapshot = !IsolationIsSerializable();
}

bool reader_next(TableReader* reader) {
    if (reader->scan == nullptr) {
        Snapshot snapshot = reader->by_snapshot ? reader->snapshot : SnapshotAny;
#if PG_VERSION_NUM >= 180000
        reader->scan =
            index_beginscan(reader->heap, reader->index, snapshot, nullptr, reader->key_count, 0);
#else
        reader->scan = index_beginscan(reader->heap, reader->index, snapshot, reader->key_count, 0);
#endif
        index_rescan(reader->scan, reader->keys, reader->key_count, nullptr, 0);
    }
    while (next_version(reader)) {
        CHECK_FOR_INTERRUPTS();
        if (reader->by_snapshot || is_wanted(reader)) {
            return true;
        }
    }
    return false;
}

void reader_again_int64(TableReader* reader, int64_t value) {
    Assert(reader->scan != nullptr && reader->heap_order == nullptr);
    reader->keys[0].sk_argument = Int64GetDatum(value);
    index_rescan(reader->scan, reader->keys, reader->key_count, nullptr, 0);
}

void reader_close(TableReader* reader) {
    if (reader->scan != nullptr) {
        index_endscan(reader->scan);
    }
    ExecDropSingleTupleTableSlot(reader->row);
    if (reader->heap_order != nullptr && reader->heap_order->fetch != nullptr) {
        table_index_fetch_end(reader->heap_order->fetch);
        pfree(reader->heap_order->places);
    }
    index_close(reader->index, AccessShareLock);
    table_close(reader->heap, AccessShareLock);
}

void open_now(TableReader* reader, Oid heap, Oid index) {
    reader_open(reader, heap, index, take_fresh_snapshot());
}

void close_now(TableReader* reader) {
    Snapshot snapshot = reader->snapshot;
    reader_close(reader);
    drop_snapshot(snapshot);
}

static TransactionId undecided_top_level(TransactionId xid) {
    if (!TransactionIdIsNormal(xid) || TransactionIdIsCurrentTransactionId(xid) ||
        !TransactionIdIsInProgress(xid)) {
        return InvalidTransactionId;
    }
    return SubTransGetTopmostTransaction(xid);
}

VersionFate fate_of_version(const TableReader& reader) {
    if (!TTS_IS_BUFFERTUPLE(reader.row)) {
        return {InvalidTransactionId, InvalidTransactionId};  // not a heap: unknown
    }
    const BufferHeapTupleTableSlot* slot =
        reinterpret_cast<const BufferHeapTupleTableSlot*>(reader.row);
    // Only under the buffer's lock do the two words about the deleter belong together.
    HeapTupleHeaderData header;
    LockBuffer(slot->buffer, BUFFER_LOCK_SHARE);
    memcpy(static_cast<void*>(&header), slot->base.tuple->t_data, SizeofHeapTupleHeader);
    LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
    VersionFate fate{undecided_top_level(HeapTupleHeaderGetXmin(&header)), InvalidTransactionId};
    if ((header.t_infomask & HEAP_XMAX_INVALID) == 0 &&
        !HEAP_XMAX_IS_LOCKED_ONLY(header.t_infomask)) {
        fate.deleter = undecided_top_level(HeapTupleHeaderGetUpdateXid(&header));
    }
    return fate;
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
