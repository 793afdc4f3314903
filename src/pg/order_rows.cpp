#include "order_rows.hpp"

#include "directory.hpp"
#include "errors.hpp"
#include "ledger.hpp"
#include "own_writes.hpp"
#include "shared_memory.hpp"

extern "C" {
#include "access/attmap.h"
#include "access/tupconvert.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "commands/sequence.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "nodes/execnodes.h"
#include "nodes/makefuncs.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "rewrite/prs2lock.h"
#include "storage/lmgr.h"
#include "utils/datetime.h"
#include "utils/partcache.h"
#include "utils/uuid.h"
}

namespace ticketpool {

namespace {

constexpr int kSequenceBits = 37;

// Partitions by date, direct mapped; an entry is void once its relation or the parent changed.
struct CachedLeaf {
    uint64_t generation;  // of the catalog; 0: empty
    DateADT date;
    OrderLeaf leaf;
};
constexpr uint32_t kCacheSize = 64;
constinit CachedLeaf cache[kCacheSize]{};
constinit uint64_t relation_changes = 0;

void on_relation_change(Datum, Oid relation) {
    relation_changes++;
    for (CachedLeaf& entry : cache) {
        if (relation == InvalidOid || entry.leaf.relation == relation ||
            entry.leaf.pkey == relation || entry.leaf.live == relation ||
            entry.leaf.request == relation || entry.leaf.held == relation) {
            entry.generation = 0;
        }
    }
}

Oid leaf_relation(const Catalog& catalog, DateADT date) {
    Relation parent = open_table(catalog.order);
    PartitionKey key = RelationGetPartitionKey(parent);
    PartitionDesc partitions = RelationGetPartitionDesc(parent, true);
    Oid leaf = InvalidOid;
    if (partitions->nparts > 0) {
        Datum value = DateADTGetDatum(date);
        bool is_equal = false;
        const int bound = partition_range_datum_bsearch(
            key->partsupfunc, key->partcollation, partitions->boundinfo, 1, &value, &is_equal);
        const int index = partitions->boundinfo->indexes[bound + 1];
        if (index >= 0) {
            if (!partitions->is_leaf[index]) {
                ereport(
                    ERROR,
                    (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                     errmsg("partition \"%s\" of ticket_order is partitioned itself",
                            get_rel_name(partitions->oids[index])),
                     errdetail("Rows are written straight into the partition of a service date."),
                     errhint("Use one level of partitions.")));
            }
            leaf = partitions->oids[index];
        }
    }
    table_close(parent, AccessShareLock);
    return leaf;
}

// Column names in the order of OrderColumn.
const char* const kColumnNames[kOrderColumns + 1] = {
    nullptr,      "order_id",     "ticket_no",  "departure_id", "service_date",
    "user_id",    "passenger_id", "seat_class", "coach",        "seat",
    "from_stop",  "to_stop",      "status",     "held_until",   "channel",
    "request_id", "created_at",   "changed_at", "changed_from"};

bool is_own_column(const char* name) {
    for (int i = 1; i <= kOrderColumns; i++) {
        if (strcmp(name, kColumnNames[i]) == 0) {
            return true;
        }
    }
    return false;
}

// One that the script lets be NULL: a NOT NULL of the user's is for the executor to check.
bool is_nullable_column(const char* name) {
    for (const OrderColumn column :
         {kSeat, kHeldUntil, kChannel, kRequestId, kChangedAt, kChangedFrom}) {
        if (strcmp(name, kColumnNames[column]) == 0) {
            return true;
        }
    }
    return false;
}

bool has_plain_columns(Relation relation) {
    const TupleDesc columns = RelationGetDescr(relation);
    const TupleConstr* constraints = columns->constr;
    if (constraints == nullptr) {
        return true;
    }
    if (constraints->num_check > 0 || constraints->has_generated_stored) {
        return false;
    }
    for (int i = 0; i < columns->natts; i++) {
        const Form_pg_attribute column = TupleDescAttr(columns, i);
        const bool asks = column->atthasdef || column->attnotnull || column->attidentity != '\0';
        if (!column->attisdropped && asks &&
            (!is_own_column(NameStr(column->attname)) ||
             (column->attnotnull && is_nullable_column(NameStr(column->attname))))) {
            return false;
        }
    }
    return true;
}

// A trigger of the user's: what ours would tell the pool, the writer tells it himself.
bool has_foreign_trigger(const Catalog& catalog, Relation relation) {
    const TriggerDesc* triggers = relation->trigdesc;
    for (int i = 0; triggers != nullptr && i < triggers->numtriggers; i++) {
        const Trigger& trigger = triggers->triggers[i];
        if ((strcmp(trigger.tgname, kFollowTrigger) != 0 &&
             strcmp(trigger.tgname, kTruncateTrigger) != 0) ||
            get_func_namespace(trigger.tgfoid) != catalog.schema) {
            return true;
        }
    }
    return false;
}

bool wants_executor(const Catalog& catalog, Relation relation) {
    return has_foreign_trigger(catalog, relation) || relation->rd_rules != nullptr ||
           (relation->rd_rel->relrowsecurity && relation->rd_rel->relforcerowsecurity) ||
           !has_plain_columns(relation);
}

constexpr OrderColumn kPkeyColumns[] = {kOrderId, kTicketNo, kServiceDate};
constexpr OrderColumn kLiveColumns[] = {kDepartureId};
constexpr OrderColumn kHeldColumns[] = {kHeldUntil};
constexpr OrderColumn kRequestColumns[] = {kServiceDate, kUserId, kRequestId, kTicketNo};

const Oid kColumnTypes[kOrderColumns] = {
    INT8OID,        INT4OID, INT8OID, DATEOID,        INT8OID,        INT8OID,
    TEXTOID,        TEXTOID, TEXTOID, INT4OID,        INT4OID,        TEXTOID,
    TIMESTAMPTZOID, TEXTOID, UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID};

// Is the index what we write entries for: these columns as they are, unique or not, partial or not?
bool index_is(const OrderLeaf& leaf, Oid oid, const OrderColumn* columns, int count, bool unique,
              bool partial) {
    Relation index = index_open(oid, AccessShareLock);
    const Form_pg_index form = index->rd_index;
    bool same = form->indnatts == count && form->indnkeyatts == count &&
                form->indisunique == unique && form->indisvalid && form->indimmediate &&
                (RelationGetIndexPredicate(index) != NIL) == partial &&
                index->rd_rel->relam == BTREE_AM_OID;
    for (int i = 0; same && i < count; i++) {
        same = form->indkey.values[i] == leaf.column[columns[i]];
    }
    index_close(index, AccessShareLock);
    return same;
}

// Which of our indexes the partition's index is; null: none of them.
Oid* own_index(const Catalog& catalog, OrderLeaf* leaf, Oid index) {
    if (!get_rel_relispartition(index)) {
        return nullptr;
    }
    const Oid parent = get_partition_parent(index, true);
    if (parent == catalog.order_pkey) {
        return index_is(*leaf, index, kPkeyColumns, lengthof(kPkeyColumns), true, false)
                   ? &leaf->pkey
                   : nullptr;
    }
    if (parent == catalog.order_live) {
        return index_is(*leaf, index, kLiveColumns, lengthof(kLiveColumns), false, true)
                   ? &leaf->live
                   : nullptr;
    }
    if (parent == catalog.order_request) {
        return index_is(*leaf, index, kRequestColumns, lengthof(kRequestColumns), true, true)
                   ? &leaf->request
                   : nullptr;
    }
    if (parent == catalog.order_held) {
        return index_is(*leaf, index, kHeldColumns, lengthof(kHeldColumns), false, true)
                   ? &leaf->held
                   : nullptr;
    }
    return nullptr;
}

void describe_leaf(const Catalog& catalog, Oid relation_oid, OrderLeaf* leaf) {
    *leaf = OrderLeaf{};
    leaf->relation = relation_oid;
    Relation parent = open_table(catalog.order);
    Relation relation = open_table(relation_oid);
    leaf->mark = trigger_mark(relation_oid);
    leaf->direct = !wants_executor(catalog, parent) && !wants_executor(catalog, relation);
    find_order_columns(relation, leaf);
    List* indexes = RelationGetIndexList(relation);
    ListCell* cell;
    foreach (cell, indexes) {
        Oid* own = own_index(catalog, leaf, lfirst_oid(cell));
        if (own != nullptr) {
            *own = lfirst_oid(cell);
        } else {
            leaf->direct = false;
        }
    }
    list_free(indexes);
    if (!OidIsValid(leaf->pkey) || !OidIsValid(leaf->live) || !OidIsValid(leaf->request) ||
        !OidIsValid(leaf->held)) {
        ereport(
            ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT),
             errmsg(
                 "partition \"%s\" lacks an index of ticket_order, or has another one in its place",
                 RelationGetRelationName(relation)),
             errhint("Attach it to ticket_order again: that builds the indexes.")));
    }
    table_close(relation, NoLock);
    table_close(parent, NoLock);
}

}  // namespace

