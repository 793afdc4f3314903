// Writes rows into table and indexes, or by SQL: see row_writer.hpp.
#include "tables/row_writer.hpp"

#include "server/call_scan.hpp"
#include "server/owner_scope.hpp"
#include "server/row_return.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/executor.h"
#include "executor/spi.h"
#include "nodes/execnodes.h"
}

namespace ticketpool {

namespace {

void store_row(const TableShape& shape, const RowTarget& target, Relation heap,
               TupleTableSlot* slot, const RowValues& row) {
    ExecClearTuple(slot);
    memset(slot->tts_isnull, true, static_cast<size_t>(slot->tts_tupleDescriptor->natts));
    for (AttrNumber c = 1; c <= shape.columns; c++) {
        slot->tts_values[target.column[c] - 1] = row.value[c];
        slot->tts_isnull[target.column[c] - 1] = row.is_null[c];
    }
    ExecStoreVirtualTuple(slot);
    slot->tts_tableOid = RelationGetRelid(heap);
}

// Inserts entries into an index of the user's.
void insert_extra_entries(Oid oid, Relation heap, TupleTableSlot* const* slots, int count,
                          bool same_keys, IndexInfo* info) {
    Relation index = index_open(oid, RowExclusiveLock);
    const Form_pg_index form = index->rd_index;
    for (int r = 0; r < count; r++) {
        Datum values[INDEX_MAX_KEYS];
        bool nulls[INDEX_MAX_KEYS];
        for (int c = 0; c < form->indnatts; c++) {
            values[c] = slot_getattr(slots[r], form->indkey.values[c], &nulls[c]);
        }
        index_insert(index, values, nulls, &slots[r]->tts_tid, heap, UNIQUE_CHECK_NO, same_keys,
                     info);
    }
    index_close(index, NoLock);
}

// Goes index by index, so that what one index needs stays in the caches. `entries`: the indexes
// that the rows may belong in; `same_keys`: the rows had entries with the same keys before.
void insert_index_entries(const TableShape& shape, const RowTarget& target, Relation heap,
                          TupleTableSlot* const* slots, const RowValues* rows, int count,
                          uint32_t entries, bool same_keys) {
    IndexInfo* info = makeNode(IndexInfo);
    for (int i = 0; i < shape.indexes; i++) {
        const IndexShape& index = shape.index[i];
        Relation open = nullptr;
        for (int r = 0; r < count && (entries & 1U << i) != 0; r++) {
            if (index.only_with != 0 && rows[r].is_null[index.only_with]) {
                continue;
            }
            if (open == nullptr) {
                open = index_open(target.index[i], RowExclusiveLock);
            }
            Datum values[lengthof(index.columns)] = {};
            bool nulls[lengthof(index.columns)] = {};
            for (int c = 0; c < index.count; c++) {
                values[c] = rows[r].value[index.columns[c]];
                nulls[c] = rows[r].is_null[index.columns[c]];
            }
            index_insert(open, values, nulls, &slots[r]->tts_tid, heap,
                         index.unique ? UNIQUE_CHECK_YES : UNIQUE_CHECK_NO, same_keys, info);
        }
        if (open != nullptr) {
            index_close(open, NoLock);
        }
    }
    for (int i = 0; i < target.extras; i++) {
        if ((target.extra_live & 1U << i) == 0 || (entries & 1U << live_index_of(shape)) != 0) {
            insert_extra_entries(target.extra[i], heap, slots, count, same_keys, info);
        }
    }
    pfree(info);
}

constexpr uint32_t kAllIndexes = ~0U;

// Several rows are inserted a page at a time. A chunk is about a page; beyond that, slots cost more
// than they save. The slots are dropped in reverse order, because the server then finds its notes
// of them at once.
void insert_directly(const TableShape& shape, const RowTarget& target, Relation heap,
                     const RowValues* rows, int count) {
    constexpr int kChunk = 64;
    TupleTableSlot* slots[kChunk];
    const int room = Min(count, kChunk);
    for (int i = 0; i < room; i++) {
        slots[i] = table_slot_create(heap, nullptr);
    }
    const CommandId command = GetCurrentCommandId(true);
    for (int first = 0; first < count; first += kChunk) {
        const int chunk = Min(count - first, kChunk);
        for (int i = 0; i < chunk; i++) {
            store_row(shape, target, heap, slots[i], rows[first + i]);
        }
        if (chunk == 1) {
            table_tuple_insert(heap, slots[0], command, 0, nullptr);
        } else {
            table_multi_insert(heap, slots, chunk, command, 0, nullptr);
        }
        insert_index_entries(shape, target, heap, slots, rows + first, chunk, kAllIndexes, false);
    }
    for (int i = room - 1; i >= 0; i--) {
        ExecDropSingleTupleTableSlot(slots[i]);
    }
    CommandCounterIncrement();
}

// Was the row updated, and if so, do its indexes need new entries?
enum class Updated { kNo, kWithoutEntries, kWithEntries };

#if PG_VERSION_NUM >= 160000
using UpdatedIndexes = TU_UpdateIndexes;
bool needs_entries(UpdatedIndexes indexes) {
    return indexes == TU_All;
}
#else
using UpdatedIndexes = bool;
bool needs_entries(UpdatedIndexes indexes) {
    return indexes;
}
#endif

// `locked`: this transaction has locked the row, so nobody is in the way. Otherwise kNo if somebody
// is.
Updated update_tuple(Relation heap, ItemPointer old, TupleTableSlot* slot, bool locked) {
    UpdatedIndexes indexes{};
    if (locked) {
        simple_table_tuple_update(heap, old, slot, GetActiveSnapshot(), &indexes);
    } else {
        TM_FailureData failure;
        LockTupleMode mode;
        if (table_tuple_update(heap, old, slot, GetCurrentCommandId(true), GetActiveSnapshot(),
                               InvalidSnapshot, false, &failure, &mode, &indexes) != TM_Ok) {
            return Updated::kNo;
        }
    }
    return needs_entries(indexes) ? Updated::kWithEntries : Updated::kWithoutEntries;
}

// See update_row() and try_update_row().
bool update(const TableShape& shape, const RowTarget& target, Relation heap,
            const RowValues& values, uint32_t changed, uint32_t entries, bool locked,
            HeapTuple* tuple) {
    const TupleDesc columns = RelationGetDescr(heap);
    const size_t count = static_cast<size_t>(columns->natts);
    Datum* all = static_cast<Datum*>(palloc0(count * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc0(count * sizeof(bool)));
    bool* replace = static_cast<bool*>(palloc0(count * sizeof(bool)));
    for (AttrNumber c = 1; c <= shape.columns; c++) {
        const int column = target.column[c] - 1;
        all[column] = values.value[c];
        nulls[column] = values.is_null[c];
        replace[column] = (changed & 1U << c) != 0;
    }
    ItemPointerData old = (*tuple)->t_self;
    HeapTuple changed_tuple = heap_modify_tuple(*tuple, columns, all, nulls, replace);
    CheckCmdReplicaIdentity(heap, CMD_UPDATE);
    TupleTableSlot* slot = MakeSingleTupleTableSlot(columns, &TTSOpsHeapTuple);
    ExecStoreHeapTuple(changed_tuple, slot, false);
    const Updated updated = update_tuple(heap, &old, slot, locked);
    if (updated != Updated::kNo) {
        *tuple = changed_tuple;
        (*tuple)->t_self = slot->tts_tid;  // the slot may have stored a copy
    }
    if (updated == Updated::kWithEntries) {
        insert_index_entries(shape, target, heap, &slot, &values, 1, entries, true);
    }
    ExecDropSingleTupleTableSlot(slot);
    return updated != Updated::kNo;
}

// "INSERT INTO table (a, b) VALUES ($1, $2) RETURNING *"
const char* insert_statement(const TableShape& shape, Oid table) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfo(&sql, "INSERT INTO %s (", qualified_name(table));
    for (int c = 1; c <= shape.columns; c++) {
        appendStringInfo(&sql, "%s%s", c == 1 ? "" : ", ", shape.column[c].name);
    }
    appendStringInfoString(&sql, ") VALUES (");
    for (int c = 1; c <= shape.columns; c++) {
        appendStringInfo(&sql, "%s$%d", c == 1 ? "" : ", ", c);
    }
    appendStringInfoString(&sql, ") RETURNING *");
    return sql.data;
}

// Inserts through the executor, so that triggers, defaults, generated columns, checks and policies
// are applied.
void insert_by_sql(const Catalog& catalog, const TableShape& shape, Oid table,
                   const RowValues* rows, int count, ReturnSetInfo* result) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const char* sql = insert_statement(shape, table);
    for (int i = 0; i < count; i++) {
        char nulls[kMostColumns];
        Datum values[kMostColumns];
        Oid types[kMostColumns];
        for (int c = 0; c < shape.columns; c++) {
            nulls[c] = rows[i].is_null[c + 1] ? 'n' : ' ';
            values[c] = rows[i].value[c + 1];
            types[c] = shape.column[c + 1].type;
        }
        const OwnWrite write{OwnChange::kInsert, DatumGetInt64(rows[i].value[shape.of]),
                             DatumGetInt64(rows[i].value[shape.id]), &rows[i],
                             table == catalog.order ? InvalidOid : table};
        if (execute_own(write, true, sql, shape.columns, types, values, nulls) !=
                SPI_OK_INSERT_RETURNING ||
            SPI_processed != 1) {
            ereport(ERROR,
                    (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION), errmsg("%s", _(shape.not_stored)),
                     errdetail("A trigger or a rule on %s left it out.", shape.table),
                     errhint("Let a trigger raise an error where a purchase may not happen.")));
        }
        if (result != nullptr) {
            return_spi_rows(result);
        }
    }
    SPI_finish();
    owner_end(scope);
}

}  // namespace

