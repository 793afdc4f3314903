// ticket_served: the stations of what is on sale here, for a router that asks only nodes which
// serve a pair of stations.
//
// The departures of the days that count are read by the index of days, or one train's by the index
// of trains. Of each day, a stop list is taken apart once, however many trains have it.
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

// A departure is past once the day of its last stop is. $1, $2: the train and the date that were
// asked for. %s: route_days, routes, departures, conditions, routes, route_days, stations.
constexpr const char* kQuery =
    "SELECT u.station, s.name, u.service_date FROM ("
    "SELECT DISTINCT c.station, d.service_date FROM ("
    "SELECT DISTINCT service_date, route_id FROM %3$s WHERE status = 'open' "
    "AND (closes_at IS NULL OR closes_at > clock_timestamp()) AND service_date >= "
    "(SELECT CURRENT_DATE - %1$s(arrives, departs) FROM %2$s "
    "ORDER BY %1$s(arrives, departs) DESC LIMIT 1)%5$s%6$s) AS d "
    "JOIN %2$s AS r USING (route_id), unnest(r.stations) AS c (station) "
    "WHERE d.service_date + %1$s(r.arrives, r.departs) >= CURRENT_DATE) AS u "
    "LEFT JOIN %4$s AS s USING (station) ORDER BY u.service_date, u.station COLLATE \"C\"";

const char* query(const Catalog& catalog, bool by_train, bool by_date) {
    const char* days =
        psprintf("%s.ticket_route_days", quote_identifier(get_namespace_name(catalog.schema)));
    return psprintf(kQuery, days, qualified_name(catalog.route), qualified_name(catalog.departure),
                    qualified_name(catalog.station), by_train ? " AND train = $1" : "",
                    by_date ? " AND service_date = $2" : "");
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_served) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    const bool by_train = !PG_ARGISNULL(0);
    const bool by_date = !PG_ARGISNULL(1);
    Oid types[] = {TEXTOID, DATEOID};
    Datum values[] = {by_train ? PG_GETARG_DATUM(0) : Datum{0},
                      by_date ? PG_GETARG_DATUM(1) : Datum{0}};
    const char nulls[] = {by_train ? ' ' : 'n', by_date ? ' ' : 'n', '\0'};
    if (execute_planned(query(catalog, by_train, by_date), 2, types, values, nulls,
                        GetActiveSnapshot()) != SPI_OK_SELECT) {
        elog(ERROR, "could not read what is on sale");
    }
    return_spi_rows(result);
    SPI_finish();
    owner_end(scope);
    return 0;
}
