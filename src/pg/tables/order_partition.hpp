// Which partition of ticket_order has the rows of a service date.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The partition of the date, or InvalidOid. What changes it invalidates ticket_order, which is
// locked for a moment (ACCESS SHARE) where no partition with the usual name has the date. Ereports
// where it is partitioned itself.
Oid partition_of(const Catalog& catalog, DateADT date);

// The name that the extension gives the partition of a date where it is free, without the schema.
const char* usual_partition_name(DateADT date);

}  // namespace ticketpool
