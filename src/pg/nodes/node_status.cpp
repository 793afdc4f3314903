// ticket_node_status: what a router compares among its nodes. Works on a standby.
#include "pool/shared_memory.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"

extern "C" {
#include "access/xlog.h"
#include "executor/spi.h"
#include "replication/walreceiver.h"
}

namespace ticketpool {
namespace {

// A standby that has replayed all that it received, and receives, is as old as the network is slow.
// Otherwise its age is that of the last commit that it has replayed, and not known if there is
// none. (greatest() leaves NULLs out.)
const char* status_query(const Catalog& catalog) {
    return psprintf(
        "SELECT coalesce((SELECT max(n.node) FROM %s AS n), 0), $1, "
        "current_setting('server_version'), $2, $3, $4, clock_timestamp(), s.in_recovery, "
        "s.received, s.replayed, s.replayed_at, CASE WHEN NOT s.in_recovery THEN NULL WHEN $5 AND "
        "s.received = s.replayed THEN interval '0' WHEN s.replayed_at IS NULL THEN NULL ELSE "
        "greatest(clock_timestamp() - s.replayed_at, interval '0') END, (SELECT "
        "md5(coalesce(string_agg(ROW(t.station, t.name, t.city)::text, "
        "',' ORDER BY t.station COLLATE \"C\"), '')) FROM %s AS t), coalesce((SELECT "
        "max(%s.ticket_route_days(r.arrives, r.departs)) FROM %s AS r WHERE EXISTS (SELECT FROM %s "
        "AS d WHERE d.route_id = r.route_id AND d.status = 'open')), 0), (SELECT count(DISTINCT "
        "ROW(o.order_id, o.changed_to)) FROM %s AS o WHERE o.changed_to IS NOT NULL AND "
        "o.settled_at "
        "IS NULL) "
        "FROM (SELECT pg_is_in_recovery() AS in_recovery, pg_last_wal_receive_lsn() AS received, "
        "pg_last_wal_replay_lsn() AS replayed, pg_last_xact_replay_timestamp() AS replayed_at) AS "
        "s",
        qualified_name(catalog.node), qualified_name(catalog.station),
        quote_identifier(get_namespace_name(catalog.schema)), qualified_name(catalog.route),
        qualified_name(catalog.departure), qualified_name(catalog.order));
}

HeapTupleHeader read_status(const Catalog& catalog, TupleDesc columns) {
    Oid types[] = {TEXTOID, NAMEOID, INT8OID, OIDOID, BOOLOID};
    NameData schema;
    namestrcpy(&schema, get_namespace_name(catalog.schema));
    Datum values[] = {CStringGetTextDatum(installed_version()), NameGetDatum(&schema),
                      Int64GetDatum(static_cast<int64>(GetSystemIdentifier())),
                      ObjectIdGetDatum(MyDatabaseId),
                      BoolGetDatum(RecoveryInProgress() && WalRcvStreaming())};
    if (execute_planned(status_query(catalog), 5, types, values, nullptr) != SPI_OK_SELECT ||
        SPI_processed != 1) {
        elog(ERROR, "the status of the node has no row");
    }
    return SPI_returntuple(SPI_tuptable->vals[0], columns);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_node_status) {
    using namespace ticketpool;
    require_shared_memory();
    const Catalog& catalog = catalog_of(fcinfo);
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE) {
        elog(ERROR, "return type must be a row type");
    }
    BlessTupleDesc(columns);
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    HeapTupleHeader row = read_status(catalog, columns);
    SPI_finish();
    owner_end(scope);
    PG_RETURN_HEAPTUPLEHEADER(row);
}
