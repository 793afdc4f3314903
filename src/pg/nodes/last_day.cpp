// ticket_last_day: until when a train has departures here, whatever has become of them, for a
// router that gives the train to another node.
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"

extern "C" {
#include "executor/spi.h"
}

TICKETPOOL_FUNCTION(ticket_last_day) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    const Catalog& catalog = catalog_of(fcinfo);
    Oid types[] = {TEXTOID, DATEOID};
    Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
    const char nulls[] = {' ', PG_ARGISNULL(1) ? 'n' : ' ', '\0'};
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    if (execute_planned(psprintf("SELECT max(service_date) FROM %s WHERE train = $1 "
                                 "AND service_date < coalesce($2, 'infinity'::date)",
                                 qualified_name(catalog.departure)),
                        2, types, values, nulls) != SPI_OK_SELECT) {
        elog(ERROR, "could not look for departures");
    }
    bool is_null;
    const Datum day = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    SPI_finish();
    owner_end(scope);
    if (is_null) {
        PG_RETURN_NULL();
    }
    return day;
}
