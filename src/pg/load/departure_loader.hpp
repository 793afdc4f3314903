// Builds a departure from its rows.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

// Allocates and fills the departure from `row` and its live orders: one pass over the live index,
// or two if transactions may be prepared. The departure is loaded into directory slot `slot`.
// *bad_rows: how many live orders the departure has no seat for.
Departure* load_departure(const Catalog& catalog, const DepartureRow& row, uint32_t slot,
                          uint32_t* bad_rows);

// A departure with the seats of this layout and nothing sold, palloc'd: nobody else knows it.
Departure* private_departure(const Catalog& catalog, const DepartureRow& row, int64_t layout_id);

}  // namespace ticketpool
