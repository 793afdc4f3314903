#include "loader.hpp"

#include "directory.hpp"
#include "errors.hpp"
#include "order_rows.hpp"
#include "table_scan.hpp"

namespace ticketpool {

namespace {

enum DepartureColumn : AttrNumber {
    kDepDepartureId = 1, kDepTrain, kDepServiceDate, kDepFormation, kDepOpensAt, kDepClosesAt, kDepStatus, kDepRouteId,
    kDepLayoutId
};
enum RouteColumn : AttrNumber {
    kRouteId = 1, kRouteDigest, kRouteTrain, kRouteStopNos, kRouteStations, kRouteArrives, kRouteDeparts
};
enum CoachColumn : AttrNumber { kCoachLayoutId = 1, kCoachPosition, kCoachName, kCoachClass, kCoachSeats, kCoachPlaces };

[[noreturn]] void report_damaged(const char *table, int64_t id) {
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("row " INT64_FORMAT " of %s is missing or damaged", id, table),
                    errdetail("A departure on sale refers to it."),
                    errhint("ticket_open writes these rows; restore them from a backup.")));
}

SaleStatus parse_status(Text status) {
    return same_text(status, {"open", 4})     ? SaleStatus::kOpen
           : same_text(status, {"closed", 6}) ? SaleStatus::kClosed
                                              : SaleStatus::kWithdrawn;
}

void copy_departure_row(TupleTableSlot *slot, DepartureRow *row) {
    bool is_null;
    row->departure_id = row_int64(slot, kDepDepartureId);
    row->service_date = DatumGetDateADT(row_datum(slot, kDepServiceDate));
    row->opens_at = DatumGetTimestampTz(row_datum(slot, kDepOpensAt));
    const Datum closes_at = row_value(slot, kDepClosesAt, &is_null);
    row->closes_at = is_null ? kNoTime : DatumGetTimestampTz(closes_at);
    row->status = parse_status(row_text(slot, kDepStatus));
    row->route_id = row_int64(slot, kDepRouteId);
    row->layout_id = row_int64(slot, kDepLayoutId);
    const TransactionId inserter =
        DatumGetTransactionId(slot_getsysattr(slot, MinTransactionIdAttributeNumber, &is_null));
    row->own_insert = TransactionIdIsCurrentTransactionId(inserter);
    const Text train = row_text(slot, kDepTrain);
    if (train.length > kMaxNameBytes) {
        report_damaged("ticket_departure", row->departure_id);
    }
    memcpy(row->train, train.data, train.length);
    row->train[train.length] = '\0';
}

bool read_one(TableReader *reader, DepartureRow *row) {
    const bool found = reader_next(reader);
    if (found) {
        copy_departure_row(reader->row, row);
    }
    Snapshot snapshot = reader->snapshot;
    reader_close(reader);
    drop_snapshot(snapshot);
    return found;
}

int64_t interval_microseconds(const Interval *interval) { return interval->time + interval->day * USECS_PER_DAY; }

// A text array or an array of fixed-size elements, taken apart.
struct Elements {
    Datum *values;
    bool *nulls;
    int count;
};

Elements elements_of(Datum array, Oid type, int length, bool by_value, char alignment) {
    Elements elements;
    deconstruct_array(DatumGetArrayTypeP(array), type, length, by_value, alignment, &elements.values, &elements.nulls,
                      &elements.count);
    return elements;
}

// Strings behind a block under construction.
struct BlockWriter {
    char *block;
    uint32_t end;
};

TextRef put_text(BlockWriter *writer, Text value) {
    const TextRef ref{writer->end, static_cast<uint32_t>(value.length)};
    memcpy(writer->block + writer->end, value.data, value.length);
    writer->end += static_cast<uint32_t>(value.length);
    return ref;
}