void find_order_columns(Relation relation, OrderLeaf* leaf) {
    const Oid oid = RelationGetRelid(relation);
    for (AttrNumber i = 1; i <= kOrderColumns; i++) {
        leaf->column[i] = get_attnum(oid, kColumnNames[i]);
        if (leaf->column[i] != InvalidAttrNumber &&
            get_atttype(oid, leaf->column[i]) != kColumnTypes[i - 1]) {
            ereport(ERROR,
                    (errcode(ERRCODE_DATATYPE_MISMATCH),
                     errmsg("column \"%s\" of partition \"%s\" has another type than it should",
                            kColumnNames[i], RelationGetRelationName(relation)),
                     errdetail("It is %s.", format_type_be(get_atttype(oid, leaf->column[i]))),
                     errhint("Restore the type of the column of ticket_order.")));
        }
        if (leaf->column[i] == InvalidAttrNumber) {
            ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                            errmsg("partition \"%s\" has no column \"%s\"",
                                   RelationGetRelationName(relation), kColumnNames[i]),
                            errhint("Restore the column of ticket_order.")));
        }
    }
}

Oid live_index(const Catalog& catalog, Relation relation) {
    List* indexes = RelationGetIndexList(relation);
    ListCell* cell;
    foreach (cell, indexes) {
        const Oid index = lfirst_oid(cell);
        if (get_rel_relispartition(index) &&
            get_partition_parent(index, true) == catalog.order_live) {
            return index;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("partition \"%s\" lacks an index of ticket_order",
                           RelationGetRelationName(relation)),
                    errhint("Attach it to ticket_order again: that builds the indexes.")));
}

