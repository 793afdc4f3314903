// Which partition of ticket_order has the rows of a service date.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The partition of the date, or InvalidOid. Any change of the answer invalidates ticket_order in
// the relation cache. If no partition with the usual name has the date, ticket_order is locked for
// a moment (ACCESS SHARE). Ereports if the partition is partitioned itself.
Oid partition_of(const Catalog& catalog, DateADT date);

// The name that the extension gives the partition of a date if the name is free, without the
// schema.
const char* usual_partition_name(DateADT date);

}  // namespace ticketpool
