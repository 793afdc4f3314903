// Checks the arguments of a purchase of tickets and resolves the names in them.
#include "tickets/ticket_purchase.hpp"

#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "server/errors.hpp"
#include "tables/moved_away.hpp"
#include "tickets/named_seats.hpp"
#include "tickets/seat_wish.hpp"
#include "tickets/stations.hpp"

namespace ticketpool {

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
    purchase->party = count_passengers(array);
    purchase->passengers = reinterpret_cast<const int64_t*>(ARR_DATA_PTR(array));
}

}  // namespace

uint32_t count_passengers(ArrayType* array) {
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
    return static_cast<uint32_t>(count);
}

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
        ereport(ERROR, (errcode(kErrorClass),
                        errmsg("train \"%s\" has no class \"%s\"", printable(directory_train(ref)),
                               printable(name)),
                        errdetail("The formation of the departure does not have it."),
                        errhint("ticket_search shows the classes of a train.")));
    }
    return static_cast<uint32_t>(index);
}

void read_arguments(FunctionCallInfo fcinfo, BuyArguments* arguments) {
    for (int i = 0; i < kBuyArguments; i++) {
        arguments->value[i] = PG_GETARG_DATUM(i);
        arguments->is_null[i] = PG_ARGISNULL(i);
    }
}

static RequestDigest digest_as_written(const BuyArguments& arguments, uint32_t party) {
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

static void digest_as_resolved(Purchase* purchase) {
    const Departure* departure = purchase->ref.departure;
    const Stop* stops = departure->route()->stops();
    digest_set(&purchase->asked, kDigestStops,
               digest_hash(stops[purchase->trip.to].stop_no,
                           digest_hash(stops[purchase->trip.from].stop_no)));
    if (purchase->seats != nullptr) {
        return;
    }
    const Layout* layout = departure->layout.get();
    const Text name = text_of(layout->head, layout->classes()[purchase->class_index].name);
    const uint64_t named = digest_get(purchase->asked, kDigestClass) & kClassNamed;
    digest_set(&purchase->asked, kDigestClass, (digest_hash(name) & ~kClassNamed) | named);
}

void digest_seats(uint64_t hash, RequestDigest* digest) {
    digest_set(digest, kDigestClass, hash >> 24);
    digest_set(digest, kDigestParty, hash | kSeatsNamed);
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

void resolve_purchase(const BuyArguments& arguments, const Catalog& catalog, Purchase* purchase,
                      ResolveFor purpose) {
    const Text train = text_of(arguments.value[kArgTrain]);
    const TripUse use = purpose == ResolveFor::kComparison ? TripUse::kAsked : TripUse::kSale;
    purchase->ref = purpose == ResolveFor::kSale
                        ? find_unbarred(catalog, train, purchase->service_date)
                        : directory_find(catalog, train, purchase->service_date);
    if (purchase->ref.departure == nullptr) {
        report_no_departure(catalog, train, purchase->service_date);
    }
    purchase->trip = find_trip(catalog, purchase->ref, text_of(arguments.value[kArgFrom]),
                               text_of(arguments.value[kArgTo]), use);
    if (purchase->seats != nullptr) {
        resolve_seats(purchase->ref, purchase->seats);
    } else {
        purchase->class_index =
            resolve_class(purchase->ref, arguments.is_null[kArgClass], arguments.value[kArgClass]);
    }
    if (!arguments.is_null[kArgChoice]) {
        purchase->choice = parse_choice(text_of(arguments.value[kArgChoice]),
                                        {purchase->ref, purchase->class_index}, purchase->party);
    }
    if (purchase->request_id != nullptr) {
        digest_as_resolved(purchase);
    }
}

}  // namespace ticketpool
