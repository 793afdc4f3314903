// Administration of the router: its nodes, and which trains and items they have (router_node_add,
// router_assign, router_assign_item).
//
// These functions change tables of this database only, and ask the nodes nothing but questions. So
// they may run in a transaction block, unlike the functions that sell.
#include "router/admin.hpp"
#include "router/ask.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"
#include "server/plans.hpp"

extern "C" {
#include "executor/spi.h"
#include "lib/stringinfo.h"
}

namespace ticketpool {

namespace {

// The string is not repeated: it may have a password in it.
[[noreturn]] void report_conninfo(const char* detail) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("the connection string is not one for a node"), errdetail("%s", detail),
             errhint("Write keywords and values, for example: host=node1 port=5432 dbname=tickets. "
                     "User and password belong into the user mappings of the servers ticketpool "
                     "and ticketpool_read.")));
}

void check_keyword(const char* name, int length) {
    for (const char* kept : {"user", "password", "sslpassword"}) {
        if (pg_strncasecmp(name, kept, strlen(kept)) == 0 &&
            length == static_cast<int>(strlen(kept))) {
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("a connection string for a node may not contain \"%s\"", kept),
                     errdetail("Everybody can read the options of foreign servers."),
                     errhint("Put user and password into the user mappings: ALTER USER MAPPING FOR "
                             "... SERVER ticketpool OPTIONS (ADD user '...', ADD password "
                             "'...'), and the same for ticketpool_read.")));
        }
    }
    if (length == 0) {
        report_conninfo("A value has no keyword.");
    }
}

// Moves behind a value: up to a blank, or in quotes; a backslash takes the next character as it is.
const char* skip_value(const char* at) {
    const bool quoted = *at == '\'';
    at += quoted ? 1 : 0;
    while (*at != '\0' && (quoted ? *at != '\'' : isspace(static_cast<unsigned char>(*at)) == 0)) {
        at += *at == '\\' && at[1] != '\0' ? 2 : 1;
    }
    if (quoted && *at != '\'') {
        report_conninfo("A quote is not closed.");
    }
    return at + (quoted ? 1 : 0);
}

const char* skip_blanks(const char* at) {
    while (isspace(static_cast<unsigned char>(*at)) != 0) {
        at++;
    }
    return at;
}

// PL/Proxy appends user and password to the string, so it has to be one of keywords and values.
void check_conninfo(const char* conninfo) {
    const char* at = skip_blanks(conninfo);
    if (*at == '\0') {
        report_conninfo("It is empty.");
    }
    while (*at != '\0') {
        const char* name = at;
        while (*at != '\0' && *at != '=' && isspace(static_cast<unsigned char>(*at)) == 0) {
            at++;
        }
        const int length = static_cast<int>(at - name);
        at = skip_blanks(at);
        if (*at != '=' || memchr(name, ':', static_cast<size_t>(length)) != nullptr) {
            report_conninfo("It has a word that is not a keyword with \"=\" and a value.");
        }
        check_keyword(name, length);
        at = skip_blanks(skip_value(skip_blanks(at + 1)));
    }
}

void check_node_number(int node) {
    if (node < 1 || node > 127) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("%d is not the number of a node", node),
                        errdetail("A node of a router has a number from 1 to 127."),
                        errhint("Give the node a number with ticket_node_set, there.")));
    }
}

void check_old_ids(const RouterTables& tables, int node) {
    const Oid types[] = {INT4OID};
    const Datum values[] = {Int32GetDatum(node)};
    run(psprintf("SELECT node FROM %s WHERE old_ids AND node OPERATOR(pg_catalog.<>) $1",
                 tables.node),
        1, types, values);
    if (SPI_processed > 0) {
        ereport(ERROR, (errcode(ERRCODE_UNIQUE_VIOLATION),
                        errmsg("node %d already has the ids from before", int_result(1)),
                        errdetail("Ids from before there were nodes are asked at one node only."),
                        errhint("Set old_ids to false in its row of router_node first.")));
    }
}

}  // namespace

RouterTables router_tables(FunctionCallInfo fcinfo) {
    RouterTables tables;
    tables.schema = get_func_namespace(fcinfo->flinfo->fn_oid);
    const char* schema = get_namespace_name(tables.schema);
    tables.node = quote_qualified_identifier(schema, "router_node");
    tables.train = quote_qualified_identifier(schema, "router_train");
    tables.item = quote_qualified_identifier(schema, "router_item");
    tables.station = quote_qualified_identifier(schema, "router_station");
    tables.moved = quote_qualified_identifier(schema, "router_moved");
    return tables;
}

