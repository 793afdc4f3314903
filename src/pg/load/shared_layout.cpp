// Layouts: built from their rows in private memory, copied into the pool, shared by all departures
// that were opened with them.
#include "load/shared_layout.hpp"

#include "pool/unfinished_load.hpp"
#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"
#include "ticketpool/layout_builder.hpp"

namespace ticketpool {

namespace {

enum CoachColumn : AttrNumber {
    kCoachLayoutId = 1,
    kCoachPosition,
    kCoachName,
    kCoachClass,
    kCoachSeats,
    kCoachPlaces,
    kCoachSeatGroups,
    kCoachXs,
    kCoachYs,
    kCoachDecks,
    kCoachProperties
};

// The array in the column, taken apart in memory that outlives the row; count 0 if it is NULL.
Elements copy_elements(TupleTableSlot* row, CoachColumn column, Oid type) {
    bool is_null;
    const Datum array = row_value(row, column, &is_null);
    if (is_null) {
        return Elements{};
    }
    const Datum copy = PointerGetDatum(PG_DETOAST_DATUM_COPY(array));
    return type == INT4OID ? elements_of(copy, INT4OID, 4, true, TYPALIGN_INT)
                           : elements_of(copy, TEXTOID, -1, false, TYPALIGN_INT);
}

// Element `i`, if the array is not NULL and the element neither.
bool has_element(const Elements& elements, int i) {
    return i < elements.count && !elements.nulls[i];
}

std::string_view view_of(Text text) {
    return {text.data, text.length};
}

void set_number(const Elements& from, int i, uint8_t flag, int32_t* number, SeatDetail* detail) {
    if (has_element(from, i)) {
        *number = DatumGetInt32(from.values[i]);
        detail->known |= flag;
    }
}

// The seats of the coach in this row. False: the row's arrays do not fit each other.
bool read_seats(TupleTableSlot* row, CoachInput* coach) {
    const Elements labels = copy_elements(row, kCoachSeats, TEXTOID);
    const Elements groups = copy_elements(row, kCoachSeatGroups, TEXTOID);
    const Elements xs = copy_elements(row, kCoachXs, INT4OID);
    const Elements ys = copy_elements(row, kCoachYs, INT4OID);
    const Elements decks = copy_elements(row, kCoachDecks, INT4OID);
    const Elements properties = copy_elements(row, kCoachProperties, TEXTOID);
    for (const Elements* other : {&groups, &xs, &ys, &decks, &properties}) {
        if (other->count != 0 && other->count != labels.count) {
            return false;
        }
    }
    SeatInput* seats = static_cast<SeatInput*>(
        palloc_extended(static_cast<size_t>(Max(labels.count, 1)) * sizeof(SeatInput),
                        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    for (int i = 0; i < labels.count; i++) {
        SeatInput* seat = &seats[i];
        if (labels.nulls[i]) {
            return false;
        }
        seat->label = view_of(text_of(labels.values[i]));
        if (has_element(groups, i)) {
            seat->group = view_of(text_of(groups.values[i]));
        }
        if (has_element(properties, i)) {
            seat->properties = view_of(text_of(properties.values[i]));
        }
        set_number(xs, i, kHasX, &seat->detail.x, &seat->detail);
        set_number(ys, i, kHasY, &seat->detail.y, &seat->detail);
        set_number(decks, i, kHasDeck, &seat->detail.deck, &seat->detail);
    }
    coach->seats = seats;
    coach->seat_count = static_cast<uint32_t>(labels.count);
    return true;
}

LayoutInput read_coaches(const Catalog& catalog, int64_t layout_id) {
    uint32_t count = 0;
    uint32_t room = 32;
    uint64_t places_of_all = 0;
    CoachInput* coaches = static_cast<CoachInput*>(palloc(room * sizeof(CoachInput)));
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.layout_coach, catalog.layout_coach_pkey, snapshot);
    reader_key_int64(&reader, layout_id);
    while (reader_next(&reader)) {
        if (count == room) {
            room *= 2;
            coaches = static_cast<CoachInput*>(repalloc(coaches, room * sizeof(CoachInput)));
        }
        bool no_places;
        const int32_t places = DatumGetInt32(row_value(reader.row, kCoachPlaces, &no_places));
        CoachInput* coach = &coaches[count++];
        *coach = CoachInput{};
        coach->name = view_of(copy_text(row_text(reader.row, kCoachName)));
        coach->seat_class = view_of(copy_text(row_text(reader.row, kCoachClass)));
        coach->places = no_places ? 0 : static_cast<uint32_t>(places);
        places_of_all += coach->places;
        if (!read_seats(reader.row, coach) || (!no_places && coach->seat_count > 0) ||
            places_of_all > kMaxSeats) {
            report_damaged("ticket_layout_coach", layout_id);
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return {coaches, count};
}

SharedPart* build_part(const Catalog& catalog, int64_t layout_id, const LayoutInput& input) {
    const LayoutRoom room = layout_room(input);
    void* block = palloc_extended(room.block, MCXT_ALLOC_HUGE);
    void* scratch = palloc_extended(Max(room.scratch, 1), MCXT_ALLOC_HUGE);
    if (build_layout(input, block, scratch) != Status::kOk) {
        report_damaged("ticket_layout_coach", layout_id);
    }
    pfree(scratch);
    SharedPart* part = static_cast<SharedPart*>(block);
    part->database = MyDatabaseId;
    part->relation = catalog.order;
    part->id = layout_id;
    return part;
}

}  // namespace

Layout* read_layout(const Catalog& catalog, int64_t layout_id) {
    const LayoutInput input = read_coaches(catalog, layout_id);
    if (input.coach_count == 0) {
        report_damaged("ticket_layout_coach", layout_id);
    }
    return reinterpret_cast<Layout*>(build_part(catalog, layout_id, input));
}

SharedPart* shared_layout(const Catalog& catalog, int64_t layout_id) {
    SharedPart* part = loading_find_layout(catalog, layout_id);
    return part != nullptr ? part : loading_add_layout(&read_layout(catalog, layout_id)->head);
}

}  // namespace ticketpool
