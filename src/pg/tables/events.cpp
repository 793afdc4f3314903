// Writes rows of ticket_event (events.hpp).
#include "tables/events.hpp"

#include "pool/deadlines.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/settings.hpp"
#include "tables/row_writer.hpp"

extern "C" {
#include "access/xact.h"
#include "commands/sequence.h"
#include "executor/spi.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/xid8.h"
}

namespace ticketpool {
namespace {

enum EventColumn : AttrNumber {
    kEventId = 1,
    kEventXid,
    kEventAt,
    kEventKind,
    kEventOrder,
    kEventTicketNo,
    kEventDeparture,
    kEventWait,
    kEventDetail
};

const TableShape kShape{
    "ticket_event",
    "the row of an event was not stored",
    kEventDetail,
    {{nullptr, InvalidOid, false},
     {"event_id", INT8OID, false},
     {"xid", XID8OID, false},
     {"at", TIMESTAMPTZOID, false},
     {"kind", TEXTOID, false},
     {"order_id", INT8OID, true},
     {"ticket_no", INT4OID, true},
     {"departure_id", INT8OID, true},
     {"wait_id", INT8OID, true},
     {"detail", JSONBOID, true}},
    2,
    {{{kEventId}, 1, true, false, 0}, {{kEventXid, kEventId}, 2, false, false, 0}},
    kEventId,
    kEventDeparture,
    0,
    {},
    0,
    true};

constinit CachedTarget cache{};

const RowTarget& find_target(const Catalog& catalog) {
    if (unlikely(!cache.is_of(catalog.event))) {
        const Oid indexes[] = {catalog.event_pkey, catalog.event_xid};
        keep_target(catalog, kShape, catalog.event, indexes, &cache);
    }
    return cache.target;
}

void wake_worker() {
    if (setting_notify) {
        events_at_commit();
    }
}

void set_id(RowValues* row, EventColumn column, int64_t id) {
    row->value[column] = Int64GetDatum(id);
    row->is_null[column] = id == 0;
}

RowValues row_of(const Catalog& catalog, const TicketEvent& event) {
    RowValues row{};
    set_id(&row, kEventId, nextval_internal(catalog.event_sequence, false));
    set_value(&row, kEventXid, FullTransactionIdGetDatum(GetTopFullTransactionId()));
    set_value(&row, kEventAt, TimestampTzGetDatum(GetCurrentTimestamp()));
    set_value(&row, kEventKind, CStringGetTextDatum(event.kind));
    set_id(&row, kEventOrder, event.order_id);
    row.value[kEventTicketNo] = Int32GetDatum(event.ticket_no);
    row.is_null[kEventTicketNo] = event.ticket_no == 0;
    set_id(&row, kEventDeparture, event.departure_id);
    set_id(&row, kEventWait, event.wait_id);
    row.is_null[kEventDetail] = event.detail == nullptr;
    if (event.detail != nullptr) {
        row.value[kEventDetail] = DirectFunctionCall1(jsonb_in, CStringGetDatum(event.detail));
    }
    return row;
}

void insert_directly(const Catalog& catalog, const TicketEvent* events, int count) {
    RowValues* rows = static_cast<RowValues*>(MemoryContextAllocHuge(
        CurrentMemoryContext, static_cast<size_t>(count) * sizeof(RowValues)));
    for (int i = 0; i < count; i++) {
        rows[i] = row_of(catalog, events[i]);
    }
    Relation heap = table_open(catalog.event, RowExclusiveLock);
    write_rows(catalog, kShape, find_target(catalog), heap, catalog.event, rows, count, nullptr);
    table_close(heap, NoLock);
    pfree(rows);
}

// A trigger of the user's may leave events out: nothing of ours depends on them.
void insert(const char* sql, int count, Oid* types, Datum* values, Snapshot snapshot) {
    if (execute_planned(sql, count, types, values, nullptr, snapshot) != SPI_OK_INSERT) {
        report_not_written(sql);
    }
    if (SPI_processed > 0) {
        wake_worker();
    }
}

// A column of the events, as an array.
template <typename Value>
Datum column_of(const TicketEvent* events, int count, Oid type, int16 length, bool by_value,
                char align, Value value) {
    const size_t room = static_cast<size_t>(count);
    Datum* values =
        static_cast<Datum*>(MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc0(room));
    for (int i = 0; i < count; i++) {
        values[i] = value(events[i], &nulls[i]);
    }
    int dims[] = {count};
    int bounds[] = {1};
    return PointerGetDatum(
        construct_md_array(values, nulls, 1, dims, bounds, type, length, by_value, align));
}

template <typename Value>
Datum ids_of(const TicketEvent* events, int count, Value value) {
    return column_of(events, count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE,
                     [value](const TicketEvent& event, bool* is_null) {
                         *is_null = value(event) == 0;
                         return Int64GetDatum(value(event));
                     });
}

template <typename Value>
Datum texts_of(const TicketEvent* events, int count, Value value) {
    return column_of(events, count, TEXTOID, -1, false, TYPALIGN_INT,
                     [value](const TicketEvent& event, bool* is_null) {
                         *is_null = value(event) == nullptr;
                         return *is_null ? Datum{0} : CStringGetTextDatum(value(event));
                     });
}

}  // namespace

void write_events(const Catalog& catalog, const TicketEvent* events, int count) {
    if (count == 0) {
        return;
    }
    if (find_target(catalog).direct && !rights_are_watched()) {
        insert_directly(catalog, events, count);
        wake_worker();
        return;
    }
    Oid types[] = {TEXTARRAYOID, INT8ARRAYOID, INT4ARRAYOID,
                   INT8ARRAYOID, INT8ARRAYOID, TEXTARRAYOID};
    Datum values[] = {
        texts_of(events, count, [](const TicketEvent& event) { return event.kind; }),
        ids_of(events, count, [](const TicketEvent& event) { return event.order_id; }),
        column_of(events, count, INT4OID, 4, true, TYPALIGN_INT,
                  [](const TicketEvent& event, bool* is_null) {
                      *is_null = event.ticket_no == 0;
                      return Int32GetDatum(event.ticket_no);
                  }),
        ids_of(events, count, [](const TicketEvent& event) { return event.departure_id; }),
        ids_of(events, count, [](const TicketEvent& event) { return event.wait_id; }),
        texts_of(events, count, [](const TicketEvent& event) { return event.detail; })};
    const char* sql = psprintf(
        "INSERT INTO %s (kind, order_id, ticket_no, departure_id, wait_id, detail) "
        "SELECT kind, order_id, ticket_no, departure_id, wait_id, detail::jsonb "
        "FROM unnest($1, $2, $3, $4, $5, $6) WITH ORDINALITY "
        "AS v (kind, order_id, ticket_no, departure_id, wait_id, detail, place) ORDER BY place",
        qualified_name(catalog.event));
    insert(sql, 6, types, values, InvalidSnapshot);
}

void write_events_of(const Catalog& catalog, const char* query, int count, Oid* types,
                     Datum* values, Snapshot snapshot) {
    const char* sql =
        psprintf("INSERT INTO %s (kind, order_id, ticket_no, departure_id, detail) %s",
                 qualified_name(catalog.event), query);
    insert(sql, count, types, values, snapshot);
}

const char* detail_of(std::initializer_list<DetailItem> items) {
    StringInfoData json;
    initStringInfo(&json);
    for (const DetailItem& item : items) {
        appendStringInfoString(&json, json.len == 0 ? "{" : ", ");
        escape_json(&json, item.name);
        appendStringInfoString(&json, ": ");
        if (item.value.data == nullptr) {
            appendStringInfoString(&json, "null");
        } else {
            escape_json(&json, pnstrdup(item.value.data, item.value.length));
        }
    }
    appendStringInfoChar(&json, '}');
    return json.data;
}

}  // namespace ticketpool
