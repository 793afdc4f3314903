// Reads the tables of the router (routes.hpp), by index: such a look costs less than a statement.
#include "router/routes.hpp"

#include "server/errors.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "nodes/makefuncs.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// The tables
// ---------------------------------------------------------------------------------------------

enum Table { kNode, kTrain, kItem, kStation, kMoved, kTables };
constexpr const char* kTableNames[] = {"router_node", "router_train", "router_item",
                                       "router_station", "router_moved"};
static_assert(lengthof(kTableNames) == kTables);

// Columns, as sql/extension/router/tables.sql has them.
namespace node_column {
constexpr AttrNumber kNode = 1, kConninfo = 2, kOldIds = 4, kRouteDays = 7;
}
namespace train_column {
constexpr AttrNumber kFromDate = 2, kNode = 3;
}
namespace item_column {
constexpr AttrNumber kNode = 2;
}
namespace station_column {
constexpr AttrNumber kNode = 3;
}
namespace moved_column {
constexpr AttrNumber kNode = 1, kDate = 2, kToNode = 3;
}

// Found once, and again after one of them, or a schema, has changed.
struct Found {
    bool valid;
    char* schema;  // in TopMemoryContext
    Oid tables[kTables];
};
constinit Found found{};

void on_schema_change(Datum, SystemCache, uint32) {
    found.valid = false;
}

void on_relation_change(Datum, Oid relation) {
    for (const Oid table : found.tables) {
        if (!OidIsValid(relation) || table == relation) {
            found.valid = false;
        }
    }
}

void find_tables(const char* schema) {
    static constinit bool registered = false;
    if (!registered) {
        CacheRegisterSyscacheCallback(NAMESPACEOID, on_schema_change, 0);
        CacheRegisterRelcacheCallback(on_relation_change, 0);
        registered = true;
    }
    char* name = MemoryContextStrdup(TopMemoryContext, schema);
    if (found.schema != nullptr) {
        pfree(found.schema);
    }
    found.schema = name;
    found.valid = true;  // a change while the names are looked up counts
    for (int i = 0; i < kTables; i++) {
        char* table = psprintf("%s.%s", schema, kTableNames[i]);
#if PG_VERSION_NUM >= 160000
        List* names = stringToQualifiedNameList(table, nullptr);
#else
        List* names = stringToQualifiedNameList(table);
#endif
        found.tables[i] = RangeVarGetRelid(makeRangeVarFromNameList(names), NoLock, true);
        if (!OidIsValid(found.tables[i])) {
            found.valid = false;
            report_gone();
        }
    }
}

// Reads a table by its primary key, as it is now.
struct Look {
    TableReader reader;
    Snapshot snapshot;
};

void look_at(Look* look, const char* schema, Table table) {
    if (!found.valid || strcmp(found.schema, schema) != 0) {
        find_tables(schema);
    }
    const Oid heap = found.tables[table];
    Relation relation = open_table(heap);
#if PG_VERSION_NUM >= 180000
    const Oid index = RelationGetPrimaryKeyIndex(relation, false);
#else
    const Oid index = RelationGetPrimaryKeyIndex(relation);
#endif
    look->snapshot = take_fresh_snapshot();
    reader_open(&look->reader, heap, index, look->snapshot);
    reader_by_snapshot(&look->reader);
    table_close(relation, NoLock);
}

void end_look(Look* look) {
    reader_close(&look->reader);
    drop_snapshot(look->snapshot);
}

int32_t number(const Look& look, AttrNumber column) {
    return row_int32(look.reader.row, column);
}

// ---------------------------------------------------------------------------------------------
// Lists
// ---------------------------------------------------------------------------------------------

constexpr int kMostNodes = 128;

NodeList new_list() {
    return {0, static_cast<int*>(palloc(kMostNodes * sizeof(int)))};
}

void add(NodeList* list, int node) {
    for (int i = 0; i < list->count; i++) {
        if (list->nodes[i] == node) {
            return;
        }
    }
    if (list->count < kMostNodes) {
        list->nodes[list->count++] = node;
    }
}

int compare_nodes(const void* a, const void* b) {
    return *static_cast<const int*>(a) - *static_cast<const int*>(b);
}

// Bits of nodes.
struct NodeSet {
    uint64_t word[2];
};

void add(NodeSet* set, int node) {
    set->word[node >> 6 & 1] |= uint64_t{1} << (node & 63);
}

bool has(const NodeSet& set, int node) {
    return (set.word[node >> 6 & 1] >> (node & 63) & 1) != 0;
}

// ---------------------------------------------------------------------------------------------
// Stations
// ---------------------------------------------------------------------------------------------

// "code#stop_no" without "#stop_no".
Text code_of(Text station) {
    size_t length = station.length;
    while (length > 0 && station.data[length - 1] >= '0' && station.data[length - 1] <= '9') {
        length--;
    }
    return length > 0 && length < station.length && station.data[length - 1] == '#'
               ? Text{station.data, length - 1}
               : station;
}

void add_serving(const char* schema, Text station, DateADT date, NodeSet* nodes) {
    Look look;
    look_at(&look, schema, kStation);
    reader_key_text(&look.reader, station);
    reader_key_date(&look.reader, date);
    while (reader_next(&look.reader)) {
        add(nodes, number(look, station_column::kNode));
    }
    end_look(&look);
}

// The nodes on which trains that set out on the day call at the station.
NodeSet serving(const char* schema, Text station, DateADT date) {
    NodeSet nodes{};
    add_serving(schema, station, date, &nodes);
    const Text code = code_of(station);
    if (code.length != station.length) {
        add_serving(schema, code, date, &nodes);
    }
    return nodes;
}

