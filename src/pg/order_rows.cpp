#include "order_rows.hpp"

#include "directory.hpp"
#include "errors.hpp"
#include "ledger.hpp"
#include "loader.hpp"
#include "order_partition.hpp"
#include "own_writes.hpp"
#include "plans.hpp"
#include "row_return.hpp"
#include "shared_memory.hpp"
#include "ticketpool/order_status.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/sequence.h"
#include "commands/tablespace.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
#include "utils/datetime.h"
#include "utils/syscache.h"
}

namespace ticketpool {

namespace {

// Partitions by date, direct mapped; an entry is void once its relation or the parent changed.
// Who only counts never needs more than relation and mark: the rest is found out for the first who
// reads or writes rows.
struct CachedLeaf {
    uint64_t generation;  // of the catalog; 0: empty
    DateADT date;
    bool described;
    OrderLeaf leaf;
};
constexpr uint32_t kCacheSize = 64;
constinit CachedLeaf cache[kCacheSize]{};
constinit uint64_t relation_changes = 0;

void on_relation_change(Datum, Oid relation) {
    relation_changes++;
    for (CachedLeaf& entry : cache) {
        bool concerned = relation == InvalidOid || entry.leaf.relation == relation;
        for (const Oid index : entry.leaf.index) {
            concerned = concerned || index == relation;
        }
        if (concerned) {
            entry.generation = 0;
        }
    }
}

const TableShape kShape{
    "ticket_order",
    "a ticket",
    kOrderColumns,
    {{nullptr, InvalidOid, false},
     {"order_id", INT8OID, false},
     {"ticket_no", INT4OID, false},
     {"departure_id", INT8OID, false},
     {"service_date", DATEOID, false},
     {"user_id", INT8OID, false},
     {"passenger_id", INT8OID, false},
     {"seat_class", TEXTOID, false},
     {"coach", TEXTOID, false},
     {"seat", TEXTOID, true},
     {"from_stop", INT4OID, false},
     {"to_stop", INT4OID, false},
     {"status", TEXTOID, false},
     {"held_until", TIMESTAMPTZOID, true},
     {"channel", TEXTOID, true},
     {"request_id", UUIDOID, true},
     {"created_at", TIMESTAMPTZOID, false},
     {"changed_at", TIMESTAMPTZOID, true},
     {"changed_from", INT8OID, true},
     {"request_digest", UUIDOID, true}},
    kOrderIndexes,
    {{{kOrderId, kTicketNo, kServiceDate}, 3, true, false, 0},
     {{kDepartureId}, 1, false, true, 0},
     {{kServiceDate, kUserId, kRequestId, kTicketNo}, 4, true, true, kRequestId},
     {{kHeldUntil}, 1, false, true, kHeldUntil}},
    kOrderId,
    kDepartureId,
    0,
    nullptr};
static_assert(kOrderColumns <= kMostColumns && kOrderIndexes <= kMostIndexes);

void describe_leaf(const Catalog& catalog, Oid relation_oid, OrderLeaf* leaf) {
    const Oid indexes[kOrderIndexes] = {catalog.order_pkey, catalog.order_live,
                                        catalog.order_request, catalog.order_held};
    Relation parent = open_table(catalog.order);
    describe_target(catalog, kShape, relation_oid, indexes, true, leaf);
    leaf->mark = trigger_mark(relation_oid);
    leaf->direct = leaf->direct && !wants_executor(catalog, kShape, parent);
    find_returned(kShape, parent, leaf);
    table_close(parent, NoLock);
}

}  // namespace

void find_order_columns(Relation relation, OrderLeaf* leaf) {
    find_columns(kShape, relation, leaf);
}

Oid child_index(Oid parent_index, Relation relation) {
    List* indexes = RelationGetIndexList(relation);
    ListCell* cell;
    foreach (cell, indexes) {
        const Oid index = lfirst_oid(cell);
        if (get_rel_relispartition(index) && get_partition_parent(index, true) == parent_index) {
            return index;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("partition \"%s\" lacks an index of ticket_order",
                           RelationGetRelationName(relation)),
                    errhint("Attach it to ticket_order again: that builds the indexes.")));
}

Oid live_index(const Catalog& catalog, Relation relation) {
    return child_index(catalog.order_live, relation);
}

static CachedLeaf* cache_entry(DateADT date) {
    return &cache[static_cast<uint32_t>(date) % kCacheSize];
}

static bool is_known(const CachedLeaf& entry, DateADT date) {
    return entry.generation == catalog_generation && entry.date == date;
}

static void look_up(const Catalog& catalog, DateADT date, bool describe, CachedLeaf* entry) {
    const uint64_t changes = relation_changes;
    const Oid relation = partition_of(catalog, date);
    OrderLeaf found{};
    if (OidIsValid(relation) && describe) {
        describe_leaf(catalog, relation, &found);
    } else if (OidIsValid(relation)) {
        found.relation = relation;
        found.mark = trigger_mark(relation);
    }
    // An invalidation while we looked: the caller looks again.
    if (changes == relation_changes) {
        *entry = CachedLeaf{catalog_generation, date, describe, found};
    }
}

// What is known of the partition of a date, described; its relation is InvalidOid where there is
// none. Valid until the next look-up.
static const OrderLeaf& described_leaf(const Catalog& catalog, DateADT date) {
    CachedLeaf* entry = cache_entry(date);
    while (!is_known(*entry, date) || !entry->described) {
        look_up(catalog, date, true, entry);
    }
    return entry->leaf;
}

bool find_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf) {
    *leaf = described_leaf(catalog, date);
    leaf->direct = leaf->direct && !rights_are_watched();
    return OidIsValid(leaf->relation);
}

