// ticket_move_out and ticket_move_back: a departure leaves this node, or stays after all.
//
// ticket_move_out, in one transaction:
//
// 1. The departure's row is locked: one change of the departure at a time.
// 2. If it is on sale, its status in memory becomes "moving" at once; a rollback restores it. From
//    here on no purchase passes the check of the status, as in ticket_withdraw.
// 3. The session waits for every session that announced or pinned the departure before: their rows
//    are then committed or gone. Prepared transactions: 55006.
// 4. The order rows are locked, in the order in which all sessions lock them. A refund that comes
//    now waits, and finds its row gone: "has moved" (moved_away.hpp). All waits of steps 1 to 4
//    together end kMoveWaitMillis after the call began (55P03), because until then nobody can buy;
//    the rollback lets the sale go on. And whoever called does not wait much longer: a departure
//    must not leave when its caller has given up and has found no parcel to take back.
// 5. The rows are copied into the parts of the parcel, and deleted. Nothing is released in the
//    pool: from the commit on the departure in memory is stale, and the next session that looks for
//    it drops it, after the last late release of a refund, whose pin it waits for.
#include "follow/commit_marks.hpp"
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "nodes/parcel.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/shared_memory.hpp"
#include "pool/waiting.hpp"
#include "server/errors.hpp"
#include "server/plans.hpp"
#include "server/progress.hpp"
#include "tables/departure_rows.hpp"
#include "tables/node_number.hpp"
#include "tables/order_leaf.hpp"
#include "tables/own_writes.hpp"
#include "tables/wait_queue.hpp"

