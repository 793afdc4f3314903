// ticket_reserve, ticket_reserve_seats and ticket_recycle: seats set aside for a channel over a
// stretch.
//
// A quota's row in ticket_reservation names its seats. In memory it is a Quota (quota.hpp has the
// protocol). Setting up a quota claims its seats like a purchase and gives them to the quota.
// Giving a quota back claims what is unsold in it and releases that in the departure at commit.
// Both are ledger entries: a rollback undoes them, and a transaction that recycles a quota may
// reserve or sell the same seats again at once.
#include "tickets/reserve.hpp"

#include "load/directory.hpp"
#include "load/fill.hpp"
#include "load/reforming.hpp"
#include "pool/claim_set.hpp"
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/wait_list.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "tables/departure_rows.hpp"
#include "tables/moved_away.hpp"
#include "tables/own_writes.hpp"
#include "tickets/named_seats.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/stations.hpp"
#include "tickets/ticket_purchase.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

enum ReserveArgument {
    kArgTrain,
    kArgDate,
    kArgClass,
    kArgChannel,
    kArgSeats,
    kArgFrom,
    kArgTo,
    kArgRelease
};

// Of ticket_reserve_seats.
enum ReserveSeatsArgument {
    kSeatsArgTrain,
    kSeatsArgDate,
    kSeatsArgChannel,
    kSeatsArgSeats,
    kSeatsArgFrom,
    kSeatsArgTo,
    kSeatsArgRelease
};

// The seats as an array of coach/seat, in the order of the train.
Datum seat_list(const Departure* departure, const ReservationRow& row) {
    const Layout* layout = departure->layout.get();
    Datum* names = static_cast<Datum*>(palloc(row.count * sizeof(Datum)));
    for (uint32_t i = 0; i < row.count; i++) {
        names[i] = seat_name(layout, row.class_index, row.numbers[i]);
    }
    return PointerGetDatum(
        construct_array(names, static_cast<int>(row.count), TEXTOID, -1, false, TYPALIGN_INT));
}

int64_t write_reservation(const Catalog& catalog, const DepartureRef& ref,
                          const ReservationRow& row, bool released, TimestampTz release_at) {
    const Route* route = ref.departure->route();
    const Layout* layout = ref.departure->layout.get();
    Oid types[] = {INT8OID, DATEOID, TEXTOID,        TEXTOID,     INT4OID,
                   INT4OID, INT4OID, TIMESTAMPTZOID, TEXTARRAYOID};
    Datum values[] = {Int64GetDatum(ref.departure->departure_id),
                      DateADTGetDatum(ref.departure->service_date),
                      text_datum(text_of(layout->head, layout->classes()[row.class_index].name)),
                      text_datum(row.channel),
                      Int32GetDatum(static_cast<int32_t>(row.count)),
                      Int32GetDatum(route->stops()[row.stretch.from].stop_no),
                      Int32GetDatum(route->stops()[row.stretch.to].stop_no),
                      TimestampTzGetDatum(release_at),
                      seat_list(ref.departure, row)};
    const char* sql = psprintf(
        "INSERT INTO %s (departure_id, service_date, seat_class, channel, seats, from_stop, "
        "to_stop, release_at, seat_list) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING reservation_id, "
        "coalesce(departure_id = $1 AND service_date = $2 AND seat_class = $3 AND channel = $4 AND "
        "seats = $5 AND from_stop = $6 AND to_stop = $7 AND seat_list = $9 AND status = 'open', "
        "false)",
        qualified_name(catalog.reservation));
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, catalog.reservation};
    if (execute_own(write, false, sql, 9, types, values, released ? "         " : "       n ") !=
            SPI_OK_INSERT_RETURNING ||
        SPI_processed != 1) {
        report_not_written(sql);
    }
    bool is_null;
    require_as_written(catalog.reservation, 2);
    return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

// Claims the seats of a quota and notes their numbers in the row. False: too few are free.
bool claim_seats_of(const DepartureRef& ref, Text train, int32_t seats, ReservationRow* row) {
    const Layout* layout = ref.departure->layout.get();
    if (layout->classes()[row->class_index].seats == 0) {
        ereport(ERROR,
                (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                 errmsg("unnumbered places cannot be set aside"),
                 errdetail("The class has no numbered seats on train \"%s\".", printable(train)),
                 errhint("Reserve a class with numbered seats.")));
    }
    if (static_cast<uint32_t>(seats) > layout->classes()[row->class_index].seats) {
        return false;
    }
    row->count = static_cast<uint32_t>(seats);
    Demand demand{};
    demand.ref = ref;
    demand.class_index = row->class_index;
    demand.trip = row->stretch;
    demand.party = row->count;
    demand.apart = true;
    Claimed* claimed = static_cast<Claimed*>(palloc(row->count * sizeof(Claimed)));
    const size_t mark = ledger_mark();
    if (!claim_demand(demand, claimed)) {
        return false;
    }
    row->numbers = static_cast<uint32_t*>(palloc(row->count * sizeof(uint32_t)));
    for (uint32_t i = 0; i < row->count; i++) {
        if (claimed[i].source.place_coach >= 0) {
            ledger_undo_to(mark);  // too few numbered seats were free
            return false;
        }
        row->numbers[i] = claimed[i].claim.seat;
    }
    qsort(row->numbers, row->count, sizeof(uint32_t), compare_numbers);
    return true;
}