void look_up_order_partition(const Catalog& catalog, DateADT date) {
    CachedLeaf* entry = cache_entry(date);
    if (!is_known(*entry, date)) {  // what is described stays so
        look_up(catalog, date, false, entry);
    }
}

const OrderLeaf* known_order_partition(DateADT date) {
    const CachedLeaf* entry = cache_entry(date);
    return is_known(*entry, date) ? &entry->leaf : nullptr;
}

// A partition that was detached may still have the name of its day.
static const char* free_relation_name(Oid schema, const char* wanted) {
    const char* name = wanted;
    for (int i = 2; OidIsValid(get_relname_relid(name, schema)); i++) {
        name = psprintf("%s_%d", wanted, i);
    }
    return quote_qualified_identifier(get_namespace_name(schema), name);
}

namespace {

// A day has no partition, and departures: what was sold of them is in the partition that was
// detached, or gone with it.
void require_no_departures(const Catalog& catalog, DateADT date) {
    constexpr int kMostNamed = 5;
    StringInfoData names;
    initStringInfo(&names);
    int count = 0;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.departure, catalog.departure_day, snapshot);
    reader_key_date(&reader, date);
    while (reader_next(&reader)) {
        DepartureRow row;
        read_departure(reader.row, &row);
        if (count++ < kMostNamed) {
            appendStringInfo(&names, "%s\"%s\"", count > 1 ? ", " : "", row.train);
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    if (count > kMostNamed) {
        appendStringInfo(&names, " and %d more", count - kMostNamed);
    }
    if (count > 0) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the partition of %s was detached or dropped", date_text(date)),
                        errdetail_plural("ticket_departure has a departure of that day: train %s.",
                                         "ticket_departure has departures of that day: trains %s.",
                                         static_cast<unsigned long>(count), names.data),
                        errhint("Attach the partition again, or delete the day's departures.")));
    }
}

const char* name_of_access_method(Oid method) {
    HeapTuple tuple = SearchSysCache1(AMOID, ObjectIdGetDatum(method));
    if (!HeapTupleIsValid(tuple)) {
        elog(ERROR, "cache lookup failed for access method %u", method);
    }
    const char* name = pstrdup(NameStr(reinterpret_cast<Form_pg_am>(GETSTRUCT(tuple))->amname));
    ReleaseSysCache(tuple);
    return name;
}

// What a partition takes over from ticket_order.
struct ParentShape {
    const char* storage;  // " USING ... TABLESPACE ...", as PARTITION OF has it
    char replica_identity;
    Oid identity_index;  // of the parent, or InvalidOid
};

ParentShape read_parent(const Catalog& catalog) {
    Relation parent = open_table(catalog.order);
    const Oid method = parent->rd_rel->relam;
    const Oid tablespace = parent->rd_rel->reltablespace;
    const char* storage =
        psprintf("%s%s%s%s", OidIsValid(method) ? " USING " : "",
                 OidIsValid(method) ? quote_identifier(name_of_access_method(method)) : "",
                 OidIsValid(tablespace) ? " TABLESPACE " : "",
                 OidIsValid(tablespace) ? quote_identifier(get_tablespace_name(tablespace)) : "");
    const ParentShape shape{storage, parent->rd_rel->relreplident, RelationGetReplicaIndex(parent)};
    table_close(parent, NoLock);
    return shape;
}