SharedPart *build_route(const Catalog &catalog, TupleTableSlot *row) {
    const int64_t route_id = row_int64(row, kRouteId);
    const Elements numbers = elements_of(row_datum(row, kRouteStopNos), INT4OID, 4, true, TYPALIGN_INT);
    const Elements stations = elements_of(row_datum(row, kRouteStations), TEXTOID, -1, false, TYPALIGN_INT);
    const Elements arrives = elements_of(row_datum(row, kRouteArrives), INTERVALOID, 16, false, TYPALIGN_DOUBLE);
    const Elements departs = elements_of(row_datum(row, kRouteDeparts), INTERVALOID, 16, false, TYPALIGN_DOUBLE);
    const int count = numbers.count;
    if (count < 2 || count > kMaxStops || stations.count != count || arrives.count != count || departs.count != count) {
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
    Route *route = static_cast<Route *>(palloc0(bytes));
    route->head.database = MyDatabaseId;
    route->head.relation = catalog.order;
    route->head.id = route_id;
    route->head.bytes = static_cast<uint32_t>(bytes);
    route->stop_count = static_cast<uint32_t>(count);
    BlockWriter writer{reinterpret_cast<char *>(route),
                       static_cast<uint32_t>(sizeof(Route) + static_cast<size_t>(count) * sizeof(Stop))};
    route->train = put_text(&writer, train);
    for (int i = 0; i < count; i++) {
        const Text station = text_of(stations.values[i]);
        Stop *stop = &route->stops()[i];
        stop->station = put_text(&writer, station);
        stop->code_hash = text_hash(station);
        stop->stop_no = DatumGetInt32(numbers.values[i]);
        stop->arrives = arrives.nulls[i] ? kNoTime : interval_microseconds(DatumGetIntervalP(arrives.values[i]));
        stop->departs = departs.nulls[i] ? kNoTime : interval_microseconds(DatumGetIntervalP(departs.values[i]));
    }
    return &route->head;
}

SharedPart *shared_route(const Catalog &catalog, int64_t route_id) {
    SharedPart *part = directory_find_route(catalog, route_id);
    if (part != nullptr) {
        return part;
    }
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.route, catalog.route_pkey, snapshot);
    reader_key_int64(&reader, route_id);
    if (!reader_next(&reader)) {
        report_damaged("ticket_route", route_id);
    }
    part = directory_add_route(build_route(catalog, reader.row));
    reader_close(&reader);
    drop_snapshot(snapshot);
    return part;
}

// ---------------------------------------------------------------------------------------------
// Layouts
// ---------------------------------------------------------------------------------------------

struct CoachRow {
    Text name;
    Text seat_class;
    Elements seats;
    uint32_t class_index;
};

// In palloc'd memory that outlives the row.
Text keep(Text value) { return {pnstrdup(value.data, value.length), value.length}; }

int read_coaches(const Catalog &catalog, int64_t layout_id, CoachRow **coaches) {
    int count = 0;
    int room = 32;
    *coaches = static_cast<CoachRow *>(palloc(static_cast<size_t>(room) * sizeof(CoachRow)));
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, catalog.layout_coach, catalog.layout_coach_pkey, snapshot);
    reader_key_int64(&reader, layout_id);
    while (reader_next(&reader)) {
        if (count == room) {
            room *= 2;
            *coaches = static_cast<CoachRow *>(repalloc(*coaches, static_cast<size_t>(room) * sizeof(CoachRow)));
        }
        CoachRow *coach = &(*coaches)[count++];
        coach->name = keep(row_text(reader.row, kCoachName));
        coach->seat_class = keep(row_text(reader.row, kCoachClass));
        const Datum seats = PointerGetDatum(PG_DETOAST_DATUM_COPY(row_datum(reader.row, kCoachSeats)));
        coach->seats = elements_of(seats, TEXTOID, -1, false, TYPALIGN_INT);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return count;
}

