#include "tables/row_writer.hpp"

#include "server/call_scan.hpp"
#include "server/owner_scope.hpp"
#include "server/row_return.hpp"
#include "tables/own_writes.hpp"
#include "tables/trigger_mark.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "rewrite/prs2lock.h"
}

namespace ticketpool {

// ---------------------------------------------------------------------------------------------
// What a relation is like
// ---------------------------------------------------------------------------------------------

namespace {

const ColumnShape* own_column(const TableShape& shape, const char* name) {
    for (int i = 1; i <= shape.columns; i++) {
        if (strcmp(name, shape.column[i].name) == 0) {
            return &shape.column[i];
        }
    }
    return nullptr;
}

// Looks at the status alone, and is true for what we write there.
bool is_harmless_check(const TableShape& shape, Relation relation, const char* expression) {
    Node* node = static_cast<Node*>(stringToNode(expression));
    const AttrNumber status =
        get_attnum(RelationGetRelid(relation),
                   shape.written == nullptr ? "" : shape.column[shape.status].name);
    Bitmapset* columns = nullptr;
    pull_varattnos(node, 1, &columns);
    int column;
    if (status == InvalidAttrNumber || !bms_get_singleton_member(columns, &column) ||
        column != status - FirstLowInvalidHeapAttributeNumber || contain_mutable_functions(node)) {
        return false;
    }
    EState* estate = CreateExecutorState();
    ExprContext* context = GetPerTupleExprContext(estate);
    TupleTableSlot* slot = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsVirtual);
    memset(slot->tts_isnull, true, static_cast<size_t>(slot->tts_tupleDescriptor->natts));
    slot->tts_values[status - 1] = CStringGetTextDatum(shape.written);
    slot->tts_isnull[status - 1] = false;
    ExecStoreVirtualTuple(slot);
    context->ecxt_scantuple = slot;
    const bool holds = ExecCheck(ExecPrepareExpr(reinterpret_cast<Expr*>(node), estate), context);
    ExecDropSingleTupleTableSlot(slot);
    FreeExecutorState(estate);
    return holds;
}

// Whether the server asks the check at all.
bool is_enforced([[maybe_unused]] const ConstrCheck& check) {
#if PG_VERSION_NUM >= 180000
    return check.ccenforced;
#else
    return true;
#endif
}

// Whether NULL may not be what a column without a default of its own gets: its type may have one,
// and a domain may refuse NULL. Any domain counts, because it can be altered without a word to the
// tables that use it.
bool type_has_a_say(Oid type) {
    return get_typtype(type) == TYPTYPE_DOMAIN || get_typdefault(type) != nullptr;
}

bool has_plain_columns(const TableShape& shape, Relation relation) {
    TupleDesc columns = RelationGetDescr(relation);
    for (int i = 0; i < columns->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        if (!column->attisdropped && own_column(shape, NameStr(column->attname)) == nullptr &&
            type_has_a_say(column->atttypid)) {
            return false;
        }
    }
    const TupleConstr* constraints = columns->constr;
    if (constraints == nullptr) {
        return true;
    }
    if (constraints->has_generated_stored) {
        return false;
    }
    for (int i = 0; i < constraints->num_check; i++) {
        const ConstrCheck& check = constraints->check[i];
        if (is_enforced(check) && !is_harmless_check(shape, relation, check.ccbin)) {
            return false;
        }
    }
    for (int i = 0; i < columns->natts; i++) {
        Form_pg_attribute column = TupleDescAttr(columns, i);
        const bool asks = column->atthasdef || column->attnotnull || column->attidentity != '\0';
        const ColumnShape* own = own_column(shape, NameStr(column->attname));
        if (!column->attisdropped && asks &&
            (own == nullptr || (column->attnotnull && own->nullable))) {
            return false;
        }
    }
    return true;
}

// Is the index what we write entries for?
bool index_is(const IndexShape& shape, const RowTarget& target, Oid oid) {
    Relation index = index_open(oid, AccessShareLock);
    Form_pg_index form = index->rd_index;
    bool same = form->indnatts == shape.count && form->indnkeyatts == shape.count &&
                form->indisunique == shape.unique && form->indisvalid && form->indimmediate &&
                (RelationGetIndexPredicate(index) != NIL) == shape.partial &&
                index->rd_rel->relam == BTREE_AM_OID;
    for (int i = 0; same && i < shape.count; i++) {
        same = form->indkey.values[i] == target.column[shape.columns[i]];
    }
    index_close(index, AccessShareLock);
    return same;
}

// Which of our indexes it is, or -1.
int own_index(const TableShape& shape, const RowTarget& target, Oid index, const Oid* indexes,
              bool partition) {
    if (partition && !get_rel_relispartition(index)) {
        return -1;
    }
    const Oid known = partition ? get_partition_parent(index, true) : index;
    for (int i = 0; i < shape.indexes; i++) {
        if (indexes[i] == known) {
            return index_is(shape.index[i], target, index) ? i : -1;
        }
    }
    return -1;
}

// Which of the shape's indexes has the live rows; -1: none.
int live_index_of(const TableShape& shape) {
    for (int i = 0; i < shape.indexes; i++) {
        if (shape.index[i].partial && shape.index[i].only_with == 0) {
            return i;
        }
    }
    return -1;
}

// The predicate of live rows, as this table's index has it; NIL: the table has no such rows.
List* live_predicate(const TableShape& shape, const RowTarget& target) {
    const int number = live_index_of(shape);
    if (number < 0) {
        return NIL;
    }
    Relation index = index_open(target.index[number], AccessShareLock);
    List* predicate = RelationGetIndexPredicate(index);  // a copy
    index_close(index, AccessShareLock);
    return predicate;
}

// Does each of two predicates follow from the other?
bool same_predicate(List* a, List* b) {
    return predicate_implied_by(a, b, false) && predicate_implied_by(b, a, false);
}

// Columns as they are, in orders that the server itself knows: those of a user's operator class
// would run as the caller here.
bool is_plain_index(Relation index) {
    const Form_pg_index form = index->rd_index;
    bool plain = form->indisvalid && !form->indisunique && !form->indisexclusion &&
                 index->rd_rel->relam == BTREE_AM_OID;
    for (int i = 0; plain && i < form->indnatts; i++) {
        plain = form->indkey.values[i] > 0 &&
                (i >= form->indnkeyatts || index->rd_opfamily[i] < FirstNormalObjectId);
    }
    return plain;
}

// Notes an index of the user's as one that we can enter rows into; false: the executor has to.
bool add_extra_index(Oid oid, List* live, RowTarget* target) {
    if (target->extras == kMostExtraIndexes) {
        return false;
    }
    Relation index = index_open(oid, AccessShareLock);
    List* predicate = RelationGetIndexPredicate(index);
    const bool live_only = predicate != NIL && live != NIL && same_predicate(predicate, live);
    const bool plain = is_plain_index(index) && (predicate == NIL || live_only);
    index_close(index, AccessShareLock);
    if (plain) {
        target->extra_live |= live_only ? 1U << target->extras : 0;
        target->extra[target->extras++] = oid;
    }
    return plain;
}

// Notes the indexes of the user's; false: the executor is wanted.
bool find_extra_indexes(const TableShape& shape, List* present, RowTarget* target) {
    List* live = live_predicate(shape, *target);
    bool direct = true;
    ListCell* cell;
    foreach (cell, present) {
        bool own = false;
        for (int i = 0; i < shape.indexes; i++) {
            own = own || target->index[i] == lfirst_oid(cell);
        }
        direct = direct && (own || add_extra_index(lfirst_oid(cell), live, target));
    }
    return direct;
}

// A trigger of the user's, whatever its name: what ours would tell the pool, the writer tells it
// himself.
bool has_foreign_trigger(const Catalog& catalog, Relation relation) {
    const Oid extension = getExtensionOfObject(RelationRelationId, catalog.order);
    const TriggerDesc* triggers = relation->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger& trigger = triggers->triggers[i];
        if ((strcmp(trigger.tgname, kFollowTrigger) != 0 &&
             strcmp(trigger.tgname, kTruncateTrigger) != 0) ||
            getExtensionOfObject(ProcedureRelationId, trigger.tgfoid) != extension) {
            return true;
        }
    }
    return false;
}

}  // namespace

