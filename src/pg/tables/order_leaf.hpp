// Partitions of ticket_order: which one has the rows of a service date, what it is like, and how it
// is locked.
//
// The order of locks. A session that keeps locks on tables of the extension takes them in this
// order, in every function and in every transaction, however many functions it calls:
//
//   1. ticket_order
//   2. a partition of it, and then the partition's indexes
//   3. ticket_departure, ticket_reservation and all the others
//
// ALTER TABLE, TRUNCATE, CREATE INDEX and LOCK TABLE of ticket_order take 1 before 2 as well. They
// wait for us at 1, where they do not yet hold anything that we could need later. So lock_orders()
// is called before anything else is locked and kept, and lock_order_leaf() and
// lock_all_order_leaves() are the only ways to keep a partition locked. Items have the same order:
// item_order, then item_inventory.
//
// Exceptions: a reader (table_scan.hpp) may lock a partition alone, since it gives the lock back
// before it asks for any other except the index's. A user's statement that names a partition, or
// ticket_departure, has locked it when our triggers begin, as if plain SQL had done what they do. A
// session that draws an id locks the sequence before all of these.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/row_target.hpp"
#include "tables/trigger_identity.hpp"

namespace ticketpool {

enum OrderColumn : AttrNumber {
    kOrderId = 1,
    kTicketNo,
    kDepartureId,
    kServiceDate,
    kUserId,
    kPassengerId,
    kSeatClass,
    kCoach,
    kSeat,
    kFromStop,
    kToStop,
    kStatus,
    kHeldUntil,
    kChannel,
    kRequestId,
    kCreatedAt,
    kChangedAt,
    kChangedFrom,
    kRequestDigest,
    kChangedTo,
    kSettledAt,
    kOrderColumns = kSettledAt
};

// The indexes of ticket_order, in this order everywhere.
enum OrderIndex {
    kPkeyIndex,
    kLiveIndex,
    kRequestIndex,
    kHeldIndex,
    kUnsettledIndex,
    kOrderIndexes
};

// What the table is like: see row_target.hpp.
extern const TableShape order_shape;

// A partition of ticket_order.
struct OrderLeaf : RowTarget {
    TriggerIdentity trigger;  // of ours: see epoch.hpp

    Oid live() const { return index[kLiveIndex]; }
    Oid request() const { return index[kRequestIndex]; }
};

// Columns by OrderColumn.
using OrderValues = RowValues;

// The partition of a service date. False: there is none.
bool find_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf);
// The partition's relation and trigger, and nothing else, as this session knows them. Null: it does
// not know them. Relation InvalidOid: there is no partition.
const OrderLeaf* known_order_partition(DateADT date);
// Makes both known, unless they change at this moment. Locks no partition; see partition_of().
void look_up_order_partition(const Catalog& catalog, DateADT date);
// The number in the partition, or any table like ticket_order, of each of our columns.
void find_order_columns(Relation relation, OrderLeaf* leaf);
// The partition's index of live rows; ereports if it has none.
Oid live_index(const Catalog& catalog, Relation relation);
// The same for another index of ticket_order.
Oid child_index(Oid parent_index, Relation relation);
// 23514: the day has no partition.
void require_order_leaf(const Catalog& catalog, DateADT date);

// A new order id for the date, below 2^53; and the date that an id names.
inline constexpr int kOrderSequenceBits = 37;
inline constexpr int64_t order_sequence_mask = (int64_t{1} << kOrderSequenceBits) - 1;
inline int64_t order_id_of(DateADT date, int64_t number) {
    return (static_cast<int64_t>(date) & 0xFFFF) << kOrderSequenceBits | number;
}
int64_t next_order_id(const Catalog& catalog, DateADT date);
DateADT date_of_order(int64_t order_id);

// Locks ticket_order to the end of the transaction.
void lock_orders(const Catalog& catalog, LOCKMODE mode);

// Locks ticket_order and the partition of a date, in this order, to the end of the transaction, and
// makes sure that what we know of the partition is true now; its name does not change either.
// False: there is no partition, and ticket_order alone is locked.
bool lock_order_leaf(const Catalog& catalog, DateADT date, LOCKMODE mode, OrderLeaf* leaf);

// The same without waiting. False: a lock of another session is in the way, or there is no
// partition.
bool try_lock_order_leaf(const Catalog& catalog, DateADT date, LOCKMODE mode, OrderLeaf* leaf);

// The same with all partitions.
void lock_all_order_leaves(const Catalog& catalog, LOCKMODE mode);

// Locks the partition of a date for writing and opens it; ereports if there is none.
Relation open_order_leaf(const Catalog& catalog, DateADT date, OrderLeaf* leaf);

void install_order_callbacks();

}  // namespace ticketpool
