#include "sale.hpp"

#include "errors.hpp"
#include "ledger.hpp"
#include "settings.hpp"
#include "stations.hpp"

extern "C" {
#include "common/pg_prng.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
}

namespace ticketpool {

uint32_t resolve_class(const Departure *departure, Text train, bool is_null, Datum seat_class) {
    const Layout *layout = departure->layout.get();
    if (is_null) {
        if (layout->class_count == 1) {
            return 0;
        }
        ereport(ERROR, (errcode(kErrorClass), errmsg("seat_class is missing"),
                        errdetail("Train \"%s\" has %u classes.", printable(train), layout->class_count),
                        errhint("Name one of them: ticket_search shows them.")));
    }
    const Text name = text_of(seat_class);
    const int index = layout->find_class(name.data, name.length);
    if (index < 0) {
        ereport(ERROR, (errcode(kErrorClass), errmsg("train \"%s\" has no class \"%s\"", printable(train), printable(name)),
                        errdetail("The formation that the departure was opened with does not have it."),
                        errhint("ticket_search shows the classes of a train.")));
    }
    return static_cast<uint32_t>(index);
}

namespace {

enum class Sale { kOpen, kTooEarly, kTooLate, kClosed };

Sale sale_state(const DepartureRef &ref) {
    if (ledger_status(ref.slot, ref.departure) != SaleStatus::kOpen) {
        return Sale::kClosed;
    }
    const TimestampTz now = GetCurrentTimestamp();
    return now < ref.departure->opens_at                                                  ? Sale::kTooEarly
           : ref.departure->closes_at != kNoTime && now >= ref.departure->closes_at ? Sale::kTooLate
                                                                                          : Sale::kOpen;
}

}  // namespace

bool is_on_sale(const DepartureRef &ref) { return sale_state(ref) == Sale::kOpen; }

void require_on_sale(const DepartureRef &ref) {
    const Sale state = sale_state(ref);
    if (state == Sale::kOpen) {
        return;
    }
    const char *train = printable(text_of(ref.departure->route->head, ref.departure->route->train));
    const char *date = date_text(ref.departure->service_date);
    switch (state) {
        case Sale::kTooEarly:
            ereport(ERROR, (errcode(kErrorNotOnSale), errmsg("train \"%s\" of %s is not on sale yet", train, date),
                            errdetail("Its sale opens at %s.", timestamptz_to_str(ref.departure->opens_at)),
                            errhint("Try again then.")));
            break;
        case Sale::kTooLate:
            ereport(ERROR, (errcode(kErrorNotOnSale), errmsg("train \"%s\" of %s is not on sale any more", train, date),
                            errdetail("Its sale closed at %s.", timestamptz_to_str(ref.departure->closes_at)),
                            errhint("Choose another train.")));
            break;
        default:
            ereport(ERROR, (errcode(kErrorNotOnSale), errmsg("train \"%s\" of %s is not on sale", train, date),
                            errdetail("Its sale was closed."), errhint("Choose another train.")));
    }
}

const char *seat_label(const SeatGeometry &seat) { return psprintf("%u%c", seat.row, seat.letter); }

namespace {

enum BuyArgument {
    kArgTrain, kArgFrom, kArgTo, kArgUser, kArgDate, kArgClass, kArgPassengers, kArgChoice, kArgChannel, kArgRequest
};

void check_arguments(FunctionCallInfo fcinfo) {
    require_argument(fcinfo, kArgTrain, "train");
    require_argument(fcinfo, kArgFrom, "from_station");
    require_argument(fcinfo, kArgTo, "to_station");
    require_argument(fcinfo, kArgUser, "user_id");
    require_argument(fcinfo, kArgDate, "service_date");
    refuse_channel(fcinfo, kArgChannel);
}

void parse_passengers(FunctionCallInfo fcinfo, Purchase *purchase) {
    if (PG_ARGISNULL(kArgPassengers)) {
        purchase->passengers = &purchase->user_id;
        purchase->party = 1;
        return;
    }
    ArrayType *array = PG_GETARG_ARRAYTYPE_P(kArgPassengers);
    const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    if (ARR_NDIM(array) > 1 || count == 0) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("passengers is not a list of passengers"),
                        errdetail("It has %d dimensions and %d elements.", ARR_NDIM(array), count),
                        errhint("Pass one passenger id a ticket, or NULL for one ticket for user_id.")));
    }
    if (array_contains_nulls(array)) {
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("passengers may not contain NULL"),
                        errdetail("Each ticket is for one passenger."), errhint("Pass one passenger id a ticket.")));
    }
    purchase->passengers = reinterpret_cast<const int64_t *>(ARR_DATA_PTR(array));
    purchase->party = static_cast<uint32_t>(count);
}

