// ticket_why: one row that explains what a buyer would get now, and what may still become free.
#include "load/directory.hpp"
#include "pool/claim.hpp"
#include "pool/sources.hpp"
#include "server/errors.hpp"
#include "tables/live_rows.hpp"
#include "tables/moved_away.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/stations.hpp"
#include "tickets/ticket_purchase.hpp"

namespace ticketpool {
namespace {

enum WhyArgument { kArgTrain, kArgFrom, kArgTo, kArgDate, kArgClass, kArgSeats, kArgChannel };

struct Answer {
    const char* outcome;
    int64_t remaining;
    int64_t held;
    TimestampTz next_expiry;  // 0: none
    int64_t with_seat_change;
};

// What is sold over the trip and does not come back unless it is refunded.
struct Sold {
    SegmentMask* seats;  // by number, of one class
    uint32_t* places;    // by segment of each coach with places: how many
    TimestampTz next_expiry;
};

// Reads the live rows of the class: paid tickets are sold, unpaid ones have a deadline.
void read_orders(const Catalog& catalog, const DepartureRef& ref, uint32_t class_index,
                 const SegmentMask& trip, Sold* sold) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, ref.departure->service_date, &leaf)) {
        return;
    }
    const auto note = [&](TupleTableSlot* row, const LiveTicket* ticket) {
        if (ticket == nullptr || ticket->class_index != class_index ||
            !(ticket->bits & trip).any()) {
            return;
        }
        bool is_null;
        const TimestampTz held_until =
            DatumGetTimestampTz(row_value(row, leaf.column[kHeldUntil], &is_null));
        if (same_text(row_text(row, leaf.column[kStatus]), {"held", 4})) {
            if (!is_null && (sold->next_expiry == 0 || held_until < sold->next_expiry)) {
                sold->next_expiry = held_until;
            }
        } else if (ticket->place_coach >= 0) {
            uint32_t* taken =
                sold->places +
                size_t{ref.departure->layout->coaches()[ticket->place_coach].place_number} *
                    ref.departure->segments;
            for (int s = 0; s < ref.departure->segments; s++) {
                taken[s] += ticket->bits.test(s) ? 1 : 0;
            }
        } else {
            sold->seats[ticket->seat] = sold->seats[ticket->seat] | ticket->bits;
        }
    };
    for_each_live_row(leaf, ref.departure, note);
}

// Adds the quotas of other channels, which do not come back either.
void add_other_quotas(const DepartureRef& ref, uint32_t class_index, Text channel, Sold* sold) {
    for (Quota* quota = ref.departure->first_quota(); quota != nullptr; quota = quota->next.get()) {
        const bool ours =
            channel.data != nullptr && same_text({quota->channel, quota->channel_length}, channel);
        for (uint32_t i = 0; i < quota->seats && !ours && quota_usable(ref, *quota, class_index);
             i++) {
            SegmentMask* seat = &sold->seats[quota->numbers()[i]];
            *seat = *seat | trip_mask(quota->from, quota->to);
        }
    }
}

// Seats and places that nobody has paid for.
int64_t count_unsold(const DepartureRef& ref, uint32_t class_index, Trip trip, const Sold& sold) {
    const Layout* layout = ref.departure->layout.get();
    const SegmentMask bits = trip_mask(trip.from, trip.to);
    int64_t unsold = 0;
    for (uint32_t i = 0; i < layout->classes()[class_index].seats; i++) {
        unsold += (sold.seats[i] & bits).any() ? 0 : 1;
    }
    for (uint32_t c = 0; c < layout->coach_count; c++) {
        const LayoutCoach& coach = layout->coaches()[c];
        if (coach.class_index == class_index && coach.places > 0) {
            uint32_t most = 0;
            for (int s = trip.from; s < trip.to; s++) {
                most = Max(most, sold.places[coach.place_number * ref.departure->segments +
                                             static_cast<uint32_t>(s)]);
            }
            unsold += coach.places > most ? coach.places - most : 0;
        }
    }
    return unsold;
}

