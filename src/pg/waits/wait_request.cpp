// Reads and checks the options of a wait: see wait_request.hpp.
#include "waits/wait_request.hpp"

#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/wait_list.hpp"
#include "server/errors.hpp"
#include "server/request_array.hpp"
#include "server/settings.hpp"
#include "tables/wait_rows.hpp"
#include "tickets/on_sale.hpp"

namespace ticketpool {
namespace {

// Fields of ticket_request that a wait has for all of its options, or that have a default.
constexpr int kUserField = 3;
constexpr int kDateField = 4;
constexpr int kPassengersField = 6;
constexpr int kChoiceField = 7;
constexpr int kRequestField = 9;

constexpr size_t kMostChoiceBytes = 64;  // a passenger: a very seat and a comma

void require_no_field(const BuyArguments& arguments, int field, const char* name) {
    if (!arguments.is_null[field]) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("field \"%s\" of an option is not NULL", name),
                        errdetail("All options of a wait are for the same people."),
                        errhint("Pass \"%s\" as an argument of ticket_wait.", name)));
    }
}

// Puts in what a purchase has to have.
void complete(const WaitParty& who, BuyArguments* arguments) {
    require_no_field(*arguments, kUserField, "user_id");
    require_no_field(*arguments, kPassengersField, "passengers");
    require_no_field(*arguments, kRequestField, "request_id");
    arguments->value[kUserField] = Int64GetDatum(who.user_id);
    arguments->is_null[kUserField] = false;
    arguments->value[kPassengersField] = who.passengers;
    arguments->is_null[kPassengersField] = !who.has_passengers;
    if (arguments->is_null[kDateField]) {
        arguments->value[kDateField] = DirectFunctionCall1(
            timestamptz_date, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp()));
        arguments->is_null[kDateField] = false;
    }
}

// A choice is kept in the table as it is written.
void read_choice(const WaitParty& who, WantedOption* option) {
    const BuyArguments& arguments = option->arguments;
    option->seat_choice = {nullptr, 0};
    if (arguments.is_null[kChoiceField]) {
        return;
    }
    option->seat_choice = text_of(arguments.value[kChoiceField]);
    const size_t most = kMostChoiceBytes * (size_t{who.party} + 1);
    if (option->seat_choice.length > most) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("seat_choice is too long"),
                        errdetail("It has %zu bytes; the limit for this party is %zu.",
                                  option->seat_choice.length, most),
                        errhint("Write one letter or one word a passenger.")));
    }
}

void resolve_option(const Catalog& catalog, const WaitParty& who, WantedOption* option) {
    Purchase* purchase = &option->purchase;
    resolve_purchase(option->arguments, catalog, purchase);
    require_on_sale(purchase->ref, purchase->trip);
    ledger_reserve(0);
    pin_slot(purchase->ref.slot);
    end_announcement();
    const Layout* layout = purchase->ref.departure->layout.get();
    const Stop* stops = route_of(purchase->ref)->stops();
    option->from_stop = stops[purchase->trip.from].stop_no;
    option->to_stop = stops[purchase->trip.to].stop_no;
    option->seat_class = text_of(layout->head, layout->classes()[purchase->class_index].name);
    const uint32_t capacity = layout->capacity(purchase->class_index);
    if (who.party > capacity) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("the party is larger than class \"%s\"", printable(option->seat_class)),
                 errdetail("It has %u passengers, and the class has %u seats and places.",
                           who.party, capacity),
                 errhint("Divide the party.")));
    }
}

bool is_same_trip(const WantedOption& a, const WantedOption& b) {
    return a.purchase.ref.slot == b.purchase.ref.slot &&
           a.purchase.class_index == b.purchase.class_index && a.from_stop == b.from_stop &&
           a.to_stop == b.to_stop;
}

void require_no_twin(const WantedOptions& options, int number) {
    for (int i = 0; i < number; i++) {
        if (is_same_trip(options.option[i], options.option[number])) {
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("the trip is that of option %d", i + 1),
                            errdetail("Train, day, class and stops are the same."),
                            errhint("Name each trip once.")));
        }
    }
}

bool is_first_of_departure(const WantedOptions& options, int number) {
    for (int i = 0; i < number; i++) {
        if (options.option[i].purchase.ref.slot == options.option[number].purchase.ref.slot) {
            return false;
        }
    }
    return true;
}

void check_count(int count, int present) {
    if (count == 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a wait needs an option"),
                 errdetail("options is empty."), errhint("Pass one ticket_request or more.")));
    }
    if (count > setting_wait_options - present) {
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("too many options in a wait"),
                 errdetail("There would be %lld; \"ticketpool.wait_options\" is %d.",
                           static_cast<long long>(count) + present, setting_wait_options),
                 errhint("Leave some out.")));
    }
}

}  // namespace

void count_party(WaitParty* who) {
    who->party = 1;
    if (who->has_passengers) {
        ArrayType* array = DatumGetArrayTypeP(who->passengers);
        who->passengers = PointerGetDatum(array);  // unpacked once for all options
        who->party = count_passengers(array);
    }
}

WantedOptions read_options(ArrayType* array, int present, const WaitParty& who) {
    check_count(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)), present);
    const RequestArray elements =
        open_requests(array, "ticket_request", kBuyArguments, Numbered::kOption);
    WantedOptions options{
        static_cast<WantedOption*>(MemoryContextAllocHuge(
            CurrentMemoryContext, static_cast<size_t>(elements.count) * sizeof(WantedOption))),
        elements.count};
    do_numbered(
        1, options.count,
        [&](int32_t number) {
            WantedOption* option = &options.option[number - 1];
            read_request(elements, number - 1, option->arguments.value, option->arguments.is_null);
            complete(who, &option->arguments);
            read_purchase(option->arguments, &option->purchase);
            read_choice(who, option);
        },
        Numbered::kOption);
    return options;
}

void resolve_options(const Catalog& catalog, const WaitParty& who, const WantedOptions& options) {
    do_numbered(
        1, options.count,
        [&](int32_t number) {
            resolve_option(catalog, who, &options.option[number - 1]);
            require_no_twin(options, number - 1);
        },
        Numbered::kOption);
    for (int i = 0; i < options.count; i++) {
        if (is_first_of_departure(options, i)) {
            list_waiter(options.option[i].purchase.ref.slot);
        }
    }
}

void require_not_waiting(const Catalog& catalog, const WaitParty& who,
                         const WantedOptions& options) {
    do_numbered(
        1, options.count,
        [&](int32_t number) {
            const WantedOption& option = options.option[number - 1];
            const int64_t wait_id = find_wait_for_trip(
                catalog, who.user_id, option.purchase.ref.departure->departure_id,
                option.seat_class, option.from_stop, option.to_stop);
            if (wait_id != 0) {
                ereport(ERROR,
                        (errcode(ERRCODE_UNIQUE_VIOLATION),
                         errmsg("user " INT64_FORMAT " waits for this trip already", who.user_id),
                         errdetail("It is an option of wait " INT64_FORMAT ".", wait_id),
                         errhint("Leave the option out, or cancel that wait with "
                                 "ticket_wait_cancel.")));
            }
        },
        Numbered::kOption);
}

}  // namespace ticketpool
