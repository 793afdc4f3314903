#include "epoch.hpp"

#include "order_rows.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_trigger.h"
#include "utils/fmgroids.h"
}

namespace ticketpool {

namespace {

// Of ticket_departure and ticket_reservation; void once either or the catalog has changed.
struct TableMarks {
    uint64_t catalog;  // generations; 0: void
    uint64_t departures;
    TriggerMark departure;
    TriggerMark reservation;
};
constinit TableMarks marks{};

// Of item_order and item_inventory; void once the catalog has changed.
struct ItemMarks {
    uint64_t catalog;  // generation; 0: void
    TriggerMark order;
    TriggerMark inventory;
    uint32_t epoch;
};
constinit ItemMarks item_marks{};

constinit LocalTransactionId truncated_in = InvalidLocalTransactionId;

bool marks_are_known() {
    return marks.catalog == catalog_generation && marks.departures == departure_generation;
}

void read_marks(const Catalog& catalog) {
    while (!marks_are_known()) {
        // An invalidation while we look makes them void again.
        marks.catalog = catalog_generation;
        marks.departures = departure_generation;
        const TriggerMark departure = trigger_mark(catalog.departure);
        marks.reservation = trigger_mark(catalog.reservation);
        marks.departure = departure;
    }
}

uint32_t mix(const TriggerMark& mark) {
    const uint64_t both = uint64_t{mark.oid} << 32 | mark.written_by;
    return static_cast<uint32_t>((both * 0x9E3779B97F4A7C15u) >> 32);
}

uint32_t epoch_from(const OrderLeaf& leaf) {
    const uint32_t both = (mix(leaf.mark) ^ leaf.relation * 0x85EBCA6Bu) +
                          mix(marks.departure) * 3 + mix(marks.reservation) * 5;
    return (both & ~(kStale | kNoPartition)) | (OidIsValid(leaf.relation) ? 0 : kNoPartition);
}

bool is_own(const TriggerMark& mark) {
    return TransactionIdIsNormal(mark.written_by) &&
           TransactionIdIsCurrentTransactionId(mark.written_by);
}

}  // namespace

TriggerMark trigger_mark(Oid relation) {
    TriggerMark mark{InvalidOid, InvalidTransactionId};
    Relation triggers = table_open(TriggerRelationId, AccessShareLock);
    ScanKeyData keys[2];
    ScanKeyInit(&keys[0], Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
                ObjectIdGetDatum(relation));
    ScanKeyInit(&keys[1], Anum_pg_trigger_tgname, BTEqualStrategyNumber, F_NAMEEQ,
                CStringGetDatum(kFollowTrigger));
    SysScanDesc scan =
        systable_beginscan(triggers, TriggerRelidNameIndexId, true, nullptr, lengthof(keys), keys);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        mark.oid = reinterpret_cast<Form_pg_trigger>(GETSTRUCT(tuple))->oid;
        mark.written_by = HeapTupleHeaderGetRawXmin(tuple->t_data);
    }
    systable_endscan(scan);
    table_close(triggers, AccessShareLock);
    return mark;
}

bool epoch_is_known(DateADT date, uint32_t* epoch) {
    const OrderLeaf* leaf = known_order_partition(date);
    if (leaf == nullptr || !marks_are_known()) {
        return false;
    }
    *epoch = epoch_from(*leaf);
    return true;
}

uint32_t epoch_of(const Catalog& catalog, DateADT date) {
    uint32_t epoch;
    while (!epoch_is_known(date, &epoch)) {
        read_marks(catalog);
        look_up_order_partition(catalog, date);
    }
    return epoch;
}

bool epoch_is_own(DateADT date) {
    const OrderLeaf* leaf = known_order_partition(date);
    return has_truncated() || (leaf != nullptr && is_own(leaf->mark)) || is_own(marks.departure) ||
           is_own(marks.reservation);
}

bool item_epoch_is_known(uint32_t* epoch) {
    *epoch = item_marks.epoch;
    return item_marks.catalog == catalog_generation;
}

uint32_t item_epoch_of(const Catalog& catalog) {
    uint32_t epoch;
    while (!item_epoch_is_known(&epoch)) {
        // An invalidation while we look makes them void again.
        item_marks.catalog = catalog_generation;
        item_marks.order = trigger_mark(catalog.item_order);
        item_marks.inventory = trigger_mark(catalog.inventory);
        item_marks.epoch = (mix(item_marks.order) + mix(item_marks.inventory) * 3) & ~kStale;
    }
    return epoch;
}

bool item_epoch_is_own() {
    return has_truncated() || is_own(item_marks.order) || is_own(item_marks.inventory);
}

void note_truncate() {
    truncated_in = my_local_transaction();
}

bool has_truncated() {
    return truncated_in == my_local_transaction() && truncated_in != InvalidLocalTransactionId;
}

}  // namespace ticketpool
