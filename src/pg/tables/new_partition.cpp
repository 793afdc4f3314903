// Makes the partition of a service date: see new_partition.hpp.
#include "tables/new_partition.hpp"

#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"
#include "tables/order_partition.hpp"

extern "C" {
#include "catalog/partition.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "commands/tablespace.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/datetime.h"
#include "utils/syscache.h"
}

namespace ticketpool {

namespace {

// The day has no partition. If it has departures, what was sold of them is in a partition that was
// detached, or was dropped with it: ereports 55000.
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
    if (count > 0) {
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("the partition of %s was detached or dropped", date_text(date)),
             count > kMostNamed
                 ? errdetail("ticket_departure has departures of that day: trains %s and %d more.",
                             names.data, count - kMostNamed)
                 : errdetail_plural("ticket_departure has a departure of that day: train %s.",
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

// What a new partition takes over from ticket_order.
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

// Decides what a publication sends of an UPDATE. The parent's own replica identity has no effect on
// its partitions.
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
            return;  // the parent's index was dropped
        }
        clause = psprintf("USING INDEX %s", quote_identifier(get_rel_name(index)));
    }
    execute_utility(psprintf("ALTER TABLE %s REPLICA IDENTITY %s", name, clause));
}

// Makes the partition follow its parent, whatever the session has set. A role that may call
// ticket_open needs no right on a tablespace, and does not decide where orders are stored.
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

// A partition that was detached may still have the name of its day.
const char* free_relation_name(Oid schema, const char* wanted) {
    const char* name = wanted;
    for (int i = 2; OidIsValid(get_relname_relid(name, schema)); i++) {
        name = psprintf("%s_%d", wanted, i);
    }
    return quote_qualified_identifier(get_namespace_name(schema), name);
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
    // One session at a time. Buyers do not wait for this lock, but DETACH does. Another session may
    // have been quicker.
    LockRelationOid(catalog.order, ShareUpdateExclusiveLock);
    if (find_order_leaf(catalog, date, &leaf)) {
        return;
    }
    require_no_departures(catalog, date);
    const int level = begin_creating();
    create_order_leaf(catalog, date);
    AtEOXact_GUC(true, level);
}

}  // namespace ticketpool
