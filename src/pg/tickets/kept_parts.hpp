// The parts of a departure that ticket_open keeps: the train's stop list as a route, the
// formation's coaches as a layout. Departures with equal ones share them; later edits of
// ticket_stop and ticket_formation touch no departure on sale.
//
// Both are known by the digest of their rows. What is checked, what is stored and what the digest
// says are the same rows: those of one snapshot, by which all statements read them.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct KeptParts {
    int64_t route_id;
    int64_t layout_id;
};

// Those of departures with equal ones, or new ones; both are checked before anything is written.
// TK001, 22023 or 54000 where they cannot be sold. Inside SPI and owner_begin().
KeptParts keep_parts(const Catalog& catalog, Text train, Text formation);

}  // namespace ticketpool
