// Checks and keeps what a departure is opened with: see kept_parts.hpp.
#include "tickets/kept_parts.hpp"

#include "tickets/kept_layout.hpp"
#include "tickets/kept_route.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "utils/snapmgr.h"
}

namespace ticketpool {

KeptParts keep_parts(const Catalog& catalog, Text train, Text formation) {
    Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
    const KeptSource stops{catalog, snapshot, train};
    const KeptSource coaches{catalog, snapshot, formation};
    StringInfoData unknown;
    int unknown_count = 0;
    initStringInfo(&unknown);
    const pg_uuid_t route = check_stops(stops, &unknown, &unknown_count);
    const pg_uuid_t layout = check_formation(coaches);
    note_unknown_stations(train, route, unknown.data, unknown_count);
    const KeptParts parts{keep_route(stops, route), keep_layout(coaches, layout)};
    UnregisterSnapshot(snapshot);
    return parts;
}

}  // namespace ticketpool
