// Waiting for a departure that gets other seats: see reforming.hpp.
#include "load/reforming.hpp"

#include "load/directory.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/waiting.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr long kLongestPauseMicros = 10000;

// The session has announced nothing that is not pinned.
void pause_once(long* pause) {
    end_announcement();
    CHECK_FOR_INTERRUPTS();
    pg_usleep(*pause);
    *pause = Min(*pause * 2, kLongestPauseMicros);
}

template <typename Find>
DepartureRef find_when_unbarred(Find find) {
    long pause = 100;
    TimestampTz until = 0;
    for (;;) {
        const DepartureRef ref = find();
        if (likely(ref.departure == nullptr || !is_barred(ref)) || is_pinned(ref.slot)) {
            return ref;
        }
        const TimestampTz now = GetCurrentTimestamp();
        until = until == 0 ? TimestampTzPlusMilliseconds(now, kReformWaitMillis) : until;
        if (now >= until) {
            return ref;
        }
        pause_once(&pause);
    }
}

}  // namespace

DepartureRef find_unbarred(const Catalog& catalog, Text train, DateADT date) {
    return find_when_unbarred([&] { return directory_find(catalog, train, date); });
}

DepartureRef find_unbarred(const Catalog& catalog, int64_t departure_id) {
    return find_when_unbarred([&] { return directory_find_id(catalog, departure_id); });
}

void report_barred(const DepartureRef& ref) {
    // A withdrawn departure gets no other seats.
    const bool is_leaving =
        ref.departure->status.load(std::memory_order_relaxed) == SaleStatus::kWithdrawn;
    ereport(ERROR, (errcode(kErrorNotOnSale),
                    errmsg("train \"%s\" of %s is being changed", printable(directory_train(ref)),
                           date_text(ref.departure->service_date)),
                    is_leaving ? errdetail("It is deleted, or gets another id, date, stop list or "
                                           "layout, and sells nothing until that is done.")
                               : errdetail("It gets other seats, and sells nothing until that is "
                                           "done."),
                    ledger_is_reforming(ref.slot)
                        ? errhint("Commit the transaction that has called ticket_reform first.")
                        : errhint("Try again.")));
}

bool is_replaced(uint32_t slot) {
    return unlikely(shared.slots[slot].departure()->seat_change.load(std::memory_order_seq_cst) ==
                    SeatChange::kUnderWay) &&
           !ledger_is_reforming(slot);
}

DepartureRef find_settled(const Catalog& catalog, int64_t departure_id) {
    long pause = 10;
    for (;;) {
        const DepartureRef ref = directory_find_id(catalog, departure_id);
        if (ref.departure == nullptr || !is_replaced(ref.slot)) {
            return ref;
        }
        pause_once(&pause);
    }
}

DepartureRef find_at_rest(const Catalog& catalog, int64_t departure_id) {
    long pause = 10;
    for (;;) {
        const DepartureRef ref = directory_find_id(catalog, departure_id);
        // What this transaction has pinned may be an old departure that nobody else finds any more.
        if (ref.departure == nullptr || !is_barred(ref) ||
            (is_pinned(ref.slot) && !is_replaced(ref.slot))) {
            return ref;
        }
        pause_once(&pause);
    }
}

void bar_claims(uint32_t slot) {
    if (!ledger_is_reforming(slot)) {
        ledger_reserve(1);
        ledger_bar_reform(slot);
        wait_for_others(slot, OfPrepared::kRefuse);
    }
}

uint64 lock_rows_of(Oid table, int64_t departure_id, DateADT date, const char* rest) {
    Oid types[] = {INT8OID, DATEOID};
    Datum values[] = {Int64GetDatum(departure_id), DateADTGetDatum(date)};
    const char* sql = psprintf("SELECT FROM %s WHERE departure_id = $1 AND service_date = $2 %s",
                               qualified_name(table), rest);
    const int result = execute_planned(sql, 2, types, values, nullptr);
    if (result != SPI_OK_SELECT) {
        elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
    }
    return SPI_processed;
}

LiveRowCounts lock_live_rows(const Catalog& catalog, const OrderLeaf& leaf, uint32_t slot) {
    Departure* departure = shared.slots[slot].departure();
    const int64_t id = departure->departure_id;
    const DateADT date = departure->service_date;
    LiveRowCounts locked;
    locked.tickets = lock_rows_of(
        leaf.direct ? leaf.relation : catalog.order, id, date,
        "AND status IN ('held', 'sold') ORDER BY order_id, ticket_no FOR NO KEY UPDATE");
    locked.quotas = lock_rows_of(catalog.reservation, id, date,
                                 "AND status = 'open' ORDER BY reservation_id FOR UPDATE");
    departure->seat_change.store(SeatChange::kUnderWay, std::memory_order_seq_cst);
    return locked;
}

}  // namespace ticketpool
