// The coaches of a formation: checked, and kept as a layout.
#pragma once

#include "tickets/kept_rows.hpp"

namespace ticketpool {

// Checks that the rows of ticket_formation can be sold, and returns their digest.
pg_uuid_t check_formation(const KeptSource& source);

// The id of the layout with these coaches, which is made if it is not there.
int64_t keep_layout(const KeptSource& source, const pg_uuid_t& digest);

}  // namespace ticketpool