// The class of all of the seats; 22023 if there are several.
uint32_t class_of_seats(const DepartureRef& ref, const NamedSeats& seats) {
    const uint32_t class_index = seats.seat[0].class_index;
    for (uint32_t i = 1; i < seats.count; i++) {
        if (seats.seat[i].class_index != class_index) {
            const Layout* layout = ref.departure->layout.get();
            const auto name = [&](uint32_t c) {
                return printable(text_of(layout->head, layout->classes()[c].name));
            };
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("the seats are of several classes"),
                     errdetail("Seat \"%s\" is of class \"%s\", seat \"%s\" of class \"%s\".",
                               printable(seats.name[0]), name(class_index),
                               printable(seats.name[i]), name(seats.seat[i].class_index)),
                     errhint("Set the seats of each class aside by themselves.")));
        }
    }
    return class_index;
}

// Claims exactly these seats for a quota and notes their numbers in the row. False: one is taken.
bool claim_named_seats(const DepartureRef& ref, const NamedSeats& seats, ReservationRow* row) {
    Claimed* claimed = static_cast<Claimed*>(palloc(seats.count * sizeof(Claimed)));
    if (!claim_set({ref, row->stretch, {nullptr, 0}, seats.seat, seats.count}, claimed)) {
        return false;
    }
    row->count = seats.count;
    row->numbers = static_cast<uint32_t*>(palloc(row->count * sizeof(uint32_t)));
    for (uint32_t i = 0; i < row->count; i++) {
        row->numbers[i] = claimed[i].claim.seat;
    }
    qsort(row->numbers, row->count, sizeof(uint32_t), compare_numbers);
    return true;
}

// A stretch of which one end may be left out: then it begins or ends where the train does.
Trip find_stretch(const Catalog& catalog, const DepartureRef& ref, const Text* from,
                  const Text* to) {
    const Route* route = ref.departure->route();
    const int last = route->segments();
    if (from == nullptr && to == nullptr) {
        return {0, last};
    }
    return find_trip(catalog, ref, from == nullptr ? name_of_call(route, 0) : *from,
                     to == nullptr ? name_of_call(route, last) : *to, TripUse::kStretch);
}

// Quotas that were given back, or whose ticket_reserve was rolled back, keep their memory until the
// departure leaves memory: running transactions may still give seats back to them.
bool is_mostly_closed(Departure* departure) {
    size_t open = departure->bytes;
    size_t closed = 0;
    for (Quota* quota = departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        (quota->closed.load(std::memory_order_relaxed) ? closed : open) +=
            Quota::bytes_required(quota->seats, departure->segments);
    }
    return closed > open;
}

// Finds the departure, and loads it again if closed quotas have become the larger part of it.
DepartureRef find_for_reserve(const Catalog& catalog, Text train, DateADT date) {
    DepartureRef ref = find_unbarred(catalog, train, date);
    if (ref.departure != nullptr && is_mostly_closed(ref.departure)) {
        directory_forget(ref);
        ref = find_unbarred(catalog, train, date);
    }
    if (ref.departure == nullptr) {
        report_no_departure(catalog, train, date);
    }
    return ref;
}

void require_not_closed(const DepartureRef& ref) {
    if (ledger_status(ref.slot, ref.departure) != SaleStatus::kOpen) {
        require_departure_on_sale(ref);
    }
    if (is_barred(ref)) {
        report_barred(ref);
    }
}

void check_release(FunctionCallInfo fcinfo, int argument) {
    if (!PG_ARGISNULL(argument) && PG_GETARG_TIMESTAMPTZ(argument) <= GetCurrentTimestamp()) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("release_at is in the past"),
                 errdetail("The seats would return at once."),
                 errhint("Pass NULL to keep them until ticket_recycle.")));
    }
}

