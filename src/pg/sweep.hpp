// See sweep.cpp.
#pragma once

#include "catalog.hpp"
#include "pg.hpp"

namespace ticketpool {

// How a sweep of several batches goes.
struct SweepState {
    int found;         // due in the last batch
    int failed_holds;  // left as they are, so far: the oldest ones, which the next batch passes
                       // over
    int failed_quotas;
};

// Lets a batch of holds expire and quotas return in the running transaction, at most `limit` of
// each; how many did.
int sweep_batch(const Catalog& catalog, SweepState* state, int limit);

// The earliest deadline in the tables; INT64_MAX: none.
TimestampTz next_deadline(const Catalog& catalog);

}  // namespace ticketpool
