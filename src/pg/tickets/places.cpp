// ticket_places: every numbered seat of a departure, whether it could be bought now for a trip, and
// what is known of it; all from memory.
#include "pool/claim.hpp"
#include "server/errors.hpp"
#include "tickets/departure_argument.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/stations.hpp"

namespace ticketpool {
namespace {

enum Column { kClass, kCoach, kSeat, kFree, kGroup, kX, kY, kDeck, kProperties, kColumns };

// A short text as a datum that is written over for the next row.
struct RowText {
    alignas(int32) char bytes[VARHDRSZ + kMaxNameBytes];

    Datum set(Text text) {
        SET_VARSIZE(bytes, VARHDRSZ + text.length);
        memcpy(VARDATA(bytes), text.data, text.length);
        return PointerGetDatum(bytes);
    }
};

// The words of a property set as an array of text.
Datum array_of_words(Text words) {
    Datum values[kMaxProperties];
    int count = 0;
    for (size_t begin = 0; begin < words.length; count++) {
        size_t end = begin;
        while (end < words.length && words.data[end] != ' ') {
            end++;
        }
        values[count] = text_datum({words.data + begin, end - begin});
        begin = end + 1;
    }
    return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

struct PlaceRows {
    const Layout* layout;
    ReturnSetInfo* result;
    Datum* properties;  // an array of words for each set, 0 until it is needed
    Datum values[kColumns];
    bool nulls[kColumns];

    void set_int(Column column, bool known, int32_t value) {
        nulls[column] = !known;
        values[column] = Int32GetDatum(value);
    }

    Datum words_of(uint16_t set) {
        if (properties[set] == 0) {
            properties[set] = array_of_words(text_of(layout->property_set(set)));
        }
        return properties[set];
    }

    // `free`: of the seats of the coach's class.
    void add_coach(const LayoutCoach& coach, const bool* free) {
        const uint32_t first_of_class = layout->classes()[coach.class_index].first_seat;
        RowText label;
        RowText group;
        values[kCoach] = text_datum(text_of(layout->head, coach.name));
        for (uint32_t place = 0; place < coach.seats; place++) {
            CHECK_FOR_INTERRUPTS();
            const uint32_t seat = layout->listed_seat(coach, place);
            const SeatDetail detail = layout->detail(seat);
            const Text group_name = text_of(layout->seat_group(seat));
            values[kSeat] = label.set(text_of(layout->label(seat)));
            values[kFree] = BoolGetDatum(free[seat - first_of_class]);
            nulls[kGroup] = group_name.length == 0;
            values[kGroup] = nulls[kGroup] ? Datum{0} : group.set(group_name);
            set_int(kX, (detail.known & kHasX) != 0, detail.x);
            set_int(kY, (detail.known & kHasY) != 0, detail.y);
            set_int(kDeck, (detail.known & kHasDeck) != 0, detail.deck);
            values[kProperties] = words_of(layout->seats()[seat].properties);
            tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
        }
    }
};

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_places) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "from_station");
    require_argument(fcinfo, 2, "to_station");
    require_argument(fcinfo, 3, "service_date");
    Text channel{nullptr, 0};
    if (!PG_ARGISNULL(5)) {
        channel = text_of(PG_GETARG_DATUM(5));
        check_channel(channel);
    }
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    const DepartureRef ref = require_departure(catalog, fcinfo, 0, 3);
    const Trip trip =
        find_trip(catalog, ref, text_of(PG_GETARG_DATUM(1)), text_of(PG_GETARG_DATUM(2)));
    const ClassRange range = class_range(ref, fcinfo, 4);
    const Layout* layout = ref.departure->layout.get();
    const bool on_sale = shows_seats(ref, trip);
    PlaceRows rows{layout, result, nullptr, {}, {}};
    rows.properties = static_cast<Datum*>(palloc0((layout->property_sets + 1) * sizeof(Datum)));
    for (uint32_t c = range.first; c < range.last; c++) {
        bool* free = static_cast<bool*>(palloc0(layout->classes()[c].seats + 1));
        if (on_sale) {
            mark_free_seats(ref, c, trip, channel, free);
        }
        rows.values[kClass] = text_datum(text_of(layout->head, layout->classes()[c].name));
        for (uint32_t i = 0; i < layout->coach_count; i++) {
            if (layout->coaches()[i].class_index == c) {
                rows.add_coach(layout->coaches()[i], free);
            }
        }
    }
    end_announcement();
    return 0;
}
