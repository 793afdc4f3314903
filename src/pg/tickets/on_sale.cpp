// The sale of a departure at this moment: by its status and its sale times.
#include "tickets/on_sale.hpp"

#include "load/directory.hpp"
#include "pool/ledger.hpp"
#include "server/errors.hpp"
#include "tables/epoch.hpp"
#include "tables/moved_away.hpp"
#include "tickets/trip_end.hpp"

namespace ticketpool {

namespace {

enum class Sale { kOpen, kTooEarly, kTooLate, kClosed, kMoving };

Sale sale_state(const DepartureRef& ref) {
    const SaleStatus status = ledger_status(ref.slot, ref.departure);
    if (status != SaleStatus::kOpen && status != SaleStatus::kMoving) {
        return Sale::kClosed;
    }
    const TimestampTz now = GetCurrentTimestamp();
    const TimestampTz opens_at = ref.departure->opens_at.load(std::memory_order_relaxed);
    const TimestampTz closes_at = ref.departure->closes_at.load(std::memory_order_relaxed);
    return now < opens_at                             ? Sale::kTooEarly
           : closes_at != kNoTime && now >= closes_at ? Sale::kTooLate
           : status == SaleStatus::kMoving            ? Sale::kMoving
                                                      : Sale::kOpen;
}

bool has_partition(const DepartureRef& ref) {
    return (shared.slots[ref.slot].epoch.load(std::memory_order_relaxed) & kNoPartition) == 0;
}

[[noreturn]] void report_moving(const DepartureRef& ref) {
    ereport(ERROR,
            (errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
             errmsg("train \"%s\" of %s is being moved to another node",
                    printable(directory_train(ref)), date_text(ref.departure->service_date)),
             errdetail("It sells nothing until it has been moved, which takes seconds."),
             errhint("Try again."), err_generic_string(PG_DIAG_CONSTRAINT_NAME, kMovingField)));
}

[[noreturn]] void report_over(const DepartureRef& ref, int stop) {
    const Route* route = route_of(ref);
    ereport(ERROR, (errcode(kErrorNotOnSale),
                    errmsg("train \"%s\" of %s is not on sale any more from \"%s\"",
                           printable(directory_train(ref)), date_text(ref.departure->service_date),
                           printable(text_of(route->head, route->stops()[stop].station))),
                    errdetail("The sale of this trip ended at %s.",
                              timestamptz_to_str(sale_end_at(ref, stop))),
                    errhint("Choose another train.")));
}

}  // namespace

bool is_on_sale(const DepartureRef& ref, Trip trip) {
    if (!has_partition(ref)) {
        return false;
    }
    const Sale state = sale_state(ref);
    if (unlikely(state == Sale::kMoving)) {
        report_moving(ref);
    }
    return state == Sale::kOpen && !is_over_at(ref, trip.from);
}

bool may_sell_again(const DepartureRef& ref, Trip trip) {
    const Stop* stops = route_of(ref)->stops();
    return is_on_sale(ref, trip) && !stops[trip.from].no_boarding && !stops[trip.to].no_alighting;
}

void require_at_rest(const DepartureRef& ref) {
    if (unlikely(ledger_status(ref.slot, ref.departure) == SaleStatus::kMoving)) {
        report_moving(ref);
    }
}

bool shows_seats(const DepartureRef& ref) {
    if (!has_partition(ref)) {
        return false;
    }
    const Sale state = sale_state(ref);
    return state == Sale::kOpen || state == Sale::kMoving;
}

bool shows_seats(const DepartureRef& ref, Trip trip) {
    return shows_seats(ref) && !is_over_at(ref, trip.from);
}

void require_on_sale(const DepartureRef& ref, Trip trip) {
    require_departure_on_sale(ref);
    if (is_over_at(ref, trip.from)) {
        report_over(ref, trip.from);
    }
}

void require_departure_on_sale(const DepartureRef& ref) {
    const Sale state = sale_state(ref);
    if (state == Sale::kOpen) {
        return;
    }
    if (state == Sale::kMoving) {
        report_moving(ref);
    }
    const char* train = printable(directory_train(ref));
    const char* date = date_text(ref.departure->service_date);
    switch (state) {
        case Sale::kTooEarly:
            ereport(ERROR, (errcode(kErrorNotOnSale),
                            errmsg("train \"%s\" of %s is not on sale yet", train, date),
                            errdetail("Its sale opens at %s.",
                                      timestamptz_to_str(ref.departure->opens_at.load())),
                            errhint("Try again then.")));
            break;
        case Sale::kTooLate:
            ereport(ERROR, (errcode(kErrorNotOnSale),
                            errmsg("train \"%s\" of %s is not on sale any more", train, date),
                            errdetail("Its sale closed at %s.",
                                      timestamptz_to_str(ref.departure->closes_at.load())),
                            errhint("Choose another train.")));
            break;
        default:
            ereport(ERROR, (errcode(kErrorNotOnSale),
                            errmsg("train \"%s\" of %s is not on sale", train, date),
                            errdetail("Its sale was closed."), errhint("Choose another train.")));
    }
}

}  // namespace ticketpool