bool is_listed(const char* schema, Text station) {
    Look look;
    look_at(&look, schema, kStation);
    reader_key_text(&look.reader, station);
    const bool listed = reader_next(&look.reader);
    end_look(&look);
    return listed;
}

}  // namespace

int route_of_train(const char* schema, Text train, DateADT date) {
    int node = 0;
    DateADT latest = DATEVAL_NOBEGIN;
    Look look;
    look_at(&look, schema, kTrain);
    reader_key_text(&look.reader, train);
    while (reader_next(&look.reader)) {
        const DateADT from = number(look, train_column::kFromDate);
        if (from <= date && from >= latest) {
            latest = from;
            node = number(look, train_column::kNode);
        }
    }
    end_look(&look);
    return node;
}

// 0: none.
static int node_of_item(const char* schema, int64_t item_id) {
    Look look;
    look_at(&look, schema, kItem);
    reader_key_int64(&look.reader, item_id);
    const int node = reader_next(&look.reader) ? number(look, item_column::kNode) : 0;
    end_look(&look);
    return node;
}

bool is_item(const char* schema, int64_t item_id) {
    return node_of_item(schema, item_id) != 0;
}

int require_node_of_item(const char* schema, int64_t item_id) {
    const int node = node_of_item(schema, item_id);
    if (node == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("item " INT64_FORMAT " does not exist", item_id),
                        errdetail("No row of router_item says which node has it."),
                        errhint("Assign the item to a node with router_assign_item.")));
    }
    return node;
}

NodeList nodes_of_id(const char* schema, int64_t id, IdOf of) {
    constexpr int kDayShift = 37;
    const int born = static_cast<int>(id & 127);
    NodeList list = new_list();
    Look look;
    if (of != IdOf::kWait) {
        look_at(&look, schema, kMoved);
        reader_key_int32(&look.reader, born);
        if (of == IdOf::kOrder) {
            reader_key_date(&look.reader, static_cast<DateADT>(id >> kDayShift));
        }
        while (reader_next(&look.reader)) {
            add(&list, number(look, moved_column::kToNode));
        }
        end_look(&look);
        qsort(list.nodes, static_cast<size_t>(list.count), sizeof(int), compare_nodes);
    }
    int old = 0;
    look_at(&look, schema, kNode);
    while (reader_next(&look.reader)) {
        const int node = number(look, node_column::kNode);
        if (node == born) {
            add(&list, node);
        } else if (DatumGetBool(row_datum(look.reader.row, node_column::kOldIds))) {
            old = node;
        }
    }
    end_look(&look);
    if (old != 0) {
        add(&list, old);
    }
    return list;
}

NodeList nodes_before(const char* schema, int node, DateADT date) {
    NodeSet born{};
    bool any = false;
    Look look;
    look_at(&look, schema, kMoved);
    while (reader_next(&look.reader)) {
        if (number(look, moved_column::kToNode) == node &&
            number(look, moved_column::kDate) == date) {
            add(&born, number(look, moved_column::kNode));
            any = true;
        }
    }
    end_look(&look);
    NodeList list = new_list();
    if (!any) {
        return list;
    }
    look_at(&look, schema, kNode);
    while (reader_next(&look.reader)) {
        const int other = number(look, node_column::kNode);
        if (other != node &&
            (has(born, other) || DatumGetBool(row_datum(look.reader.row, node_column::kOldIds)))) {
            add(&list, other);
        }
    }
    end_look(&look);
    return list;
}

NodeList nodes_of_trip(const char* schema, Text from, Text to, DateADT travel_date) {
    NodeList nodes = new_list();
    int days[kMostNodes];  // by place in `nodes`
    int most_days = -1;
    Look look;
    look_at(&look, schema, kNode);
    while (reader_next(&look.reader) && nodes.count < kMostNodes) {
        days[nodes.count] = number(look, node_column::kRouteDays);
        most_days = Max(most_days, days[nodes.count]);
        nodes.nodes[nodes.count++] = number(look, node_column::kNode);
    }
    end_look(&look);
    NodeSet found_nodes{};
    for (int back = 0; back <= most_days; back++) {
        const DateADT date = travel_date - back;
        const NodeSet boarding = serving(schema, from, date);
        if ((boarding.word[0] | boarding.word[1]) == 0) {
            continue;
        }
        const NodeSet alighting = serving(schema, to, date);
        for (int i = 0; i < nodes.count; i++) {
            if (back <= days[i] && has(boarding, nodes.nodes[i]) &&
                has(alighting, nodes.nodes[i])) {
                add(&found_nodes, nodes.nodes[i]);
            }
        }
    }
    int kept = 0;
    for (int i = 0; i < nodes.count; i++) {
        if (has(found_nodes, nodes.nodes[i])) {
            nodes.nodes[kept++] = nodes.nodes[i];
        }
    }
    nodes.count = kept;
    return nodes;
}

bool is_known_station(const char* schema, Text station) {
    const Text code = code_of(station);
    return is_listed(schema, station) || (code.length != station.length && is_listed(schema, code));
}

NodeList all_nodes(const char* schema) {
    NodeList list = new_list();
    Look look;
    look_at(&look, schema, kNode);
    while (reader_next(&look.reader)) {
        add(&list, number(look, node_column::kNode));
    }
    end_look(&look);
    return list;
}

const char* conninfo_of_node(const char* schema, int node) {
    const char* conninfo = nullptr;
    Look look;
    look_at(&look, schema, kNode);
    reader_key_int32(&look.reader, node);
    if (reader_next(&look.reader)) {
        conninfo = TextDatumGetCString(row_datum(look.reader.row, node_column::kConninfo));
    }
    end_look(&look);
    if (conninfo == nullptr) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no node %d", node),
                        errdetail("No row of router_node has this number."),
                        errhint("Add the node with router_node_add.")));
    }
    return conninfo;
}

}  // namespace ticketpool
