// ticket_withdraw: the train is cancelled.
//
// 1. The departure's row is updated to 'withdrawn', which locks it: one withdrawal at a time.
// 2. Earlier transactions that changed the row store what they noted of its sale words; this
//    session waits for them (wait_for_sale_turn).
// 3. The sale status in memory becomes "withdrawn" at once; a rollback restores it. From here on no
//    new purchase passes the check of the status, because a buyer announces the departure before it
//    checks.
// 4. This session waits, interruptibly, for every session that announced or pinned the departure
//    before. All their rows are then committed or gone. A prepared transaction could take for ever,
//    so it is an error.
// 5. The departure's quotas are given back, and every live row is refunded or cancelled, with an
//    event for each. A ticket that was sold from a quota frees its seat in the departure's map,
//    because the quota is closed.
// 6. Whoever waits for the departure waits for it no more.
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/shared_memory.hpp"
#include "pool/waiting.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/progress.hpp"
#include "tables/events.hpp"
#include "tables/live_rows.hpp"
#include "tables/own_writes.hpp"
#include "tables/wait_ends.hpp"
#include "ticketpool/order_status.hpp"
#include "tickets/reserve.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// Locks the live rows, in the order in which all sessions lock an order's rows. Refunds and
// payments that are under way end first, and no other comes in between.
void lock_rows(const char* relation, Oid* types, Datum* values) {
    const char* sql = psprintf(
        "SELECT FROM %s WHERE departure_id = $1 AND service_date = $2 AND status IN ('held', "
        "'sold') ORDER BY order_id, ticket_no FOR NO KEY UPDATE",
        relation);
    if (SPI_execute_with_args(sql, 2, types, values, nullptr, false, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not lock the tickets of a departure");
    }
}

// Marks the departure's row; false: it was withdrawn already.
bool mark_row(const Catalog& catalog, int64_t departure_id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(departure_id)};
    const char* sql = psprintf(
        "UPDATE %s SET status = 'withdrawn' WHERE departure_id = $1 AND status <> 'withdrawn'",
        qualified_name(catalog.departure));
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, catalog.departure};
    if (execute_own(write, false, sql, 1, types, values, nullptr) != SPI_OK_UPDATE) {
        report_not_written(sql);
    }
    return was_changed(sql, catalog.departure, "departure_id", departure_id,
                       "status <> 'withdrawn'", "status = 'withdrawn'");
}

// Notes the releases of all live tickets, which are read before their rows change. Returns the
// number of live rows.
uint64 release_tickets(const OrderLeaf& leaf, const DepartureRef& ref) {
    uint64 count = 0;
    for_each_live_row(leaf, ref.departure, [&](TupleTableSlot*, const LiveTicket* ticket) {
        count++;
        if (ticket != nullptr) {
            ledger_reserve(1);
            ledger_add_release({ref.slot, ticket->class_index, 0, ticket->place_coach},
                               ticket->seat, ticket->bits);
        }
    });
    return count;
}

// One for each live ticket, before its row changes.
void write_withdrawn(const Catalog& catalog, const char* relation, Oid* types, Datum* values) {
    const char* query = psprintf(
        "SELECT 'withdrawn', order_id, ticket_no, departure_id, jsonb_build_object('status', "
        "CASE status WHEN 'sold' THEN 'refunded' ELSE 'cancelled' END) FROM %s "
        "WHERE departure_id = $1 AND service_date = $2 AND status IN ('held', 'sold') "
        "ORDER BY order_id, ticket_no",
        relation);
    write_events_of(catalog, query, 2, types, values);
}

uint64 refund_all(const Catalog& catalog, const DepartureRef& ref) {
    OrderLeaf leaf;
    if (!lock_order_leaf(catalog, ref.departure->service_date, RowExclusiveLock, &leaf)) {
        return 0;
    }
    const char* relation = qualified_name(leaf.direct ? leaf.relation : catalog.order);
    Oid types[] = {INT8OID, DATEOID};
    Datum values[] = {Int64GetDatum(ref.departure->departure_id),
                      DateADTGetDatum(ref.departure->service_date)};
    recycle_all(catalog, ref);
    lock_rows(relation, types, values);
    const uint64 tickets = release_tickets(leaf, ref);
    write_withdrawn(catalog, relation, types, values);
    static_assert(may_become(OrderStatus::kSold, OrderStatus::kRefunded) &&
                  may_become(OrderStatus::kHeld, OrderStatus::kCancelled));
    const char* sql = psprintf(
        "UPDATE %s SET status = CASE status WHEN 'sold' THEN 'refunded' ELSE 'cancelled' END, "
        "changed_at = now() "
        "WHERE departure_id = $1 AND service_date = $2 AND status IN ('held', 'sold')",
        relation);
    const OwnWrite write{OwnChange::kEnd, ref.departure->departure_id, 0, nullptr};
    if (execute_own(write, false, sql, 2, types, values, nullptr) != SPI_OK_UPDATE) {
        report_not_written(sql);
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
    const Progress progress = progress_begin(ProgressCommand::kWithdraw, ProgressPhase::kClaims,
                                             train_and_day(train, PG_GETARG_DATEADT(1)));
    lock_orders(catalog, RowExclusiveLock);
    const int64_t departure_id = require_departure_id(catalog, train, PG_GETARG_DATEADT(1));
    refuse_prepared_change(catalog, departure_id);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    uint64 tickets = 0;
    // Change the row first: a session that waits for the row pins nothing.
    if (mark_row(catalog, departure_id)) {
        const DepartureRef ref = find_settled(catalog, departure_id);
        if (ref.departure != nullptr) {
            ledger_reserve(1);
            pin_slot(ref.slot);
            end_announcement();
            wait_for_sale_turn(ref.slot);
            ledger_bar(ref.slot);
            wait_for_others(ref.slot, OfPrepared::kRefuse);
            progress_phase(progress, ProgressPhase::kRefunds);
            tickets = refund_all(catalog, ref);
        }
        end_announcement();
        end_options_of(catalog, departure_id);
    }
    SPI_finish();
    owner_end(scope);
    progress_end(progress);
    PG_RETURN_INT64(static_cast<int64_t>(tickets));
}
