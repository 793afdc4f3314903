// Routes and layouts: built from their rows in private memory, copied into the pool, shared by all
// departures that were opened with them.
#include "load/shared_parts.hpp"

#include "pool/unfinished_load.hpp"
#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

namespace {

enum CoachColumn : AttrNumber {
    kCoachLayoutId = 1,
    kCoachPosition,
    kCoachName,
    kCoachClass,
    kCoachSeats,
    kCoachPlaces
};

// Writes strings behind a block under construction.
struct BlockWriter {
    char* block;
    uint32_t end;
};

TextRef put_text(BlockWriter* writer, Text value) {
    const TextRef ref{writer->end, static_cast<uint32_t>(value.length)};
    memcpy(writer->block + writer->end, value.data, value.length);
    writer->end += static_cast<uint32_t>(value.length);
    return ref;
}

// The flags of a stop list; none if the column is NULL, which says the usual of every stop.
Elements flags_of(TupleTableSlot* row, RouteColumn column) {
    bool is_null;
    const Datum value = row_value(row, column, &is_null);
    return is_null ? Elements{} : elements_of(value, BOOLOID, 1, true, TYPALIGN_CHAR);
}

bool flag_of(const Elements& flags, int stop, bool usual) {
    return stop >= flags.count || flags.nulls[stop] ? usual : DatumGetBool(flags.values[stop]);
}

SharedPart* build_route(const Catalog& catalog, TupleTableSlot* row) {
    const int64_t route_id = row_int64(row, kRouteId);
    const Elements numbers =
        elements_of(row_datum(row, kRouteStopNos), INT4OID, 4, true, TYPALIGN_INT);
    const Elements stations =
        elements_of(row_datum(row, kRouteStations), TEXTOID, -1, false, TYPALIGN_INT);
    const Elements arrives =
        elements_of(row_datum(row, kRouteArrives), INTERVALOID, 16, false, TYPALIGN_DOUBLE);
    const Elements departs =
        elements_of(row_datum(row, kRouteDeparts), INTERVALOID, 16, false, TYPALIGN_DOUBLE);
    const Elements boarding = flags_of(row, kRouteBoarding);
    const Elements alighting = flags_of(row, kRouteAlighting);
    const Elements skipped = flags_of(row, kRouteSkipped);
    const int count = numbers.count;
    if (count < 2 || count > kMaxStops || stations.count != count || arrives.count != count ||
        departs.count != count) {
        report_damaged("ticket_route", route_id);
    }
    const Text train = row_text(row, kRouteTrain);
    size_t bytes = sizeof(Route) + static_cast<size_t>(count) * sizeof(Stop) + train.length;
    for (int i = 0; i < count; i++) {
        if (stations.nulls[i] || numbers.nulls[i]) {
            report_damaged("ticket_route", route_id);
        }
        bytes += text_of(stations.values[i]).length;
    }
    Route* route = static_cast<Route*>(palloc0(bytes));
    route->head.database = MyDatabaseId;
    route->head.relation = catalog.order;
    route->head.id = route_id;
    route->head.bytes = static_cast<uint32_t>(bytes);
    route->stop_count = static_cast<uint32_t>(count);
    BlockWriter writer{
        reinterpret_cast<char*>(route),
        static_cast<uint32_t>(sizeof(Route) + static_cast<size_t>(count) * sizeof(Stop))};
    route->train = put_text(&writer, train);
    for (int i = 0; i < count; i++) {
        const Text station = text_of(stations.values[i]);
        Stop* stop = &route->stops()[i];
        stop->station = put_text(&writer, station);
        stop->code_hash = text_hash(station);
        stop->stop_no = DatumGetInt32(numbers.values[i]);
        stop->arrives = arrives.nulls[i]
                            ? kNoTime
                            : interval_microseconds(DatumGetIntervalP(arrives.values[i]));
        stop->departs = departs.nulls[i]
                            ? kNoTime
                            : interval_microseconds(DatumGetIntervalP(departs.values[i]));
        const bool passes = flag_of(skipped, i, false);
        stop->no_boarding = passes || !flag_of(boarding, i, true);
        stop->no_alighting = passes || !flag_of(alighting, i, true);
    }
    return &route->head;
}

}  // namespace

