// One order id, one service date: see order_days.hpp.
#include "tables/order_days.hpp"

#include "server/errors.hpp"
#include "server/row_origin.hpp"
#include "server/table_scan.hpp"
#include "tables/row_writer.hpp"

extern "C" {
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
}

namespace ticketpool {
namespace {

enum DayColumn : AttrNumber { kDayOrder = 1, kDayDate, kDayColumns = kDayDate };

const TableShape kShape{
    "ticket_order_day",
    "the row of an order's day was not stored",
    kDayColumns,
    {{nullptr, InvalidOid, false}, {"order_id", INT8OID, false}, {"service_date", DATEOID, false}},
    1,
    {{{kDayOrder}, 1, false, false, 0}},
    kDayOrder,
    kDayOrder,
    0,
    nullptr};

struct OrderDay {
    int64_t order_id;
    DateADT date;
};

bool names_day(const OrderDay& order) {
    return order_id_of(order.date, 0) == (order.order_id & ~order_sequence_mask);
}

constinit CachedTarget cache{};

const RowTarget& find_target(const Catalog& catalog) {
    keep_target(catalog, kShape, catalog.order_day, &catalog.order_day_order, &cache);
    return cache.target;
}

// ---------------------------------------------------------------------------------------------
// Looking
// ---------------------------------------------------------------------------------------------

// A place to look for rows of an order: a table, its index that begins with the order_id, and the
// number of its service_date.
struct Place {
    Oid relation;
    Oid index;
    AttrNumber date;
};

Place entries(const Catalog& catalog) {
    const RowTarget& target = find_target(catalog);
    return {target.relation, target.index[0], target.column[kDayDate]};
}

// Calls `row(date)` for each row of the order that `snapshot` shows, until it returns false.
template <typename Row>
void for_each_row(const Place& place, int64_t order_id, Snapshot snapshot, Row row) {
    TableReader reader;
    reader_open(&reader, place.relation, place.index, snapshot);
    reader_key_int64(&reader, order_id);
    while (reader_next(&reader) &&
           row(reader, DatumGetDateADT(row_datum(reader.row, place.date)))) {
    }
    reader_close(&reader);
}

// Waits for other transactions that have yet to decide about rows for which wanted(date) is true.
// Nothing of a scan is held meanwhile.
template <typename Wanted>
void wait_for_undecided(const Place& place, int64_t order_id, Wanted wanted) {
    for (;;) {
        TransactionId undecided = InvalidTransactionId;
        for_each_row(place, order_id, SnapshotAny, [&](const TableReader& reader, DateADT date) {
            if (wanted(date)) {
                const VersionFate fate = fate_of_version(reader);
                undecided = TransactionIdIsValid(fate.inserter) ? fate.inserter : fate.deleter;
            }
            return !TransactionIdIsValid(undecided);
        });
        if (!TransactionIdIsValid(undecided)) {
            return;
        }
        XactLockTableWait(undecided, nullptr, nullptr, XLTW_None);
    }
}

// Is there any version of a row for which wanted(date) is true? Mostly there is not, and no other
// question has to be asked.
template <typename Wanted>
bool has_version(const Place& place, int64_t order_id, Wanted wanted) {
    bool found = false;
    for_each_row(place, order_id, SnapshotAny, [&](const TableReader&, DateADT date) {
        found = wanted(date);
        return !found;
    });
    return found;
}

// Is there a row for which wanted(date) is true, committed or this transaction's own?
template <typename Wanted>
bool has_row(const Place& place, int64_t order_id, Wanted wanted) {
    bool found = false;
    Snapshot snapshot = take_fresh_snapshot();
    for_each_row(place, order_id, snapshot, [&](const TableReader&, DateADT date) {
        found = wanted(date);
        return !found;
    });
    drop_snapshot(snapshot);
    return found;
}

[[noreturn]] void report_two_days(const OrderDay& order, DateADT other) {
    ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
                    errmsg("order " INT64_FORMAT " would be on two days", order.order_id),
                    errdetail("It has tickets on %s, and here on %s.", date_text(other),
                              pstrdup(date_text(order.date))),
                    errhint("An order has one service date: give the tickets of another day "
                            "another order_id, or move all of them in one statement.")));
}

// Looks in the partition of a date for tickets of the order that are on another day.
void look_into_partition(const Catalog& catalog, const OrderDay& order, DateADT date) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, date, &leaf)) {
        return;
    }
    const Place place{leaf.relation, leaf.index[kPkeyIndex], leaf.column[kServiceDate]};
    DateADT other = order.date;
    const auto wanted = [&](DateADT found) {
        other = found;
        return found != order.date;
    };
    if (!has_version(place, order.order_id, wanted)) {
        return;
    }
    wait_for_undecided(place, order.order_id, wanted);
    if (has_row(place, order.order_id, wanted)) {
        report_two_days(order, other);
    }
}

// Looks into each day that the order has entries for, except its own day: an entry is believed only
// after a look.
void look_into_entries(const Catalog& catalog, const OrderDay& order) {
    const Place place = entries(catalog);
    const auto is_other = [&](DateADT date) { return date != order.date; };
    if (!has_version(place, order.order_id, is_other)) {
        return;
    }
    wait_for_undecided(place, order.order_id, is_other);
    List* dates = NIL;
    Snapshot snapshot = take_fresh_snapshot();
    for_each_row(place, order.order_id, snapshot, [&](const TableReader&, DateADT date) {
        if (date != order.date) {
            dates = list_append_unique_int(dates, date);
        }
        return true;
    });
    drop_snapshot(snapshot);
    ListCell* cell;
    foreach (cell, dates) {
        look_into_partition(catalog, order, lfirst_int(cell));
    }
    list_free(dates);
}

