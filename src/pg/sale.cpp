#include "sale.hpp"

#include "call_scan.hpp"
#include "directory.hpp"
#include "errors.hpp"
#include "first_call.hpp"
#include "ledger.hpp"
#include "request_locks.hpp"
#include "row_return.hpp"
#include "rules.hpp"
#include "stations.hpp"

namespace ticketpool {

uint32_t resolve_class(const DepartureRef& ref, bool is_null, Datum seat_class) {
    const Layout* layout = ref.departure->layout.get();
    if (is_null) {
        if (layout->class_count == 1) {
            return 0;
        }
        ereport(ERROR, (errcode(kErrorClass), errmsg("seat_class is missing"),
                        errdetail("Train \"%s\" has %u classes.", printable(directory_train(ref)),
                                  layout->class_count),
                        errhint("Name one of them: ticket_search shows them.")));
    }
    const Text name = text_of(seat_class);
    const int index = layout->find_class(name.data, name.length);
    if (index < 0) {
        ereport(ERROR,
                (errcode(kErrorClass),
                 errmsg("train \"%s\" has no class \"%s\"", printable(directory_train(ref)),
                        printable(name)),
                 errdetail("The formation that the departure was opened with does not have it."),
                 errhint("ticket_search shows the classes of a train.")));
    }
    return static_cast<uint32_t>(index);
}

namespace {

enum class Sale { kOpen, kTooEarly, kTooLate, kClosed };

Sale sale_state(const DepartureRef& ref) {
    if (ledger_status(ref.slot, ref.departure) != SaleStatus::kOpen) {
        return Sale::kClosed;
    }
    const TimestampTz now = GetCurrentTimestamp();
    const TimestampTz opens_at = ref.departure->opens_at.load(std::memory_order_relaxed);
    const TimestampTz closes_at = ref.departure->closes_at.load(std::memory_order_relaxed);
    return now < opens_at                             ? Sale::kTooEarly
           : closes_at != kNoTime && now >= closes_at ? Sale::kTooLate
                                                      : Sale::kOpen;
}

}  // namespace

bool is_on_sale(const DepartureRef& ref) {
    return (shared.slots[ref.slot].epoch.load(std::memory_order_relaxed) & kNoPartition) == 0 &&
           sale_state(ref) == Sale::kOpen;
}

void require_on_sale(const DepartureRef& ref) {
    const Sale state = sale_state(ref);
    if (state == Sale::kOpen) {
        return;
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

constexpr size_t kMaxSeatLabel = 6;  // a row of five digits at most, and a letter

const char* seat_label(const SeatGeometry& seat) {
    char* label = static_cast<char*>(palloc(kMaxSeatLabel + 1));
    const int digits = pg_ultoa_n(seat.row, label);
    label[digits] = static_cast<char>(seat.letter);
    label[digits + 1] = '\0';
    return label;
}

namespace {

enum BuyArgument {
    kArgTrain,
    kArgFrom,
    kArgTo,
    kArgUser,
    kArgDate,
    kArgClass,
    kArgPassengers,
    kArgChoice,
    kArgChannel,
    kArgRequest
};
static_assert(kArgRequest + 1 == kBuyArguments);

constexpr const char* kArgumentNames[kBuyArguments] = {
    "train",      "from_station", "to_station",  "user_id", "service_date",
    "seat_class", "passengers",   "seat_choice", "channel", "request_id"};

void check_arguments(const BuyArguments& arguments) {
    for (const BuyArgument number : {kArgTrain, kArgFrom, kArgTo, kArgUser, kArgDate}) {
        if (arguments.is_null[number]) {
            report_null(kArgumentNames[number]);
        }
    }
}

void parse_passengers(const BuyArguments& arguments, Purchase* purchase) {
    if (arguments.is_null[kArgPassengers]) {
        purchase->passengers = &purchase->user_id;
        purchase->party = 1;
        return;
    }
    ArrayType* array = DatumGetArrayTypeP(arguments.value[kArgPassengers]);
    const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    if (ARR_NDIM(array) > 1 || count == 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("passengers is not a list of passengers"),
                 errdetail("It has %d dimensions and %d elements.", ARR_NDIM(array), count),
                 errhint("Pass one passenger id a ticket, or NULL for one ticket for user_id.")));
    }
    if (array_contains_nulls(array)) {
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("passengers may not contain NULL"),
                 errdetail("Each ticket is for one passenger."),
                 errhint("Pass one passenger id a ticket.")));
    }
    purchase->passengers = reinterpret_cast<const int64_t*>(ARR_DATA_PTR(array));
    purchase->party = static_cast<uint32_t>(count);
}

