// router_status: whether the nodes and the router are as they should be, in words.
//
// Everything is asked with errors caught: what does not answer is a row that says so. Clocks are
// compared with the middle of the question's round trip, so the comparison is as exact as half of
// it, and no difference below that is reported.
#include "router/admin.hpp"
#include "router/ask.hpp"
#include "router/servers.hpp"
#include "server/arrays.hpp"
#include "server/catalog.hpp"
#include "server/errors.hpp"

extern "C" {
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
}

namespace ticketpool {

namespace {

constexpr int64_t kClockMicroseconds = USECS_PER_SEC;  // more difference than this is reported
constexpr int64_t kStandbyAge = 10 * USECS_PER_SEC;    // a standby that is older is reported
constexpr int64_t kHalfwayAge = 60 * USECS_PER_SEC;    // what is unfinished for longer is reported

// What ticket_node_status answered, and when.
struct Found {
    const ErrorData* error;  // null: it answered
    int number;
    const char* version;
    const char* server_version;
    const char* schema;
    const char* system;    // identifier of the cluster
    const char* database;  // oid
    bool is_standby;
    int64_t lag;  // of a standby, microseconds; -1: not known
    const char* replayed_at;
    const char* stations;  // digest
    int64_t round_trip;
    int64_t clock;  // ahead of ours, microseconds
};

struct Survey {
    ReturnSetInfo* result;
    RouterTables tables;
    const RouterNode* nodes;
    Found* primary;  // one a node
    Found* read;
    int count;
};

// `node` 0: the router itself.
void report(const Survey& survey, int node, const char* what, bool ok, const char* detail) {
    const Datum values[] = {Int32GetDatum(node), CStringGetTextDatum(what), BoolGetDatum(ok),
                            CStringGetTextDatum(detail)};
    const bool nulls[] = {node == 0, false, false, false};
    tuplestore_putvalues(survey.result->setResult, survey.result->setDesc,
                         const_cast<Datum*>(values), const_cast<bool*>(nulls));
}

const char* seconds(int64_t microseconds) {
    return psprintf("%.3f s", static_cast<double>(microseconds) / USECS_PER_SEC);
}

const char* or_unknown(const char* text) {
    return text == nullptr ? "unknown" : text;
}

bool same(const char* a, const char* b) {
    return a != nullptr && b != nullptr && strcmp(a, b) == 0;
}

int64_t age_of(const char* lag) {
    if (lag == nullptr) {
        return -1;
    }
    return interval_microseconds(DatumGetIntervalP(DirectFunctionCall3(
        interval_in, CStringGetDatum(lag), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1))));
}

// `unknown`: if there is no time.
TimestampTz time_of(const char* text, TimestampTz unknown) {
    return text == nullptr ? unknown
                           : DatumGetTimestampTz(DirectFunctionCall3(
                                 timestamptz_in, CStringGetDatum(text),
                                 ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

Found find_out(int node, Cluster cluster) {
    Found found{};
    Rows rows;
    const TimestampTz before = GetCurrentTimestamp();
    found.error =
        try_rows(node, cluster, "ticket_node_status", {},
                 {"node", "version", "server_version", "schema", "system_identifier", "database",
                  "now", "in_recovery", "replay_lag", "replayed_at", "stations_digest"},
                 Effect::kNone, &rows);
    const TimestampTz after = GetCurrentTimestamp();
    if (found.error != nullptr || rows.count == 0) {
        return found;
    }
    found.number = static_cast<int>(number_of(rows, 0, 0));
    found.version = or_unknown(value_of(rows, 0, 1));
    found.server_version = or_unknown(value_of(rows, 0, 2));
    found.schema = or_unknown(value_of(rows, 0, 3));
    found.system = value_of(rows, 0, 4);
    found.database = value_of(rows, 0, 5);
    found.round_trip = after - before;
    const TimestampTz middle = before + (after - before) / 2;
    found.clock = time_of(value_of(rows, 0, 6), middle) - middle;
    found.is_standby = same(value_of(rows, 0, 7), "t") || same(value_of(rows, 0, 7), "true");
    found.lag = age_of(value_of(rows, 0, 8));
    found.replayed_at = value_of(rows, 0, 9);
    found.stations = value_of(rows, 0, 10);
    return found;
}

// ---------------------------------------------------------------------------------------------
// A node
// ---------------------------------------------------------------------------------------------

// A server that was reached and cannot be asked is not what it should be; another one is down, or
// not there, or does not let the router in.
const char* what_to_do(const Survey& survey, const ErrorData* error) {
    if (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_CONNECTION_EXCEPTION) {
        return "Start it, correct its connection string (router_node_add), or set the router's "
               "password there and with router_config.sh.";
    }
    return psprintf(
        "Create or update the extension ticketpool there, in the schema \"%s\", and run "
        "the SQL that router_config.sh --node-sql prints.",
        or_unknown(get_namespace_name(survey.tables.schema)));
}

void check_reachable(const Survey& survey, int node, const Found& found, const char* what) {
    if (found.error == nullptr) {
        report(survey, node, what, true,
               psprintf("It answered within %s.", seconds(found.round_trip)));
        return;
    }
    const char* reason = reason_of(found.error);
    const bool ended = reason[0] != '\0' && strchr(".?!", reason[strlen(reason) - 1]) != nullptr;
    report(survey, node, what, false,
           psprintf("It does not answer: %s%s %s", reason, ended ? "" : ".",
                    what_to_do(survey, found.error)));
}

void check_number(const Survey& survey, int node, const Found& found) {
    report(survey, node, "number", found.number == node,
           found.number == node
               ? psprintf("Its ids end in %d.", node)
               : psprintf("The server there has the number %d. Call ticket_node_set(%d) there "
                          "before anything is sold, or correct the connection string.",
                          found.number, node));
}

void check_version(const Survey& survey, int node, const Found& found) {
    const bool ok = strcmp(found.version, kVersion) == 0;
    const char* about =
        psprintf("ticketpool %s on PostgreSQL %s.", found.version, found.server_version);
    report(survey, node, "version", ok,
           ok ? about
              : psprintf("%s The router has %s. Update the older one (ALTER EXTENSION ... "
                         "UPDATE).",
                         about, kVersion));
}

void check_schema(const Survey& survey, int node, const Found& found) {
    const char* schema = get_namespace_name(survey.tables.schema);
    const bool ok = same(schema, found.schema);
    report(survey, node, "schema", ok,
           ok ? psprintf("The extension is in schema \"%s\".", found.schema)
              : psprintf("The extension is in schema \"%s\", that of the router in \"%s\". Create "
                         "both in schemas of the same name.",
                         found.schema, or_unknown(schema)));
}

void check_clock(const Survey& survey, int node, const Found& found) {
    const int64_t ahead = found.clock < 0 ? -found.clock : found.clock;
    const bool ok = ahead - found.round_trip / 2 <= kClockMicroseconds;
    const char* about =
        psprintf("Its clock is %s %s the router's, give or take %s.", seconds(ahead),
                 found.clock < 0 ? "behind" : "ahead of", seconds(found.round_trip / 2));
    report(survey, node, "clock", ok,
           ok ? about
              : psprintf("%s Holds run out and sales begin by the node's clock. Set the clocks "
                         "(NTP).",
                         about));
}

void check_primary(const Survey& survey, int node, const Found& found) {
    report(survey, node, "primary", !found.is_standby,
           found.is_standby ? "It is a standby, and cannot sell. Promote it, or correct the "
                              "connection string."
                            : "It can write.");
}

// Two numbers for one database, or one server where two are meant. Servers that were copied from
// one have the same identifier; they are known by their own numbers.
void check_alone(const Survey& survey, int i) {
    for (int other = 0; other < survey.count; other++) {
        if (other != i && survey.primary[other].error == nullptr &&
            survey.primary[other].number == survey.primary[i].number &&
            same(survey.primary[other].system, survey.primary[i].system) &&
            same(survey.primary[other].database, survey.primary[i].database)) {
            report(survey, survey.nodes[i].node, "database", false,
                   psprintf("It is the same database as node %d. Each node needs a database of "
                            "its own: correct one of the connection strings.",
                            survey.nodes[other].node));
            return;
        }
    }
    report(survey, survey.nodes[i].node, "database", true,
           psprintf("Database %s of system %s.", or_unknown(survey.primary[i].database),
                    or_unknown(survey.primary[i].system)));
}

void check_stations(const Survey& survey, int i) {
    for (int other = 0; other < i; other++) {
        if (survey.primary[other].error == nullptr &&
            !same(survey.primary[other].stations, survey.primary[i].stations)) {
            report(survey, survey.nodes[i].node, "stations", false,
                   psprintf("Its ticket_station is not that of node %d, so names may mean other "
                            "stations. Load the same stations on all nodes.",
                            survey.nodes[other].node));
            return;
        }
    }
    report(survey, survey.nodes[i].node, "stations", true,
           "Its ticket_station is that of the nodes before it.");
}

void check_unsettled(const Survey& survey, int node) {
    Rows rows;
    const ErrorData* error = try_rows(node, Cluster::kPrimary, "ticket_unsettled", {},
                                      {"order_id", "changed_at"}, Effect::kNone, &rows);
    if (error != nullptr) {
        report(survey, node, "exchanges", false,
               psprintf("It was not found out: %s.", reason_of(error)));
        return;
    }
    int late = 0;
    const TimestampTz now = GetCurrentTimestamp();
    for (int i = 0; i < rows.count; i++) {
        late += now - time_of(value_of(rows, i, 1), 0) > kHalfwayAge ? 1 : 0;
    }
    report(survey, node, "exchanges", late == 0,
           late == 0 ? psprintf("%d exchanges with other nodes are under way.", rows.count)
                     : psprintf("%d exchanges with other nodes were left halfway. Call "
                                "router_settle().",
                                late));
}

// Departures that have left a node and not yet arrived on another. The nodes know of them.
void check_moves(const Survey& survey, int node) {
    Rows rows;
    if (try_rows(node, Cluster::kPrimary, "ticket_parcels", {},
                 {"train", "service_date", "to_node", "since"}, Effect::kNone, &rows) != nullptr) {
        return;  // it does not answer, which is reported elsewhere
    }
    for (int i = 0; i < rows.count; i++) {
        const int64_t age = GetCurrentTimestamp() - time_of(value_of(rows, i, 3), 0);
        const bool ok = age <= kHalfwayAge;
        report(survey, node, "moves", ok,
               psprintf("Train %s on %s has been on its way from node %d to node %s for %d s.%s",
                        or_unknown(value_of(rows, i, 0)), or_unknown(value_of(rows, i, 1)), node,
                        or_unknown(value_of(rows, i, 2)), static_cast<int>(age / USECS_PER_SEC),
                        ok ? "" : " Call router_move again: it finishes the move or undoes it."));
    }
    if (rows.count == 0) {
        report(survey, node, "moves", true, "No departure is on its way from here.");
    }
}

void check_read(const Survey& survey, int i) {
    const int node = survey.nodes[i].node;
    const Found& found = survey.read[i];
    check_reachable(survey, node, found, "read side");
    if (found.error != nullptr) {
        return;
    }
    const Found& primary = survey.primary[i];
    const bool known = primary.error == nullptr;
    if (found.number != node) {
        report(
            survey, node, "standby", false,
            psprintf("The server there has the number %d. Correct read_conninfo.", found.number));
    } else if (known && !same(found.system, primary.system)) {
        report(survey, node, "standby", false,
               "It is not a standby of this node: its system identifier is another one. Correct "
               "read_conninfo.");
    } else if (!found.is_standby) {
        report(survey, node, "standby", known,
               "It is not a standby but the primary itself, as far as it says.");
    } else {
        const bool ok = found.lag >= 0 && found.lag <= kStandbyAge;
        report(survey, node, "standby", ok,
               found.lag < 0
                   ? "It is a standby, and has replayed nothing so far: its age is not known. "
                     "Look whether it is connected to the primary (pg_stat_wal_receiver there)."
                   : psprintf("It is a standby, %s old.%s", seconds(found.lag),
                              ok ? ""
                                 : " Look whether it is connected to the primary "
                                   "(pg_stat_wal_receiver there)."));
    }
}

void check_node(const Survey& survey, int i) {
    const int node = survey.nodes[i].node;
    const Found& found = survey.primary[i];
    check_reachable(survey, node, found, "reachable");
    if (found.error == nullptr) {
        check_number(survey, node, found);
        check_primary(survey, node, found);
        check_version(survey, node, found);
        check_schema(survey, node, found);
        check_clock(survey, node, found);
        check_alone(survey, i);
        check_stations(survey, i);
        check_unsettled(survey, node);
        check_moves(survey, node);
        const char* problem = served_problem(survey.tables, node);
        report(survey, node, "search", problem == nullptr,
               problem == nullptr ? "The router knows which stations it serves." : problem);
    }
    if (survey.nodes[i].has_read) {
        check_read(survey, i);
    }
}

// ---------------------------------------------------------------------------------------------
// The router
// ---------------------------------------------------------------------------------------------

void check_servers(const Survey& survey) {
    for (int i = 0; i < static_cast<int>(lengthof(kServerNames)); i++) {
        const bool ok = server_is_current(survey.tables.schema, i);
        report(survey, 0, "foreign server", ok,
               psprintf(ok ? "%s has the connection strings of router_node."
                           : "%s has other connection strings than router_node. Call "
                             "router_refresh().",
                        kServerNames[i]));
    }
}

void check_all(Survey* survey) {
    survey->nodes = list_nodes(survey->tables, &survey->count);
    const size_t room = static_cast<size_t>(Max(survey->count, 1));
    survey->primary = static_cast<Found*>(palloc0(room * sizeof(Found)));
    survey->read = static_cast<Found*>(palloc0(room * sizeof(Found)));
    if (survey->count == 0) {
        report(*survey, 0, "nodes", false, "There is no node. Add one with router_node_add.");
    }
    check_servers(*survey);
    for (int i = 0; i < survey->count; i++) {
        survey->primary[i] = find_out(survey->nodes[i].node, Cluster::kPrimary);
        if (survey->nodes[i].has_read) {
            survey->read[i] = find_out(survey->nodes[i].node, Cluster::kRead);
        }
    }
    for (int i = 0; i < survey->count; i++) {
        CHECK_FOR_INTERRUPTS();
        check_node(*survey, i);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_status) {
    using namespace ticketpool;
    Survey survey{};
    survey.result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    survey.tables = router_tables(fcinfo);
    SPI_connect();
    check_all(&survey);
    SPI_finish();
    return 0;
}
