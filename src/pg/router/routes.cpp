// Reads the tables of the router (routes.hpp).
#include "router/routes.hpp"

#include "server/errors.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

enum Query { kTrain, kItem, kId, kTrip, kStation, kNodes, kConninfo, kQueries };
// %1$s: the schema.
constexpr const char* kQueryTexts[] = {
    "SELECT (SELECT t.node FROM %1$s.router_train t WHERE t.train OPERATOR(pg_catalog.=) $1 "
    "AND t.from_date OPERATOR(pg_catalog.<=) $2 ORDER BY t.from_date DESC LIMIT 1)",

    "SELECT i.node FROM %1$s.router_item i WHERE i.item_id OPERATOR(pg_catalog.=) $1",

    "SELECT c.node FROM (SELECT m.to_node AS node, 1 AS place FROM %1$s.router_moved m "
    "WHERE m.node OPERATOR(pg_catalog.=) $1 "
    "AND ($2 IS NULL OR m.service_date OPERATOR(pg_catalog.=) $2) "
    "UNION ALL SELECT n.node, CASE WHEN n.node OPERATOR(pg_catalog.=) $1 THEN 2 ELSE 3 END "
    "FROM %1$s.router_node n WHERE n.node OPERATOR(pg_catalog.=) $1 OR n.old_ids) c "
    "GROUP BY c.node ORDER BY pg_catalog.min(c.place), c.node",

    "SELECT n.node FROM %1$s.router_node n WHERE EXISTS (SELECT FROM %1$s.router_station a "
    "JOIN %1$s.router_station b ON b.node OPERATOR(pg_catalog.=) a.node "
    "AND b.service_date OPERATOR(pg_catalog.=) a.service_date "
    "WHERE a.node OPERATOR(pg_catalog.=) n.node "
    "AND (a.station OPERATOR(pg_catalog.=) $1 OR a.station OPERATOR(pg_catalog.=) $2) "
    "AND (b.station OPERATOR(pg_catalog.=) $3 OR b.station OPERATOR(pg_catalog.=) $4) "
    "AND a.service_date OPERATOR(pg_catalog.>=) ($5 OPERATOR(pg_catalog.-) n.route_days) "
    "AND a.service_date OPERATOR(pg_catalog.<=) $5) ORDER BY n.node",

    "SELECT 1 WHERE EXISTS (SELECT FROM %1$s.router_station s "
    "WHERE s.station OPERATOR(pg_catalog.=) $1)",

    "SELECT n.node FROM %1$s.router_node n ORDER BY n.node",

    "SELECT n.conninfo FROM %1$s.router_node n WHERE n.node OPERATOR(pg_catalog.=) $1",
};
static_assert(lengthof(kQueryTexts) == kQueries);

// The texts with the schema: the plans are found by them.
struct Texts {
    char* schema;
    char* text[kQueries];
};
constinit Texts texts{};

const char* query_text(const char* schema, Query which) {
    if (texts.schema == nullptr || strcmp(texts.schema, schema) != 0) {
        MemoryContext caller = MemoryContextSwitchTo(TopMemoryContext);
        for (int i = 0; i < kQueries; i++) {
            char* text = psprintf(kQueryTexts[i], schema);
            if (texts.text[i] != nullptr) {
                pfree(texts.text[i]);
            }
            texts.text[i] = text;
        }
        char* name = pstrdup(schema);
        if (texts.schema != nullptr) {
            pfree(texts.schema);
        }
        texts.schema = name;
        MemoryContextSwitchTo(caller);
    }
    return texts.text[which];
}

// Runs the query with a snapshot of now and calls read() inside SPI.
template <typename Read>
void look(const char* schema, Query which, int count, Oid* types, Datum* values, const char* nulls,
          Read read) {
    const char* text = query_text(schema, which);
    Snapshot snapshot = take_fresh_snapshot();
    SPI_connect();
    if (execute_planned(text, count, types, values, nulls, snapshot) != SPI_OK_SELECT) {
        elog(ERROR, "could not read the tables of the router");
    }
    read();
    SPI_finish();
    drop_snapshot(snapshot);
}

NullableDatum spi_value(uint64 row, int column) {
    NullableDatum value;
    value.value =
        SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &value.isnull);
    return value;
}

int first_number() {
    if (SPI_processed == 0) {
        return 0;
    }
    const NullableDatum value = spi_value(0, 1);
    return value.isnull ? 0 : DatumGetInt32(value.value);
}

void read_list(MemoryContext caller, NodeList* list) {
    list->count = static_cast<int>(SPI_processed);
    list->nodes = static_cast<int*>(
        MemoryContextAlloc(caller, Max(SPI_processed, static_cast<uint64>(1)) * sizeof(int)));
    for (uint64 i = 0; i < SPI_processed; i++) {
        list->nodes[i] = DatumGetInt32(spi_value(i, 1).value);
    }
}

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

}  // namespace

int route_of_train(const char* schema, Text train, DateADT date) {
    Oid types[] = {TEXTOID, DATEOID};
    Datum values[] = {text_datum(train), DateADTGetDatum(date)};
    int node = 0;
    look(schema, kTrain, 2, types, values, nullptr, [&] { node = first_number(); });
    return node;
}

int require_node_of_item(const char* schema, int64_t item_id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(item_id)};
    int node = 0;
    look(schema, kItem, 1, types, values, nullptr, [&] { node = first_number(); });
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
    Oid types[] = {INT4OID, DATEOID};
    Datum values[] = {Int32GetDatum(static_cast<int32_t>(id & 127)),
                      DateADTGetDatum(static_cast<DateADT>(id >> kDayShift))};
    const char* nulls = of == IdOf::kOrder ? "  " : " n";
    MemoryContext caller = CurrentMemoryContext;
    NodeList list{};
    look(schema, kId, 2, types, values, nulls, [&] { read_list(caller, &list); });
    return list;
}

NodeList nodes_of_trip(const char* schema, Text from, Text to, DateADT travel_date) {
    Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TEXTOID, DATEOID};
    Datum values[] = {text_datum(from), text_datum(code_of(from)), text_datum(to),
                      text_datum(code_of(to)), DateADTGetDatum(travel_date)};
    MemoryContext caller = CurrentMemoryContext;
    NodeList list{};
    look(schema, kTrip, 5, types, values, nullptr, [&] { read_list(caller, &list); });
    return list;
}

bool is_known_station(const char* schema, Text station) {
    Oid types[] = {TEXTOID};
    Datum values[] = {text_datum(station)};
    bool known = false;
    look(schema, kStation, 1, types, values, nullptr, [&] { known = SPI_processed > 0; });
    return known;
}

NodeList all_nodes(const char* schema) {
    MemoryContext caller = CurrentMemoryContext;
    NodeList list{};
    look(schema, kNodes, 0, nullptr, nullptr, nullptr, [&] { read_list(caller, &list); });
    return list;
}

const char* conninfo_of_node(const char* schema, int node) {
    Oid types[] = {INT4OID};
    Datum values[] = {Int32GetDatum(node)};
    MemoryContext caller = CurrentMemoryContext;
    const char* conninfo = nullptr;
    look(schema, kConninfo, 1, types, values, nullptr, [&] {
        if (SPI_processed > 0) {
            conninfo = MemoryContextStrdup(caller, TextDatumGetCString(spi_value(0, 1).value));
        }
    });
    if (conninfo == nullptr) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("there is no node %d", node),
                        errdetail("No row of router_node has this number."),
                        errhint("Add the node with router_node_add.")));
    }
    return conninfo;
}

}  // namespace ticketpool
