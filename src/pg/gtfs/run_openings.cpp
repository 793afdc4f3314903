// Opens the runs of a number, as the owner (run_openings.hpp).
//
// Nearly always all of them can be opened, so they are opened some hundreds at a time, in one
// subtransaction. If that fails it is undone, and they are opened one by one, each in a
// subtransaction of its own: the runs that cannot be opened are told, and the others are there.
// Errors that say nothing of a run (a cancel, a deadlock, memory) end the import.
#include "gtfs/run_openings.hpp"

#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/subtransaction.hpp"
#include "tickets/kept_parts.hpp"
#include "tickets/kept_route.hpp"
#include "tickets/opening.hpp"

namespace ticketpool {
namespace {

constexpr uint32_t kRunsAtATime = 500;
constexpr int kMostNames = 1000;

struct Work {
    const Catalog& catalog;
    const TextIndex& stations;
    const Formations& formations;
    const NumberRuns& numbers;
};

bool ends_import(const ErrorData* error) {
    switch (ERRCODE_TO_CATEGORY(error->sqlerrcode)) {
        case ERRCODE_OPERATOR_INTERVENTION:
        case ERRCODE_INSUFFICIENT_RESOURCES:
        case ERRCODE_TRANSACTION_ROLLBACK:
        case ERRCODE_SYSTEM_ERROR:
        case ERRCODE_INTERNAL_ERROR:
        case ERRCODE_INVALID_TRANSACTION_STATE:
        case ERRCODE_CONFIG_FILE_ERROR:
            return true;
        default:
            return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE;
    }
}

Datum array_of(Datum* values, bool* nulls, int count, Oid type, int length, bool by_value,
               char alignment) {
    int lower = 1;
    return PointerGetDatum(
        construct_md_array(values, nulls, 1, &count, &lower, type, length, by_value, alignment));
}

Datum time_array(const FeedTrip& trip, int32_t shift, int32_t FeedCall::*time) {
    Datum values[kMaxStops];
    bool nulls[kMaxStops];
    Interval* times =
        static_cast<Interval*>(palloc0(static_cast<size_t>(trip.count) * sizeof(Interval)));
    for (int i = 0; i < trip.count; i++) {
        const int32_t seconds = trip.calls[i].*time;
        nulls[i] = seconds == kNoFeedTime;
        times[i].time = nulls[i] ? 0 : (static_cast<int64_t>(seconds) + shift) * USECS_PER_SEC;
        values[i] = IntervalPGetDatum(&times[i]);
    }
    return array_of(values, nulls, trip.count, INTERVALOID, 16, false, TYPALIGN_DOUBLE);
}

Datum flag_array(const FeedTrip& trip, bool FeedCall::*flag) {
    Datum values[kMaxStops];
    for (int i = 0; i < trip.count; i++) {
        values[i] = BoolGetDatum(trip.calls[i].*flag);
    }
    return array_of(values, nullptr, trip.count, BOOLOID, 1, true, TYPALIGN_CHAR);
}

RouteStops stops_of_run(const TextIndex& stations, const FeedRun& run) {
    const FeedTrip& trip = *run.trip;
    const int32_t shift = run.start - first_departure(trip);
    Datum numbers[kMaxStops];
    Datum codes[kMaxStops];
    for (int i = 0; i < trip.count; i++) {
        numbers[i] = Int32GetDatum(trip.calls[i].stop_no);
        codes[i] = text_datum(stations.texts[trip.calls[i].station]);
    }
    return {array_of(numbers, nullptr, trip.count, INT4OID, 4, true, TYPALIGN_INT),
            array_of(codes, nullptr, trip.count, TEXTOID, -1, false, TYPALIGN_INT),
            time_array(trip, shift, &FeedCall::arrives),
            time_array(trip, shift, &FeedCall::departs),
            flag_array(trip, &FeedCall::boarding),
            flag_array(trip, &FeedCall::alighting),
            0};
}

// Opens these runs; the name of the first one is `train` if that is given. The route is looked for
// once for all days of a run under a name.
void open_some(const Work& work, NewRun* first, uint32_t count, Text train) {
    OwnerScope scope;
    owner_begin(work.catalog, &scope);
    SPI_connect();
    Opening opening{};
    opening.opens_at = GetCurrentTransactionStartTimestamp();
    Interval start{};
    for (uint32_t i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        NewRun* one = &first[i];
        const FeedRun& run = work.numbers.runs[one->run];
        const auto formation = static_cast<uint32_t>(run.trip->formation);
        if (i == 0 || one->run != first[i - 1].run || one->suffix != first[i - 1].suffix) {
            opening.train =
                train.data != nullptr ? train : train_name(work.numbers.number, one->suffix);
            opening.route_id =
                keep_route(work.catalog, opening.train, stops_of_run(work.stations, run));
            opening.formation = work.formations.index.texts[formation];
            opening.layout_id = work.formations.list[formation].layout_id;
            opening.trip_id = run.trip->id;
            start.time = run.start * USECS_PER_SEC;
            opening.trip_start = run.trip->by_frequency ? &start : nullptr;
        }
        opening.date = one->day;
        one->departure_id = open_departure(work.catalog, opening);
    }
    SPI_finish();
    owner_end(scope);
}

ErrorData* try_to_open(const Work& work, NewRun* first, uint32_t count, Text train) {
    ErrorData* error = in_subtransaction([&] {
        open_some(work, first, count, train);
        return true;
    });
    for (uint32_t i = 0; error != nullptr && i < count; i++) {
        first[i].departure_id = 0;
    }
    if (error != nullptr && ends_import(error)) {
        ReThrowError(error);
    }
    return error;
}

bool is_name_taken(const Catalog& catalog, const ErrorData* error) {
    const char* index = get_rel_name(catalog.departure_train_date);
    return error->sqlerrcode == ERRCODE_UNIQUE_VIOLATION && error->constraint_name != nullptr &&
           index != nullptr && strcmp(error->constraint_name, index) == 0;
}

// Was the departure opened from another trip? False also if it cannot be seen.
bool is_other_trip(const Catalog& catalog, Text train, DateADT day, const FeedTrip& trip) {
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    Oid types[] = {TEXTOID, DATEOID, TEXTOID};
    Datum values[] = {text_datum(train), DateADTGetDatum(day), text_datum(trip.id)};
    const int result = SPI_execute_with_args(
        psprintf("SELECT FROM %s WHERE train = $1 AND service_date = $2 AND trip_id <> $3",
                 qualified_name(catalog.departure)),
        lengthof(types), types, values, nullptr, false, 1);
    const bool found = result == SPI_OK_SELECT && SPI_processed > 0;
    SPI_finish();
    owner_end(scope);
    return found;
}

// The name was free when the import looked. It may have been given since by ticket_open, which then
// has opened this run; or to a second run of a number that looks like it, G1/2 of G1: then the run
// takes the next name.
void open_alone(const Work& work, NewRun* one) {
    FeedTrip* trip = work.numbers.runs[one->run].trip;
    for (int tries = 0; tries < kMostNames; tries++) {
        const Text train = train_name(work.numbers.number, one->suffix);
        const ErrorData* error = try_to_open(work, one, 1, train);
        if (error == nullptr) {
            return;
        }
        if (!is_name_taken(work.catalog, error)) {
            if (trip->told_error != error->sqlerrcode) {
                trip->told_error = error->sqlerrcode;
                warn_of_trip(trip->id,
                             psprintf(_("On %s: %s."), date_text(one->day), error->message));
            }
            return;
        }
        if (!is_other_trip(work.catalog, train, one->day, *trip)) {
            return;
        }
        one->suffix++;
    }
    warn_of_trip(trip->id, psprintf(_("On %s: %d names of its number are taken."),
                                    date_text(one->day), kMostNames));
}

Formation* formation_of(Formations* formations, uint32_t number) {
    if (number >= formations->room) {
        const uint32_t room = Max(2 * number, 64U);
        auto* list = static_cast<Formation*>(
            MemoryContextAllocZero(formations->index.context, room * sizeof(Formation)));
        if (formations->room > 0) {
            memcpy(list, formations->list, formations->room * sizeof(Formation));
        }
        formations->list = list;
        formations->room = room;
    }
    return &formations->list[number];
}

// Looks for the formation when a trip first asks for it.
const char* trouble_with_formation(const Catalog& catalog, Formations* formations, int64_t number) {
    if (number < 0) {
        return _("trip_formation has no formation for it, or more than one.");
    }
    Formation* formation = formation_of(formations, static_cast<uint32_t>(number));
    if (!formation->looked_for) {
        const Text name = formations->index.texts[number];
        const ErrorData* error = in_subtransaction([&] {
            OwnerScope scope;
            owner_begin(catalog, &scope);
            SPI_connect();
            formation->layout_id = keep_formation(catalog, name);
            SPI_finish();
            owner_end(scope);
            return true;
        });
        if (error != nullptr) {
            if (ends_import(error)) {
                ReThrowError(const_cast<ErrorData*>(error));
            }
            formation->trouble = MemoryContextStrdup(
                formations->index.context,
                psprintf(_("Its formation cannot be sold: %s."), error->message));
        }
        formation->looked_for = true;
    }
    return formation->trouble;
}

// Takes the runs out that cannot be opened whatever the day; tells of each trip once.
void check_runs(const Catalog& catalog, Formations* formations, NumberRuns* numbers) {
    const FeedTrip* told = nullptr;
    uint32_t left = 0;
    for (uint32_t i = 0; i < numbers->opening_count; i++) {
        const NewRun& one = numbers->opening[i];
        const FeedTrip* trip = numbers->runs[one.run].trip;
        const char* trouble = trouble_with_formation(catalog, formations, trip->formation);
        const Text name = train_name(numbers->number, one.suffix);
        if (trouble == nullptr && (name.length == 0 || name.length > kMaxNameBytes)) {
            trouble = psprintf(_("The name of its train has %zu bytes; the limit is %d."),
                               name.length, kMaxNameBytes);
        }
        if (trouble == nullptr) {
            numbers->opening[left++] = one;
        } else if (told != trip) {
            told = trip;
            warn_of_trip(trip->id, trouble);
        }
    }
    numbers->opening_count = left;
}

}  // namespace

void open_runs(const Catalog& catalog, const TextIndex& stations, Formations* formations,
               NumberRuns* numbers) {
    check_runs(catalog, formations, numbers);
    const Work work{catalog, stations, *formations, *numbers};
    for (uint32_t at = 0; at < numbers->opening_count; at += kRunsAtATime) {
        NewRun* some = &numbers->opening[at];
        const uint32_t count = Min(kRunsAtATime, numbers->opening_count - at);
        if (try_to_open(work, some, count, {nullptr, 0}) != nullptr) {
            for (uint32_t i = 0; i < count; i++) {
                open_alone(work, &some[i]);
            }
        }
    }
}

}  // namespace ticketpool
