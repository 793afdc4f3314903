// Waits while a departure is being moved (pursuit.hpp).
#include "router/pursuit.hpp"

#include "router/routes.hpp"
#include "server/errors.hpp"

#include <cstdio>

extern "C" {
#include "storage/latch.h"
#include "utils/wait_event.h"
}

namespace ticketpool {

void wait_for_move(Pursuit* pursuit, const char* what) {
    const TimestampTz now = GetCurrentTimestamp();
    if (pursuit->deadline == 0) {
        pursuit->deadline = TimestampTzPlusMilliseconds(now, kMoveWaitMs);
    }
    if (now >= pursuit->deadline) {
        ereport(ERROR, (errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
                        errmsg("%s is being moved to another node", what),
                        errdetail("Nothing was done. The move has not ended within %d seconds.",
                                  kMoveWaitMs / 1000),
                        errhint("Try again; if it lasts, call router_move again.")));
    }
    WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kMovePollMs,
              PG_WAIT_EXTENSION);
    ResetLatch(MyLatch);
    CHECK_FOR_INTERRUPTS();
}

bool may_have_moved(const Answer& answer) {
    return says_moved(answer) || answer.sqlstate == kErrorNoDeparture ||
           answer.sqlstate == kErrorNotOnSale || answer.sqlstate == kErrorOrder;
}

int node_named_by(const char* schema, const Answer& answer) {
    const char* field = says_moved(answer) ? error_field(answer, kErrorConstraint) : nullptr;
    int named = 0;
    if (field == nullptr || sscanf(field, "node_%d", &named) != 1) {
        return 0;
    }
    const NodeList nodes = all_nodes(schema);
    for (int i = 0; i < nodes.count; i++) {
        if (nodes.nodes[i] == named) {
            return named;
        }
    }
    return 0;
}

}  // namespace ticketpool