// ---------------------------------------------------------------------------------------------
// Entering
// ---------------------------------------------------------------------------------------------

// The rows of the event are in the table already, so a session that makes an entry later finds them
// in its own look.
bool has_entries(const Catalog& catalog) {
    Relation heap = open_table(catalog.order_day);
    const bool any = RelationGetNumberOfBlocks(heap) > 0;
    table_close(heap, NoLock);  // kept to the end of the transaction: the next look takes no lock
    return any;
}

void enter(const Catalog& catalog, const OrderDay& order) {
    RowValues row;
    memset(row.is_null, true, sizeof row.is_null);
    set_value(&row, kDayOrder, Int64GetDatum(order.order_id));
    set_value(&row, kDayDate, DateADTGetDatum(order.date));
    Relation heap = try_table_open(catalog.order_day, RowExclusiveLock);
    if (heap == nullptr) {
        report_gone();
    }
    write_rows(catalog, kShape, find_target(catalog), heap, catalog.order_day, &row, 1, nullptr);
    table_close(heap, NoLock);
}

// What this (sub)transaction entered last: other tickets of the same order need no further entry.
// An entry that was rolled back belonged to another subtransaction.
struct LastEntry {
    LocalTransactionId transaction;
    SubTransactionId subtransaction;
    OrderDay order;
};
constinit LastEntry last_entry{};

bool is_last_entry(const OrderDay& order) {
    return last_entry.transaction == my_local_transaction() &&
           last_entry.subtransaction == GetCurrentSubTransactionId() &&
           last_entry.order.order_id == order.order_id && last_entry.order.date == order.date;
}

// A day that is attached again and again would leave more entries each time, so the old ones are
// deleted. They are not kept in place of the new one: a session that tidies up does not see this
// transaction's rows, so it may delete an old entry meanwhile, but never the new one. An entry that
// another transaction has deleted without committing yet is left alone.
void delete_older_entries(const Catalog& catalog, const OrderDay& order) {
    const Place place = entries(catalog);
    const auto is_same = [&](DateADT date) { return date == order.date; };
    if (!has_version(place, order.order_id, is_same)) {
        return;
    }
    Relation heap = try_table_open(catalog.order_day, RowExclusiveLock);
    if (heap == nullptr) {
        report_gone();
    }
    Snapshot snapshot = take_fresh_snapshot();
    for_each_row(place, order.order_id, snapshot, [&](const TableReader& reader, DateADT date) {
        if (is_same(date)) {
            TM_FailureData failure;
            (void)table_tuple_delete(heap, &reader.row->tts_tid, GetCurrentCommandId(true),
                                     snapshot, InvalidSnapshot, false, &failure, false);
        }
        return true;
    });
    drop_snapshot(snapshot);
    table_close(heap, NoLock);
    last_entry = LastEntry{};  // may be one of those deleted
}

void follow(const Catalog& catalog, const OrderDay& order) {
    const bool looks = !rows_come_in_any_order();
    if (names_day(order)) {
        if (looks && has_entries(catalog)) {
            CommandCounterIncrement();  // what the statement has moved away is not seen any more
            look_into_entries(catalog, order);
        }
    } else if (!is_last_entry(order)) {
        enter(catalog, order);
        if (looks) {
            look_into_entries(catalog, order);
            look_into_partition(catalog, order, date_of_order(order.order_id));
        }
        last_entry = {my_local_transaction(), GetCurrentSubTransactionId(), order};
    }
}

}  // namespace

void follow_order_day(const Catalog& catalog, const OrderLeaf& leaf, TupleTableSlot* before,
                      TupleTableSlot* after) {
    const auto order_day = [&](TupleTableSlot* row) {
        return OrderDay{row_int64(row, leaf.column[kOrderId]),
                        DatumGetDateADT(row_datum(row, leaf.column[kServiceDate]))};
    };
    if (after == nullptr) {
        return;
    }
    const OrderDay now = order_day(after);
    if (before != nullptr) {
        const OrderDay was = order_day(before);
        if (was.order_id == now.order_id && was.date == now.date) {
            return;
        }
    }
    follow(catalog, now);
}

void follow_order_days(const Catalog& catalog, Oid partition) {
    CommandCounterIncrement();
    OrderLeaf leaf{};
    Relation relation = open_table(partition);
    find_order_columns(relation, &leaf);
    const Oid index = child_index(catalog.order_pkey, relation);
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, partition, index, snapshot);
    OrderDay last{0, DATEVAL_NOBEGIN};
    while (reader_next(&reader)) {
        const OrderDay order{row_int64(reader.row, leaf.column[kOrderId]),
                             DatumGetDateADT(row_datum(reader.row, leaf.column[kServiceDate]))};
        if (order.order_id != last.order_id || order.date != last.date) {
            CHECK_FOR_INTERRUPTS();
            if (!names_day(order)) {
                delete_older_entries(catalog, order);
            }
            follow(catalog, order);
        }
        last = order;
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    table_close(relation, NoLock);
}

bool day_of_order(const Catalog& catalog, int64_t order_id, DateADT* day) {
    if (!has_entries(catalog)) {
        return false;
    }
    bool found = false;
    Snapshot snapshot = take_fresh_snapshot();
    for_each_row(entries(catalog), order_id, snapshot, [&](const TableReader&, DateADT date) {
        OrderLeaf leaf;
        if (find_order_leaf(catalog, date, &leaf)) {
            const Place place{leaf.relation, leaf.index[kPkeyIndex], leaf.column[kServiceDate]};
            found = has_row(place, order_id, [](DateADT) { return true; });
            *day = date;
        }
        return !found;
    });
    drop_snapshot(snapshot);
    return found;
}

}  // namespace ticketpool
