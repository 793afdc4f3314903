// ticket_withdraw: the train is cancelled.
//
// 1. The departure's row is locked and says 'withdrawn': one withdrawal at a time.
// 2. The sale status in memory becomes "withdrawn" at once (a rollback puts it back): from here on
//    no new purchase passes the check of it, because a buyer announces himself before he checks.
// 3. Whoever announced himself or pinned the departure before is waited for, interruptibly. All
//    their rows are then committed or gone. A prepared transaction may take for ever: an error.
// 4. Its quotas are given back, and every live row is refunded or cancelled. A ticket that was
//    sold from a quota frees its seat in the departure's map: the quota is closed.
#include "directory.hpp"
#include "errors.hpp"
#include "ledger.hpp"
#include "loader.hpp"
#include "order_rows.hpp"
#include "prepared.hpp"
#include "reserve.hpp"
#include "shared_memory.hpp"
#include "ticketpool/order_status.hpp"

extern "C" {
#include "executor/spi.h"
#include "storage/lock.h"
#include "storage/proc.h"
}

namespace ticketpool {
namespace {

// Does another session use the departure, in a call or in its transaction? Sets *pinner to one that
// has (or, where it has more pins than its slot shows, may have) pinned it to the end of its
// transaction, or leaves it.
bool others_use(uint32_t slot, int* pinner) {
    bool own_is_shared = true;
    int overflown = -1;
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const BackendSlot& backend = shared.backends[i];
        const bool mine = &backend == shared.mine;
        if (!mine && backend.pin_count.load(std::memory_order_acquire) > kBackendPins) {
            overflown = static_cast<int>(i);
        }
        if (!mine && backend.reading.load(std::memory_order_seq_cst) == slot + 1) {
            return true;
        }
        for (const auto& pin : backend.pins) {
            if (pin.load(std::memory_order_seq_cst) == slot + 1) {
                if (!mine) {
                    *pinner = static_cast<int>(i);
                    return true;
                }
                own_is_shared = false;
            }
        }
    }
    // After all readings: a pin is set before the reading that it replaces is cleared.
    const bool is_used =
        shared.slots[slot].shared_pins.load(std::memory_order_seq_cst) > (own_is_shared ? 1u : 0u);
    *pinner = is_used ? overflown : -1;
    return is_used;
}

// Waits for the end of another backend's transaction as one waits for a lock: a circle of such
// waits is found by the server's deadlock detector.
void wait_for_transaction(int backend) {
    VirtualTransactionId transaction;
    GET_VXID_FROM_PGPROC(transaction, ProcGlobal->allProcs[backend]);
    if (VirtualTransactionIdIsValid(transaction)) {
        VirtualXactLock(transaction, true);
    }
}

// Prepared transactions are settled or, if they are not decided, refused.
void require_none_prepared(uint32_t slot) {
    prepared_resolve(slot);
    const TransactionId xid = prepared_transaction_on(slot);
    if (TransactionIdIsValid(xid)) {
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_IN_USE),
                 errmsg("the departure is in use by a prepared transaction"),
                 errdetail("Transaction %u has claims or refunds on it and is not decided.", xid),
                 errhint("Find it in pg_prepared_xacts; COMMIT PREPARED or ROLLBACK PREPARED "
                         "it, and try again.")));
    }
}

void wait_for_others(uint32_t slot) {
    constexpr long kLongestPauseMicros = 10000;
    long pause = 100;
    int pinner = -1;
    while (others_use(slot, &pinner)) {
        CHECK_FOR_INTERRUPTS();
        require_none_prepared(slot);
        if (pinner >= 0) {
            wait_for_transaction(pinner);
            pinner = -1;
        }
        pg_usleep(pause);  // its pins go a moment after its end is visible
        pause = Min(pause * 2, kLongestPauseMicros);
    }
}

