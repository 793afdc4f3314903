// The parts of a departure that ticket_open keeps: the train's stop list as a route, the
// formation's coaches as a layout. Departures with equal stop lists or formations share them. Later
// edits of ticket_stop and ticket_formation do not affect any departure on sale.
//
// Both are identified by the digest of their rows. The rows that are checked, stored and hashed are
// the same: all statements read them with one snapshot.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

struct KeptParts {
    int64_t route_id;
    int64_t layout_id;
};

// Returns existing parts that are equal, or new ones. Both are checked before anything is written.
// Ereports TK001, 22023 or 54000 if they cannot be sold. Call inside SPI and owner_begin().
KeptParts keep_parts(const Catalog& catalog, Text train, Text formation);

// The same for the formation alone: the id of its layout.
int64_t keep_formation(const Catalog& catalog, Text formation);

}  // namespace ticketpool
