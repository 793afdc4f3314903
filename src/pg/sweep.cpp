// What runs out by itself: holds whose time is over expire, quotas return at their release_at.
// Called by the worker, and by hand as ticket_sweep().
//
// Rows that a client has locked are skipped and looked at again in the next round: a payment that
// is under way decides, and one idle client can't stop the sweep. The first ticket stands for its
// order: who wants the order's rows locks them in order of ticket number.
#include "sweep.hpp"

#include "deadlines.hpp"
#include "ledger.hpp"
#include "orders.hpp"
#include "reserve.hpp"
#include "shared_memory.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/resowner.h"
}

namespace ticketpool {
namespace {

// One thing in a subtransaction of its own: what fails (a trigger refuses, say) is reported and
// left for the next round, and does not stop the rest. False: it failed.
template <typename Work>
bool guarded(const char* what, int64_t id, Work work) {
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    volatile bool done = false;
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        work();
        ReleaseCurrentSubTransaction();
        done = true;
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
        MemoryContextSwitchTo(context);
        CurrentResourceOwner = owner;
        if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
            error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN) {
            ReThrowError(error);  // meant for the whole sweep
        }
        ereport(WARNING,
                (errcode(error->sqlerrcode),
                 errmsg("%s " INT64_FORMAT " stays as it is: %s", what, id, error->message)));
        FreeErrorData(error);
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return done;
}

// Does `work` on each id that the query returns; how many went well. *failed counts the others.
template <typename Work>
int for_each_due(const char* what, const char* sql, SweepState* state, int* failed, Work work) {
    if (SPI_execute(sql, false, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read what ran out");
    }
    SPITupleTable* rows = SPI_tuptable;
    const int count = static_cast<int>(SPI_processed);
    int done = 0;
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        bool is_null;
        const int64_t id = DatumGetInt64(SPI_getbinval(rows->vals[i], rows->tupdesc, 1, &is_null));
        done += guarded(what, id, [&work, id] { work(id); }) ? 1 : 0;
    }
    state->found += count;
    *failed += count - done;
    return done;
}

int expire_holds(const Catalog& catalog, SweepState* state, int limit) {
    const char* sql = psprintf(
        "SELECT order_id FROM %s WHERE status = 'held' AND held_until <= clock_timestamp() AND "
        "ticket_no = 1 ORDER BY held_until LIMIT %d OFFSET %d FOR NO KEY UPDATE SKIP LOCKED",
        qualified_name(catalog.order), limit, state->failed_holds);
    return for_each_due("hold", sql, state, &state->failed_holds, [&catalog](int64_t order_id) {
        Order order;
        lock_order(catalog, order_id, TicketNos{nullptr}, &order);
        set_status(&order, OrderStatus::kHeld, OrderStatus::kExpired);
    });
}

int return_quotas(const Catalog& catalog, SweepState* state, int limit) {
    const char* sql = psprintf(
        "SELECT reservation_id FROM %s WHERE status = 'open' AND release_at <= clock_timestamp() "
        "ORDER BY release_at LIMIT %d OFFSET %d FOR UPDATE SKIP LOCKED",
        qualified_name(catalog.reservation), limit, state->failed_quotas);
    return for_each_due("reservation", sql, state, &state->failed_quotas,
                        [&catalog](int64_t reservation_id) { recycle(catalog, reservation_id); });
}

}  // namespace

int sweep_batch(const Catalog& catalog, SweepState* state, int limit) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const int count = expire_holds(catalog, state, limit) + return_quotas(catalog, state, limit);
    SPI_finish();
    owner_end(scope);
    return count;
}

TimestampTz next_deadline(const Catalog& catalog) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const char* sql = psprintf(
        "SELECT least((SELECT min(held_until) FROM %s WHERE status = 'held'), "
        "(SELECT min(release_at) FROM %s WHERE status = 'open'))",
        qualified_name(catalog.order), qualified_name(catalog.reservation));
    if (SPI_execute(sql, false, 1) != SPI_OK_SELECT || SPI_processed != 1) {
        elog(ERROR, "could not read the next deadline");
    }
    bool is_null;
    const Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    const TimestampTz deadline = is_null ? INT64_MAX : DatumGetTimestampTz(value);
    SPI_finish();
    owner_end(scope);
    return deadline;
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_sweep) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_sweep()");
    constexpr int kMostByHand = 500;
    SweepState state{};
    PG_RETURN_INT32(sweep_batch(catalog_of(fcinfo), &state, kMostByHand));
}