// The column of this name, or InvalidAttrNumber.
static AttrNumber column_named(Relation relation, const char* name) {
    const TupleDesc columns = RelationGetDescr(relation);
    for (AttrNumber i = 1; i <= columns->natts; i++) {
        const FormData_pg_attribute* column = TupleDescAttr(columns, i - 1);
        if (!column->attisdropped && strcmp(NameStr(column->attname), name) == 0) {
            return i;
        }
    }
    return InvalidAttrNumber;
}

void find_columns(const TableShape& shape, Relation relation, RowTarget* target) {
    for (AttrNumber i = 1; i <= shape.columns; i++) {
        const ColumnShape& column = shape.column[i];
        target->column[i] = column_named(relation, column.name);
        if (target->column[i] == InvalidAttrNumber) {
            ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                            errmsg("table \"%s\" has no column \"%s\"",
                                   RelationGetRelationName(relation), column.name),
                            errhint("Restore the column of %s.", shape.table)));
        }
        const Oid type = TupleDescAttr(RelationGetDescr(relation), target->column[i] - 1)->atttypid;
        if (type != column.type) {
            ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                            errmsg("column \"%s\" of table \"%s\" has another type than it should",
                                   column.name, RelationGetRelationName(relation)),
                            errdetail("It is %s.", format_type_be(type)),
                            errhint("Restore the type of the column of %s.", shape.table)));
        }
    }
}

