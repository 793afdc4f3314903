// The triggers that tell the pool what others write, and the identity of their catalog rows.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// The catalog row of our trigger on a table; {InvalidOid, 0}: there is none.
struct TriggerIdentity {
    Oid oid;
    TransactionId written_by;
};
TriggerIdentity trigger_identity(Oid relation);

// The name of the triggers that tell the pool of rows, on ticket_order (and by inheritance its
// partitions), ticket_departure, ticket_reservation, item_order and item_inventory; and the name of
// the trigger that tells of TRUNCATE, on each of these tables and on each partition.
inline constexpr const char* kFollowTrigger = "ticket_follow";
inline constexpr const char* kTruncateTrigger = "ticket_follow_truncate";

}  // namespace ticketpool
