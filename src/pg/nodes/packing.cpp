// Which columns the rows of a parcel travel with, and how they come back into their tables.
//
// Rows travel as JSON, by the names of their columns. So columns that a later version or a user has
// added travel, too, and tables may have their columns in another order. A column that the target
// does not have is an error before anything is written (require_columns).
#include "follow/by_hand.hpp"
#include "follow/commit_marks.hpp"
#include "load/directory.hpp"
#include "nodes/parcel.hpp"
#include "server/errors.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/departure_rows.hpp"
#include "tables/new_partition.hpp"
#include "tables/order_leaf.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "lib/stringinfo.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"
}

namespace ticketpool {
namespace {

bool travels(const FormData_pg_attribute& column, const char* own_number) {
    return !column.attisdropped && column.attgenerated == '\0' &&
           (own_number == nullptr || strcmp(NameStr(column.attname), own_number) != 0);
}

// Is there a column of this name that may be written?
bool can_keep(Oid table, const char* name) {
    HeapTuple tuple = SearchSysCacheAttName(table, name);
    if (!HeapTupleIsValid(tuple)) {
        return false;
    }
    const auto* column = reinterpret_cast<Form_pg_attribute>(GETSTRUCT(tuple));
    const bool kept = column->attnum > 0 && column->attgenerated == '\0';
    ReleaseSysCache(tuple);
    return kept;
}

const char* text_value(uint64 row, int column) {
    return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

// 22023: whoever has put it there is no node.
[[noreturn]] void report_no_columns() {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the header of the parcel does not name the columns of its rows"),
                    errdetail("It has no object \"columns\" with an array of names for each kind "
                              "of rows."),
                    errhint("Copy the parts as ticket_parcel_part gives them.")));
}

// Calls `column(kind, name)` for each column that the JSON object names, kind by kind.
template <typename Column>
void for_each_column(Datum columns, Column call) {
    Oid types[] = {TEXTOID};
    Datum values[] = {columns};
    if (execute_planned("SELECT k.key, c.name FROM json_each($1::json) AS k, "
                        "json_array_elements_text(k.value) WITH ORDINALITY AS c (name, n) "
                        "ORDER BY k.key, c.n",
                        1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read the columns of a parcel");
    }
    SPITupleTable* rows = SPI_tuptable;
    const uint64 count = SPI_processed;
    for (uint64 i = 0; i < count; i++) {
        SPI_tuptable = rows;
        const char* name = text_value(i, 1);
        int kind = 0;
        while (kind < kPartKinds && strcmp(part_shapes[kind].name, name) != 0) {
            kind++;
        }
        const char* column = text_value(i, 2);
        if (column == nullptr) {
            report_no_columns();
        }
        call(kind, name, column);
    }
}

}  // namespace

const char* travelling_columns(const Catalog& catalog, PartKind kind) {
    const PartShape& shape = part_shapes[kind];
    Relation table = open_table(catalog.*shape.table);
    TupleDesc columns = RelationGetDescr(table);
    StringInfoData list;
    initStringInfo(&list);
    for (int i = 0; i < columns->natts; i++) {
        const FormData_pg_attribute& column = *TupleDescAttr(columns, i);
        if (travels(column, shape.own_number)) {
            appendStringInfo(&list, "%s%s", list.len > 0 ? ", " : "",
                             quote_identifier(NameStr(column.attname)));
        }
    }
    table_close(table, NoLock);
    return list.data;
}

const char* columns_of_node(const Catalog& catalog) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfoString(&sql, "SELECT json_object_agg(t.kind, t.columns)::text FROM (");
    for (int kind = 0; kind < kPartKinds; kind++) {
        const PartShape& shape = part_shapes[kind];
        appendStringInfo(
            &sql,
            "%sSELECT '%s' AS kind, json_agg(attname ORDER BY attnum) AS columns "
            "FROM pg_attribute WHERE attrelid = %u AND attnum > 0 AND NOT attisdropped AND "
            "attgenerated = '' AND attname <> '%s'",
            kind > 0 ? " UNION ALL " : "", shape.name, catalog.*shape.table,
            shape.own_number == nullptr ? "" : shape.own_number);
    }
    appendStringInfoString(&sql, ") AS t");
    if (SPI_execute(sql.data, true, 1) != SPI_OK_SELECT || SPI_processed != 1) {
        elog(ERROR, "could not read the columns of the node");
    }
    return text_value(0, 1);
}

void require_columns(const Catalog& catalog, Datum columns) {
    for_each_column(columns, [&](int kind, const char* name, const char* column) {
        if (kind == kPartKinds) {
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("rows of kind \"%s\" cannot be kept on this node", name),
                            errdetail("The node that the departure leaves has a newer ticketpool."),
                            errhint("Install the same version on both nodes.")));
        }
        if (!can_keep(catalog.*part_shapes[kind].table, column)) {
            ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                            errmsg("column \"%s\" of %s cannot be kept on this node", column,
                                   get_rel_name(catalog.*part_shapes[kind].table)),
                            errdetail("The table does not have the column here, or computes it."),
                            errhint("Give the tables of both nodes the same columns.")));
        }
    });
}