void find_returned(const TableShape& shape, Relation relation, RowTarget* target) {
    target->in_order = true;
    for (AttrNumber i = 1; i <= shape.columns; i++) {
        target->returned[i] = column_named(relation, shape.column[i].name);
        target->in_order = target->in_order && target->returned[i] == i;
    }
}

bool rights_are_watched() {
    return ExecutorCheckPerms_hook != nullptr;
}

bool wants_executor(const Catalog& catalog, const TableShape& shape, Relation relation) {
    return has_foreign_trigger(catalog, relation) || relation->rd_rules != nullptr ||
           (relation->rd_rel->relrowsecurity && relation->rd_rel->relforcerowsecurity) ||
           !has_plain_columns(shape, relation);
}

void describe_target(const Catalog& catalog, const TableShape& shape, Oid relation_oid,
                     const Oid* indexes, bool partition, RowTarget* target) {
    *target = RowTarget{};
    target->relation = relation_oid;
    Relation relation = open_table(relation_oid);
    find_columns(shape, relation, target);
    if (!partition) {
        find_returned(shape, relation, target);
    }
    target->direct = !wants_executor(catalog, shape, relation);
    List* present = RelationGetIndexList(relation);
    ListCell* cell;
    foreach (cell, present) {
        const int own = own_index(shape, *target, lfirst_oid(cell), indexes, partition);
        if (own >= 0) {
            target->index[own] = lfirst_oid(cell);
        }
    }
    for (int i = 0; i < shape.indexes; i++) {
        if (!OidIsValid(target->index[i])) {
            ereport(
                ERROR,
                (errcode(ERRCODE_UNDEFINED_OBJECT),
                 errmsg("table \"%s\" lacks an index of %s, or has another one in its place",
                        RelationGetRelationName(relation), shape.table),
                 partition ? errhint("Attach it to %s again: that builds the indexes.", shape.table)
                           : errhint("Restore the index.")));
        }
    }
    target->direct = target->direct && find_extra_indexes(shape, present, target);
    list_free(present);
    table_close(relation, NoLock);
}

// ---------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------

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

// Into an index of the user's.
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

// Index by index, so that what one needs stays in the caches. `entries`: the indexes that the rows
// may belong into; `same_keys`: they had entries like these before.
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

// Rows go into the table a page at a time where there are several. A chunk is about a page: slots
// cost more than they save beyond that. They go in reverse order, in which the server finds its
// notes of them at once.
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

enum class Updated { kNo, kWithoutEntries, kWithEntries };  // its indexes need new entries

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

// `locked`: by this transaction, so that nobody is in the way; otherwise kNo where somebody is.
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
        const AttrNumber column = target.column[c] - 1;
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

void return_values(const TableShape& shape, const RowTarget& target, const RowValues* rows,
                   int count, ReturnSetInfo* result) {
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
            if (number <= columns->natts) {  // else it has come after the query began
                values[number - 1] = rows[i].value[c];
                nulls[number - 1] = rows[i].is_null[c];
            }
        }
        tuplestore_putvalues(result_rows(result), columns, values, nulls);
    }
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

// The executor's way: triggers, defaults, generated columns, checks and policies all have their
// say.
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
                    (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                     errmsg("the row of %s was not stored", shape.row),
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

void write_rows(const Catalog& catalog, const TableShape& shape, const RowTarget& target,
                Relation heap, Oid table, const RowValues* rows, int count, ReturnSetInfo* result) {
    if (!target.direct) {
        insert_by_sql(catalog, shape, table, rows, count, result);
        return;
    }
    insert_directly(shape, target, heap, rows, count);
    if (result != nullptr) {
        return_values(shape, target, rows, count, result);
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