// The letters that seats of a class have, once each.
void letters_of_class(const Layout *layout, uint32_t class_index, char *letters) {
    bool seen[256] = {};
    size_t count = 0;
    for (uint32_t i = 0; i < layout->classes()[class_index].seats; i++) {
        const uint8_t letter = layout->geometry(class_index)[i].letter;
        if (!seen[letter]) {
            seen[letter] = true;
            letters[count++] = static_cast<char>(letter);
        }
    }
    letters[count] = '\0';
}

void parse_choice(FunctionCallInfo fcinfo, Purchase *purchase) {
    purchase->choice = SeatChoice{};
    if (PG_ARGISNULL(kArgChoice)) {
        return;
    }
    const Text text = text_of(PG_GETARG_DATUM(kArgChoice));
    char letters[32];
    letters_of_class(purchase->ref.departure->layout.get(), purchase->class_index, letters);
    if (parse_seat_choice(text.data, text.length, purchase->party, letters, &purchase->choice) != Status::kOk) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("\"%s\" is no seat choice", printable(text)),
                        errdetail("A choice is at most one letter a passenger, or window, or aisle; there are %u passengers.",
                                  purchase->party),
                        errhint("For example 'F', 'AB' for two passengers, or 'window'.")));
    }
}

// ---------------------------------------------------------------------------------------------
// Idempotency: a second call with the same user, date and request_id returns the first call's rows
// ---------------------------------------------------------------------------------------------

// Serializes the calls of one request until the end of the transaction that made the first, and
// nothing else. Shown in pg_locks with objsubid 3, so that it meets no advisory lock of a user's.
void lock_request(const Catalog &catalog, const Purchase &purchase) {
    constexpr uint16_t kLockClass = 3;
    struct {
        int64_t user_id;
        int64_t date;
        pg_uuid_t request_id;
    } key = {purchase.user_id, purchase.service_date, *purchase.request_id};
    const uint64_t hash = hash_bytes_extended(reinterpret_cast<const unsigned char *>(&key), sizeof key, catalog.order);
    LOCKTAG tag;
    SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32_t>(hash >> 32), static_cast<uint32_t>(hash), kLockClass);
    LockAcquire(&tag, ExclusiveLock, false, false);
}

void check_same_trip(TableReader *reader, const OrderLeaf &leaf, const Purchase &purchase) {
    const Stop *stops = purchase.ref.departure->route->stops();
    if (row_int64(reader->row, leaf.column[kDepartureId]) != purchase.ref.departure->departure_id ||
        row_int32(reader->row, leaf.column[kFromStop]) != stops[purchase.trip.from].stop_no ||
        row_int32(reader->row, leaf.column[kToStop]) != stops[purchase.trip.to].stop_no) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("request_id was used for another trip"),
                        errdetail("Order " INT64_FORMAT " of this user and date has it.", row_int64(reader->row, leaf.column[kOrderId])),
                        errhint("Use a new request_id for each purchase.")));
    }
}

