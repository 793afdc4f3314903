// ticket_change_back: undoes ticket_change_away, where the order on the other node has come to
// nothing: its departure was withdrawn before it was paid, so it is cancelled and stays so. The
// caller has made sure of that.
//
// The rows are written as by hand: the trigger that follows such rows claims their seats in the
// transaction that writes them, or refuses the statement if somebody has bought one meanwhile.
// Whoever calls twice, or at the same time as ticket_settled, waits for the row and finds that it
// is not 'changed' any more, or that it is settled.
#include "pool/shared_memory.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/row_return.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// False: no partition has the order.
bool find_date(const Catalog& catalog, Datum order_id, Datum* date) {
    Oid types[] = {INT8OID};
    Datum values[] = {order_id};
    execute_planned(psprintf("SELECT service_date FROM %s WHERE order_id = $1 LIMIT 1",
                             qualified_name(catalog.order)),
                    1, types, values, nullptr);
    if (SPI_processed == 0) {
        return false;
    }
    bool is_null;
    *date = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    return true;
}

void change_back(const Catalog& catalog, Datum order_id, Datum to_order, ReturnSetInfo* result) {
    Datum date;
    if (find_date(catalog, order_id, &date)) {
        Oid types[] = {INT8OID, INT8OID, DATEOID};
        Datum values[] = {order_id, to_order, date};
        execute_planned(
            psprintf("UPDATE %s SET status = 'sold', changed_to = NULL, "
                     "changed_at = clock_timestamp() WHERE order_id = $1 AND service_date = $3 "
                     "AND changed_to = $2 AND status = 'changed' AND settled_at IS NULL "
                     "RETURNING *",
                     qualified_name(catalog.order)),
            3, types, values, nullptr);
        return_spi_rows(result);
        if (SPI_processed > 0) {
            return;
        }
    }
    ereport(ERROR,
            (errcode(kErrorOrder),
             errmsg("order " INT64_FORMAT
                    " has no unsettled tickets that were changed in favour of order " INT64_FORMAT,
                    DatumGetInt64(order_id), DatumGetInt64(to_order)),
             errdetail("Only an exchange that is listed by ticket_unsettled is undone."),
             errhint("ticket_get shows the order.")));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_change_back) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    require_argument(fcinfo, 1, "to_order");
    PreventCommandIfReadOnly("ticket_change_back()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    change_back(catalog, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1), result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