void explain_class(const Catalog& catalog, const DepartureRef& ref, uint32_t class_index, Trip trip,
                   Text channel, Answer* answer) {
    const Layout* layout = ref.departure->layout.get();
    Sold sold{};
    sold.seats = static_cast<SegmentMask*>(MemoryContextAllocExtended(
        CurrentMemoryContext, (layout->classes()[class_index].seats + 1) * sizeof(SegmentMask),
        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    sold.places = static_cast<uint32_t*>(
        palloc0((layout->place_coaches * ref.departure->segments + 1) * sizeof(uint32_t)));
    read_orders(catalog, ref, class_index, trip_mask(trip.from, trip.to), &sold);
    add_other_quotas(ref, class_index, channel, &sold);
    const int64_t remaining = count_remaining(ref, class_index, trip, channel);
    answer->remaining += remaining;
    answer->held += Max(count_unsold(ref, class_index, trip, sold) - remaining, 0);
    if (sold.next_expiry != 0 &&
        (answer->next_expiry == 0 || sold.next_expiry < answer->next_expiry)) {
        answer->next_expiry = sold.next_expiry;
    }
    // If passengers change seats at every stop, as many can travel as the scarcest segment has
    // seats.
    int64_t least = INT64_MAX;
    for (int s = trip.from; s < trip.to; s++) {
        least = Min(least,
                    static_cast<int64_t>(count_remaining(ref, class_index, {s, s + 1}, channel)));
    }
    answer->with_seat_change += Max(least, remaining);
}

// Does the train call at both stations, in this order? As find_trip(), but with an answer instead
// of an error.
bool trip_exists(const Catalog& catalog, FunctionCallInfo fcinfo, const DepartureRef& ref,
                 Trip* trip) {
    MemoryContext context = CurrentMemoryContext;
    volatile bool found = true;
    PG_TRY();
    {
        *trip = find_trip(catalog, ref, text_of(PG_GETARG_DATUM(kArgFrom)),
                          text_of(PG_GETARG_DATUM(kArgTo)));
    }
    PG_CATCH();
    {
        // Only our own look-ups run in find_trip(): this error leaves nothing half-done.
        if (geterrcode() != kErrorNoTrip) {
            PG_RE_THROW();
        }
        MemoryContextSwitchTo(context);
        FlushErrorState();
        found = false;
    }
    PG_END_TRY();
    return found;
}

void explain(FunctionCallInfo fcinfo, Answer* answer) {
    const Catalog& catalog = catalog_of(fcinfo);
    const int32_t seats = PG_GETARG_INT32(kArgSeats);
    Text channel{nullptr, 0};
    if (!PG_ARGISNULL(kArgChannel)) {
        channel = text_of(PG_GETARG_DATUM(kArgChannel));
        check_channel(channel);
    }
    const Text train = text_of(PG_GETARG_DATUM(kArgTrain));
    const DepartureRef ref = directory_find(catalog, train, PG_GETARG_DATEADT(kArgDate));
    Trip trip;
    answer->outcome = "no_such_trip";
    if (ref.departure == nullptr) {
        refuse_moved(catalog, train, PG_GETARG_DATEADT(kArgDate));
        return;
    }
    if (!trip_exists(catalog, fcinfo, ref, &trip)) {
        return;
    }
    uint32_t first = 0;
    uint32_t last = ref.departure->layout->class_count;
    if (!PG_ARGISNULL(kArgClass)) {
        first = resolve_class(ref, false, PG_GETARG_DATUM(kArgClass));
        last = first + 1;
    }
    answer->outcome = "not_on_sale";
    if (!shows_seats(ref, trip)) {
        return;
    }
    for (uint32_t i = first; i < last; i++) {
        explain_class(catalog, ref, i, trip, channel, answer);
    }
    answer->outcome = answer->remaining >= seats                  ? "available"
                      : answer->remaining + answer->held >= seats ? "held_may_return"
                                                                  : "sold_out";
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_why) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgTrain, "train");
    require_argument(fcinfo, kArgFrom, "from_station");
    require_argument(fcinfo, kArgTo, "to_station");
    require_argument(fcinfo, kArgDate, "service_date");
    require_argument(fcinfo, kArgSeats, "seats");
    if (PG_GETARG_INT32(kArgSeats) <= 0) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("seats must be positive"),
                        errdetail("Nobody travels on %d seats.", PG_GETARG_INT32(kArgSeats)),
                        errhint("Ask for one seat or more.")));
    }
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    Answer answer{};
    explain(fcinfo, &answer);
    end_announcement();
    Datum values[] = {
        CStringGetTextDatum(answer.outcome), Int32GetDatum(static_cast<int32_t>(answer.remaining)),
        Int32GetDatum(static_cast<int32_t>(answer.held)), TimestampTzGetDatum(answer.next_expiry),
        Int32GetDatum(static_cast<int32_t>(answer.with_seat_change))};
    bool nulls[] = {false, false, false, answer.next_expiry == 0, false};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    return 0;
}
