// The parts of a departure that ticket_open keeps: the train's stop list as a route, the
// formation's coaches as a layout. Departures with equal ones share them; later edits of
// ticket_stop and ticket_formation touch no departure on sale.
//
// Both are known by the digest of their rows. What is checked, what is stored and what the digest
// says must be the same rows: each of the two statements (check, insert) reads the rows and their
// digest together, and the insert writes nothing where the digest is no more the checked one.
#pragma once

#include "catalog.hpp"
#include "pg.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {

// 54000 where a name is too long for the pool, 22023 where it is empty. `what` it names: "train".
void check_name(const char* what, Text value);

// The rows of ticket_stop and of ticket_formation, checked before anything is written; their
// digest. Inside SPI and owner_begin(), as the following.
pg_uuid_t check_stops(const Catalog& catalog, Text train);
pg_uuid_t check_formation(const Catalog& catalog, Text formation);

// route_id, layout_id: of an equal one, or of a new one. 40001 where the rows have changed since
// they were checked.
int64_t keep_route(const Catalog& catalog, Text train, const pg_uuid_t& digest);
int64_t keep_layout(const Catalog& catalog, Text formation, const pg_uuid_t& digest);

}  // namespace ticketpool