// Numbers the classes in order of their first coach; returns how many there are.
uint32_t number_classes(CoachRow *coaches, int count) {
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

int compare_seats(const void *a, const void *b) {
    const SeatGeometry *left = static_cast<const SeatGeometry *>(a);
    const SeatGeometry *right = static_cast<const SeatGeometry *>(b);
    return left->row != right->row ? left->row - right->row : left->letter - right->letter;
}

// Seats of one coach in order of row and letter. Window seats have the first or last letter of the
// coach; C and D stand at the aisle (A B C | D F, A C | D F).
void fill_geometry(const CoachRow &coach, int coach_index, int64_t layout_id, SeatGeometry *seats) {
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
        seats[i].flags = static_cast<uint8_t>((seats[i].letter == first || seats[i].letter == last ? kWindow : 0) |
                                              (seats[i].letter == 'C' || seats[i].letter == 'D' ? kAisle : 0));
    }
    qsort(seats, static_cast<size_t>(coach.seats.count), sizeof(SeatGeometry), compare_seats);
}

size_t layout_bytes(const CoachRow *coaches, int count, uint32_t classes, size_t *seats) {
    size_t strings = 0;
    *seats = 0;
    for (int i = 0; i < count; i++) {
        strings += coaches[i].name.length + coaches[i].seat_class.length;
        *seats += static_cast<size_t>(coaches[i].seats.count);
    }
    return sizeof(Layout) + classes * sizeof(LayoutClass) + static_cast<size_t>(count) * sizeof(LayoutCoach) +
           *seats * sizeof(SeatGeometry) + strings;
}

SharedPart *build_layout(const Catalog &catalog, int64_t layout_id, CoachRow *coaches, int count) {
    const uint32_t classes = number_classes(coaches, count);
    size_t seats;
    const size_t bytes = layout_bytes(coaches, count, classes, &seats);
    Layout *layout = static_cast<Layout *>(MemoryContextAllocExtended(CurrentMemoryContext, bytes, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    layout->head.database = MyDatabaseId;
    layout->head.relation = catalog.order;
    layout->head.id = layout_id;
    layout->head.bytes = static_cast<uint32_t>(bytes);
    layout->class_count = classes;
    layout->coach_count = static_cast<uint32_t>(count);
    layout->seat_count = static_cast<uint32_t>(seats);
    layout->coaches_offset = static_cast<uint32_t>(sizeof(Layout) + classes * sizeof(LayoutClass));
    layout->geometry_offset = layout->coaches_offset + static_cast<uint32_t>(static_cast<size_t>(count) * sizeof(LayoutCoach));
    BlockWriter writer{reinterpret_cast<char *>(layout),
                       layout->geometry_offset + static_cast<uint32_t>(seats * sizeof(SeatGeometry))};
    LayoutClass *layout_classes = const_cast<LayoutClass *>(layout->classes());
    LayoutCoach *layout_coaches = const_cast<LayoutCoach *>(layout->coaches());
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
            SeatGeometry *geometry = reinterpret_cast<SeatGeometry *>(writer.block + layout->geometry_offset);
            fill_geometry(coaches[i], i, layout_id, geometry + seat);
            seat += static_cast<uint32_t>(coaches[i].seats.count);
        }
        layout_classes[c].seats = seat - layout_classes[c].first_seat;
    }
    for (int i = 0; i < count; i++) {
        layout_coaches[i] = LayoutCoach{put_text(&writer, coaches[i].name), coaches[i].class_index, 0};
    }
    return &layout->head;
}

SharedPart *shared_layout(const Catalog &catalog, int64_t layout_id) {
    SharedPart *part = directory_find_layout(catalog, layout_id);
    if (part != nullptr) {
        return part;
    }
    CoachRow *coaches;
    const int count = read_coaches(catalog, layout_id, &coaches);
    if (count == 0) {
        report_damaged("ticket_layout_coach", layout_id);
    }
    return directory_add_layout(build_layout(catalog, layout_id, coaches, count));
}

