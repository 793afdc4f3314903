// The function behind the view ticket_waiting: for which departures and classes people wait, how
// long, and whether somebody is to be served.
#include "pool/directory_key.hpp"
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

enum WaitingColumn {
    kOutDeparture,
    kOutTrain,
    kOutDate,
    kOutClass,
    kOutWaits,
    kOutTickets,
    kOutOldest,
    kOutFirst,
    kOutPassed,
    kOutFirstPassed,
    kOutRead,  // columns up to here are read; the last one is the pool's
    kOutUnserved = kOutRead,
    kOutColumns
};

// Of each departure and class, and then the first in its queue, by the index of the queue.
const char* waiting_sql(const Catalog& catalog) {
    const char* option = qualified_name(catalog.wait_option);
    return psprintf(
        "SELECT g.departure_id, d.train, d.service_date, g.seat_class, g.waits, g.tickets, "
        "g.oldest, f.wait_id, g.passed, f.passed FROM (SELECT o.departure_id, o.seat_class, "
        "count(DISTINCT o.wait_id) AS waits, sum(o.need)::int8 AS tickets, min(w.created_at) AS "
        "oldest, min(o.queue_no) AS first, count(o.passed) AS passed FROM %s AS o JOIN %s AS w "
        "USING (wait_id) WHERE o.status = 'waiting' AND w.status = 'waiting' GROUP BY 1, 2) AS g "
        "LEFT JOIN %s AS d USING (departure_id) LEFT JOIN LATERAL (SELECT o.wait_id, o.passed FROM "
        "%s AS o WHERE o.status = 'waiting' AND o.departure_id = g.departure_id AND o.seat_class = "
        "g.seat_class AND o.queue_no = g.first LIMIT 1) AS f ON true ORDER BY g.departure_id, "
        "g.seat_class",
        option, qualified_name(catalog.wait), qualified_name(catalog.departure), option);
}

// Is the departure marked unserved (wait_control.hpp)? *known: it is in memory, where the lock
// keeps it meanwhile. Loads nothing.
bool is_unserved(const Catalog& catalog, int64_t departure_id, bool* known) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const uint32_t index = chain_find(key_of(catalog, departure_id));
    *known =
        index != kNoSlot &&
        state_of(shared.slots[index].version.load(std::memory_order_acquire)) == SlotState::kReady;
    const bool unserved =
        *known && WaitControl::is_unserved(shared.slots[index].departure()->waits()->look());
    LWLockRelease(shared.control->lock);
    return unserved;
}

void return_waiting(const Catalog& catalog, HeapTuple row, TupleDesc columns,
                    ReturnSetInfo* result) {
    Datum values[kOutColumns];
    bool nulls[kOutColumns];
    for (int i = 0; i < kOutRead; i++) {
        values[i] = heap_getattr(row, i + 1, columns, &nulls[i]);
    }
    bool known;
    values[kOutUnserved] =
        BoolGetDatum(is_unserved(catalog, DatumGetInt64(values[kOutDeparture]), &known));
    nulls[kOutUnserved] = !known;
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_waiting) {
    using namespace ticketpool;
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    if (execute_planned(waiting_sql(catalog), 0, nullptr, nullptr, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read who waits");
    }
    SPITupleTable* rows = SPI_tuptable;
    const uint64 count = SPI_processed;
    for (uint64 i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        return_waiting(catalog, rows->vals[i], rows->tupdesc, result);
    }
    SPI_finish();
    owner_end(scope);
    return 0;
}