void run(const char* sql, int count, const Oid* types, const Datum* values, const char* nulls) {
    const Snapshot now = RegisterSnapshot(GetLatestSnapshot());
    execute_planned(sql, count, const_cast<Oid*>(types), const_cast<Datum*>(values), nulls, now);
    UnregisterSnapshot(now);
}

int int_result(int column) {
    bool is_null;
    return DatumGetInt32(
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &is_null));
}

void require_node(const RouterTables& tables, int node) {
    const Oid types[] = {INT4OID};
    const Datum values[] = {Int32GetDatum(node)};
    check_node_number(node);
    run(psprintf("SELECT FROM %s WHERE node OPERATOR(pg_catalog.=) $1", tables.node), 1, types,
        values);
    if (SPI_processed == 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there is no node %d", node),
                 errdetail("No row of router_node."), errhint("Add it with router_node_add.")));
    }
}

RouterNode* list_nodes(const RouterTables& tables, int* count) {
    run(psprintf("SELECT node, read_conninfo IS NOT NULL, via IS NULL FROM %s ORDER BY node",
                 tables.node));
    *count = static_cast<int>(SPI_processed);
    RouterNode* nodes =
        static_cast<RouterNode*>(palloc(Max(SPI_processed, 1) * sizeof(RouterNode)));
    for (int i = 0; i < *count; i++) {
        HeapTuple row = SPI_tuptable->vals[i];
        bool is_null;
        nodes[i].node = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
        nodes[i].has_read = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null));
        nodes[i].via_same = DatumGetBool(SPI_getbinval(row, SPI_tuptable->tupdesc, 3, &is_null));
    }
    return nodes;
}

namespace {

// ---------------------------------------------------------------------------------------------
// Nodes
// ---------------------------------------------------------------------------------------------

void write_node(FunctionCallInfo fcinfo, const RouterTables& tables) {
    const Oid types[] = {INT4OID, TEXTOID, TEXTOID, BOOLOID};
    const Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1),
                            PG_ARGISNULL(2) ? Datum{0} : PG_GETARG_DATUM(2), PG_GETARG_DATUM(3)};
    const char nulls[] = {' ', ' ', PG_ARGISNULL(2) ? 'n' : ' ', ' ', '\0'};
    run(psprintf("INSERT INTO %s AS n (node, conninfo, read_conninfo, old_ids) "
                 "VALUES ($1, $2, $3, $4) ON CONFLICT (node) DO UPDATE SET "
                 "conninfo = EXCLUDED.conninfo, read_conninfo = EXCLUDED.read_conninfo, "
                 "old_ids = n.old_ids OR EXCLUDED.old_ids",
                 tables.node),
        4, types, values, nulls);
}

// What is written on a router that gets its tables from another one stays there. That is allowed,
// as the other router may be lost.
void warn_follower(const RouterTables& tables) {
    const Oid types[] = {OIDOID};
    const Datum values[] = {ObjectIdGetDatum(get_relname_relid("router_node", tables.schema))};
    run("SELECT pg_catalog.count(*)::pg_catalog.int4 FROM pg_catalog.pg_subscription_rel "
        "WHERE srrelid OPERATOR(pg_catalog.=) $1",
        1, types, values);
    if (int_result(1) > 0) {
        ereport(WARNING, (errmsg("this router gets its tables from another router"),
                          errdetail("What is written here does not reach the other one."),
                          errhint("Call the function on the first router, unless it is lost.")));
    }
}

// A node may be added before it is started, so what is wrong is a WARNING.
void warn_about(int node, Cluster cluster) {
    Rows rows;
    const ErrorData* error =
        try_rows(node, cluster, "ticket_node_status", {}, {"node"}, Effect::kNone, &rows);
    if (error != nullptr) {
        ereport(WARNING,
                (cluster == Cluster::kPrimary
                     ? errmsg("node %d does not answer yet", node)
                     : errmsg("the read side of node %d does not answer yet", node),
                 errdetail("%s", reason_of(error)),
                 errhint("For a new node run router_config.sh: the router logs in with the "
                         "password that it writes. Afterwards router_status() shows what "
                         "is wrong.")));
        return;
    }
    const int found = rows.count == 0 ? 0 : static_cast<int>(number_of(rows, 0, 0));
    if (found != node) {
        ereport(WARNING,
                (errmsg("the server of node %d has the number %d", node, found),
                 errdetail("Its ids end in its number, so they would be looked for elsewhere."),
                 errhint("Call ticket_node_set(%d) there before anything is sold, or correct the "
                         "connection string.",
                         node)));
    }
}