namespace ticketpool {
namespace {

// $1 the parcel, $2 its next part, $3 the id that the rows have, $4 the day.
constexpr int kArguments = 4;

struct Leaving {
    const Catalog& catalog;
    pg_uuid_t id;
    int64_t departure_id;
    DateADT date;
    OrderLeaf leaf;
    int32_t parts;
};

uint64 execute_leaving(const Leaving& leaving, const OwnWrite* own, const char* sql, int64_t id) {
    Oid types[kArguments] = {UUIDOID, INT4OID, INT8OID, DATEOID};
    Datum values[kArguments] = {UUIDPGetDatum(&leaving.id), Int32GetDatum(leaving.parts),
                                Int64GetDatum(id), DateADTGetDatum(leaving.date)};
    const int result = own == nullptr
                           ? execute_planned(sql, kArguments, types, values, nullptr)
                           : execute_own(*own, true, sql, kArguments, types, values, nullptr);
    if (result < 0) {
        elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
    }
    return SPI_processed;
}

constexpr const char* kOrderRows = "departure_id = $3 AND service_date = $4";

// Copies the rows of a kind that meet the condition into parts of at most 500.
void pack(Leaving* leaving, PartKind kind, Oid table, const char* condition, int64_t id) {
    leaving->parts += static_cast<int32_t>(execute_leaving(
        *leaving, nullptr,
        psprintf("INSERT INTO %s (parcel, part_no, kind, rows) "
                 "SELECT $1, $2 + c.part, '%s', json_agg(c.r ORDER BY c.i)::text FROM "
                 "(SELECT ((row_number() OVER () - 1) / 500)::int4 AS part, "
                 "row_number() OVER () AS i, row_to_json(t) AS r FROM "
                 "(SELECT %s FROM %s WHERE %s) AS t) AS c GROUP BY c.part",
                 qualified_name(leaving->catalog.parcel_part), part_shapes[kind].name,
                 travelling_columns(leaving->catalog, kind), qualified_name(table), condition),
        id));
}

void pack_rows(Leaving* leaving, const DepartureRow& row) {
    const Catalog& catalog = leaving->catalog;
    pack(leaving, kPartRoute, catalog.route, "route_id = $3", row.route_id);
    pack(leaving, kPartRouteCall, catalog.route_call, "route_id = $3", row.route_id);
    pack(leaving, kPartLayout, catalog.layout, "layout_id = $3", row.layout_id);
    pack(leaving, kPartCoach, catalog.layout_coach, "layout_id = $3", row.layout_id);
    pack(leaving, kPartDeparture, catalog.departure, "departure_id = $3", row.departure_id);
    pack(leaving, kPartReservation, catalog.reservation, "departure_id = $3", row.departure_id);
    pack(leaving, kPartOrder, leaving->leaf.relation, kOrderRows, row.departure_id);
    // An item may have the departure's number, and its own questions.
    const char* of_departure =
        psprintf("item_id = $3 AND NOT EXISTS (SELECT FROM %s AS i WHERE i.item_id = $3)",
                 qualified_name(catalog.inventory));
    for (const PartKind kind : {kPartQuestion, kPartGate}) {
        const Oid table = catalog.*part_shapes[kind].table;
        pack(leaving, kind, table, of_departure, row.departure_id);
        execute_leaving(*leaving, nullptr,
                        psprintf("DELETE FROM %s WHERE %s", qualified_name(table), of_departure),
                        row.departure_id);
    }
}

// What the node keeps to say that they have moved.
void keep_ids(const Leaving& leaving) {
    const Catalog& catalog = leaving.catalog;
    execute_leaving(
        leaving, nullptr,
        psprintf("INSERT INTO %s (id, kind, parcel) SELECT DISTINCT order_id, 'order', $1 FROM %s "
                 "WHERE %s UNION ALL SELECT reservation_id, 'reservation', $1 FROM %s WHERE "
                 "departure_id = $3 UNION ALL SELECT $3, 'departure', $1",
                 qualified_name(catalog.moved), qualified_name(leaving.leaf.relation), kOrderRows,
                 qualified_name(catalog.reservation)),
        leaving.departure_id);
}

void delete_rows(const Leaving& leaving, uint64 locked) {
    const Catalog& catalog = leaving.catalog;
    const OwnWrite orders{OwnChange::kLeave, leaving.departure_id, 0, nullptr};
    const char* sql =
        psprintf("DELETE FROM %s WHERE %s", qualified_name(leaving.leaf.relation), kOrderRows);
    const uint64 deleted = execute_leaving(leaving, &orders, sql, leaving.departure_id);
    if (deleted != locked || has_live_rows(leaving.leaf, leaving.departure_id)) {
        ereport(ERROR,
                (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                 errmsg("could not serialize access due to concurrent changes of orders"),
                 errdetail("Rows of the departure were written while it was being moved, or a "
                           "trigger has kept some of them."),
                 errhint("Try again, at READ COMMITTED.")));
    }
    for (const Oid table : {catalog.reservation, catalog.departure}) {
        const OwnWrite own{OwnChange::kOther, 0, 0, nullptr, table};
        const char* others =
            psprintf("DELETE FROM %s WHERE departure_id = $3", qualified_name(table));
        const uint64 count = execute_leaving(leaving, &own, others, leaving.departure_id);
        if (table == catalog.departure && count != 1) {
            report_not_written(others);
        }
    }
}

// Part 0 is the header, which the target knows the parcel by.
void write_parcel(const Leaving& leaving, const DepartureRow& row, int32_t to_node) {
    const Catalog& catalog = leaving.catalog;
    Oid types[] = {UUIDOID, TEXTOID, DATEOID, INT8OID, INT4OID, INT4OID, TEXTOID};
    Datum values[] = {UUIDPGetDatum(&leaving.id),
                      CStringGetTextDatum(row.train),
                      DateADTGetDatum(row.service_date),
                      Int64GetDatum(row.departure_id),
                      Int32GetDatum(to_node),
                      Int32GetDatum(leaving.parts),
                      CStringGetTextDatum(columns_of_node(catalog))};
    const char* sql = psprintf(
        "WITH p AS (INSERT INTO %s (parcel, direction, train, service_date, departure_id, "
        "to_node, state, parts) VALUES ($1, 'out', $2, $3, $4, $5, 'packed', $6)) "
        "INSERT INTO %s (parcel, part_no, kind, rows) SELECT $1, 0, 'header', "
        "json_build_object('train', $2, 'service_date', $3, 'departure_id', $4, 'to_node', "
        "$5, 'parts', $6, 'columns', $7::json)::text",
        qualified_name(catalog.parcel), qualified_name(catalog.parcel_part));
    if (execute_planned(sql, lengthof(types), types, values, nullptr) != SPI_OK_INSERT ||
        SPI_processed != 1) {
        report_not_written(sql);
    }
}

[[noreturn]] void report_in_use(const DepartureRow& row) {
    ereport(
        ERROR,
        (errcode(ERRCODE_LOCK_NOT_AVAILABLE),
         errmsg("train \"%s\" of %s cannot be moved yet", row.train, date_text(row.service_date)),
         errdetail("Transactions that have claims, refunds or locks on it did not end in %d ms.",
                   kMoveWaitMillis),
         errhint("Try again; ticket_inflight and pg_locks show them.")));
}

// 55006 if somebody waits for the departure.
void require_no_waiters(const Catalog& catalog, const DepartureRow& row) {
    if (has_waiters(catalog, row.departure_id)) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                        errmsg("train \"%s\" of %s has a waiting list", row.train,
                               date_text(row.service_date)),
                        errdetail("Open options of waits stay on the node that they are on."),
                        errhint("Let the waits end, or cancel them with ticket_wait_cancel, and "
                                "move the departure then; ticket_wait_option has them.")));
    }
}