bool find_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf) {
    CachedLeaf* entry = &cache[static_cast<uint32_t>(date) % kCacheSize];
    while (entry->generation != catalog_generation || entry->date != date) {
        const uint64_t changes = relation_changes;
        const Oid relation = leaf_relation(catalog, date);
        OrderLeaf found{};
        if (OidIsValid(relation)) {
            describe_leaf(catalog, relation, &found);
        }
        // An invalidation while we looked: again.
        if (changes == relation_changes) {
            *entry = CachedLeaf{catalog_generation, date, found};
        }
    }
    *leaf = entry->leaf;
    return OidIsValid(leaf->relation);
}

const OrderLeaf* known_order_leaf(const Catalog&, DateADT date) {
    const CachedLeaf* entry = &cache[static_cast<uint32_t>(date) % kCacheSize];
    return entry->generation == catalog_generation && entry->date == date ? &entry->leaf : nullptr;
}

// A partition that was detached may still have the name of its day.
static const char* free_relation_name(Oid schema, const char* wanted) {
    const char* name = wanted;
    for (int i = 2; OidIsValid(get_relname_relid(name, schema)); i++) {
        name = psprintf("%s_%d", wanted, i);
    }
    return quote_qualified_identifier(get_namespace_name(schema), name);
}

void ensure_order_leaf(const Catalog& catalog, DateADT date) {
    OrderLeaf leaf;
    if (find_order_leaf(catalog, date, &leaf)) {
        return;
    }
    // One at a time; buyers do not meet this lock. Somebody may have been quicker.
    LockRelationOid(catalog.order, ShareUpdateExclusiveLock);
    if (find_order_leaf(catalog, date, &leaf)) {
        return;
    }
    int year, month, day;
    j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
    const char* parent = qualified_name(catalog.order);
    const char* name = free_relation_name(catalog.schema,
                                          psprintf("ticket_order_p%04d%02d%02d", year, month, day));
    SPI_connect();
    const char* create = psprintf(
        "CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED "
        "INCLUDING STORAGE)",
        name, parent);
    const char* follow = psprintf(
        "CREATE TRIGGER %s BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION "
        "%s.ticket_follow_order()",
        kTruncateTrigger, name, quote_identifier(get_namespace_name(catalog.schema)));
    const char* always =
        psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", name, kTruncateTrigger);
    const char* attach = psprintf(
        "ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%04d-%02d-%02d') TO (date "
        "'%04d-%02d-%02d' + 1)",
        parent, name, year, month, day, year, month, day);
    for (const char* command : {create, follow, always, attach}) {
        if (SPI_execute(command, false, 0) != SPI_OK_UTILITY) {
            elog(ERROR, "could not create partition %s", name);
        }
    }
    SPI_finish();
}

