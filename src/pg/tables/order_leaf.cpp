// Finds, describes and locks partitions of ticket_order: see order_leaf.hpp.
#include "tables/order_leaf.hpp"

#include "server/errors.hpp"
#include "server/table_scan.hpp"
#include "tables/node_number.hpp"
#include "tables/order_partition.hpp"

extern "C" {
#include "catalog/partition.h"
#include "commands/sequence.h"
#include "partitioning/partdesc.h"
#include "storage/lmgr.h"
}

namespace ticketpool {

constinit const TableShape order_shape{
    "ticket_order",
    "the row of a ticket was not stored",
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
     {"request_digest", UUIDOID, true},
     {"changed_to", INT8OID, true},
     {"settled_at", TIMESTAMPTZOID, true}},
    kOrderIndexes,
    {{{kOrderId, kTicketNo, kServiceDate}, 3, true, false, 0},
     {{kDepartureId}, 1, false, true, 0},
     {{kServiceDate, kUserId, kRequestId, kTicketNo}, 4, true, true, kRequestId},
     {{kHeldUntil}, 1, false, true, kHeldUntil},
     {{kOrderId}, 1, false, true, kChangedTo}},
    kOrderId,
    kDepartureId,
    0,
    {}};
static_assert(kOrderColumns <= kMostColumns && kOrderIndexes <= kMostIndexes);

namespace {

// Partitions by date, direct mapped. An entry is void once its relation or the parent has changed.
// A session that only counts never needs more than relation and trigger; the rest is found out when
// the session first reads or writes rows.
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

void describe_leaf(const Catalog& catalog, Oid relation_oid, OrderLeaf* leaf) {
    const Oid indexes[kOrderIndexes] = {catalog.order_pkey, catalog.order_live,
                                        catalog.order_request, catalog.order_held,
                                        catalog.order_unsettled};
    Relation parent = open_table(catalog.order);
    describe_target(catalog, order_shape, relation_oid, indexes, true, leaf);
    leaf->trigger = trigger_identity(relation_oid);
    leaf->direct = leaf->direct && !wants_executor(catalog, order_shape, parent);
    find_returned(order_shape, parent, leaf);
    table_close(parent, NoLock);
}

}  // namespace

void find_order_columns(Relation relation, OrderLeaf* leaf) {
    find_columns(order_shape, relation, leaf);
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
        found.trigger = trigger_identity(relation);
    }
    // After an invalidation during the look, the caller looks again.
    if (changes == relation_changes) {
        *entry = CachedLeaf{catalog_generation, date, describe, found};
    }
}

// The described partition of a date; its relation is InvalidOid if there is no partition. Valid
// until the next look-up.
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
    if (!is_known(*entry, date)) {  // a described entry stays described
        look_up(catalog, date, false, entry);
    }
}

const OrderLeaf* known_order_partition(DateADT date) {
    const CachedLeaf* entry = cache_entry(date);
    return is_known(*entry, date) ? &entry->leaf : nullptr;
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
    const int node = node_to_draw(catalog);
    const int64_t number = nextval_internal(catalog.order_sequence, false);
    return order_id_of(date, node == 0 ? number : numbered_order(number, node));
}

DateADT date_of_order(int64_t order_id) {
    return static_cast<DateADT>(order_id >> kOrderSequenceBits & 0xFFFF);
}

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
        // Whatever was changed before we got the lock is known by now.
        if (find_order_leaf(catalog, date, leaf) && leaf->relation == relation) {
            return true;
        }
        UnlockRelationOid(relation, mode);
    }
}

bool try_lock_order_leaf(const Catalog& catalog, DateADT date, LOCKMODE mode, OrderLeaf* leaf) {
    if (!ConditionalLockRelationOid(catalog.order, mode)) {
        return false;
    }
    const Oid relation = described_leaf(catalog, date).relation;
    return OidIsValid(relation) && ConditionalLockRelationOid(relation, mode) &&
           find_order_leaf(catalog, date, leaf) && leaf->relation == relation;
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

void install_order_callbacks() {
    CacheRegisterRelcacheCallback(on_relation_change, 0);
}

}  // namespace ticketpool