// Bars claims, and waits for those in flight.
void bar(const Catalog& catalog, const DepartureRow& row, TimestampTz until) {
    const DepartureRef ref = find_settled(catalog, row.departure_id);
    if (ref.departure == nullptr) {
        end_announcement();
        return;
    }
    ledger_reserve(1);
    pin_slot(ref.slot);
    end_announcement();
    wait_for_sale_turn(ref.slot);
    if (ref.departure->status.load(std::memory_order_relaxed) == SaleStatus::kOpen) {
        ledger_bar_moving(ref.slot);
    }
    if (!wait_for_others_until(ref.slot, OfPrepared::kRefuse, until)) {
        report_in_use(row);
    }
}

// Locks the departure's row. False: it is gone, or is not sold under this name any more.
bool lock_departure(const Leaving& leaving, Text train, DepartureRow* row) {
    const Catalog& catalog = leaving.catalog;
    if (execute_leaving(leaving, nullptr,
                        psprintf("SELECT FROM %s WHERE departure_id = $3 AND service_date = $4 "
                                 "FOR UPDATE",
                                 qualified_name(catalog.departure)),
                        leaving.departure_id) != 1) {
        return false;
    }
    return read_own_departure_row(catalog, leaving.departure_id, row) &&
           same_text({row->train, strlen(row->train)}, train);
}

// The number of parts of a parcel that has been packed before, or -1. 22023: with other rows, or
// for another node.
int32_t parts_of(const Catalog& catalog, const pg_uuid_t& id, Text train, DateADT date,
                 int32_t to_node) {
    const Parcel parcel = lock_parcel(catalog, id);
    if (parcel.found && !parcel.out) {
        report_parcel_state(parcel, _("Use another id for a new move."));
    }
    if (parcel.found &&
        (parcel.train == nullptr || !same_text({parcel.train, strlen(parcel.train)}, train) ||
         parcel.service_date != date || parcel.to_node != to_node)) {
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the parcel is that of another move"),
             errdetail("It has departure " INT64_FORMAT " of %s, and goes to node %d.",
                       parcel.departure_id, date_text(parcel.service_date), parcel.to_node),
             errhint("Use another id for a new move.")));
    }
    return parcel.found ? parcel.parts : -1;
}

void check_target(const Catalog& catalog, int32_t to_node) {
    if (to_node < 1 || to_node > kMostNodes || to_node == node_number(catalog)) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("to_node is not the number of another node"),
                        errdetail("It is %d, and this node has the number %d.", to_node,
                                  node_number(catalog)),
                        errhint("Pass the number of the node that is to have the departure.")));
    }
}

