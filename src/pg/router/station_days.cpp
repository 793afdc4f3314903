// Which stations the nodes serve on which days: router_station, by which a search knows whom to ask
// (router_refresh, and what ticket_open through the router does afterwards).
//
// Rows are added by a session that has opened a departure, and added and taken away by
// router_refresh. It must not take away what another session has just added: a node's answer may be
// older than the row. So, if there is anything to take away:
//
//   1. It waits for sessions that are adding rows, and bars others until it commits. (They have
//      opened their departures already, so their calls only take longer.)
//   2. It deletes what the nodes did not name, asks them again, and adds what they name by now.
//
//   The departure was opened before the second question: the answer has its stations, so they are
//     there at the end, whether a deleted row was old or had just been added.
//   It was opened after that: its session adds the rows after this transaction.
//
// The lock is taken before any row is written. Otherwise a session could wait for a row of the
// refresh while the refresh waits for the session's lock. Two refreshes take turns.
//
// A standby may be behind, so what it answers is only added: rows are taken away on the word of the
// primary alone. A node that does not answer keeps its rows. A session that dies between
// ticket_open and its rows leaves a departure that searches do not find until the next
// router_refresh; router_status says so.
#include "router/admin.hpp"
#include "router/ask.hpp"
#include "router/servers.hpp"
#include "server/errors.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "executor/spi.h"
#include "storage/lmgr.h"
}

