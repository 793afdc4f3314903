// Waiting for a departure that gets other seats: see reforming.hpp.
#include "load/reforming.hpp"

#include "load/directory.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "server/errors.hpp"

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
    ereport(ERROR, (errcode(kErrorNotOnSale),
                    errmsg("train \"%s\" of %s is being changed", printable(directory_train(ref)),
                           date_text(ref.departure->service_date)),
                    errdetail("It gets other seats, and sells nothing until that is done."),
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

}  // namespace ticketpool
