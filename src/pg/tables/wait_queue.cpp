// Reads the options that wait for a departure: see wait_queue.hpp.
#include "tables/wait_queue.hpp"

#include "server/table_scan.hpp"

extern "C" {
#include "access/heapam.h"
#include "access/stratnum.h"
#include "lib/stringinfo.h"
#include "storage/bufmgr.h"
#include "utils/fmgroids.h"
}

namespace ticketpool {
namespace {

bool is_over(TupleTableSlot* row, TimestampTz now) {
    bool is_null;
    const Datum ends_at = row_value(row, kOptEnds, &is_null);
    return !is_null && DatumGetTimestampTz(ends_at) <= now;
}

void read_columns(TupleTableSlot* row, QueuedOption* option) {
    bool is_null;
    *option = QueuedOption{row_int64(row, kOptWait),
                           row_int32(row, kOptNo),
                           row_int64(row, kOptQueue),
                           row_int32(row, kOptFrom),
                           row_int32(row, kOptTo),
                           row_int32(row, kOptNeed),
                           {nullptr, 0},
                           false};
    const Datum channel = row_value(row, kOptChannel, &is_null);
    if (!is_null) {
        option->channel = copy_text(text_of(channel));
    }
    (void)row_value(row, kOptPassed, &is_null);
    option->passed = !is_null;
}

// Does the row wait in this queue?
bool is_open(const WaitQueue& queue, TupleTableSlot* row, TimestampTz now) {
    return same_text(row_text(row, kOptClass), queue.seat_class) && !is_over(row, now);
}

// Reads the first row that is not over, after `set_keys` has set the keys.
template <typename SetKeys>
bool read_first(const WaitQueue& queue, bool unpassed, QueuedOption* found, SetKeys set_keys) {
    const TimestampTz now = GetCurrentTimestamp();
    TableReader reader;
    open_now(&reader, queue.catalog->wait_option, queue.catalog->wait_option_queue);
    reader_key_int64(&reader, queue.departure_id);
    set_keys(&reader);
    reader_by_snapshot(&reader);
    bool is_found = false;
    while (!is_found && reader_next(&reader)) {
        bool not_passed;
        (void)row_value(reader.row, kOptPassed, &not_passed);
        is_found = is_open(queue, reader.row, now) && (!unpassed || not_passed);
    }
    if (is_found) {
        read_columns(reader.row, found);
    }
    close_now(&reader);
    return is_found;
}

}  // namespace

bool queue_behind(const WaitQueue& queue, const WaitStream& stream, int64_t queue_no, bool unpassed,
                  QueuedOption* found) {
    return read_first(queue, unpassed, found, [&](TableReader* reader) {
        reader_key_int32(reader, stream.from_stop);
        reader_key_int32(reader, stream.to_stop);
        reader_key_int32(reader, stream.need);
        reader_key_int64_above(reader, queue_no);
    });
}

// ---------------------------------------------------------------------------------------------
// The walk
// ---------------------------------------------------------------------------------------------

namespace {

// A scan of the index by columns that the index has. An index scan reads whole pages, so what is on
// the next page is near; only a long row of options that are alike is worth a new descent.
struct Walk {
    TableReader reader;  // heap and index, opened
    IndexScanDesc scan;
    Snapshot snapshot;  // by which rows are judged; null: they are not looked at
    ScanKeyData keys[4];
    int key_count;
    int64_t departure_id;
    int32_t before_stop;
};
constexpr int kWorthADescent = 64;

enum QueueIndexColumn : AttrNumber { kIdxDeparture = 1, kIdxFrom, kIdxTo, kIdxNeed };

void add_walk_key(Walk* walk, AttrNumber column, StrategyNumber strategy, RegProcedure compare,
                  Datum value) {
    ScanKeyData* key = &walk->keys[walk->key_count++];
    ScanKeyInit(key, column, strategy, compare, value);
}

// A scan has a fixed number of keys, in order of their columns: the first is repeated, so that
// `more` can follow.
void begin_keys(Walk* walk, int more) {
    walk->key_count = 0;
    for (int i = more; i < static_cast<int>(lengthof(walk->keys)); i++) {
        add_walk_key(walk, kIdxDeparture, BTEqualStrategyNumber, F_INT8EQ,
                     Int64GetDatum(walk->departure_id));
    }
}

void descend(Walk* walk) {
    index_rescan(walk->scan, walk->keys, walk->key_count, nullptr, 0);
}

void descend_from(Walk* walk, StrategyNumber strategy, RegProcedure compare, int32_t from_stop) {
    begin_keys(walk, 2);
    add_walk_key(walk, kIdxFrom, strategy, compare, Int32GetDatum(from_stop));
    add_walk_key(walk, kIdxFrom, BTLessStrategyNumber, F_INT4LT, Int32GetDatum(walk->before_stop));
    descend(walk);
}

// The streams behind this one: step 0 those of the same trip, then those of the same from_stop,
// then all.
void descend_behind(Walk* walk, const WaitStream& stream, int step) {
    if (step == 2) {
        descend_from(walk, BTGreaterStrategyNumber, F_INT4GT, stream.from_stop);
        return;
    }
    begin_keys(walk, step == 0 ? 3 : 2);
    add_walk_key(walk, kIdxFrom, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(stream.from_stop));
    if (step == 0) {
        add_walk_key(walk, kIdxTo, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum(stream.to_stop));
        add_walk_key(walk, kIdxNeed, BTGreaterStrategyNumber, F_INT4GT, Int32GetDatum(stream.need));
    } else {
        add_walk_key(walk, kIdxTo, BTGreaterStrategyNumber, F_INT4GT,
                     Int32GetDatum(stream.to_stop));
    }
    descend(walk);
}

WaitStream stream_of(const Walk& walk) {
    const auto column = [&](AttrNumber number) {
        bool is_null;
        return DatumGetInt32(index_getattr(walk.scan->xs_itup, number,
                                           RelationGetDescr(walk.reader.index), &is_null));
    };
    return {column(kIdxFrom), column(kIdxTo), column(kIdxNeed)};
}

bool same_stream(const WaitStream& a, const WaitStream& b) {
    return a.from_stop == b.from_stop && a.to_stop == b.to_stop && a.need == b.need;
}

// Reads the row of the entry at which the walk is. False: the snapshot shows none. An entry that
// nobody can see any more is marked as such, as by any index scan.
bool read_row_of_entry(Walk* walk) {
    bool again = false;
    bool all_dead = false;
    if (table_index_fetch_tuple(walk->scan->xs_heapfetch, &walk->scan->xs_heaptid, walk->snapshot,
                                walk->reader.row, &again, &all_dead)) {
        return true;
    }
    walk->scan->kill_prior_tuple = all_dead && !walk->scan->xactStartedInRecovery;
    return false;
}

// False: the entry is of an option that has left the queue, or not entered it.
bool take(const WaitQueue& queue, Walk* walk, const WalkVisitor& visitor, const WaitStream& stream,
          TimestampTz now) {
    if (walk->snapshot != nullptr && !read_row_of_entry(walk)) {
        return false;
    }
    QueuedOption first;
    const bool is_first = walk->snapshot != nullptr && is_open(queue, walk->reader.row, now);
    if (is_first) {
        read_columns(walk->reader.row, &first);
    }
    visitor.take(stream, is_first ? &first : nullptr, visitor.context);
    return true;
}

void begin_walk(const WaitQueue& queue, Walk* walk) {
    reader_open(&walk->reader, queue.catalog->wait_option, queue.catalog->wait_option_queue,
                nullptr);
    // A look by a snapshot takes predicate locks under SERIALIZABLE.
    walk->snapshot = IsolationIsSerializable() ? nullptr : take_fresh_snapshot();
}

void end_walk(Walk* walk) {
    ExecClearTuple(walk->reader.row);
    index_endscan(walk->scan);
    reader_close(&walk->reader);
    if (walk->snapshot != nullptr) {
        drop_snapshot(walk->snapshot);
    }
}

}  // namespace

void walk_queue(const WaitQueue& queue, int32_t from_stop, int32_t before_stop,
                const WalkVisitor& visitor) {
    Walk walk{};
    begin_walk(queue, &walk);
    const TimestampTz now = GetCurrentTimestamp();
    walk.departure_id = queue.departure_id;
    walk.before_stop = before_stop;
#if PG_VERSION_NUM >= 180000
    walk.scan = index_beginscan(walk.reader.heap, walk.reader.index, SnapshotAny, nullptr,
                                static_cast<int>(lengthof(walk.keys)), 0);
#else
    walk.scan = index_beginscan(walk.reader.heap, walk.reader.index, SnapshotAny,
                                static_cast<int>(lengthof(walk.keys)), 0);
#endif
    walk.scan->xs_want_itup = true;
    descend_from(&walk, BTGreaterEqualStrategyNumber, F_INT4GE, from_stop);
    WaitStream last{};
    int alike = 0;
    int step = 2;
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (index_getnext_tid(walk.scan, ForwardScanDirection) == nullptr) {
            if (step == 2) {
                break;
            }
            descend_behind(&walk, last, ++step);
            continue;
        }
        const WaitStream stream = stream_of(walk);
        if (alike > 0 && same_stream(stream, last)) {
            if (++alike > kWorthADescent) {
                descend_behind(&walk, last, step = 0);
                alike = 1;
            }
            continue;
        }
        last = stream;
        alike = 1;
        const WalkOn on = visitor.visit(stream, visitor.context);
        if (on == WalkOn::kNextFrom) {
            descend_behind(&walk, last, step = 2);
        } else if (on == WalkOn::kTake && !take(queue, &walk, visitor, stream, now)) {
            alike = 0;  // the next option may be the first
        }
    }
    end_walk(&walk);
}

