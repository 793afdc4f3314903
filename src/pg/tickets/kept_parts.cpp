// Checks and keeps what a departure is opened with: see kept_parts.hpp.
#include "tickets/kept_parts.hpp"

#include "tickets/kept_layout.hpp"
#include "tickets/kept_route.hpp"

extern "C" {
#include "utils/snapmgr.h"
}

namespace ticketpool {

KeptParts keep_parts(const Catalog& catalog, Text train, Text formation) {
    Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
    const KeptSource stops{catalog, snapshot, train};
    const KeptSource coaches{catalog, snapshot, formation};
    const CheckedRoute route = check_route(stops, read_stops(stops));
    const pg_uuid_t layout = check_formation(coaches);
    note_unknown_stations(train, route);
    const KeptParts parts{keep_route(stops, route), keep_layout(coaches, layout)};
    UnregisterSnapshot(snapshot);
    return parts;
}

int64_t keep_formation(const Catalog& catalog, Text formation) {
    Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
    const KeptSource coaches{catalog, snapshot, formation};
    const int64_t layout_id = keep_layout(coaches, check_formation(coaches));
    UnregisterSnapshot(snapshot);
    return layout_id;
}

}  // namespace ticketpool