void return_rows(const TableShape& shape, const RowTarget& target, const RowValues* rows, int count,
                 ReturnSetInfo* result) {
    if (count == 1 && target.in_order &&
        return_single_row(result, &rows->value[1], &rows->is_null[1], shape.columns)) {
        return;
    }
    TupleDesc columns = result->setDesc;
    Datum* values =
        static_cast<Datum*>(palloc0(static_cast<size_t>(columns->natts) * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc(static_cast<size_t>(columns->natts) * sizeof(bool)));
    for (int i = 0; i < count; i++) {
        memset(nulls, true, static_cast<size_t>(columns->natts));
        for (AttrNumber c = 1; c <= shape.columns; c++) {
            const AttrNumber number = target.returned[c];
            if (number <= columns->natts) {  // otherwise it was added after the query began
                values[number - 1] = rows[i].value[c];
                nulls[number - 1] = rows[i].is_null[c];
            }
        }
        tuplestore_putvalues(result_rows(result), columns, values, nulls);
    }
}

void write_rows(const Catalog& catalog, const TableShape& shape, const RowTarget& target,
                Relation heap, Oid table, const RowValues* rows, int count, ReturnSetInfo* result) {
    if (!target.direct) {
        insert_by_sql(catalog, shape, table, rows, count, result);
        return;
    }
    insert_directly(shape, target, heap, rows, count);
    if (result != nullptr) {
        return_rows(shape, target, rows, count, result);
    }
}

void read_row(const TableShape& shape, const RowTarget& target, Relation heap, HeapTuple tuple,
              RowValues* values) {
    const TupleDesc columns = RelationGetDescr(heap);
    Datum* all = static_cast<Datum*>(palloc(static_cast<size_t>(columns->natts) * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc(static_cast<size_t>(columns->natts) * sizeof(bool)));
    heap_deform_tuple(tuple, columns, all, nulls);
    for (AttrNumber c = 1; c <= shape.columns; c++) {
        values->value[c] = all[target.column[c] - 1];
        values->is_null[c] = nulls[target.column[c] - 1];
    }
}

void update_row(const TableShape& shape, const RowTarget& target, Relation heap,
                const RowValues& values, uint32_t changed, uint32_t entries, HeapTuple* tuple) {
    update(shape, target, heap, values, changed, entries, true, tuple);
}

bool try_update_row(const TableShape& shape, const RowTarget& target, Relation heap,
                    const RowValues& values, uint32_t changed, uint32_t entries, HeapTuple* tuple) {
    return update(shape, target, heap, values, changed, entries, false, tuple);
}

}  // namespace ticketpool