// Returns the rows of an earlier call with this request_id; false: there was none.
bool return_first_call(const Catalog &catalog, const Purchase &purchase, FunctionCallInfo fcinfo) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, purchase.service_date, &leaf)) {
        return false;
    }
    bool found = false;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.request, snapshot);
    reader_key_date(&reader, purchase.service_date);
    reader_key_int64(&reader, purchase.user_id);
    reader_key_uuid(&reader, UUIDPGetDatum(purchase.request_id));
    while (reader_next(&reader)) {
        if (!found) {
            check_same_trip(&reader, leaf, purchase);
            InitMaterializedSRF(fcinfo, 0);
            found = true;
        }
        if (IsolationUsesXactSnapshot() &&
            !table_tuple_satisfies_snapshot(reader.heap, reader.row, GetTransactionSnapshot())) {
            ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                            errmsg("could not serialize access due to a concurrent purchase with the same request_id"),
                            errdetail("It committed after this transaction's snapshot was taken."),
                            errhint("Retry the transaction.")));
        }
        return_order_row(&reader, reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo));
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

// ---------------------------------------------------------------------------------------------
// Claiming and writing
// ---------------------------------------------------------------------------------------------

// Claims the seats and enters them in the ledger. False: sold out.
bool claim(const Purchase &purchase, SeatClaim *claims) {
    Departure *departure = purchase.ref.departure;
    SeatMap map = departure->seat_map(purchase.class_index);
    if (purchase.party > map.seats) {
        return false;
    }
    SeatRequest request{};
    request.trip = trip_mask(purchase.trip.from, purchase.trip.to);
    request.from = purchase.trip.from;
    request.to = purchase.trip.to;
    request.party = purchase.party;
    request.policy = static_cast<Allocation>(setting_allocation);
    request.choice = purchase.choice;
    OwnFree *own;
    request.own_count = ledger_own_free(purchase.ref.slot, purchase.class_index, &own);
    request.own = own;
    const bool plain = purchase.party == 1 && purchase.choice.count == 0 && request.own_count == 0;
    void *scratch = plain ? nullptr : palloc(scratch_bytes(map.seats, purchase.party, map.words_per_seat));
    ledger_reserve(purchase.party + (request.own_count > 0 ? ledger_release_count() : 0));
    Counters &counters = shared.mine->counters;
    for (;;) {
        request.seed = pg_prng_uint64(&pg_global_prng_state);
        uint32_t lost_races = 0;
        const Status status =
            claim_seats(map, departure->layout->geometry(purchase.class_index), request, scratch, claims, &lost_races);
        if (lost_races > 0) {
            count(counters.lost_races, lost_races);
        }
        if (status == Status::kOk) {
            break;
        }
        if (status != Status::kLookAgain) {
            count(counters.sold_outs);
            return false;
        }
        // Met an attempt that is under way in another process: it takes microseconds, if it is running.
        CHECK_FOR_INTERRUPTS();
        pg_usleep(50);
    }
    // From here to the last entry nothing can fail.
    ledger_pin(purchase.ref.slot);
    for (uint32_t i = 0; i < purchase.party; i++) {
        if (claims[i].from_pool.any()) {
            ledger_add_claim(purchase.ref.slot, purchase.class_index, claims[i].seat, claims[i].from_pool);
        }
        if (claims[i].from_own.any()) {
            ledger_take_over(purchase.ref.slot, purchase.class_index, claims[i].seat, claims[i].from_own);
        }
    }
    count(counters.buys, purchase.party);
    return true;
}

void set(OrderValues *row, OrderColumn column, Datum value) {
    row->value[column] = value;
    row->is_null[column] = false;
}

