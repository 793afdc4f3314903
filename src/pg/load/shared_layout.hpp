// Layouts in the pool, shared by departures.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The layout in the pool; it is loaded if it is not there. The departure that is being loaded is
// counted as a user of it.
SharedPart* shared_layout(const Catalog& catalog, int64_t layout_id);

}  // namespace ticketpool