// What a publication sends of an UPDATE: the parent's own serves nothing.
void copy_replica_identity(const ParentShape& shape, const char* name, Oid partition_oid) {
    const char* clause = shape.replica_identity == REPLICA_IDENTITY_FULL ? "FULL" : "NOTHING";
    if (shape.replica_identity == REPLICA_IDENTITY_DEFAULT) {
        return;
    }
    if (shape.replica_identity == REPLICA_IDENTITY_INDEX) {
        Relation partition = relation_open(partition_oid, AccessShareLock);
        const Oid index = OidIsValid(shape.identity_index)
                              ? index_get_partition(partition, shape.identity_index)
                              : InvalidOid;
        relation_close(partition, NoLock);
        if (!OidIsValid(index)) {
            return;  // the parent's was dropped
        }
        clause = psprintf("USING INDEX %s", quote_identifier(get_rel_name(index)));
    }
    execute_utility(psprintf("ALTER TABLE %s REPLICA IDENTITY %s", name, clause));
}

// The partition is as its parent says, whatever the session has set: a role that may call
// ticket_open needs no right on a tablespace, and has no say in where orders lie.
int begin_creating() {
    const int level = NewGUCNestLevel();
    const char* const settings[][2] = {{"default_tablespace", ""},
                                       {"default_table_access_method", "heap"}};
    for (const auto& setting : settings) {
        set_config_option(setting[0], setting[1], PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
                          0, false);
    }
    return level;
}

void create_order_leaf(const Catalog& catalog, DateADT date) {
    int year, month, day;
    j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
    const ParentShape shape = read_parent(catalog);
    const char* parent_name = qualified_name(catalog.order);
    const char* name = free_relation_name(catalog.schema, usual_partition_name(date));
    SPI_connect();
    execute_utility(psprintf(
        "CREATE TABLE %s (LIKE %s INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING GENERATED "
        "INCLUDING STORAGE INCLUDING COMPRESSION)%s",
        name, parent_name, shape.storage));
    execute_utility(
        psprintf("CREATE TRIGGER %s BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION "
                 "%s.ticket_follow_order()",
                 kTruncateTrigger, name, quote_identifier(get_namespace_name(catalog.schema))));
    execute_utility(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", name, kTruncateTrigger));
    execute_utility(
        psprintf("ALTER TABLE %s ATTACH PARTITION %s FOR VALUES FROM ('%04d-%02d-%02d') TO (date "
                 "'%04d-%02d-%02d' + 1)",
                 parent_name, name, year, month, day, year, month, day));
    OrderLeaf leaf;
    if (find_order_leaf(catalog, date, &leaf)) {
        copy_replica_identity(shape, name, leaf.relation);
    }
    SPI_finish();
}

}  // namespace

void ensure_order_leaf(const Catalog& catalog, DateADT date) {
    OrderLeaf leaf;
    if (find_order_leaf(catalog, date, &leaf)) {
        return;
    }
    // One at a time; buyers do not meet this lock, but DETACH does. Somebody may have been quicker.
    LockRelationOid(catalog.order, ShareUpdateExclusiveLock);
    if (find_order_leaf(catalog, date, &leaf)) {
        return;
    }
    require_no_departures(catalog, date);
    const int level = begin_creating();
    create_order_leaf(catalog, date);
    AtEOXact_GUC(true, level);
}

[[noreturn]] static void report_no_partition(DateADT date) {
    ereport(ERROR, (errcode(ERRCODE_CHECK_VIOLATION),
                    errmsg("ticket_order has no partition for %s", date_text(date)),
                    errdetail("The partition of this service date was detached or dropped."),
                    errhint("Attach the partition again.")));
}

void require_order_leaf(const Catalog& catalog, DateADT date) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, date, &leaf)) {
        report_no_partition(date);
    }
}

int64_t next_order_id(const Catalog& catalog, DateADT date) {
    const int64_t number = nextval_internal(catalog.order_sequence, false);
    return order_id_of(date, number);
}

DateADT date_of_order(int64_t order_id) {
    return static_cast<DateADT>(order_id >> kOrderSequenceBits & 0xFFFF);
}

const char* qualified_name(Oid relation) {
    const char* name = get_rel_name(relation);
    const char* schema = get_namespace_name(get_rel_namespace(relation));
    if (name == nullptr || schema == nullptr) {
        report_gone();
    }
    return quote_qualified_identifier(schema, name);
}