namespace ticketpool {

namespace {

// What a node serves: codes and names, each with a day; both arrays are as long.
struct Served {
    Datum stations;  // text[]
    Datum days;      // date[]
    int count;
};

Served served_of(const Rows& rows) {
    const size_t room = static_cast<size_t>(rows.count) * 2 + 1;
    Datum* stations = static_cast<Datum*>(palloc(room * sizeof(Datum)));
    Datum* days = static_cast<Datum*>(palloc(room * sizeof(Datum)));
    Served served{};
    for (int i = 0; i < rows.count; i++) {
        const Datum day = DirectFunctionCall1(date_in, CStringGetDatum(value_of(rows, i, 2)));
        for (int column = 0; column < 2; column++) {
            const char* name = value_of(rows, i, column);
            if (name != nullptr) {
                stations[served.count] = CStringGetTextDatum(name);
                days[served.count++] = day;
            }
        }
    }
    served.stations =
        PointerGetDatum(construct_array(stations, served.count, TEXTOID, -1, false, TYPALIGN_INT));
    served.days =
        PointerGetDatum(construct_array(days, served.count, DATEOID, 4, true, TYPALIGN_INT));
    return served;
}

// A node that can't be asked: a WARNING, and false.
bool ask_served(int node, Cluster cluster, const char* train, const char* date, Served* served) {
    Rows rows;
    const ErrorData* error =
        train == nullptr ? try_rows(node, cluster, "ticket_served", {},
                                    {"station", "name", "service_date"}, Effect::kNone, &rows)
                         : try_rows(node, cluster, "ticket_served", {train, date},
                                    {"station", "name", "service_date"}, Effect::kNone, &rows);
    if (error == nullptr) {
        *served = served_of(rows);
        return true;
    }
    ereport(WARNING,
            (errmsg("node %d did not say which stations it serves", node),
             errdetail("%s", reason_of(error)),
             errhint("Searches go by what was known before. Call router_refresh when the node "
                     "answers again.")));
    return false;
}

constexpr Oid kServedTypes[] = {INT4OID, TEXTARRAYOID, DATEARRAYOID};
constexpr const char* kServedRows =
    "ROWS FROM (pg_catalog.unnest($2), pg_catalog.unnest($3)) AS u (station, service_date)";

// The trains that take most days: searches go back so far. Less than three days is not worth a
// change of the row, which sessions read at each search.
void note_route_days(const RouterTables& tables, int node) {
    Rows rows;
    if (try_rows(node, Cluster::kPrimary, "ticket_node_status", {}, {"route_days"}, Effect::kNone,
                 &rows) != nullptr) {
        return;  // the caller has warned, or will with the next question
    }
    const Oid types[] = {INT4OID, INT4OID};
    const Datum values[] = {
        Int32GetDatum(node),
        Int32GetDatum(static_cast<int32_t>(Min(Max(number_of(rows, 0, 0), 3), 366)))};
    run(psprintf("UPDATE %s SET route_days = $2 WHERE node OPERATOR(pg_catalog.=) $1 "
                 "AND route_days OPERATOR(pg_catalog.<) $2",
                 tables.node),
        2, types, values);
}

// In order, so that two sessions that add the same rows do not wait for each other in a circle.
void add_served(const RouterTables& tables, int node, const Served& served) {
    const Datum values[] = {Int32GetDatum(node), served.stations, served.days};
    run(psprintf("INSERT INTO %s (station, service_date, node) "
                 "SELECT DISTINCT u.station, u.service_date, $1 FROM %s "
                 "ORDER BY 1, 2 ON CONFLICT DO NOTHING",
                 tables.station, kServedRows),
        3, kServedTypes, values);
}

constexpr const char* kUnserved =
    "FROM %s AS s WHERE s.node OPERATOR(pg_catalog.=) $1 AND NOT EXISTS "
    "(SELECT FROM %s WHERE u.station OPERATOR(pg_catalog.=) s.station "
    "AND u.service_date OPERATOR(pg_catalog.=) s.service_date)";

// How many rows of the node it does not serve; `remove`: they are deleted.
uint64 unserved(const RouterTables& tables, int node, const Served& served, bool remove) {
    const Datum values[] = {Int32GetDatum(node), served.stations, served.days};
    const char* rows = psprintf(kUnserved, tables.station, kServedRows);
    run(psprintf(remove ? "DELETE %s" : "SELECT %s LIMIT 1", rows), 3, kServedTypes, values);
    return SPI_processed;
}

constexpr const char* kUnknownNode =
    "FROM %s AS s WHERE NOT EXISTS (SELECT FROM %s AS n "
    "WHERE n.node OPERATOR(pg_catalog.=) s.node)";

uint64 of_unknown_nodes(const RouterTables& tables, bool remove) {
    const char* rows = psprintf(kUnknownNode, tables.station, tables.node);
    run(psprintf(remove ? "DELETE %s" : "SELECT %s LIMIT 1", rows));
    return SPI_processed;
}

struct Asked {
    bool answered;
    bool is_primary;
    Served served;
};

Asked ask_with_standby(const RouterNode& node) {
    Asked asked{};
    asked.is_primary = ask_served(node.node, Cluster::kPrimary, nullptr, nullptr, &asked.served);
    asked.answered =
        asked.is_primary ||
        (node.has_read && ask_served(node.node, Cluster::kRead, nullptr, nullptr, &asked.served));
    return asked;
}

// A node that stops answering keeps its rows.
void remove_rows(const RouterTables& tables, int node, Served* served) {
    ErrorData* error = in_subtransaction([&] {
        return unserved(tables, node, *served, true) == 0 ||
               ask_served(node, Cluster::kPrimary, nullptr, nullptr, served);
    });
    if (error != nullptr) {
        ReThrowError(error);
    }
}

void refresh(const RouterTables& tables, Oid table) {
    int count;
    const RouterNode* nodes = list_nodes(tables, &count);
    Asked* asked = static_cast<Asked*>(palloc(static_cast<size_t>(Max(count, 1)) * sizeof(Asked)));
    bool stale = of_unknown_nodes(tables, false) > 0;
    for (int i = 0; i < count; i++) {
        asked[i] = ask_with_standby(nodes[i]);
        stale = stale || (asked[i].is_primary &&
                          unserved(tables, nodes[i].node, asked[i].served, false) > 0);
    }
    if (stale) {
        LockRelationOid(table, ShareRowExclusiveLock);
        of_unknown_nodes(tables, true);
    }
    for (int i = 0; i < count; i++) {
        if (stale && asked[i].is_primary) {
            remove_rows(tables, nodes[i].node, &asked[i].served);
        }
        if (asked[i].is_primary) {
            note_route_days(tables, nodes[i].node);
        }
        if (asked[i].answered) {
            add_served(tables, nodes[i].node, asked[i].served);
        }
    }
}

}  // namespace

const char* served_problem(const RouterTables& tables, int node) {
    Served served;
    Rows rows;
    const ErrorData* error = try_rows(node, Cluster::kPrimary, "ticket_served", {},
                                      {"station", "name", "service_date"}, Effect::kNone, &rows);
    if (error != nullptr) {
        return psprintf("It was not found out what it serves: %s.", reason_of(error));
    }
    served = served_of(rows);
    const Datum values[] = {Int32GetDatum(node), served.stations, served.days};
    run(psprintf("SELECT u.station FROM %s WHERE NOT EXISTS (SELECT FROM %s AS s "
                 "WHERE s.node OPERATOR(pg_catalog.=) $1 "
                 "AND s.station OPERATOR(pg_catalog.=) u.station "
                 "AND s.service_date OPERATOR(pg_catalog.=) u.service_date) LIMIT 1",
                 kServedRows, tables.station),
        3, kServedTypes, values);
    // Rows that are left of days gone by do no harm.
    return SPI_processed == 0
               ? nullptr
               : psprintf(
                     "Searches do not find all departures, for example at station %s. Call "
                     "router_refresh().",
                     SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1));
}

void note_departure(const RouterTables& tables, int node, const char* train, const char* date) {
    const ErrorData* error = in_subtransaction([&] {
        SPI_connect();
        Served served;
        if (ask_served(node, Cluster::kPrimary, train, date, &served)) {
            note_route_days(tables, node);
            add_served(tables, node, served);
        }
        SPI_finish();
        return true;
    });
    if (error != nullptr) {
        ereport(WARNING, (errmsg("searches do not find the departure yet"),
                          errdetail("%s", reason_of(error)), errhint("Call router_refresh.")));
    }
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_refresh) {
    using namespace ticketpool;
    PreventCommandIfReadOnly("router_refresh()");
    const RouterTables tables = router_tables(fcinfo);
    const Oid table = get_relname_relid("router_station", tables.schema);
    if (!OidIsValid(table)) {
        report_gone();
    }
    SPI_connect();
    rebuild_servers(tables.schema);
    LockRelationOid(table, ShareUpdateExclusiveLock);
    refresh(tables, table);
    SPI_finish();
    PG_RETURN_VOID();
}
