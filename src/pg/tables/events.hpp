// Rows of ticket_event: what happened to somebody's tickets or wait without that user's own call.
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

// Writes the events, in their order, in the running transaction. Call inside SPI and owner_begin().
void write_events(const Catalog& catalog, const TicketEvent* events, int count);

}  // namespace ticketpool