int32_t move_out(const Catalog& catalog, const pg_uuid_t& id, Text train, DateADT date,
                 int32_t to_node, TimestampTz until, const Progress& progress) {
    check_target(catalog, to_node);
    int32_t parts = parts_of(catalog, id, train, date, to_node);
    if (parts >= 0) {
        return parts;
    }
    Leaving leaving{catalog, id, require_departure_id(catalog, train, date), date, OrderLeaf{}, 1};
    refuse_prepared_change(catalog, leaving.departure_id);
    if (!lock_order_leaf(catalog, date, RowExclusiveLock, &leaving.leaf)) {
        require_order_leaf(catalog, date);
    }
    DepartureRow row;
    if (!lock_departure(leaving, train, &row)) {
        // A repeat that came while the first call was at work
        parts = parts_of(catalog, id, train, date, to_node);
        if (parts < 0) {
            report_no_departure(catalog, train, date);
        }
        return parts;
    }
    require_no_waiters(catalog, row);  // before the sale is stopped
    bar(catalog, row, until);
    require_no_waiters(catalog, row);
    const uint64 locked =
        execute_leaving(leaving, nullptr,
                        psprintf("SELECT FROM %s WHERE %s ORDER BY order_id, ticket_no FOR UPDATE",
                                 qualified_name(leaving.leaf.relation), kOrderRows),
                        leaving.departure_id);
    if (GetCurrentTimestamp() >= until) {
        report_in_use(row);
    }
    progress_phase(progress, ProgressPhase::kPacking, static_cast<int64_t>(locked));
    pack_rows(&leaving, row);
    keep_ids(leaving);
    delete_rows(leaving, locked);
    write_parcel(leaving, row, to_node);
    directory_note_own_names();
    stale_at_commit(catalog, leaving.departure_id);
    return leaving.parts;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_move_out) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "parcel");
    require_argument(fcinfo, 1, "train");
    require_argument(fcinfo, 2, "service_date");
    require_argument(fcinfo, 3, "to_node");
    PreventCommandIfReadOnly("ticket_move_out()");
    const Catalog& catalog = catalog_of(fcinfo);
    const TimestampTz until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), kMoveWaitMillis);
    const Text train = text_of(PG_GETARG_DATUM(1));
    const DateADT date = PG_GETARG_DATEADT(2);
    const Progress progress = progress_begin(ProgressCommand::kMoveOut, ProgressPhase::kClaims,
                                             train_and_day(train, date));
    lock_orders(catalog, RowExclusiveLock);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    const int32_t parts = move_out(catalog, *DatumGetUUIDP(PG_GETARG_DATUM(0)), train, date,
                                   PG_GETARG_INT32(3), until, progress);
    parcel_end(scope);
    progress_end(progress);
    PG_RETURN_INT32(parts);
}

TICKETPOOL_FUNCTION(ticket_move_back) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "parcel");
    require_argument(fcinfo, 1, "refused");
    PreventCommandIfReadOnly("ticket_move_back()");
    const Catalog& catalog = catalog_of(fcinfo);
    const pg_uuid_t id = *DatumGetUUIDP(PG_GETARG_DATUM(0));
    const Progress progress = progress_begin(ProgressCommand::kMoveBack, ProgressPhase::kUnpacking);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    const Parcel parcel = lock_parcel(catalog, id);
    progress_object(progress, name_of_parcel(parcel));
    if (parcel.found) {
        const bool may = parcel.out && (is_state(parcel, "packed") ||
                                        (PG_GETARG_BOOL(1) && is_state(parcel, "handed")));
        if (!may) {
            report_parcel_state(parcel, _("Only what the target has refused can be taken back."));
        }
        bring_in(catalog, parcel);
        drop_parcel(catalog, id);
    }
    parcel_end(scope);
    progress_end(progress);
    PG_RETURN_BOOL(parcel.found);
}
