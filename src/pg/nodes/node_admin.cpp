// ticket_node_set and the triggers of ticket_node; ticket_next_id, the default of columns with ids.
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"
#include "tables/node_number.hpp"

extern "C" {
#include "commands/trigger.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
}

namespace ticketpool {
namespace {

void check_node(int node) {
    if (node < 0 || node > kMostNodes) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("node is out of range"),
                        errdetail("Nodes have numbers from 1 to %d, not %d.", kMostNodes, node),
                        errhint("Pass the number that router_node has for this database.")));
    }
}

[[noreturn]] void report_drawn(int node) {
    ereport(
        ERROR,
        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("node cannot become 0 again"),
         errdetail("Ids that end in a node number, now %d, have been drawn.", node),
         errhint("Keep the number, or give the node another one from 1 to %d.", kMostNodes)));
}

// See the end of the protocol in node_number.hpp.
void require_none_drawn(const Catalog& catalog, int node) {
    if (!ConditionalLockRelationOid(catalog.node_drawn, ShareRowExclusiveLock)) {
        report_drawn(node);
    }
    const char* sql =
        psprintf("SELECT FROM %s WHERE is_called", qualified_name(catalog.node_drawn));
    if (SPI_execute(sql, false, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read \"%s\"", get_rel_name(catalog.node_drawn));
    }
    if (SPI_processed > 0) {
        report_drawn(node);
    }
}

void write_number(const Catalog& catalog, int node) {
    const char* table = qualified_name(catalog.node);
    Snapshot snapshot = take_fresh_snapshot();
    execute_planned(psprintf("DELETE FROM %s", table), 0, nullptr, nullptr, nullptr, snapshot);
    drop_snapshot(snapshot);
    const char* sql = psprintf("INSERT INTO %s (node) VALUES ($1)", table);
    Oid types[] = {INT4OID};
    Datum values[] = {Int32GetDatum(node)};
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_INSERT || SPI_processed != 1) {
        report_not_written(sql);
    }
}

// A row with a number replaces one with 0, and one row with 0 another.
void tidy_rows(const Catalog& catalog) {
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    const char* table = qualified_name(catalog.node);
    execute_planned(psprintf("DELETE FROM %s AS t WHERE t.node = 0 AND EXISTS (SELECT FROM %s AS n "
                             "WHERE n.node <> 0 OR n.ctid < t.ctid)",
                             table, table),
                    0, nullptr, nullptr, nullptr);
    SPI_finish();
    owner_end(scope);
}

// The table whose ids a sequence gives.
Oid table_of_sequence(const Catalog& catalog, Oid sequence) {
    const Oid places[][2] = {{catalog.departure_sequence, catalog.departure},
                             {catalog.reservation_sequence, catalog.reservation},
                             {catalog.inventory_sequence, catalog.inventory}};
    for (const auto& place : places) {
        if (place[0] == sequence) {
            return place[1];
        }
    }
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the sequence is not one of departures, quotas or inventories"),
                    errdetail("Ids of other tables are not drawn by ticket_next_id()."),
                    errhint("Leave the call to the default of the column.")));
}

// As with an identity column, the right to insert is enough to draw.
void check_rights(Oid table, Oid sequence) {
    const Oid user = GetUserId();
    if (pg_class_aclcheck(table, user, ACL_INSERT) != ACLCHECK_OK &&
        pg_attribute_aclcheck_all(table, user, ACL_INSERT, ACLMASK_ANY) != ACLCHECK_OK &&
        pg_class_aclcheck(sequence, user, ACL_USAGE | ACL_UPDATE) != ACLCHECK_OK) {
        ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
                        errmsg("permission denied for sequence %s", get_rel_name(sequence)),
                        errdetail("A new id takes the right to insert into table \"%s\".",
                                  get_rel_name(table)),
                        errhint("Grant INSERT on the table, or USAGE on the sequence.")));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_node_set) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "node");
    const int node = PG_GETARG_INT32(0);
    check_node(node);
    PreventCommandIfReadOnly("ticket_node_set()");
    const Catalog& catalog = catalog_of(fcinfo);
    LockRelationOid(catalog.node, ShareRowExclusiveLock);  // one writer at a time
    const int present = node_number(catalog);
    if (node == present) {
        PG_RETURN_VOID();
    }
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    if (node == 0) {
        require_none_drawn(catalog, present);
    }
    write_number(catalog, node);
    SPI_finish();
    owner_end(scope);
    PG_RETURN_VOID();
}

TICKETPOOL_FUNCTION(ticket_node_written) {
    using namespace ticketpool;
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        report_no_trigger("ticket_node_written");
    }
    const TriggerData* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    announce_change(RelationGetRelid(trigger->tg_relation));
    if (TRIGGER_FIRED_BY_INSERT(trigger->tg_event)) {
        tidy_rows(catalog_of(fcinfo));
    }
    return Datum{0};
}

TICKETPOOL_FUNCTION(ticket_next_id) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "sequence");
    const Oid sequence = PG_GETARG_OID(0);
    const Catalog& catalog = catalog_of(fcinfo);
    check_rights(table_of_sequence(catalog, sequence), sequence);
    PG_RETURN_INT64(next_id(catalog, sequence));
}