// ---------------------------------------------------------------------------------------------
// Trains
// ---------------------------------------------------------------------------------------------

// Does the router send calls for the train to the node, on any day?
bool is_assigned(const RouterTables& tables, Datum train, int node) {
    const Oid types[] = {TEXTOID, INT4OID};
    const Datum values[] = {train, Int32GetDatum(node)};
    run(psprintf("SELECT FROM %s WHERE train OPERATOR(pg_catalog.=) $1 "
                 "AND node OPERATOR(pg_catalog.=) $2 LIMIT 1",
                 tables.train),
        2, types, values);
    return SPI_processed > 0;
}

// The train's last departure on a node, before a date (null: of all). False: it has none. A node
// that cannot be asked makes the call fail if it may have the train, else it is a WARNING.
bool last_on(const RouterTables& tables, Datum train, int node, const char* before, DateADT* last) {
    Rows rows;
    ErrorData* error = try_rows(node, Cluster::kPrimary, "ticket_last_day",
                                {TextDatumGetCString(train), before}, {}, Effect::kNone, &rows);
    if (error != nullptr && is_assigned(tables, train, node)) {
        ReThrowError(error);
    }
    if (error != nullptr) {
        ereport(WARNING, (errmsg("node %d did not say whether it has departures of train \"%s\"",
                                 node, printable(text_of(train))),
                          errdetail("%s", reason_of(error)),
                          errhint("The router has never given it the train, so it is taken to have "
                                  "none.")));
        return false;
    }
    const char* day = rows.count == 0 ? nullptr : value_of(rows, 0, 0);
    if (day == nullptr) {
        return false;
    }
    *last = DatumGetDateADT(DirectFunctionCall1(date_in, CStringGetDatum(day)));
    return true;
}

// The last departure that a node other than this one has of the train, and which node.
bool last_elsewhere(const RouterTables& tables, Datum train, int node, const char* before,
                    int* holder, DateADT* last) {
    int count;
    const RouterNode* nodes = list_nodes(tables, &count);
    bool found = false;
    for (int i = 0; i < count; i++) {
        DateADT date;
        if (nodes[i].node != node && last_on(tables, train, nodes[i].node, before, &date) &&
            (!found || date > *last)) {
            *holder = nodes[i].node;
            *last = date;
            found = true;
        }
    }
    return found;
}

// The first service date of the train's next row; null: there is none.
const char* next_row(const RouterTables& tables, Datum train, DateADT from) {
    const Oid types[] = {TEXTOID, DATEOID};
    const Datum values[] = {train, DateADTGetDatum(from)};
    run(psprintf("SELECT pg_catalog.min(from_date) FROM %s "
                 "WHERE train OPERATOR(pg_catalog.=) $1 AND from_date OPERATOR(pg_catalog.>) $2",
                 tables.train),
        2, types, values);
    bool is_null;
    const Datum date = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    return is_null ? nullptr : TextDatumGetCString(encode_value(date, DATEOID));
}

// 55000 if another node has departures on the days that the row would give to this one.
void check_cut_off(const RouterTables& tables, Datum train, int node, DateADT from) {
    int holder;
    DateADT last;
    if (last_elsewhere(tables, train, node, next_row(tables, train, from), &holder, &last) &&
        last >= from) {
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("node %d has departures of train \"%s\" until %s", holder,
                    printable(text_of(train)), date_text(last)),
             errdetail("They could not be reached any more if node %d had the train from %s on.",
                       node, date_text(from)),
             errhint("Assign it from a later day, or take the departures there with "
                     "router_move.")));
    }
}

// The day from which the node can have the train without a departure being cut off. Rows of later
// days have no departures, and go.
DateADT first_free_day(const RouterTables& tables, Datum train, int node) {
    int holder;
    DateADT last;
    DateADT from;
    if (last_elsewhere(tables, train, node, nullptr, &holder, &last)) {
        from = last + 1;
    } else {
        DATE_NOBEGIN(from);
    }
    const Oid types[] = {TEXTOID, DATEOID};
    const Datum values[] = {train, DateADTGetDatum(from)};
    run(psprintf("DELETE FROM %s WHERE train OPERATOR(pg_catalog.=) $1 "
                 "AND from_date OPERATOR(pg_catalog.>) $2",
                 tables.train),
        2, types, values);
    return from;
}