// The letters that seats of a class have, once each.
void letters_of_class(const Layout* layout, uint32_t class_index, char* letters) {
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

}  // namespace

void parse_choice(Text text, Purchase* purchase) {
    char letters[32];
    letters_of_class(purchase->ref.departure->layout.get(), purchase->class_index, letters);
    if (parse_seat_choice(text.data, text.length, purchase->party, letters, &purchase->choice) !=
        Status::kOk) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("\"%s\" is no seat choice", printable(text)),
                        errdetail("A choice is at most one letter a passenger, or window, or "
                                  "aisle; there are %u passengers.",
                                  purchase->party),
                        errhint("For example 'F', 'AB' for two passengers, or 'window'.")));
    }
}

Demand demand_of(const Purchase& purchase) {
    return Demand{purchase.ref,    purchase.class_index, purchase.trip, purchase.party,
                  purchase.choice, purchase.channel,     false};
}

void build_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  OrderValues* rows) {
    const Departure* departure = purchase.ref.departure;
    const Layout* layout = departure->layout.get();
    const Stop* stops = departure->route->stops();
    count(shared.mine->counters.buys, purchase.party);
    OrderValues row;
    memset(row.is_null, true, sizeof row.is_null);
    set_value(&row, kOrderId, Int64GetDatum(next_order_id(catalog, purchase.service_date)));
    set_value(&row, kDepartureId, Int64GetDatum(departure->departure_id));
    set_value(&row, kServiceDate, DateADTGetDatum(purchase.service_date));
    set_value(&row, kUserId, Int64GetDatum(purchase.user_id));
    set_value(&row, kSeatClass,
              text_datum(text_of(layout->head, layout->classes()[purchase.class_index].name)));
    set_value(&row, kFromStop, Int32GetDatum(stops[purchase.trip.from].stop_no));
    set_value(&row, kToStop, Int32GetDatum(stops[purchase.trip.to].stop_no));
    set_value(&row, kStatus, CStringGetTextDatum(status_name(purchase.status)));
    if (purchase.status == OrderStatus::kHeld) {
        set_value(&row, kHeldUntil, TimestampTzGetDatum(purchase.held_until));
    }
    if (purchase.channel.data != nullptr) {
        set_value(&row, kChannel, text_datum(purchase.channel));
    }
    if (purchase.changed_from != 0) {
        set_value(&row, kChangedFrom, Int64GetDatum(purchase.changed_from));
    }
    set_value(&row, kCreatedAt, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
    if (purchase.request_id != nullptr) {
        set_value(&row, kRequestId, UUIDPGetDatum(purchase.request_id));
        set_value(&row, kRequestDigest, digest_datum(purchase.asked));
    }
    for (uint32_t i = 0; i < purchase.party; i++) {
        rows[i] = row;
        const int64_t number = seat_number(purchase.ref, claims[i]);
        uint32_t coach = static_cast<uint32_t>(claims[i].source.place_coach);
        rows[i].is_null[kSeat] = true;
        if (number >= 0) {
            const SeatGeometry& seat = layout->geometry(purchase.class_index)[number];
            coach = seat.coach;
            set_value(&rows[i], kSeat, CStringGetTextDatum(seat_label(seat)));
        }
        set_value(&rows[i], kTicketNo, Int32GetDatum(static_cast<int32_t>(i + 1)));
        set_value(&rows[i], kPassengerId, Int64GetDatum(purchase.passengers[i]));
        set_value(&rows[i], kCoach,
                  text_datum(text_of(layout->head, layout->coaches()[coach].name)));
    }
}

void write_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  ReturnSetInfo* result) {
    OrderValues one;
    OrderValues* rows =
        purchase.party == 1
            ? &one
            : static_cast<OrderValues*>(palloc(purchase.party * sizeof(OrderValues)));
    build_orders(catalog, purchase, claims, rows);
    insert_orders(catalog, purchase.service_date, rows, static_cast<int>(purchase.party), result);
}

void read_arguments(FunctionCallInfo fcinfo, BuyArguments* arguments) {
    for (int i = 0; i < kBuyArguments; i++) {
        arguments->value[i] = PG_GETARG_DATUM(i);
        arguments->is_null[i] = PG_ARGISNULL(i);
    }
}

