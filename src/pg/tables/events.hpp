// Rows of ticket_event: what happened to somebody's tickets or wait without that user's own call.
//
// They are written in the transaction that does it. If ticketpool.notify is on, its commit wakes
// the worker, which sends the NOTIFY: see "Events" in pool/deadlines.hpp. Call all of these inside
// SPI and owner_begin().
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct TicketEvent {
    const char* kind;
    int64_t order_id;      // 0: none
    int32_t ticket_no;     // 0: none
    int64_t departure_id;  // 0: none
    int64_t wait_id;       // 0: none
    const char* detail;    // JSON text; null: none
};

// Writes the events, in their order, in the running transaction.
void write_events(const Catalog& catalog, const TicketEvent* events, int count);

// The same for what a query finds, in its order: its columns are kind, order_id, ticket_no,
// departure_id and detail (jsonb). `snapshot`: see execute_planned.
void write_events_of(const Catalog& catalog, const char* query, int count, Oid* types,
                     Datum* values, Snapshot snapshot = InvalidSnapshot);

// For TicketEvent::detail: a JSON object, in palloc'd memory.
struct DetailItem {
    const char* name;
    Text value;  // data null: null
};
const char* detail_of(std::initializer_list<DetailItem> items);

}  // namespace ticketpool
