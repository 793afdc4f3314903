// ticket_wait_status: the trips of a wait, how many are ahead of each, and why it has no ticket
// yet. Changes and locks nothing, so it answers on a standby as well.
#include "load/directory.hpp"
#include "pool/claim.hpp"
#include "pool/ledger.hpp"
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"
#include "tables/wait_queue.hpp"
#include "tables/wait_rows.hpp"
#include "tickets/on_sale.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// The columns of the result, less the reason, and what the reason depends on.
enum StatusColumn {
    kStatOption = 1,
    kStatTrain,
    kStatDate,
    kStatFrom,
    kStatTo,
    kStatClass,
    kStatAhead,
    kStatResults = kStatAhead,
    kStatStatus,
    kStatPassed,
    kStatDeparture,
    kStatFromStop,
    kStatToStop,
    kStatChannel,
    kStatNeed
};

// The wait's options, in their order, and those of others that come before each.
const char* status_sql(const Catalog& catalog) {
    return psprintf(
        "SELECT o.option_no, d.train, d.service_date, r.stations[array_position(r.stop_nos, "
        "o.from_stop)], r.stations[array_position(r.stop_nos, o.to_stop)], o.seat_class, (SELECT "
        "count(*)::int4 FROM %s AS p WHERE p.status = 'waiting' AND p.departure_id = "
        "o.departure_id AND p.seat_class = o.seat_class AND p.from_stop < o.to_stop AND p.to_stop "
        "> o.from_stop AND p.queue_no < o.queue_no AND p.wait_id <> o.wait_id), o.status, "
        "o.passed, o.departure_id, o.from_stop, o.to_stop, o.channel, o.need FROM %s AS o LEFT "
        "JOIN %s AS d USING (departure_id) LEFT JOIN %s AS r USING (route_id) WHERE o.wait_id = $1 "
        "ORDER BY o.option_no",
        qualified_name(catalog.wait_option), qualified_name(catalog.wait_option),
        qualified_name(catalog.departure), qualified_name(catalog.route));
}

struct StatusRow {
    TupleDesc columns;
    HeapTuple tuple;
};

Datum column(const StatusRow& row, StatusColumn number, bool* is_null) {
    return heap_getattr(row.tuple, number, row.columns, is_null);
}

int32_t int_column(const StatusRow& row, StatusColumn number) {
    bool is_null;
    return DatumGetInt32(column(row, number, &is_null));
}

// Why an open option has no ticket, as far as the seats of its departure say.
const char* reason_of_seats(const DepartureRef& ref, const StatusRow& row) {
    bool is_null;
    const Route* route = route_of(ref);
    const Trip trip{route->find_stop(int_column(row, kStatFromStop)),
                    route->find_stop(int_column(row, kStatToStop))};
    const Text seat_class = text_of(column(row, kStatClass, &is_null));
    const int class_index = ref.departure->layout->find_class(seat_class.data, seat_class.length);
    if (trip.from < 0 || trip.to <= trip.from || class_index < 0) {
        return "the departure has no such stops or no such class any more";
    }
    if (!shows_seats(ref, trip)) {
        return "not on sale";
    }
    const Datum channel = column(row, kStatChannel, &is_null);
    const uint32_t free = count_remaining(ref, static_cast<uint32_t>(class_index), trip,
                                          is_null ? Text{nullptr, 0} : text_of(channel));
    const int32_t need = int_column(row, kStatNeed);
    return free == 0                ? "sold out"
           : meets_need(free, need) ? "seats are free, and it is to be served"
                                    : psprintf("%u of %d seats are free", free, need);
}

const char* reason_of(const Catalog& catalog, const StatusRow& row, bool in_use) {
    bool not_passed;
    bool is_null;
    const Text status = text_of(column(row, kStatStatus, &is_null));
    if (!same_text(status, {"waiting", 7})) {
        return text_to_cstring(DatumGetTextPP(column(row, kStatStatus, &is_null)));
    }
    if (in_use) {
        return "being served or changed by a running transaction";
    }
    const Datum passed = column(row, kStatPassed, &not_passed);
    if (!not_passed) {
        return text_to_cstring(DatumGetTextPP(passed));
    }
    const DepartureRef ref =
        directory_find_id(catalog, DatumGetInt64(column(row, kStatDeparture, &is_null)));
    const char* reason =
        ref.departure == nullptr ? "its departure is gone" : reason_of_seats(ref, row);
    end_announcement();
    return reason;
}

// The wait's options as they are now, in the memory of the caller.
StatusRow* read_status(const Catalog& catalog, int64_t wait_id, int* count) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(wait_id)};
    MemoryContext outer = CurrentMemoryContext;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    Snapshot snapshot = take_fresh_snapshot();
    if (execute_planned(status_sql(catalog), 1, types, values, nullptr, snapshot) !=
        SPI_OK_SELECT) {
        elog(ERROR, "could not read the options of wait " INT64_FORMAT, wait_id);
    }
    drop_snapshot(snapshot);
    MemoryContext inner = MemoryContextSwitchTo(outer);
    StatusRow* rows = static_cast<StatusRow*>(palloc(Max(SPI_processed, 1) * sizeof(StatusRow)));
    TupleDesc columns = CreateTupleDescCopy(SPI_tuptable->tupdesc);
    for (uint64 i = 0; i < SPI_processed; i++) {
        rows[i] = StatusRow{columns, heap_copytuple(SPI_tuptable->vals[i])};
    }
    *count = static_cast<int>(SPI_processed);
    MemoryContextSwitchTo(inner);
    SPI_finish();
    owner_end(scope);
    return rows;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_wait_status) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "wait_id");
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    const int64_t wait_id = PG_GETARG_INT64(0);
    const WaitState wait = look_at_wait(catalog, wait_id);
    if (!wait.exists) {
        report_no_wait(wait_id);
    }
    int count;
    const StatusRow* rows = read_status(catalog, wait_id, &count);
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        Datum values[kStatResults + 1];
        bool nulls[kStatResults + 1] = {};
        for (int c = 0; c < kStatResults; c++) {
            values[c] = column(rows[i], static_cast<StatusColumn>(c + 1), &nulls[c]);
        }
        values[kStatResults] = CStringGetTextDatum(reason_of(catalog, rows[i], wait.in_use));
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return 0;
}