// 55000 if the node that has the item has sold or sells it: it would not be found there any more.
void check_item_elsewhere(const RouterTables& tables, int64_t item, int node) {
    const Oid types[] = {INT8OID};
    const Datum values[] = {Int64GetDatum(item)};
    run(psprintf("SELECT node FROM %s WHERE item_id OPERATOR(pg_catalog.=) $1", tables.item), 1,
        types, values);
    const int holder = SPI_processed == 0 ? node : int_result(1);
    if (holder == node) {
        return;
    }
    const Rows rows = ask_rows(holder, Cluster::kPrimary, "item_remaining", {id_text(item)}, {});
    if (rows.answer.sqlstate == kErrorNoDeparture) {
        return;  // TK001: it was never opened there
    }
    if (rows.answer.sqlstate != 0) {
        raise_answer(rows.answer);
    }
    ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                    errmsg("node %d has item " INT64_FORMAT " on sale", holder, item),
                    errdetail("It could not be reached any more."),
                    errhint("An item stays where it was opened.")));
}

void write_train(const RouterTables& tables, Datum train, int node, DateADT from) {
    const Oid types[] = {TEXTOID, DATEOID, INT4OID};
    const Datum values[] = {train, DateADTGetDatum(from), Int32GetDatum(node)};
    run(psprintf("INSERT INTO %s (train, from_date, node) VALUES ($1, $2, $3) "
                 "ON CONFLICT (train, from_date) DO UPDATE SET node = EXCLUDED.node",
                 tables.train),
        3, types, values);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_node_add) {
    using namespace ticketpool;
    require_argument(fcinfo, 0, "node");
    require_argument(fcinfo, 1, "conninfo");
    require_argument(fcinfo, 3, "old_ids");
    PreventCommandIfReadOnly("router_node_add()");
    const int node = PG_GETARG_INT32(0);
    const RouterTables tables = router_tables(fcinfo);
    check_node_number(node);
    check_conninfo(TextDatumGetCString(PG_GETARG_DATUM(1)));
    if (!PG_ARGISNULL(2)) {
        check_conninfo(TextDatumGetCString(PG_GETARG_DATUM(2)));
    }
    SPI_connect();
    if (PG_GETARG_BOOL(3)) {
        check_old_ids(tables, node);
    }
    write_node(fcinfo, tables);
    warn_follower(tables);
    warn_about(node, Cluster::kPrimary);
    if (!PG_ARGISNULL(2)) {
        warn_about(node, Cluster::kRead);
    }
    SPI_finish();
    PG_RETURN_VOID();
}

TICKETPOOL_FUNCTION(router_assign) {
    using namespace ticketpool;
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "node");
    PreventCommandIfReadOnly("router_assign()");
    const RouterTables tables = router_tables(fcinfo);
    const Datum train = PG_GETARG_DATUM(0);
    const int node = PG_GETARG_INT32(1);
    check_name(NameOf::kTrain, text_of(train));
    SPI_connect();
    require_node(tables, node);
    DateADT from;
    if (PG_ARGISNULL(2)) {
        from = first_free_day(tables, train, node);
    } else {
        from = PG_GETARG_DATEADT(2);
        check_cut_off(tables, train, node, from);
    }
    write_train(tables, train, node, from);
    warn_follower(tables);
    SPI_finish();
    PG_RETURN_VOID();
}

TICKETPOOL_FUNCTION(router_assign_item) {
    using namespace ticketpool;
    require_argument(fcinfo, 0, "item_id");
    require_argument(fcinfo, 1, "node");
    PreventCommandIfReadOnly("router_assign_item()");
    const RouterTables tables = router_tables(fcinfo);
    const Oid types[] = {INT8OID, INT4OID};
    const Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
    SPI_connect();
    require_node(tables, PG_GETARG_INT32(1));
    check_item_elsewhere(tables, PG_GETARG_INT64(0), PG_GETARG_INT32(1));
    run(psprintf("INSERT INTO %s (item_id, node) VALUES ($1, $2) "
                 "ON CONFLICT (item_id) DO UPDATE SET node = EXCLUDED.node",
                 tables.item),
        2, types, values);
    warn_follower(tables);
    SPI_finish();
    PG_RETURN_VOID();
}
