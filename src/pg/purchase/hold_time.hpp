// How long holds last.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// When a hold that begins now expires: after the interval in argument `ttl`, or, if that is NULL,
// after ticketpool.hold_ttl. Ereports 22023 unless that is more than nothing and at most 366 days.
TimestampTz hold_deadline(FunctionCallInfo fcinfo, int ttl);

}  // namespace ticketpool