void owner_begin(const Catalog& catalog, OwnerScope* scope, RowScope rows) {
    GetUserIdAndSecContext(&scope->user, &scope->security_context);
    const int every_row = rows == RowScope::kEvery ? SECURITY_NOFORCE_RLS : 0;
    SetUserIdAndSecContext(catalog.owner,
                           scope->security_context | SECURITY_LOCAL_USERID_CHANGE | every_row);
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

void lock_orders(const Catalog& catalog, LOCKMODE mode) {
    LockRelationOid(catalog.order, mode);
}

bool lock_order_leaf(const Catalog& catalog, DateADT date, LOCKMODE mode, OrderLeaf* leaf) {
    lock_orders(catalog, mode);
    for (;;) {
        const Oid relation = described_leaf(catalog, date).relation;
        if (!OidIsValid(relation)) {
            leaf->relation = InvalidOid;
            return false;
        }
        LockRelationOid(relation, mode);
        // Whatever was changed before the lock was had is known by now.
        if (find_order_leaf(catalog, date, leaf) && leaf->relation == relation) {
            return true;
        }
        UnlockRelationOid(relation, mode);
    }
}

void lock_all_order_leaves(const Catalog& catalog, LOCKMODE mode) {
    lock_orders(catalog, mode);
    Relation parent = open_table(catalog.order);
    PartitionDesc partitions = RelationGetPartitionDesc(parent, true);
    for (int i = 0; i < partitions->nparts; i++) {
        LockRelationOid(partitions->oids[i], mode);
    }
    table_close(parent, AccessShareLock);
}

Relation open_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf) {
    if (!lock_order_leaf(catalog, date, RowExclusiveLock, leaf)) {
        report_no_partition(date);
    }
    return table_open(leaf->relation, NoLock);
}

void require_same_epoch(const Catalog& catalog, DateADT date) {
    const uint32_t epoch = epoch_of(catalog, date);
    const uint32_t* slots;
    const size_t count = ledger_pinned(&slots);
    for (size_t i = 0; i < count; i++) {
        DirectorySlot& slot = shared.slots[slots[i]];
        if (slot.relation == catalog.order && slot.service_date == date &&
            (slot.epoch.load(std::memory_order_acquire) & ~kStale) != epoch &&
            !epoch_is_own(date)) {
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

void insert_orders(const Catalog& catalog, DateADT date, const OrderValues* rows, int count,
                   ReturnSetInfo* result) {
    OrderLeaf leaf;
    Relation heap = open_order_leaf(catalog, date, &leaf);
    require_same_epoch(catalog, date);
    write_rows(catalog, kShape, leaf, heap, catalog.order, rows, count, result);
    table_close(heap, NoLock);
}

void read_order(const OrderLeaf& leaf, Relation heap, HeapTuple tuple, OrderValues* values) {
    read_row(kShape, leaf, heap, tuple, values);
}

// The indexes that the row belongs into: the partial ones have entries of rows with some statuses.
static uint32_t indexes_of(const OrderValues& values) {
    OrderStatus status;
    const Text name = text_of(values.value[kStatus]);
    const bool known = parse_order_status(name.data, name.length, &status);
    uint32_t entries = 1U << kPkeyIndex;
    entries |= known && is_live(status) ? 1U << kLiveIndex : 0;
    entries |= known && status == OrderStatus::kHeld ? 1U << kHeldIndex : 0;
    entries |= values.is_null[kRequestId] ? 0 : 1U << kRequestIndex;
    return entries;
}

void update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values, uint32_t changed,
                  HeapTuple* tuple) {
    update_row(kShape, leaf, heap, values, changed, indexes_of(values), tuple);
}

bool try_update_order(const OrderLeaf& leaf, Relation heap, const OrderValues& values,
                      uint32_t changed, HeapTuple* tuple) {
    return try_update_row(kShape, leaf, heap, values, changed, indexes_of(values), tuple);
}

void return_order_row(TableReader* reader, ReturnSetInfo* result) {
    bool should_free = false;
    HeapTuple tuple = ExecFetchSlotHeapTuple(reader->row, true, &should_free);
    return_row(begin_rows(RelationGetDescr(reader->heap), result), tuple);
}

void return_spi_rows(ReturnSetInfo* result) {
    if (SPI_processed == 0) {
        return;
    }
    const RowReturn rows = begin_rows(SPI_tuptable->tupdesc, result);
    for (uint64 i = 0; i < SPI_processed; i++) {
        return_row(rows, SPI_tuptable->vals[i]);
    }
}

void install_order_callbacks() {
    CacheRegisterRelcacheCallback(on_relation_change, 0);
}

}  // namespace ticketpool