// Marks the seats of all committed live orders.
void load_orders(const Catalog &catalog, Departure *departure) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, departure->service_date, &leaf)) {
        return;  // the day was detached: nothing of it is live
    }
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.live, snapshot);
    reader_key_int64(&reader, departure->departure_id);
    while (reader_next(&reader)) {
        LiveTicket ticket;
        const char *problem;
        if (read_live_ticket(&reader, leaf, departure, &ticket, &problem)) {
            SeatMap map = departure->seat_map(ticket.class_index);
            // Should two rows overlap (written by hand), every segment of both is taken.
            try_claim(map, ticket.seat, ticket.bits & ~load_seat(map, ticket.seat));
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
}

}  // namespace

bool read_departure_row(const Catalog &catalog, Text train, DateADT date, DepartureRow *row) {
    TableReader reader;
    reader_open(&reader, catalog.departure, catalog.departure_train_date, take_fresh_snapshot());
    reader_key_text(&reader, train);
    reader_key_date(&reader, date);
    return read_one(&reader, row);
}

bool read_departure_row(const Catalog &catalog, int64_t departure_id, DepartureRow *row) {
    TableReader reader;
    reader_open(&reader, catalog.departure, catalog.departure_pkey, take_fresh_snapshot());
    reader_key_int64(&reader, departure_id);
    return read_one(&reader, row);
}

bool read_live_ticket(TableReader *reader, const OrderLeaf &leaf, const Departure *departure, LiveTicket *ticket,
                      const char **problem) {
    const Route *route = departure->route.get();
    const Layout *layout = departure->layout.get();
    ticket->order_id = row_int64(reader->row, leaf.column[kOrderId]);
    ticket->ticket_no = row_int32(reader->row, leaf.column[kTicketNo]);
    const Text seat_class = row_text(reader->row, leaf.column[kSeatClass]);
    const Text coach = row_text(reader->row, leaf.column[kCoach]);
    bool is_null;
    const Datum seat = row_value(reader->row, leaf.column[kSeat], &is_null);
    const int class_index = layout->find_class(seat_class.data, seat_class.length);
    const Text label = is_null ? Text{"", 0} : text_of(seat);
    const int64_t seat_index =
        class_index < 0 ? -1
                        : layout->find_seat(static_cast<uint32_t>(class_index), coach.data, coach.length, label.data, label.length);
    int from = -1;
    int to = -1;
    for (uint32_t i = 0; i < route->stop_count; i++) {
        const int32_t stop_no = route->stops()[i].stop_no;
        if (stop_no == row_int32(reader->row, leaf.column[kFromStop])) {
            from = static_cast<int>(i);
        }
        if (stop_no == row_int32(reader->row, leaf.column[kToStop])) {
            to = static_cast<int>(i);
        }
    }
    if (seat_index < 0 || from < 0 || to <= from) {
        *problem = seat_index < 0 ? "is on a seat that the departure does not have" : "is on stops that the departure does not have";
        return false;
    }
    ticket->class_index = static_cast<uint32_t>(class_index);
    ticket->seat = static_cast<uint32_t>(seat_index);
    ticket->bits = trip_mask(from, to);
    return true;
}

Departure *load_departure(const Catalog &catalog, const DepartureRow &row) {
    // A context of its own: parts under construction may be large, and the caller may load many.
    MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "ticketpool loader", ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(context);
    Route *route = reinterpret_cast<Route *>(shared_route(catalog, row.route_id));
    Layout *layout = reinterpret_cast<Layout *>(shared_layout(catalog, row.layout_id));
    void *block = directory_allocate(Departure::bytes_required(*layout, route->segments()));
    Departure *departure = Departure::init_in_place(block, route, layout);
    directory_loading_block(departure);
    departure->departure_id = row.departure_id;
    departure->service_date = row.service_date;
    departure->opens_at = row.opens_at;
    departure->closes_at = row.closes_at;
    departure->status.store(row.status, std::memory_order_relaxed);
    load_orders(catalog, departure);
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(context);
    return departure;
}

}  // namespace ticketpool