namespace {

// What the rows of a parcel are written with: $1 the parcel, $2 and $3 the numbers of its stop list
// and its seats on this node.
constexpr int kArguments = 3;
struct Arriving {
    const Catalog& catalog;
    OrderLeaf leaf;
    StringInfoData columns[kPartKinds];
    pg_uuid_t id;
    int64_t route_id;
    int64_t layout_id;
};

int execute_arriving(const Arriving& arriving, const OwnWrite* own, const char* sql) {
    Oid types[kArguments] = {UUIDOID, INT8OID, INT8OID};
    Datum values[kArguments] = {UUIDPGetDatum(&arriving.id), Int64GetDatum(arriving.route_id),
                                Int64GetDatum(arriving.layout_id)};
    const int result = own == nullptr
                           ? execute_planned(sql, kArguments, types, values, nullptr)
                           : execute_own(*own, true, sql, kArguments, types, values, nullptr);
    if (result < 0) {
        elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
    }
    return result;
}

// " FROM parts, rows of the kind as rows of `table`, r".
const char* from_parts(const Arriving& arriving, PartKind kind, Oid table) {
    return psprintf(
        " FROM (SELECT rows FROM %s WHERE parcel = $1 AND kind = '%s' ORDER BY part_no) AS p "
        "(part), "
        "json_populate_recordset(NULL::%s, p.part::json) AS r",
        qualified_name(arriving.catalog.parcel_part), part_shapes[kind].name,
        qualified_name(table));
}

// Writes all rows of a kind. `extra`: a column that they get besides, and its value.
const char* insert_of(const Arriving& arriving, PartKind kind, Oid table, const char* extra_column,
                      const char* extra_value) {
    const char* comma = extra_column[0] == '\0' ? "" : ", ";
    return psprintf("INSERT INTO %s (%s%s%s) OVERRIDING SYSTEM VALUE SELECT %s%s%s%s",
                    qualified_name(table), arriving.columns[kind].data, comma, extra_column,
                    arriving.columns[kind].data, comma, extra_value,
                    from_parts(arriving, kind, table));
}

// Stop lists and seats are the same rows on all nodes, found by their digest; their numbers differ.
int64_t number_of(const Arriving& arriving, PartKind kind, PartKind rows, const char* own_number) {
    const Catalog& catalog = arriving.catalog;
    const OwnWrite own{OwnChange::kOther, 0, 0, nullptr, catalog.departure};
    const Oid table = catalog.*part_shapes[kind].table;
    const char* find =
        psprintf("SELECT t.%s FROM %s AS t WHERE t.digest IN (SELECT r.digest%s)", own_number,
                 qualified_name(table), from_parts(arriving, kind, table));
    for (int i = 0; i < 2; i++) {
        execute_arriving(arriving, nullptr, find);
        if (SPI_processed == 1) {
            return DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(text_value(0, 1))));
        }
        // If another session is writing them just now, this waits for it.
        execute_arriving(
            arriving, &own,
            psprintf("WITH t AS (%s ON CONFLICT (digest) DO NOTHING RETURNING %s) "
                     "INSERT INTO %s (%s, %s) SELECT %s, t.%s FROM t, LATERAL (SELECT r.*%s) AS r",
                     insert_of(arriving, kind, table, "", ""), own_number,
                     qualified_name(catalog.*part_shapes[rows].table), arriving.columns[rows].data,
                     own_number, arriving.columns[rows].data, own_number,
                     from_parts(arriving, rows, catalog.*part_shapes[rows].table)));
    }
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("could not serialize access due to a concurrent ticket_open"),
                    errhint("Retry the transaction.")));
}

// The columns of a departure, with this node's numbers in place of the other node's.
const char* departure_values(const Arriving& arriving) {
    const char* columns = arriving.columns[kPartDeparture].data;
    return psprintf(
        "INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM (SELECT rows FROM %s WHERE "
        "parcel = $1 AND kind = 'departure') AS p, LATERAL (SELECT json_agg(e.r || "
        "jsonb_build_object('route_id', $2, 'layout_id', $3))::json AS rows "
        "FROM jsonb_array_elements(p.rows::jsonb) AS e (r)) AS n, "
        "json_populate_recordset(NULL::%s, n.rows) AS r",
        qualified_name(arriving.catalog.departure), columns, columns,
        qualified_name(arriving.catalog.parcel_part), qualified_name(arriving.catalog.departure));
}

// A quota that is given back at a time: the worker must learn of it. (Holds: by_hand.cpp.)
void note_deadlines(const Catalog& catalog, int64_t departure_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.reservation, catalog.reservation_open, snapshot);
    reader_key_int64(&reader, departure_id);
    while (reader_next(&reader)) {
        note_deadline(reader.row, kResReleaseAt);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
}

