// Which partition of ticket_order has a date, from the catalogs: see order_partition.hpp.
#include "tables/order_partition.hpp"

#include "server/table_scan.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/datetime.h"
#include "utils/fmgroids.h"
#include "utils/partcache.h"
#include "utils/syscache.h"
}

namespace ticketpool {

namespace {

// Asks the server's own descriptor, which answers the question for all dates at once. Building it
// costs some ten microseconds a partition in each session, and again after each change of
// ticket_order.
Oid partition_by_descriptor(const Catalog& catalog, DateADT date) {
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

// Is it a child of ticket_order, and not one that is being detached?
bool is_attached(const Catalog& catalog, Oid relation) {
    Relation inherits = table_open(InheritsRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(relation));
    SysScanDesc scan =
        systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    bool attached = false;
    if (HeapTupleIsValid(tuple)) {
        const auto* row = reinterpret_cast<Form_pg_inherits>(GETSTRUCT(tuple));
        attached = row->inhparent == catalog.order && !row->inhdetachpending;
    }
    systable_endscan(scan);
    table_close(inherits, AccessShareLock);
    return attached;
}

// One end of a range, compared with the date: < 0 if the end is before the date.
int compare_end(const List* ends, DateADT date) {
    const auto* end = static_cast<const PartitionRangeDatum*>(linitial(ends));
    if (end->kind != PARTITION_RANGE_DATUM_VALUE) {
        return end->kind == PARTITION_RANGE_DATUM_MINVALUE ? -1 : 1;
    }
    const DateADT value = DatumGetDateADT(castNode(Const, end->value)->constvalue);
    return value < date ? -1 : static_cast<int>(value > date);
}

// Is it a table whose bound, if it is a partition of ticket_order, contains the date?
bool has_date(Oid relation, DateADT date) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple)) {
        return false;
    }
    bool found = false;
    bool is_null;
    const Datum bound = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &is_null);
    if (!is_null &&
        reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relkind == RELKIND_RELATION) {
        const auto* spec = castNode(PartitionBoundSpec, stringToNode(TextDatumGetCString(bound)));
        found = spec->strategy == PARTITION_STRATEGY_RANGE && !spec->is_default &&
                compare_end(spec->lowerdatums, date) <= 0 &&
                compare_end(spec->upperdatums, date) > 0;
    }
    ReleaseSysCache(tuple);
    return found;
}

}  // namespace

const char* usual_partition_name(DateADT date) {
    int year, month, day;
    j2date(date + POSTGRES_EPOCH_JDATE, &year, &month, &day);
    return psprintf("ticket_order_p%04d%02d%02d", year, month, day);
}

// Partitions do not overlap, so one whose bound contains the date is the right one. Most partitions
// have the name that they were made with.
Oid partition_of(const Catalog& catalog, DateADT date) {
    MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "partition_of", ALLOCSET_SMALL_SIZES);
    MemoryContext outer = MemoryContextSwitchTo(scratch);
    const Oid usual = get_relname_relid(usual_partition_name(date), catalog.schema);
    const bool found = OidIsValid(usual) && is_attached(catalog, usual) && has_date(usual, date);
    MemoryContextSwitchTo(outer);
    MemoryContextDelete(scratch);
    return found ? usual : partition_by_descriptor(catalog, date);
}

}  // namespace ticketpool
