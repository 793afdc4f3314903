// Which index leads to the tickets of a person, and reading by it.
#include "tables/people_scan.hpp"

#include "tables/order_leaf.hpp"
#include "tables/order_partition.hpp"
#include "ticketpool/order_status.hpp"

extern "C" {
#include "catalog/pg_am.h"
#include "catalog/pg_opfamily.h"
#include "optimizer/optimizer.h"
}

namespace ticketpool {
namespace {

// Partitions by date, direct mapped. There are more entries than the longest train runs days, so
// that all days of one look fit. An entry is void once its relation, or anything that the catalog
// knows, has changed.
struct CachedDay {
    uint64_t generation;  // of the catalog; 0: empty
    DateADT date;
    PeopleDay day;
};
constexpr uint32_t kCacheSize = 512;
CachedDay* cache;  // kCacheSize entries, allocated at first use
constinit uint64_t relation_changes = 0;

void on_relation_change(Datum, Oid relation) {
    relation_changes++;
    for (uint32_t i = 0; cache != nullptr && i < kCacheSize; i++) {
        if (relation == InvalidOid || cache[i].day.relation == relation) {
            cache[i].generation = 0;
        }
    }
}

CachedDay* cache_entry(DateADT date) {
    if (cache == nullptr) {
        cache = static_cast<CachedDay*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedDay)));
    }
    return &cache[static_cast<uint32_t>(date) % kCacheSize];
}

bool is_known(const CachedDay& entry, DateADT date) {
    return entry.generation == catalog_generation && entry.date == date;
}

// Can rows be found by the value in this column with the index, and does it have all live rows?
bool leads_to(Relation index, AttrNumber column, List* live) {
    const Form_pg_index form = index->rd_index;
    return form->indisvalid && index->rd_rel->relam == BTREE_AM_OID &&
           form->indkey.values[0] == column && index->rd_opfamily[0] == INTEGER_BTREE_FAM_OID &&
           index->rd_opcintype[0] == INT8OID &&
           predicate_implied_by(RelationGetIndexPredicate(index), live, false);
}

// Prefers an index of live rows alone to one that has the others, too.
void find_person_index(Relation relation, Person person, List* live, PeopleDay* day) {
    const int number = static_cast<int>(person);
    bool found_partial = false;
    List* indexes = RelationGetIndexList(relation);
    ListCell* cell;
    foreach (cell, indexes) {
        Relation index = index_open(lfirst_oid(cell), AccessShareLock);
        const bool partial = RelationGetIndexPredicate(index) != NIL;
        if (!found_partial && leads_to(index, day->person[number], live)) {
            day->of_person[number] = lfirst_oid(cell);
            found_partial = partial;
        }
        index_close(index, AccessShareLock);
    }
    list_free(indexes);
}

void describe_day(const Catalog& catalog, Relation relation, PeopleDay* day) {
    OrderLeaf leaf{};
    find_order_columns(relation, &leaf);
    *day = PeopleDay{};
    day->relation = RelationGetRelid(relation);
    day->live = live_index(catalog, relation);
    day->departure_id = leaf.column[kDepartureId];
    day->person[static_cast<int>(Person::kPassenger)] = leaf.column[kPassengerId];
    day->person[static_cast<int>(Person::kUser)] = leaf.column[kUserId];
    day->from_stop = leaf.column[kFromStop];
    day->to_stop = leaf.column[kToStop];
    day->status = leaf.column[kStatus];
    Relation live_relation = index_open(day->live, AccessShareLock);
    List* live = RelationGetIndexPredicate(live_relation);
    for (const Person person : {Person::kPassenger, Person::kUser}) {
        find_person_index(relation, person, live, day);
    }
    index_close(live_relation, AccessShareLock);
}

void look_up(const Catalog& catalog, DateADT date, CachedDay* entry) {
    MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "people_scan", ALLOCSET_SMALL_SIZES);
    MemoryContext outer = MemoryContextSwitchTo(scratch);
    const uint64_t changes = relation_changes;
    PeopleDay day{};
    const Oid partition = partition_of(catalog, date);
    bool found = true;
    if (OidIsValid(partition)) {
        Relation relation = try_table_open(partition, AccessShareLock);
        found = relation != nullptr;
        if (found) {
            describe_day(catalog, relation, &day);
            table_close(relation, AccessShareLock);
        }
    }
    // After an invalidation during the look, the caller looks again.
    if (found && changes == relation_changes) {
        *entry = CachedDay{catalog_generation, date, day};
    }
    MemoryContextSwitchTo(outer);
    MemoryContextDelete(scratch);
}

