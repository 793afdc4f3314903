// Builds a departure from its rows.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

// Allocates and fills the departure from `row` and its live orders: one pass over the live index,
// two where transactions may be prepared. It is loaded into directory slot `slot`. Sets *bad_rows
// to how many live orders it has no seat for.
Departure* load_departure(const Catalog& catalog, const DepartureRow& row, uint32_t slot,
                          uint32_t* bad_rows);

}  // namespace ticketpool
