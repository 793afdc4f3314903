// Orders that were written by hand before their departure.
#pragma once

#include "server/catalog.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

// Its live orders must be of the departure's day, where it looks for them (23514), and no two of
// their tickets may overlap on a seat (23P01).
void require_orders_in_place(const Catalog& catalog, const DepartureRow& row);

}  // namespace ticketpool