const PeopleDay& find_day(const Catalog& catalog, DateADT date) {
    CachedDay* entry = cache_entry(date);
    while (!is_known(*entry, date)) {
        CHECK_FOR_INTERRUPTS();
        look_up(catalog, date, entry);
    }
    return entry->day;
}

// Opens the partition. Once it is locked, nothing about it and its indexes changes.
Relation open_day(const Catalog& catalog, DateADT date, PeopleDay* day) {
    for (;;) {
        *day = find_day(catalog, date);
        if (!OidIsValid(day->relation)) {
            return nullptr;
        }
        Relation relation = try_table_open(day->relation, AccessShareLock);
        const CachedDay* entry = cache_entry(date);
        if (relation != nullptr && is_known(*entry, date) && entry->day.relation == day->relation) {
            *day = entry->day;
            return relation;
        }
        if (relation != nullptr) {
            table_close(relation, AccessShareLock);
        }
    }
}

bool is_among(const PeopleQuery& query, int64_t id) {
    uint32_t low = 0;
    uint32_t high = query.count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (query.ids[middle] < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < query.count && query.ids[low] == id;
}

bool is_live_row(TupleTableSlot* row, AttrNumber column) {
    const Text name = row_text(row, column);
    OrderStatus status;
    return parse_order_status(name.data, name.length, &status) && is_live(status);
}

// Is the current row one that the query is about?
bool read_ticket(PeopleScan* scan, PersonTicket* ticket) {
    TupleTableSlot* row = scan->reader.row;
    const PeopleDay& day = scan->day;
    ticket->person = row_int64(row, day.person[static_cast<int>(scan->query.person)]);
    ticket->departure_id = row_int64(row, day.departure_id);
    if ((scan->query.departure_id != nullptr &&
         *scan->query.departure_id != ticket->departure_id) ||
        (!scan->by_person && !is_among(scan->query, ticket->person)) ||
        !is_live_row(row, day.status)) {
        return false;
    }
    ticket->from_stop = row_int32(row, day.from_stop);
    ticket->to_stop = row_int32(row, day.to_stop);
    return true;
}

}  // namespace

Oid people_partition(const Catalog& catalog, DateADT date) {
    return find_day(catalog, date).relation;
}

bool people_open(const Catalog& catalog, DateADT date, const PeopleQuery& query, PeopleScan* scan) {
    // For more people the departure is read once.
    constexpr uint32_t kMostLooks = 256;
    scan->query = query;
    scan->heap = open_day(catalog, date, &scan->day);
    if (scan->heap == nullptr) {
        return false;
    }
    const Oid of_person = scan->day.of_person[static_cast<int>(query.person)];
    scan->by_person =
        OidIsValid(of_person) && (query.departure_id == nullptr || query.count <= kMostLooks);
    scan->next_person = 1;
    reader_open(&scan->reader, scan->day.relation, scan->by_person ? of_person : scan->day.live,
                GetActiveSnapshot());
    reader_by_snapshot(&scan->reader);
    if (scan->by_person) {
        reader_key_int64(&scan->reader, query.ids[0]);
    } else if (query.departure_id != nullptr) {
        reader_key_int64(&scan->reader, *query.departure_id);
    }
    return true;
}

bool people_next(PeopleScan* scan, PersonTicket* ticket) {
    for (;;) {
        while (reader_next(&scan->reader)) {
            if (read_ticket(scan, ticket)) {
                return true;
            }
        }
        if (!scan->by_person || scan->next_person == scan->query.count) {
            return false;
        }
        reader_again_int64(&scan->reader, scan->query.ids[scan->next_person++]);
    }
}

void people_close(PeopleScan* scan) {
    reader_close(&scan->reader);
    table_close(scan->heap, AccessShareLock);
}

void install_people_callbacks() {
    CacheRegisterRelcacheCallback(on_relation_change, 0);
}

}  // namespace ticketpool