int64_t next_order_id(const Catalog& catalog, DateADT date) {
    const int64_t number = nextval_internal(catalog.order_sequence, false);
    return (static_cast<int64_t>(date) & 0xFFFF) << kSequenceBits | number;
}

DateADT date_of_order(int64_t order_id) {
    return static_cast<DateADT>(order_id >> kSequenceBits & 0xFFFF);
}

const char* qualified_name(Oid relation) {
    const char* name = get_rel_name(relation);
    const char* schema = get_namespace_name(get_rel_namespace(relation));
    if (name == nullptr || schema == nullptr) {
        report_gone();
    }
    return quote_qualified_identifier(schema, name);
}

void owner_begin(const Catalog& catalog, OwnerScope* scope) {
    GetUserIdAndSecContext(&scope->user, &scope->security_context);
    SetUserIdAndSecContext(catalog.owner, scope->security_context | SECURITY_LOCAL_USERID_CHANGE);
    scope->guc_level = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                      GUC_ACTION_SAVE, true, 0, false);
}

void owner_end(const OwnerScope& scope) {
    AtEOXact_GUC(true, scope.guc_level);
    SetUserIdAndSecContext(scope.user, scope.security_context);
}

// ---------------------------------------------------------------------------------------------
// Writing
// ---------------------------------------------------------------------------------------------

namespace {

// Opens the partition for writing and makes sure that what we know of it still holds.
Relation open_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf) {
    for (;;) {
        if (!find_order_leaf(catalog, date, leaf)) {
            ereport(ERROR,
                    (errcode(ERRCODE_CHECK_VIOLATION),
                     errmsg("ticket_order has no partition for %s", date_text(date)),
                     errdetail("The partition of this service date was detached or dropped."),
                     errhint("Attach the partition again.")));
        }
        Relation relation = try_table_open(leaf->relation, RowExclusiveLock);
        OrderLeaf now;
        if (relation != nullptr && find_order_leaf(catalog, date, &now) &&
            now.relation == leaf->relation) {
            *leaf = now;
            return relation;
        }
        if (relation != nullptr) {
            table_close(relation, RowExclusiveLock);
        }
    }
}

void insert_index_entry(Relation heap, Relation index, IndexInfo* info, TupleTableSlot* slot,
                        const OrderValues& row, const OrderColumn* columns, int count,
                        IndexUniqueCheck unique) {
    Datum values[4] = {};
    bool nulls[4] = {};
    for (int i = 0; i < count; i++) {
        values[i] = row.value[columns[i]];
        nulls[i] = row.is_null[columns[i]];
    }
    index_insert(index, values, nulls, &slot->tts_tid, heap, unique, false, info);
}

void store_row(TupleTableSlot* slot, Relation heap, const OrderLeaf& leaf, const OrderValues& row) {
    ExecClearTuple(slot);
    memset(slot->tts_isnull, true, static_cast<size_t>(slot->tts_tupleDescriptor->natts));
    for (AttrNumber c = 1; c <= kOrderColumns; c++) {
        slot->tts_values[leaf.column[c] - 1] = row.value[c];
        slot->tts_isnull[leaf.column[c] - 1] = row.is_null[c];
    }
    ExecStoreVirtualTuple(slot);
    slot->tts_tableOid = RelationGetRelid(heap);
}

