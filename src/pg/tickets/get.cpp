// ticket_get: the rows of an order as they are, for callers that have no right on the table. It
// changes and locks nothing, so it answers on a standby and in a read-only transaction as well. It
// sees what the statement's snapshot shows, and what its own transaction has written since.
#include "pool/shared_memory.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/row_return.hpp"
#include "tables/moved_away.hpp"
#include "tables/order_lookup.hpp"

TICKETPOOL_FUNCTION(ticket_get) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    PushCopiedSnapshot(GetActiveSnapshot());
    UpdateActiveSnapshotCommandId();
    OrderRows order;
    const Catalog& catalog = catalog_of(fcinfo);
    if (read_order_rows(catalog, PG_GETARG_INT64(0), GetActiveSnapshot(), &order)) {
        const RowReturn rows = begin_rows(order.columns, result);
        for (int i = 0; i < order.count; i++) {
            return_row(rows, order.row[i]);
        }
    } else {
        refuse_moved(catalog, MovedKind::kOrder, PG_GETARG_INT64(0));
    }
    PopActiveSnapshot();
    return 0;
}