SharedPart* read_route(const Catalog& catalog, int64_t route_id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.route, catalog.route_pkey, snapshot);
    reader_key_int64(&reader, route_id);
    if (!reader_next(&reader)) {
        report_damaged("ticket_route", route_id);
    }
    SharedPart* part = build_route(catalog, reader.row);
    reader_close(&reader);
    drop_snapshot(snapshot);
    return part;
}

SharedPart* shared_route(const Catalog& catalog, int64_t route_id) {
    SharedPart* part = loading_find_route(catalog, route_id);
    return part != nullptr ? part : loading_add_route(read_route(catalog, route_id));
}

namespace {

// ---------------------------------------------------------------------------------------------
// Layouts
// ---------------------------------------------------------------------------------------------

struct CoachRow {
    Text name;
    Text seat_class;
    Elements seats;  // empty for a coach with unnumbered places
    uint32_t places;
    uint32_t class_index;
};

int read_coaches(const Catalog& catalog, int64_t layout_id, CoachRow** coaches) {
    int count = 0;
    int room = 32;
    *coaches = static_cast<CoachRow*>(palloc(static_cast<size_t>(room) * sizeof(CoachRow)));
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.layout_coach, catalog.layout_coach_pkey, snapshot);
    reader_key_int64(&reader, layout_id);
    while (reader_next(&reader)) {
        if (count == room) {
            room *= 2;
            *coaches = static_cast<CoachRow*>(
                repalloc(*coaches, static_cast<size_t>(room) * sizeof(CoachRow)));
        }
        CoachRow* coach = &(*coaches)[count++];
        coach->name = copy_text(row_text(reader.row, kCoachName));
        coach->seat_class = copy_text(row_text(reader.row, kCoachClass));
        bool no_seats;
        bool no_places;
        const Datum seats = row_value(reader.row, kCoachSeats, &no_seats);
        const int32_t places = DatumGetInt32(row_value(reader.row, kCoachPlaces, &no_places));
        coach->seats = Elements{};
        coach->places = no_places ? 0 : static_cast<uint32_t>(places);
        if (!no_seats) {
            coach->seats = elements_of(PointerGetDatum(PG_DETOAST_DATUM_COPY(seats)), TEXTOID, -1,
                                       false, TYPALIGN_INT);
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return count;
}

// Numbers the classes in order of their first coach. Returns how many there are.
uint32_t number_classes(CoachRow* coaches, int count) {
    uint32_t classes = 0;
    for (int i = 0; i < count; i++) {
        coaches[i].class_index = classes;
        for (int j = 0; j < i; j++) {
            if (same_text(coaches[j].seat_class, coaches[i].seat_class)) {
                coaches[i].class_index = coaches[j].class_index;
                break;
            }
        }
        classes = Max(classes, coaches[i].class_index + 1);
    }
    return classes;
}

int compare_seats(const void* a, const void* b) {
    const SeatGeometry* left = static_cast<const SeatGeometry*>(a);
    const SeatGeometry* right = static_cast<const SeatGeometry*>(b);
    return left->row != right->row ? left->row - right->row : left->letter - right->letter;
}

// Writes the seats of one coach in order of row and letter. Window seats have the first or last
// letter of the coach; C and D are at the aisle (A B C | D F, A C | D F).
void fill_geometry(const CoachRow& coach, int coach_index, int64_t layout_id, SeatGeometry* seats) {
    uint8_t first = 'Z';
    uint8_t last = 'A';
    for (int i = 0; i < coach.seats.count; i++) {
        const Text label = coach.seats.nulls[i] ? Text{"", 0} : text_of(coach.seats.values[i]);
        seats[i] = SeatGeometry{};
        seats[i].coach = static_cast<uint16_t>(coach_index);
        if (!parse_seat_label(label.data, label.length, &seats[i].row, &seats[i].letter)) {
            report_damaged("ticket_layout_coach", layout_id);
        }
        first = Min(first, seats[i].letter);
        last = Max(last, seats[i].letter);
    }
    for (int i = 0; i < coach.seats.count; i++) {
        seats[i].flags = static_cast<uint8_t>(
            (seats[i].letter == first || seats[i].letter == last ? kWindow : 0) |
            (seats[i].letter == 'C' || seats[i].letter == 'D' ? kAisle : 0));
    }
    qsort(seats, static_cast<size_t>(coach.seats.count), sizeof(SeatGeometry), compare_seats);
}

size_t layout_bytes(const CoachRow* coaches, int count, uint32_t classes, size_t* seats) {
    size_t strings = 0;
    *seats = 0;
    for (int i = 0; i < count; i++) {
        strings += coaches[i].name.length + coaches[i].seat_class.length;
        *seats += static_cast<size_t>(coaches[i].seats.count);
    }
    return sizeof(Layout) + classes * sizeof(LayoutClass) +
           static_cast<size_t>(count) * sizeof(LayoutCoach) + *seats * sizeof(SeatGeometry) +
           strings;
}

SharedPart* build_layout(const Catalog& catalog, int64_t layout_id, CoachRow* coaches, int count) {
    const uint32_t classes = number_classes(coaches, count);
    size_t seats;
    const size_t bytes = layout_bytes(coaches, count, classes, &seats);
    Layout* layout = static_cast<Layout*>(
        MemoryContextAllocExtended(CurrentMemoryContext, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    layout->head.database = MyDatabaseId;
    layout->head.relation = catalog.order;
    layout->head.id = layout_id;
    layout->head.bytes = static_cast<uint32_t>(bytes);
    layout->class_count = classes;
    layout->coach_count = static_cast<uint32_t>(count);
    layout->seat_count = static_cast<uint32_t>(seats);
    layout->coaches_offset = static_cast<uint32_t>(sizeof(Layout) + classes * sizeof(LayoutClass));
    layout->geometry_offset =
        layout->coaches_offset +
        static_cast<uint32_t>(static_cast<size_t>(count) * sizeof(LayoutCoach));
    BlockWriter writer{
        reinterpret_cast<char*>(layout),
        layout->geometry_offset + static_cast<uint32_t>(seats * sizeof(SeatGeometry))};
    LayoutClass* layout_classes = const_cast<LayoutClass*>(layout->classes());
    LayoutCoach* layout_coaches = const_cast<LayoutCoach*>(layout->coaches());
    uint32_t seat = 0;
    for (uint32_t c = 0; c < classes; c++) {
        layout_classes[c].first_seat = seat;
        for (int i = 0; i < count; i++) {
            if (coaches[i].class_index != c) {
                continue;
            }
            if (layout_classes[c].name.length == 0) {
                layout_classes[c].name = put_text(&writer, coaches[i].seat_class);
            }
            SeatGeometry* geometry =
                reinterpret_cast<SeatGeometry*>(writer.block + layout->geometry_offset);
            fill_geometry(coaches[i], i, layout_id, geometry + seat);
            seat += static_cast<uint32_t>(coaches[i].seats.count);
        }
        layout_classes[c].seats = seat - layout_classes[c].first_seat;
    }
    for (int i = 0; i < count; i++) {
        const uint32_t place_number = coaches[i].places > 0 ? layout->place_coaches++ : 0;
        layout_coaches[i] = LayoutCoach{put_text(&writer, coaches[i].name), coaches[i].class_index,
                                        coaches[i].places, place_number, 0};
    }
    return &layout->head;
}

}  // namespace

SharedPart* shared_layout(const Catalog& catalog, int64_t layout_id) {
    SharedPart* part = loading_find_layout(catalog, layout_id);
    if (part != nullptr) {
        return part;
    }
    CoachRow* coaches;
    const int count = read_coaches(catalog, layout_id, &coaches);
    if (count == 0) {
        report_damaged("ticket_layout_coach", layout_id);
    }
    return loading_add_layout(build_layout(catalog, layout_id, coaches, count));
}

}  // namespace ticketpool