// The partition's indexes, opened as they are needed.
struct LeafIndexes {
    Relation pkey, live, request, held;
};

Relation opened(Relation* index, Oid oid) {
    if (*index == nullptr) {
        *index = index_open(oid, RowExclusiveLock);
    }
    return *index;
}

void insert_index_entries(Relation heap, const OrderLeaf& leaf, LeafIndexes* indexes,
                          IndexInfo* info, TupleTableSlot* slot, const OrderValues& row) {
    insert_index_entry(heap, opened(&indexes->pkey, leaf.pkey), info, slot, row, kPkeyColumns,
                       lengthof(kPkeyColumns), UNIQUE_CHECK_YES);
    insert_index_entry(heap, opened(&indexes->live, leaf.live), info, slot, row, kLiveColumns,
                       lengthof(kLiveColumns), UNIQUE_CHECK_NO);
    if (!row.is_null[kRequestId]) {
        insert_index_entry(heap, opened(&indexes->request, leaf.request), info, slot, row,
                           kRequestColumns, lengthof(kRequestColumns), UNIQUE_CHECK_YES);
    }
    if (!row.is_null[kHeldUntil]) {
        insert_index_entry(heap, opened(&indexes->held, leaf.held), info, slot, row, kHeldColumns,
                           lengthof(kHeldColumns), UNIQUE_CHECK_NO);
    }
}

// Rows go into the table a page at a time where there are several.
void insert_directly(Relation heap, const OrderLeaf& leaf, const OrderValues* rows, int count) {
    constexpr int kChunk = 256;
    TupleTableSlot* slots[kChunk];
    const int room = Min(count, kChunk);
    for (int i = 0; i < room; i++) {
        slots[i] = table_slot_create(heap, nullptr);
    }
    LeafIndexes indexes{};
    IndexInfo* info = makeNode(IndexInfo);
    const CommandId command = GetCurrentCommandId(true);
    for (int first = 0; first < count; first += kChunk) {
        const int chunk = Min(count - first, kChunk);
        for (int i = 0; i < chunk; i++) {
            store_row(slots[i], heap, leaf, rows[first + i]);
        }
        if (chunk == 1) {
            table_tuple_insert(heap, slots[0], command, 0, nullptr);
        } else {
            table_multi_insert(heap, slots, chunk, command, 0, nullptr);
        }
        for (int i = 0; i < chunk; i++) {
            insert_index_entries(heap, leaf, &indexes, info, slots[i], rows[first + i]);
        }
    }
    for (Relation index : {indexes.pkey, indexes.live, indexes.request, indexes.held}) {
        if (index != nullptr) {
            index_close(index, NoLock);
        }
    }
    for (int i = 0; i < room; i++) {
        ExecDropSingleTupleTableSlot(slots[i]);
    }
    pfree(info);
    CommandCounterIncrement();
}