RequestDigest digest_as_written(const BuyArguments& arguments, uint32_t party) {
    RequestDigest digest{};
    digest_set(&digest, kDigestTrain, digest_hash(text_of(arguments.value[kArgTrain])));
    digest_set(&digest, kDigestStations,
               digest_hash(text_of(arguments.value[kArgTo]),
                           digest_hash(text_of(arguments.value[kArgFrom]))));
    if (!arguments.is_null[kArgClass]) {
        digest_set(&digest, kDigestClass,
                   digest_hash(text_of(arguments.value[kArgClass])) | kClassNamed);
    }
    digest_set(&digest, kDigestParty, party);
    return digest;
}

void digest_as_resolved(Purchase* purchase) {
    const Departure* departure = purchase->ref.departure;
    const Stop* stops = departure->route->stops();
    const Layout* layout = departure->layout.get();
    const Text name = text_of(layout->head, layout->classes()[purchase->class_index].name);
    const uint64_t named = digest_get(purchase->asked, kDigestClass) & kClassNamed;
    digest_set(&purchase->asked, kDigestStops,
               digest_hash(stops[purchase->trip.to].stop_no,
                           digest_hash(stops[purchase->trip.from].stop_no)));
    digest_set(&purchase->asked, kDigestClass, (digest_hash(name) & ~kClassNamed) | named);
}

void read_purchase(const BuyArguments& arguments, Purchase* purchase) {
    *purchase = Purchase{};
    check_arguments(arguments);
    purchase->service_date = DatumGetDateADT(arguments.value[kArgDate]);
    purchase->user_id = DatumGetInt64(arguments.value[kArgUser]);
    purchase->request_id =
        arguments.is_null[kArgRequest] ? nullptr : DatumGetUUIDP(arguments.value[kArgRequest]);
    if (!arguments.is_null[kArgChannel]) {
        purchase->channel = text_of(arguments.value[kArgChannel]);
        check_channel(purchase->channel);
    }
    purchase->status = OrderStatus::kSold;
    parse_passengers(arguments, purchase);
    if (purchase->request_id != nullptr) {
        purchase->asked = digest_as_written(arguments, purchase->party);
    }
}

void resolve_purchase(const BuyArguments& arguments, const Catalog& catalog, Purchase* purchase) {
    const Text train = text_of(arguments.value[kArgTrain]);
    purchase->ref = directory_find(catalog, train, purchase->service_date);
    if (purchase->ref.departure == nullptr) {
        report_no_departure(train, purchase->service_date);
    }
    purchase->trip = find_trip(catalog, purchase->ref, text_of(arguments.value[kArgFrom]),
                               text_of(arguments.value[kArgTo]));
    purchase->class_index =
        resolve_class(purchase->ref, arguments.is_null[kArgClass], arguments.value[kArgClass]);
    if (!arguments.is_null[kArgChoice]) {
        parse_choice(text_of(arguments.value[kArgChoice]), purchase);
    }
    if (purchase->request_id != nullptr) {
        digest_as_resolved(purchase);
    }
}

static void return_first_call(FunctionCallInfo fcinfo, const FirstCall& first) {
    begin_result(fcinfo);
    ReturnSetInfo* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    const RowReturn rows = begin_rows(first.columns, result);
    for (int i = 0; i < first.count; i++) {
        return_row(rows, first.rows[i]);
    }
}

void sell(FunctionCallInfo fcinfo, const Catalog& catalog, const BuyArguments& arguments,
          Purchase* wanted) {
    if (wanted->request_id != nullptr) {
        lock_request(request_key(catalog, *wanted));
        FirstCall first;
        if (find_first_call(catalog, arguments, wanted, &first)) {
            return_first_call(fcinfo, first);
            return;
        }
    }
    resolve_purchase(arguments, catalog, wanted);
    const Purchase& purchase = *wanted;
    require_on_sale(purchase.ref);
    if (purchase.party > purchase.ref.departure->layout->capacity(purchase.class_index)) {
        end_announcement();
        return;  // more than there ever were
    }
    if (has_rules(catalog, RuleKind::kTicket)) {
        ledger_reserve(0);
        ledger_pin(purchase.ref.slot);  // a rule may use other departures
        check_rules(catalog, rule_call(purchase));
    }
    Claimed one;
    Claimed* claims = purchase.party == 1
                          ? &one
                          : static_cast<Claimed*>(palloc(purchase.party * sizeof(Claimed)));
    const bool claimed = claim_demand(demand_of(purchase), claims);
    end_announcement();
    if (claimed) {
        begin_result(fcinfo);
        write_orders(catalog, purchase, claims,
                     reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo));
    }
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_buy) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_buy()");
    require_set_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    BuyArguments arguments;
    Purchase purchase;
    read_arguments(fcinfo, &arguments);
    read_purchase(arguments, &purchase);
    sell(fcinfo, catalog, arguments, &purchase);
    return 0;
}