void write_orders(const Catalog &catalog, const Purchase &purchase, const SeatClaim *claims, ReturnSetInfo *result) {
    const Departure *departure = purchase.ref.departure;
    const Layout *layout = departure->layout.get();
    const Stop *stops = departure->route->stops();
    OrderValues row;
    memset(row.is_null, true, sizeof row.is_null);
    set(&row, kOrderId, Int64GetDatum(next_order_id(catalog, purchase.service_date)));
    set(&row, kDepartureId, Int64GetDatum(departure->departure_id));
    set(&row, kServiceDate, DateADTGetDatum(purchase.service_date));
    set(&row, kUserId, Int64GetDatum(purchase.user_id));
    set(&row, kSeatClass, text_datum(text_of(layout->head, layout->classes()[purchase.class_index].name)));
    set(&row, kFromStop, Int32GetDatum(stops[purchase.trip.from].stop_no));
    set(&row, kToStop, Int32GetDatum(stops[purchase.trip.to].stop_no));
    set(&row, kStatus, text_datum({"sold", 4}));
    set(&row, kCreatedAt, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
    if (purchase.request_id != nullptr) {
        set(&row, kRequestId, UUIDPGetDatum(purchase.request_id));
    }
    OrderValues *rows = purchase.party == 1 ? &row : static_cast<OrderValues *>(palloc(purchase.party * sizeof(OrderValues)));
    for (uint32_t i = 0; i < purchase.party; i++) {
        if (purchase.party > 1) {
            rows[i] = row;
        }
        const SeatGeometry &seat = layout->geometry(purchase.class_index)[claims[i].seat];
        set(&rows[i], kTicketNo, Int32GetDatum(static_cast<int32_t>(i + 1)));
        set(&rows[i], kPassengerId, Int64GetDatum(purchase.passengers[i]));
        set(&rows[i], kCoach, text_datum(text_of(layout->head, layout->coaches()[seat.coach].name)));
        set(&rows[i], kSeat, CStringGetTextDatum(seat_label(seat)));
    }
    insert_orders(catalog, purchase.service_date, rows, static_cast<int>(purchase.party), result);
}

}  // namespace

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_buy) {
    using namespace ticketpool;
    require_shared_memory();
    check_arguments(fcinfo);
    PreventCommandIfReadOnly("ticket_buy()");
    ReturnSetInfo *result = require_set_result(fcinfo);
    const Catalog &catalog = catalog_of(fcinfo);

    Purchase purchase{};
    const Text train = text_of(PG_GETARG_DATUM(kArgTrain));
    purchase.service_date = PG_GETARG_DATEADT(kArgDate);
    purchase.user_id = PG_GETARG_INT64(kArgUser);
    purchase.request_id = PG_ARGISNULL(kArgRequest) ? nullptr : PG_GETARG_UUID_P(kArgRequest);
    parse_passengers(fcinfo, &purchase);
    purchase.ref = directory_find(catalog, train, purchase.service_date);
    if (purchase.ref.departure == nullptr) {
        report_no_departure(train, purchase.service_date);
    }
    purchase.trip = find_trip(catalog, purchase.ref.departure->route.get(), text_of(PG_GETARG_DATUM(kArgFrom)),
                              text_of(PG_GETARG_DATUM(kArgTo)));
    purchase.class_index =
        resolve_class(purchase.ref.departure, train, PG_ARGISNULL(kArgClass), PG_ARGISNULL(kArgClass) ? 0 : PG_GETARG_DATUM(kArgClass));
    parse_choice(fcinfo, &purchase);

    if (purchase.request_id != nullptr) {
        // The departure stays while we wait for a twin.
        ledger_reserve(0);
        ledger_pin(purchase.ref.slot);
        lock_request(catalog, purchase);
        if (return_first_call(catalog, purchase, fcinfo)) {
            directory_done();
            return 0;
        }
    }
    require_on_sale(purchase.ref);
    SeatClaim one;
    const bool huge = purchase.party > purchase.ref.departure->layout->seat_count;
    SeatClaim *claims = purchase.party == 1 || huge ? &one : static_cast<SeatClaim *>(palloc(purchase.party * sizeof(SeatClaim)));
    const bool claimed = claim(purchase, claims);
    directory_done();
    if (claimed) {
        InitMaterializedSRF(fcinfo, 0);
        write_orders(catalog, purchase, claims, result);
    }
    return 0;
}
