// The triggers of the router's tables: the foreign servers follow router_node, and rows that arrive
// by logical replication replace those that are there (servers.hpp).
//
// PL/Proxy finds a node by the number of a partition, and takes a number that is out of range
// modulo the number of partitions. So there is one for each number that an id can end in. Those
// without a node lead nowhere.
//
// Two sessions may change router_node at once. Each of them writes all partitions of both servers,
// so one has to see what the other has written: they take turns, by a lock on the table that does
// not disturb other readers and writers of it, and read with a new snapshot after they have got it.
#include "router/servers.hpp"

#include "server/errors.hpp"
#include "server/plans.hpp"

extern "C" {
#include "catalog/pg_foreign_server.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "nodes/parsenodes.h"
#include "nodes/value.h"
#include "storage/lmgr.h"
}

namespace ticketpool {

namespace {

constexpr int kPartitions = 128;
constexpr const char* kNowhere = "host=/nonexistent";  // as in link.sql

// The connection string of each partition.
struct Partitions {
    const char* of[kPartitions];
};

Partitions partitions_of(Oid schema, int server) {
    Partitions partitions;
    for (const char*& partition : partitions.of) {
        partition = kNowhere;
    }
    const char* table = quote_qualified_identifier(get_namespace_name(schema), "router_node");
    const char* sql = psprintf(
        "SELECT node, %s FROM %s",
        server == 0
            ? "coalesce(via, conninfo)"
            : "coalesce(CASE WHEN read_conninfo IS NOT NULL THEN coalesce(read_via, read_conninfo) "
              "END, via, conninfo)",
        table);
    const Snapshot now = RegisterSnapshot(GetLatestSnapshot());
    execute_planned(sql, 0, nullptr, nullptr, nullptr, now);
    UnregisterSnapshot(now);
    for (uint64 i = 0; i < SPI_processed; i++) {
        HeapTuple row = SPI_tuptable->vals[i];
        bool is_null;
        const int node = DatumGetInt32(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null));
        partitions.of[node] = SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
    }
    return partitions;
}

// The number of the partition that an option is about; -1: it is about something else.
int partition_of(const char* option) {
    if (option[0] != 'p' || option[1] < '0' || option[1] > '9') {
        return -1;
    }
    char* end;
    const long number = strtol(option + 1, &end, 10);
    return *end == '\0' && number >= 0 && number < 100000 ? static_cast<int>(number) : -1;
}

void append_option(StringInfo options, const char* action, const char* name, const char* value) {
    appendStringInfo(options, "%s%s %s", options->len > 0 ? ", " : "", action, name);
    if (value != nullptr) {
        appendStringInfo(options, " %s", quote_literal_cstr(value));
    }
}

// What is to be done to the options of a server, as ALTER SERVER takes it; empty: nothing.
const char* difference(const ForeignServer* server, const Partitions& wanted) {
    StringInfoData options;
    initStringInfo(&options);
    bool has[kPartitions] = {};
    const char* modular = nullptr;
    ListCell* cell;
    foreach (cell, server->options) {
        DefElem* option = static_cast<DefElem*>(lfirst(cell));
        const char* value = option->arg == nullptr ? "" : strVal(option->arg);
        const int number = partition_of(option->defname);
        if (strcmp(option->defname, "modular_mapping") == 0) {
            modular = value;
        } else if (number >= kPartitions) {
            append_option(&options, "DROP", option->defname, nullptr);
        } else if (number >= 0) {
            has[number] = true;
            if (strcmp(value, wanted.of[number]) != 0) {
                append_option(&options, "SET", option->defname, wanted.of[number]);
            }
        }
    }
    for (int i = 0; i < kPartitions; i++) {
        if (!has[i]) {
            append_option(&options, "ADD", psprintf("p%d", i), wanted.of[i]);
        }
    }
    if (modular == nullptr || strcmp(modular, "1") != 0) {
        append_option(&options, modular == nullptr ? "ADD" : "SET", "modular_mapping", "1");
    }
    return options.data;
}

}  // namespace

void rebuild_servers(Oid schema) {
    const Oid table = get_relname_relid("router_node", schema);
    if (!OidIsValid(table)) {
        report_gone();
    }
    LockRelationOid(table, ShareUpdateExclusiveLock);
    for (int i = 0; i < static_cast<int>(lengthof(kServerNames)); i++) {
        const ForeignServer* server = GetForeignServerByName(kServerNames[i], true);
        if (server == nullptr) {
            continue;  // the script of the extension makes them after the tables
        }
        const char* options = difference(server, partitions_of(schema, i));
        if (options[0] != '\0') {
            execute_utility(psprintf("ALTER SERVER %s OPTIONS (%s)", kServerNames[i], options));
        }
    }
}

bool server_is_current(Oid schema, int server) {
    const ForeignServer* found = GetForeignServerByName(kServerNames[server], true);
    return found != nullptr && difference(found, partitions_of(schema, server))[0] == '\0';
}

namespace {

// "a OPERATOR(=) $1 AND b OPERATOR(=) $2" over the key columns that the trigger names.
const char* key_condition(const TriggerData* trigger, Oid* types, Datum* values) {
    const TupleDesc columns = RelationGetDescr(trigger->tg_relation);
    StringInfoData condition;
    initStringInfo(&condition);
    for (int i = 0; i < trigger->tg_trigger->tgnargs; i++) {
        const char* name = trigger->tg_trigger->tgargs[i];
        const int number = SPI_fnumber(columns, name);
        if (number <= 0) {
            report_gone();
        }
        bool is_null;
        values[i] = SPI_getbinval(trigger->tg_trigtuple, columns, number, &is_null);
        types[i] = SPI_gettypeid(columns, number);
        if (is_null) {
            return nullptr;  // the key refuses it
        }
        appendStringInfo(&condition, "%s%s OPERATOR(pg_catalog.=) $%d", i > 0 ? " AND " : "",
                         quote_identifier(name), i + 1);
    }
    return condition.data;
}

// A row with the same key: it is skipped where the key is all there is, else replaced. Returns
// whether the new row is to be inserted.
bool make_room(const TriggerData* trigger) {
    Oid types[INDEX_MAX_KEYS];
    Datum values[INDEX_MAX_KEYS];
    const int keys = trigger->tg_trigger->tgnargs;
    const char* condition = key_condition(trigger, types, values);
    if (condition == nullptr) {
        return true;
    }
    const char* table =
        quote_qualified_identifier(get_namespace_name(RelationGetNamespace(trigger->tg_relation)),
                                   RelationGetRelationName(trigger->tg_relation));
    const bool all_key = keys == RelationGetDescr(trigger->tg_relation)->natts;
    execute_planned(
        psprintf(all_key ? "SELECT FROM %s WHERE %s" : "DELETE FROM %s WHERE %s", table, condition),
        keys, types, values, nullptr);
    return !all_key || SPI_processed == 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_node_follow) {
    using namespace ticketpool;
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        report_no_trigger("router_node_follow");
    }
    const TriggerData* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    SPI_connect();
    rebuild_servers(RelationGetNamespace(trigger->tg_relation));
    SPI_finish();
    return Datum{0};
}

TICKETPOOL_FUNCTION(router_arrival) {
    using namespace ticketpool;
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        report_no_trigger("router_arrival");
    }
    const TriggerData* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    SPI_connect();
    const bool insert = make_room(trigger);
    SPI_finish();
    return insert ? PointerGetDatum(trigger->tg_trigtuple) : Datum{0};
}