// Locks the live rows, in the order in which everybody locks an order's rows: refunds and payments
// that are under way end first, and none comes in between.
void lock_rows(const char* relation, Oid* types, Datum* values) {
    const char* sql = psprintf(
        "SELECT FROM %s WHERE departure_id = $1 AND service_date = $2 AND status IN ('held', "
        "'sold') ORDER BY order_id, ticket_no FOR NO KEY UPDATE",
        relation);
    if (SPI_execute_with_args(sql, 2, types, values, nullptr, false, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not lock the tickets of a departure");
    }
}

// Marks the row; false: it was withdrawn before.
bool mark_row(const Catalog& catalog, int64_t departure_id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(departure_id)};
    const char* sql = psprintf(
        "UPDATE %s SET status = 'withdrawn' WHERE departure_id = $1 AND status <> 'withdrawn'",
        qualified_name(catalog.departure));
    if (SPI_execute_with_args(sql, 1, types, values, nullptr, false, 0) != SPI_OK_UPDATE) {
        elog(ERROR, "could not withdraw departure " INT64_FORMAT, departure_id);
    }
    return SPI_processed > 0;
}

// Live rows that a fresh snapshot sees.
bool has_live_rows(const OrderLeaf& leaf, int64_t departure_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.live(), snapshot);
    reader_key_int64(&reader, departure_id);
    const bool found = reader_next(&reader);
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

// Notes the releases of all live tickets: read before their rows change.
uint64 release_tickets(const OrderLeaf& leaf, const DepartureRef& ref) {
    uint64 count = 0;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.live(), snapshot);
    reader_key_int64(&reader, ref.departure->departure_id);
    while (reader_next(&reader)) {
        LiveTicket ticket;
        const char* problem;
        count++;
        if (read_live_ticket(&reader, leaf, ref.departure, &ticket, &problem)) {
            ledger_reserve(1);
            ledger_add_release({ref.slot, ticket.class_index, 0, ticket.place_coach}, ticket.seat,
                               ticket.bits);
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return count;
}

uint64 refund_all(const Catalog& catalog, const DepartureRef& ref) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, ref.departure->service_date, &leaf)) {
        return 0;
    }
    const char* relation = qualified_name(leaf.direct ? leaf.relation : catalog.order);
    Oid types[] = {INT8OID, DATEOID};
    Datum values[] = {Int64GetDatum(ref.departure->departure_id),
                      DateADTGetDatum(ref.departure->service_date)};
    recycle_all(catalog, ref);
    lock_rows(relation, types, values);
    const uint64 tickets = release_tickets(leaf, ref);
    static_assert(may_become(OrderStatus::kSold, OrderStatus::kRefunded) &&
                  may_become(OrderStatus::kHeld, OrderStatus::kCancelled));
    const char* sql = psprintf(
        "UPDATE %s SET status = CASE status WHEN 'sold' THEN 'refunded' ELSE 'cancelled' END, "
        "changed_at = now() "
        "WHERE departure_id = $1 AND service_date = $2 AND status IN ('held', 'sold')",
        relation);
    if (SPI_execute_with_args(sql, 2, types, values, nullptr, false, 0) != SPI_OK_UPDATE) {
        elog(ERROR, "could not refund the tickets of departure " INT64_FORMAT,
             ref.departure->departure_id);
    }
    if (SPI_processed != tickets || has_live_rows(leaf, ref.departure->departure_id)) {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to concurrent purchases"),
                        errdetail("Tickets were sold after this transaction's snapshot was taken."),
                        errhint("Retry the transaction, at READ COMMITTED.")));
    }
    return tickets;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_withdraw) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    PreventCommandIfReadOnly("ticket_withdraw()");
    const Catalog& catalog = catalog_of(fcinfo);
    const Text train = text_of(PG_GETARG_DATUM(0));
    const int64_t departure_id = require_departure_id(catalog, train, PG_GETARG_DATEADT(1));
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    uint64 tickets = 0;
    // The row first: whoever waits for it pins nothing.
    if (mark_row(catalog, departure_id)) {
        const DepartureRef ref = directory_find_id(catalog, departure_id);
        if (ref.departure != nullptr) {
            ledger_reserve(1);
            ledger_pin(ref.slot);
            ledger_bar(ref.slot);
            directory_done();
            wait_for_others(ref.slot);
            tickets = refund_all(catalog, ref);
        }
        directory_done();
    }
    SPI_finish();
    owner_end(scope);
    PG_RETURN_INT64(static_cast<int64_t>(tickets));
}
