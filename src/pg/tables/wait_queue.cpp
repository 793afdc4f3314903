// Reads the options that wait for a departure: see wait_queue.hpp.
#include "tables/wait_queue.hpp"

#include "server/table_scan.hpp"

extern "C" {
#include "access/heapam.h"
#include "lib/stringinfo.h"
#include "storage/bufmgr.h"
}

namespace ticketpool {
namespace {

void open_queue(const WaitQueue& queue, Snapshot snapshot, TableReader* reader) {
    reader_open(reader, queue.catalog->wait_option, queue.catalog->wait_option_queue, snapshot);
    reader_key_int64(reader, queue.departure_id);
    reader_key_text(reader, queue.seat_class);
}

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

// Reads the first row that is not over, after `set_keys` has set the keys.
template <typename SetKeys>
bool read_first(const WaitQueue& queue, bool unpassed, QueuedOption* found, SetKeys set_keys) {
    const TimestampTz now = GetCurrentTimestamp();
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    open_queue(queue, snapshot, &reader);
    set_keys(&reader);
    reader_by_snapshot(&reader);
    bool is_found = false;
    while (!is_found && reader_next(&reader)) {
        bool not_passed;
        (void)row_value(reader.row, kOptPassed, &not_passed);
        is_found = !is_over(reader.row, now) && (!unpassed || not_passed);
    }
    if (is_found) {
        read_columns(reader.row, found);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return is_found;
}

}  // namespace

bool queue_from(const WaitQueue& queue, int32_t from_stop, QueuedOption* found) {
    return read_first(queue, false, found,
                      [&](TableReader* reader) { reader_key_int32_from(reader, from_stop); });
}

bool queue_to(const WaitQueue& queue, int32_t from_stop, int32_t to_stop, QueuedOption* found) {
    return read_first(queue, false, found, [&](TableReader* reader) {
        reader_key_int32(reader, from_stop);
        reader_key_int32_from(reader, to_stop);
    });
}

bool queue_need(const WaitQueue& queue, int32_t from_stop, int32_t to_stop, int32_t need,
                QueuedOption* found) {
    return read_first(queue, false, found, [&](TableReader* reader) {
        reader_key_int32(reader, from_stop);
        reader_key_int32(reader, to_stop);
        reader_key_int32_from(reader, need);
    });
}

bool queue_behind(const WaitQueue& queue, const QueuedOption& alike, int64_t queue_no,
                  bool unpassed, QueuedOption* found) {
    return read_first(queue, unpassed, found, [&](TableReader* reader) {
        reader_key_int32(reader, alike.from_stop);
        reader_key_int32(reader, alike.to_stop);
        reader_key_int32(reader, alike.need);
        reader_key_int64_above(reader, queue_no);
    });
}

bool has_waiters(const Catalog& catalog, int64_t departure_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.wait_option, catalog.wait_option_queue, snapshot);
    reader_key_int64(&reader, departure_id);
    reader_by_snapshot(&reader);
    const bool found = reader_next(&reader);
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

bool is_wait_locked(const Catalog& catalog, int64_t wait_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.wait, catalog.wait_pkey, snapshot);
    reader_key_int64(&reader, wait_id);
    bool locked = false;
    if (reader_next(&reader) && TTS_IS_BUFFERTUPLE(reader.row)) {
        const BufferHeapTupleTableSlot* slot =
            reinterpret_cast<const BufferHeapTupleTableSlot*>(reader.row);
        LockBuffer(slot->buffer, BUFFER_LOCK_SHARE);
        locked = HeapTupleSatisfiesUpdate(slot->base.tuple, GetCurrentCommandId(false),
                                          slot->buffer) == TM_BeingModified;
        LockBuffer(slot->buffer, BUFFER_LOCK_UNLOCK);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return locked;
}

bool read_option(const Catalog& catalog, int64_t wait_id, int32_t option_no, QueuedOption* found) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.wait_option, catalog.wait_option_pkey, snapshot);
    reader_key_int64(&reader, wait_id);
    reader_key_int32(&reader, option_no);
    const bool is_found = reader_next(&reader) &&
                          same_text(row_text(reader.row, kOptStatus), {"waiting", 7}) &&
                          !is_over(reader.row, GetCurrentTimestamp());
    if (is_found) {
        read_columns(reader.row, found);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return is_found;
}

bool next_waited_departure(const Catalog& catalog, int64_t above, int64_t* departure_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.wait_option, catalog.wait_option_queue, snapshot);
    reader_key_int64_above(&reader, above);
    reader_by_snapshot(&reader);
    const bool found = reader_next(&reader);
    if (found) {
        *departure_id = row_int64(reader.row, kOptDeparture);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

void append_uncommitted(const WaitQueue& queue, int64_t below, StringInfoData* json) {
    TableReader reader;
    open_queue(queue, nullptr, &reader);
    while (reader_next(&reader)) {
        if (row_int64(reader.row, kOptQueue) < below) {
            appendStringInfo(json,
                             "%s{\"wait_id\": " INT64_FORMAT
                             ", \"reason\": \"its ticket_wait had not been committed\"}",
                             json->len > 0 ? ", " : "", row_int64(reader.row, kOptWait));
        }
    }
    reader_close(&reader);
}

}  // namespace ticketpool