void return_values(const OrderValues* rows, int count, ReturnSetInfo* result) {
    const TupleDesc columns = result->setDesc;
    Datum* values =
        static_cast<Datum*>(palloc0(static_cast<size_t>(columns->natts) * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc(static_cast<size_t>(columns->natts) * sizeof(bool)));
    for (int i = 0; i < count; i++) {
        memset(nulls, true, static_cast<size_t>(columns->natts));
        memcpy(values, &rows[i].value[1], kOrderColumns * sizeof(Datum));
        memcpy(nulls, &rows[i].is_null[1], kOrderColumns * sizeof(bool));
        tuplestore_putvalues(result->setResult, columns, values, nulls);
    }
}

// The executor's way: triggers, defaults, generated columns, checks and policies all have their
// say.
void insert_by_sql(const Catalog& catalog, const OrderValues* rows, int count,
                   ReturnSetInfo* result) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfo(&sql, "INSERT INTO %s (", qualified_name(catalog.order));
    for (int c = 1; c <= kOrderColumns; c++) {
        appendStringInfo(&sql, "%s%s", c == 1 ? "" : ", ", kColumnNames[c]);
    }
    appendStringInfoString(&sql, ") VALUES (");
    for (int c = 1; c <= kOrderColumns; c++) {
        appendStringInfo(&sql, "%s$%d", c == 1 ? "" : ", ", c);
    }
    appendStringInfoString(&sql, ") RETURNING *");
    for (int i = 0; i < count; i++) {
        char nulls[kOrderColumns];
        Datum values[kOrderColumns];
        for (int c = 0; c < kOrderColumns; c++) {
            nulls[c] = rows[i].is_null[c + 1] ? 'n' : ' ';
            values[c] = rows[i].value[c + 1];
        }
        Oid types[kOrderColumns];
        memcpy(types, kColumnTypes, sizeof types);
        const OwnWrite write{OwnChange::kInsert, DatumGetInt64(rows[i].value[kDepartureId]),
                             DatumGetInt64(rows[i].value[kOrderId]), &rows[i]};
        if (execute_own(write, false, sql.data, kOrderColumns, types, values, nulls) !=
                SPI_OK_INSERT_RETURNING ||
            SPI_processed != 1) {
            ereport(ERROR,
                    (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                     errmsg("the row of a ticket was not stored"),
                     errdetail("A trigger or a rule on ticket_order left it out."),
                     errhint("Let a trigger raise an error where a purchase may not happen.")));
        }
        if (result != nullptr) {
            return_spi_rows(result);
        }
    }
    SPI_finish();
    owner_end(scope);
}

// With the partition locked: were the departures that this transaction claims on loaded from it as
// it is? If not, rows that nobody claimed for may be on the same seats.
void require_same_epoch(const Catalog& catalog, DateADT date) {
    const uint32_t epoch = epoch_of(catalog, date);
    const uint32_t* slots;
    const size_t count = ledger_pinned(&slots);
    for (size_t i = 0; i < count; i++) {
        DirectorySlot& slot = shared.slots[slots[i]];
        if (slot.relation == catalog.order && slot.service_date == date &&
            (slot.epoch.load(std::memory_order_acquire) & ~kStale) != epoch &&
            !epoch_is_own(catalog, date)) {
            slot.epoch.fetch_or(kStale, std::memory_order_acq_rel);
            ereport(ERROR,
                    (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                     errmsg("could not serialize access due to a change of the partition of %s",
                            date_text(date)),
                     errdetail("It was attached, or its triggers were switched off, after the "
                               "seats were claimed."),
                     errhint("Retry the transaction.")));
        }
    }
}

}  // namespace

void insert_orders(const Catalog& catalog, DateADT date, const OrderValues* rows, int count,
                   ReturnSetInfo* result) {
    OrderLeaf leaf;
    Relation heap = open_leaf(catalog, date, &leaf);
    require_same_epoch(catalog, date);
    if (leaf.direct) {
        insert_directly(heap, leaf, rows, count);
        if (result != nullptr) {
            return_values(rows, count, result);
        }
    } else {
        insert_by_sql(catalog, rows, count, result);
    }
    table_close(heap, NoLock);
}

void return_order_row(TableReader* reader, ReturnSetInfo* result) {
    bool should_free = false;
    HeapTuple tuple = ExecFetchSlotHeapTuple(reader->row, true, &should_free);
    TupleConversionMap* map =
        convert_tuples_by_name(RelationGetDescr(reader->heap), result->setDesc);
    if (map != nullptr) {
        tuple = execute_attr_map_tuple(tuple, map);
    }
    tuplestore_puttuple(result->setResult, tuple);
}

void return_spi_rows(ReturnSetInfo* result) {
    TupleConversionMap* map = convert_tuples_by_name(SPI_tuptable->tupdesc, result->setDesc);
    for (uint64 i = 0; i < SPI_processed; i++) {
        HeapTuple tuple = SPI_tuptable->vals[i];
        tuplestore_puttuple(result->setResult,
                            map == nullptr ? tuple : execute_attr_map_tuple(tuple, map));
    }
}

void install_order_callbacks() {
    CacheRegisterRelcacheCallback(on_relation_change, 0);
}

}  // namespace ticketpool