void check_arguments(FunctionCallInfo fcinfo) {
    require_argument(fcinfo, kArgTrain, "train");
    require_argument(fcinfo, kArgDate, "service_date");
    require_argument(fcinfo, kArgChannel, "channel");
    require_argument(fcinfo, kArgSeats, "seats");
    require_argument(fcinfo, kArgFrom, "from_station");
    require_argument(fcinfo, kArgTo, "to_station");
    check_channel(text_of(PG_GETARG_DATUM(kArgChannel)));
    if (PG_GETARG_INT32(kArgSeats) <= 0) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("seats must be positive"),
                        errdetail("%d seats cannot be set aside.", PG_GETARG_INT32(kArgSeats)),
                        errhint("Ask for one seat or more.")));
    }
    check_release(fcinfo, kArgRelease);
}

void check_seats_arguments(FunctionCallInfo fcinfo) {
    require_argument(fcinfo, kSeatsArgTrain, "train");
    require_argument(fcinfo, kSeatsArgDate, "service_date");
    require_argument(fcinfo, kSeatsArgChannel, "channel");
    check_channel(text_of(PG_GETARG_DATUM(kSeatsArgChannel)));
    check_release(fcinfo, kSeatsArgRelease);
}

// Pins the departure for a quota, which is on sale, or will be.
void pin_for_reserve(const Catalog& catalog, const DepartureRef& ref) {
    require_not_closed(ref);
    ledger_reserve(1);
    pin_slot(ref.slot);
    end_announcement();
    require_order_leaf(catalog, ref.departure->service_date);
}

// Writes the row of a quota whose seats are claimed, and sets the quota up in memory. Returns its
// id. `argument`: release_at.
int64_t set_aside(FunctionCallInfo fcinfo, const Catalog& catalog, const DepartureRef& ref,
                  int argument, ReservationRow* row) {
    const bool released = !PG_ARGISNULL(argument);
    const TimestampTz release_at = released ? PG_GETARG_TIMESTAMPTZ(argument) : 0;
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    row->reservation_id = write_reservation(catalog, ref, *row, released, release_at);
    SPI_finish();
    owner_end(scope);
    ledger_reserve(1);
    const Quota* quota = add_quota(ref, *row, GetTopTransactionId());
    ledger_add_quota({ref.slot, row->class_index, ref.departure->offset_of(quota), -1});
    if (released) {
        deadline_at_commit(release_at);
    }
    return row->reservation_id;
}

// Claims what is unsold in a quota, to be released in the departure at commit. Returns the number
// of seats that come back at least in part.
int empty_quota(const DepartureRef& ref, Quota* quota) {
    const SeatSource source{ref.slot, quota->class_index, ref.departure->offset_of(quota), -1};
    const SeatSource target = seats_of_class(ref.slot, quota->class_index);
    SeatMap own = quota->seat_map(&ref.departure->controls()[quota->class_index]);
    const SegmentMask stretch = trip_mask(quota->from, quota->to);
    OwnFree* pending;
    const uint32_t pending_count = ledger_own_free(source, &pending);
    ledger_reserve(size_t{3} * quota->seats + ledger_release_count() + 1);
    int returned = 0;
    for (uint32_t seat = 0; seat < quota->seats; seat++) {
        SegmentMask free = stretch & ~load_seat(own, seat);
        while (free.any() && !try_claim(own, seat, free)) {
            free = stretch & ~load_seat(own, seat);
        }
        if (free.any()) {
            ledger_add_claim(source, seat, free);
        }
        for (uint32_t i = 0; i < pending_count; i++) {
            if (pending[i].seat ==
                seat) {  // own refunds of tickets from the quota go to the departure, too
                ledger_take_over(source, seat, pending[i].bits);
                free = free | pending[i].bits;
            }
        }
        if (free.any()) {
            ledger_add_release(target, quota->numbers()[seat], free);
            returned++;
        }
    }
    ledger_add_closing(source);
    return returned;
}

Quota* find_quota(Departure* departure, int64_t reservation_id) {
    Quota* quota = departure->first_quota();
    while (quota != nullptr && (quota->reservation_id != reservation_id ||
                                quota->closed.load(std::memory_order_acquire))) {
        quota = quota->next.get();
    }
    return quota;
}

}  // namespace