// Locks in the order in which ticket_open takes them, for the same reasons.
void lock_place(Arriving* arriving, DateADT date) {
    const Catalog& catalog = arriving->catalog;
    if (find_order_leaf(catalog, date, &arriving->leaf)) {
        lock_order_leaf(catalog, date, RowExclusiveLock, &arriving->leaf);
    } else {
        lock_orders(catalog, ShareUpdateExclusiveLock);
    }
    lock_new_departures(catalog);
    ensure_order_leaf(catalog, date);
    require_order_leaf(catalog, date);
    find_order_leaf(catalog, date, &arriving->leaf);
}

void read_columns(Arriving* arriving) {
    for (StringInfoData& list : arriving->columns) {
        initStringInfo(&list);
    }
    execute_arriving(
        *arriving, nullptr,
        psprintf("SELECT (rows::json -> 'columns')::text FROM %s WHERE parcel = $1 AND "
                 "kind = 'header'",
                 qualified_name(arriving->catalog.parcel_part)));
    const char* header = SPI_processed == 1 ? text_value(0, 1) : nullptr;
    if (header == nullptr || header[0] != '{') {
        report_no_columns();
    }
    const Datum columns = CStringGetTextDatum(header);
    require_columns(arriving->catalog, columns);
    for_each_column(columns, [&](int kind, const char*, const char* column) {
        StringInfo list = &arriving->columns[kind];
        appendStringInfo(list, "%s%s", list->len > 0 ? ", " : "", quote_identifier(column));
    });
}

// This departure has left the node before: what was kept of that is void now. A parcel that is
// still on its way from here is another departure of the same name, and has orders in it.
void forget_earlier_moves(const Arriving& arriving) {
    const Catalog& catalog = arriving.catalog;
    const char* parcels = qualified_name(catalog.parcel);
    const char* earlier = psprintf(
        "SELECT o.parcel FROM %s AS p JOIN %s AS o USING (train, "
        "service_date) WHERE p.parcel = $1 AND o.direction = 'out' AND "
        "o.parcel <> $1",
        parcels, parcels);
    execute_arriving(arriving, nullptr, psprintf("%s AND o.state <> 'done'", earlier));
    if (SPI_processed > 0) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("a departure of this train and day is on its way from this node"),
                        errdetail("Parcel %s has its rows.", text_value(0, 1)),
                        errhint("End that move first: see ticket_parcels.")));
    }
    for (const Oid table : {catalog.moved, catalog.parcel_part, catalog.parcel}) {
        execute_arriving(
            arriving, nullptr,
            psprintf("DELETE FROM %s WHERE parcel IN (%s)", qualified_name(table), earlier));
    }
}

// A trigger may have kept rows out. They would be nowhere then.
void require_all_rows(const Arriving& arriving, PartKind kind) {
    const uint64 written = SPI_processed;
    execute_arriving(
        arriving, nullptr,
        psprintf("SELECT coalesce(sum(json_array_length(rows::json)), 0)::int8 "
                 "FROM %s WHERE parcel = $1 AND kind = '%s'",
                 qualified_name(arriving.catalog.parcel_part), part_shapes[kind].name));
    const char* sent = text_value(0, 1);
    if (strcmp(sent, psprintf(UINT64_FORMAT, written)) != 0) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("not all rows of the departure can be kept on this node"),
                        errdetail(UINT64_FORMAT " of %s rows were written to %s.", written, sent,
                                  get_rel_name(arriving.catalog.*part_shapes[kind].table)),
                        errhint("Look at the triggers of that table.")));
    }
}

}  // namespace

int64_t bring_in(const Catalog& catalog, const Parcel& parcel) {
    Arriving arriving{catalog, {}, {}, parcel.id, 0, 0};
    read_columns(&arriving);
    lock_place(&arriving, parcel.service_date);
    forget_earlier_moves(arriving);
    arriving.route_id = number_of(arriving, kPartRoute, kPartRouteCall, "route_id");
    arriving.layout_id = number_of(arriving, kPartLayout, kPartCoach, "layout_id");
    const OwnWrite orders{OwnChange::kArrive, parcel.departure_id, 0, nullptr};
    execute_arriving(arriving, &orders,
                     insert_of(arriving, kPartOrder, arriving.leaf.relation, "", ""));
    require_all_rows(arriving, kPartOrder);
    const OwnWrite quotas{OwnChange::kOther, 0, 0, nullptr, catalog.reservation};
    execute_arriving(arriving, &quotas,
                     insert_of(arriving, kPartReservation, catalog.reservation, "", ""));
    require_all_rows(arriving, kPartReservation);
    for (const PartKind kind : {kPartQuestion, kPartGate}) {
        execute_arriving(
            arriving, nullptr,
            psprintf("%s ON CONFLICT DO NOTHING",
                     insert_of(arriving, kind, catalog.*part_shapes[kind].table, "", "")));
    }
    // Last, and like a departure that is written by hand: its orders are checked once more, and it
    // is loaded from the tables before its next use.
    execute_arriving(arriving, nullptr, departure_values(arriving));
    if (SPI_processed != 1) {
        report_not_written("INSERT INTO ticket_departure");
    }
    note_deadlines(catalog, parcel.departure_id);
    return parcel.departure_id;
}

}  // namespace ticketpool
