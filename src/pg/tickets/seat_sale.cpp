// ticket_buy_seats and ticket_hold_seats: a purchase of exactly the seats that the caller names.
//
// Such a purchase has seats instead of a class and a choice; all else is as in ticket_buy and
// ticket_hold (sale.cpp, first_call.cpp).
#include "pool/deadlines.hpp"
#include "server/errors.hpp"
#include "tickets/hold.hpp"
#include "tickets/named_seats.hpp"
#include "tickets/sale.hpp"

namespace ticketpool {
namespace {

enum SeatArgument {
    kArgTrain,
    kArgFrom,
    kArgTo,
    kArgUser,
    kArgSeats,
    kArgDate,
    kArgPassengers,
    kArgChannel,
    kArgRequest,
    kArgTtl
};

// These arguments as those of a purchase without class and choice.
void read_seat_arguments(FunctionCallInfo fcinfo, BuyArguments* arguments) {
    constexpr int kNone = -1;
    constexpr int kPlaces[kBuyArguments] = {kArgTrain,   kArgFrom,   kArgTo,         kArgUser,
                                            kArgDate,    kNone,      kArgPassengers, kNone,
                                            kArgChannel, kArgRequest};
    for (int i = 0; i < kBuyArguments; i++) {
        const int place = kPlaces[i];
        arguments->is_null[i] = place == kNone || PG_ARGISNULL(place);
        arguments->value[i] = arguments->is_null[i] ? 0 : PG_GETARG_DATUM(place);
    }
}

// One passenger a seat; without passengers all seats are for the user.
void seat_passengers(bool all_for_user, const NamedSeats& seats, Purchase* purchase) {
    if (all_for_user && seats.count > 1) {
        int64_t* passengers = static_cast<int64_t*>(palloc(seats.count * sizeof(int64_t)));
        for (uint32_t i = 0; i < seats.count; i++) {
            passengers[i] = purchase->user_id;
        }
        purchase->passengers = passengers;
        purchase->party = seats.count;
    }
    if (purchase->party != seats.count) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("there are not as many passengers as seats"),
                        errdetail("The number of passengers is %u, that of seats %u.",
                                  purchase->party, seats.count),
                        errhint("Name one seat for each passenger, or pass NULL for passengers.")));
    }
}

void read_seat_purchase(FunctionCallInfo fcinfo, BuyArguments* arguments, NamedSeats* seats,
                        Purchase* purchase) {
    read_seat_arguments(fcinfo, arguments);
    read_purchase(*arguments, purchase);
    *seats = read_seats(fcinfo, kArgSeats);
    seat_passengers(PG_ARGISNULL(kArgPassengers), *seats, purchase);
    purchase->seats = seats;
    if (purchase->request_id != nullptr) {
        digest_seats(seats->hash, &purchase->asked);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_buy_seats) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_buy_seats()");
    require_set_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    BuyArguments arguments;
    NamedSeats seats;
    Purchase purchase;
    read_seat_purchase(fcinfo, &arguments, &seats, &purchase);
    sell(fcinfo, catalog, arguments, &purchase);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_hold_seats) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_hold_seats()");
    require_set_result(fcinfo);
    const TimestampTz deadline = hold_deadline(fcinfo, kArgTtl);
    const Catalog& catalog = catalog_of(fcinfo);
    BuyArguments arguments;
    NamedSeats seats;
    Purchase purchase;
    read_seat_purchase(fcinfo, &arguments, &seats, &purchase);
    purchase.status = OrderStatus::kHeld;
    purchase.held_until = deadline;
    sell(fcinfo, catalog, arguments, &purchase);
    deadline_at_commit(deadline);
    return 0;
}