int recycle(const Catalog& catalog, int64_t reservation_id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(reservation_id)};
    const char* lock =
        psprintf("SELECT departure_id, status FROM %s WHERE reservation_id = $1 FOR UPDATE",
                 qualified_name(catalog.reservation));
    if (execute_planned(lock, 1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read reservation " INT64_FORMAT, reservation_id);
    }
    if (SPI_processed == 0) {
        refuse_moved(catalog, MovedKind::kReservation, reservation_id);
        ereport(ERROR, (errcode(kErrorOrder),
                        errmsg("reservation " INT64_FORMAT " does not exist", reservation_id),
                        errdetail("No row of ticket_reservation has this id."),
                        errhint("Check the reservation_id.")));
    }
    bool is_null;
    const int64_t departure_id =
        DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
    if (!same_text(
            text_of(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &is_null)),
            {"open", 4})) {
        return -1;
    }
    const DepartureRef ref = find_settled(catalog, departure_id);
    if (ref.departure != nullptr) {
        ledger_reserve(0);
        pin_slot(ref.slot);
    }
    end_announcement();
    const char* update = psprintf("UPDATE %s SET status = 'recycled' WHERE reservation_id = $1",
                                  qualified_name(catalog.reservation));
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, catalog.reservation};
    if (execute_own(write, true, update, 1, types, values, nullptr) != SPI_OK_UPDATE ||
        !was_changed(update, catalog.reservation, "reservation_id", reservation_id, "true",
                     "status = 'recycled'")) {
        report_not_written(update);
    }
    Quota* quota = ref.departure == nullptr ? nullptr : find_quota(ref.departure, reservation_id);
    return quota == nullptr ? 0 : empty_quota(ref, quota);
}

void recycle_all(const Catalog& catalog, const DepartureRef& ref) {
    for (Quota* quota = ref.departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        if (!quota->closed.load(std::memory_order_acquire)) {
            recycle(catalog, quota->reservation_id);
        }
    }
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_reserve) {
    using namespace ticketpool;
    require_shared_memory();
    check_arguments(fcinfo);
    PreventCommandIfReadOnly("ticket_reserve()");
    const Catalog& catalog = catalog_of(fcinfo);
    lock_orders(catalog, AccessShareLock);
    const Text train = text_of(PG_GETARG_DATUM(kArgTrain));
    const DepartureRef ref = find_for_reserve(catalog, train, PG_GETARG_DATEADT(kArgDate));
    ReservationRow row{};
    row.stretch = find_trip(catalog, ref, text_of(PG_GETARG_DATUM(kArgFrom)),
                            text_of(PG_GETARG_DATUM(kArgTo)), TripUse::kStretch);
    const bool no_class = PG_ARGISNULL(kArgClass);
    row.class_index = resolve_class(ref, no_class, no_class ? 0 : PG_GETARG_DATUM(kArgClass));
    row.channel = text_of(PG_GETARG_DATUM(kArgChannel));
    pin_for_reserve(catalog, ref);
    if (!claim_seats_of(ref, train, PG_GETARG_INT32(kArgSeats), &row)) {
        PG_RETURN_NULL();
    }
    PG_RETURN_INT64(set_aside(fcinfo, catalog, ref, kArgRelease, &row));
}

TICKETPOOL_FUNCTION(ticket_reserve_seats) {
    using namespace ticketpool;
    require_shared_memory();
    check_seats_arguments(fcinfo);
    NamedSeats seats = read_seats(fcinfo, kSeatsArgSeats);
    PreventCommandIfReadOnly("ticket_reserve_seats()");
    const Catalog& catalog = catalog_of(fcinfo);
    lock_orders(catalog, AccessShareLock);
    const DepartureRef ref = find_for_reserve(catalog, text_of(PG_GETARG_DATUM(kSeatsArgTrain)),
                                              PG_GETARG_DATEADT(kSeatsArgDate));
    ReservationRow row{};
    Text station[2];
    const bool from = !PG_ARGISNULL(kSeatsArgFrom);
    const bool to = !PG_ARGISNULL(kSeatsArgTo);
    station[0] = from ? text_of(PG_GETARG_DATUM(kSeatsArgFrom)) : Text{nullptr, 0};
    station[1] = to ? text_of(PG_GETARG_DATUM(kSeatsArgTo)) : Text{nullptr, 0};
    row.stretch =
        find_stretch(catalog, ref, from ? &station[0] : nullptr, to ? &station[1] : nullptr);
    resolve_seats(ref, &seats);
    row.class_index = class_of_seats(ref, seats);
    row.channel = text_of(PG_GETARG_DATUM(kSeatsArgChannel));
    pin_for_reserve(catalog, ref);
    if (!claim_named_seats(ref, seats, &row)) {
        PG_RETURN_NULL();
    }
    PG_RETURN_INT64(set_aside(fcinfo, catalog, ref, kSeatsArgRelease, &row));
}

TICKETPOOL_FUNCTION(ticket_recycle) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "reservation");
    PreventCommandIfReadOnly("ticket_recycle()");
    const Catalog& catalog = catalog_of(fcinfo);
    lock_orders(catalog, AccessShareLock);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const int returned = recycle(catalog, PG_GETARG_INT64(0));
    serve_waiting();
    SPI_finish();
    owner_end(scope);
    PG_RETURN_INT32(Max(returned, 0));
}