static bool has_option(const Catalog& catalog, int64_t departure_id, Snapshot snapshot) {
    TableReader reader;
    reader_open(&reader, catalog.wait_option, catalog.wait_option_queue, snapshot);
    reader_key_int64(&reader, departure_id);
    if (snapshot != nullptr) {
        reader_by_snapshot(&reader);
    }
    const bool found = reader_next(&reader);
    reader_close(&reader);
    return found;
}

bool has_waiters(const Catalog& catalog, int64_t departure_id) {
    Snapshot snapshot = take_fresh_snapshot();
    const bool found = has_option(catalog, departure_id, snapshot);
    drop_snapshot(snapshot);
    return found;
}

bool may_have_waiters(const Catalog& catalog, int64_t departure_id) {
    if (has_waiters(catalog, departure_id)) {
        return true;
    }
    Snapshot snapshot = take_others_snapshot();
    const bool found = has_option(catalog, departure_id, snapshot);
    drop_snapshot(snapshot);
    return found;
}

bool has_undecided_waiters(const Catalog& catalog, int64_t departure_id) {
    return has_option(catalog, departure_id, nullptr);
}

bool read_option(const Catalog& catalog, int64_t wait_id, int32_t option_no, QueuedOption* found) {
    TableReader reader;
    open_now(&reader, catalog.wait_option, catalog.wait_option_pkey);
    reader_key_int64(&reader, wait_id);
    reader_key_int32(&reader, option_no);
    const bool is_found = reader_next(&reader) &&
                          same_text(row_text(reader.row, kOptStatus), {"waiting", 7}) &&
                          !is_over(reader.row, GetCurrentTimestamp());
    if (is_found) {
        read_columns(reader.row, found);
    }
    close_now(&reader);
    return is_found;
}

bool next_waited_departure(const Catalog& catalog, int64_t above, int64_t* departure_id) {
    TableReader reader;
    open_now(&reader, catalog.wait_option, catalog.wait_option_queue);
    reader_key_int64_above(&reader, above);
    reader_by_snapshot(&reader);
    const bool found = reader_next(&reader);
    if (found) {
        *departure_id = row_int64(reader.row, kOptDeparture);
    }
    close_now(&reader);
    return found;
}

void append_uncommitted(const WaitQueue& queue, int64_t below, StringInfoData* json) {
    TableReader reader;
    reader_open(&reader, queue.catalog->wait_option, queue.catalog->wait_option_queue, nullptr);
    reader_key_int64(&reader, queue.departure_id);
    while (reader_next(&reader)) {
        if (row_int64(reader.row, kOptQueue) < below &&
            same_text(row_text(reader.row, kOptClass), queue.seat_class)) {
            appendStringInfo(json,
                             "%s{\"wait_id\": " INT64_FORMAT
                             ", \"reason\": \"its ticket_wait had not been committed\"}",
                             json->len > 0 ? ", " : "", row_int64(reader.row, kOptWait));
        }
    }
    reader_close(&reader);
}

}  // namespace ticketpool
