// Decodes rows of departures, quotas and live tickets: see departure_rows.hpp.
#include "tables/departure_rows.hpp"

#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

namespace {

SaleStatus parse_status(Text status) {
    return same_text(status, {"open", 4})     ? SaleStatus::kOpen
           : same_text(status, {"closed", 6}) ? SaleStatus::kClosed
                                              : SaleStatus::kWithdrawn;
}

// A part of a second counts as a whole one. What ticket_open would refuse has been written by hand.
int32_t margin_seconds(const Interval* margin) {
    constexpr int32_t kMostDays = 24000;  // in seconds, they fit into the result
    if (margin->day > kMostDays || margin->time > kMostDays * USECS_PER_DAY) {
        return INT32_MAX;
    }
    const int64_t length = margin->day < -kMostDays ? 0 : Max(interval_microseconds(margin), 0);
    return static_cast<int32_t>(
        Min((length + USECS_PER_SEC - 1) / USECS_PER_SEC, int64_t{INT32_MAX}));
}

// What to look for: a name if `train` is set, otherwise an id.
struct DepartureKey {
    Text train;
    DateADT date;
    int64_t departure_id;
};

bool read_with(const Catalog& catalog, const DepartureKey& key, Snapshot snapshot,
               DepartureRow* row) {
    TableReader reader;
    if (key.train.data == nullptr) {
        reader_open(&reader, catalog.departure, catalog.departure_pkey, snapshot);
        reader_key_int64(&reader, key.departure_id);
    } else {
        reader_open(&reader, catalog.departure, catalog.departure_train_date, snapshot);
        reader_key_text(&reader, key.train);
        reader_key_date(&reader, key.date);
    }
    const bool found = reader_next(&reader);
    if (found) {
        read_departure(reader.row, row);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

// Reads the row first as others see it: what this transaction changed in it by hand is not visible
// to them yet. Only if they see no such row may it be one that this transaction inserted.
bool read_row(const Catalog& catalog, const DepartureKey& key, DepartureRow* row) {
    row->own_insert = false;
    if (read_with(catalog, key, take_others_snapshot(), row)) {
        return true;
    }
    row->own_insert = true;
    return TransactionIdIsValid(GetTopTransactionIdIfAny()) &&
           read_with(catalog, key, take_fresh_snapshot(), row);
}

}  // namespace

SaleStatus sale_status_of_row(TupleTableSlot* row) {
    return parse_status(row_text(row, kDepStatus));
}

void read_departure(TupleTableSlot* slot, DepartureRow* row) {
    bool is_null;
    row->departure_id = row_int64(slot, kDepDepartureId);
    row->service_date = DatumGetDateADT(row_datum(slot, kDepServiceDate));
    row->opens_at = DatumGetTimestampTz(row_datum(slot, kDepOpensAt));
    const Datum closes_at = row_value(slot, kDepClosesAt, &is_null);
    row->closes_at = is_null ? kNoTime : Max(DatumGetTimestampTz(closes_at), kNoTime + 1);
    row->status = sale_status_of_row(slot);
    const Datum margin = row_value(slot, kDepSaleMargin, &is_null);
    row->margin = is_null ? kNoMargin : margin_seconds(DatumGetIntervalP(margin));
    row->route_id = row_int64(slot, kDepRouteId);
    row->layout_id = row_int64(slot, kDepLayoutId);
    const Text train = row_text(slot, kDepTrain);
    if (train.length > kMaxNameBytes) {
        report_damaged("ticket_departure", row->departure_id);
    }
    memcpy(row->train, train.data, train.length);
    row->train[train.length] = '\0';
}

bool read_departure_row(const Catalog& catalog, Text train, DateADT date, DepartureRow* row) {
    return read_row(catalog, DepartureKey{train, date, 0}, row);
}

bool read_departure_row(const Catalog& catalog, int64_t departure_id, DepartureRow* row) {
    return read_row(catalog, DepartureKey{{nullptr, 0}, 0, departure_id}, row);
}

bool read_own_departure_row(const Catalog& catalog, Text train, DateADT date, DepartureRow* row) {
    return read_with(catalog, DepartureKey{train, date, 0}, take_fresh_snapshot(), row);
}

bool read_own_departure_row(const Catalog& catalog, int64_t departure_id, DepartureRow* row) {
    return read_with(catalog, DepartureKey{{nullptr, 0}, 0, departure_id}, take_fresh_snapshot(),
                     row);
}

Misfit locate_ticket(const TicketColumns& columns, const Departure* departure, LiveTicket* ticket) {
    const Route* route = departure->route();
    const Layout* layout = departure->layout.get();
    const int class_index = layout->find_class(columns.seat_class.data, columns.seat_class.length);
    const int from = route->find_stop(columns.from_stop);
    const int to = route->find_stop(columns.to_stop);
    ticket->trip = {from, to};
    if (from < 0 || to <= from) {
        return Misfit::kStops;
    }
    if (class_index < 0) {
        return Misfit::kSeat;
    }
    ticket->class_index = static_cast<uint32_t>(class_index);
    ticket->seat = 0;
    ticket->bits = trip_mask(from, to);
    if (columns.seat.data == nullptr) {
        ticket->place_coach =
            layout->find_place_coach(ticket->class_index, columns.coach.data, columns.coach.length);
        return ticket->place_coach >= 0 ? Misfit::kNone : Misfit::kSeat;
    }
    const int64_t number =
        layout->find_seat(ticket->class_index, columns.coach.data, columns.coach.length,
                          columns.seat.data, columns.seat.length);
    ticket->place_coach = -1;
    ticket->seat = static_cast<uint32_t>(number);
    return number >= 0 ? Misfit::kNone : Misfit::kSeat;
}

Misfit read_live_ticket(TupleTableSlot* row, const OrderLeaf& leaf, const Departure* departure,
                        LiveTicket* ticket) {
    bool is_place;
    const Datum seat = row_value(row, leaf.column[kSeat], &is_place);
    const TicketColumns columns{
        row_text(row, leaf.column[kSeatClass]), row_text(row, leaf.column[kCoach]),
        is_place ? Text{nullptr, 0} : text_of(seat), row_int32(row, leaf.column[kFromStop]),
        row_int32(row, leaf.column[kToStop])};
    const Misfit misfit = locate_ticket(columns, departure, ticket);
    ticket->order_id = row_int64(row, leaf.column[kOrderId]);
    ticket->ticket_no = row_int32(row, leaf.column[kTicketNo]);
    return misfit;
}

// Does a fresh snapshot see a row with this id in the index's first column?
static bool has_row(Oid heap, Oid index, int64_t id) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, heap, index, snapshot);
    reader_key_int64(&reader, id);
    const bool found = reader_next(&reader);
    reader_close(&reader);
    drop_snapshot(snapshot);
    return found;
}

bool has_live_rows(const OrderLeaf& leaf, int64_t departure_id) {
    return has_row(leaf.relation, leaf.live(), departure_id);
}

bool read_reservation(TupleTableSlot* slot, const Departure* departure, ReservationRow* row) {
    const Layout* layout = departure->layout.get();
    const Text seat_class = row_text(slot, kResClass);
    const int class_index = layout->find_class(seat_class.data, seat_class.length);
    row->reservation_id = row_int64(slot, kResId);
    row->channel = copy_text(row_text(slot, kResChannel));
    row->stretch = {departure->route()->find_stop(row_int32(slot, kResFrom)),
                    departure->route()->find_stop(row_int32(slot, kResTo))};
    const Elements seats =
        elements_of(row_datum(slot, kResSeatList), TEXTOID, -1, false, TYPALIGN_INT);
    if (class_index < 0 || row->stretch.from < 0 || row->stretch.to <= row->stretch.from ||
        row->channel.length > kMaxNameBytes) {
        return false;
    }
    row->class_index = static_cast<uint32_t>(class_index);
    row->numbers =
        static_cast<uint32_t*>(palloc(static_cast<size_t>(Max(seats.count, 1)) * sizeof(uint32_t)));
    row->count = 0;
    row->named = static_cast<uint32_t>(seats.count);
    for (int i = 0; i < seats.count; i++) {
        const Text name = seats.nulls[i] ? Text{"", 0} : text_of(seats.values[i]);
        Text coach;
        Text label;
        const int64_t number = split_seat_name(name, &coach, &label)
                                   ? layout->find_seat(row->class_index, coach.data, coach.length,
                                                       label.data, label.length)
                                   : -1;
        if (number >= 0) {
            row->numbers[row->count++] = static_cast<uint32_t>(number);
        }
    }
    qsort(row->numbers, row->count, sizeof(uint32_t), compare_numbers);
    return row->count > 0;
}

static bool is_service_date(DateADT date) {
    return date >= 0 && date <= kLastServiceDate;
}

void check_service_date(DateADT date) {
    if (!is_service_date(date)) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("service_date is out of range"),
                 errdetail("Departures are sold from %s to %s.", date_text(0),
                           date_text(kLastServiceDate)),
                 errhint("Check the date.")));
    }
}

bool is_loadable(const Catalog& catalog, int64_t departure_id) {
    DepartureRow row;
    return read_departure_row(catalog, departure_id, &row) && is_service_date(row.service_date) &&
           has_row(catalog.route, catalog.route_pkey, row.route_id) &&
           has_row(catalog.layout_coach, catalog.layout_coach_pkey, row.layout_id);
}

Text seat_label(const Layout* layout, uint32_t class_index, uint32_t seat) {
    return text_of(layout->label(layout->classes()[class_index].first_seat + seat));
}

Text coach_name(const Layout* layout, uint32_t class_index, uint32_t seat) {
    const uint32_t coach = layout->geometry(class_index)[seat].coach;
    return text_of(layout->head, layout->coaches()[coach].name);
}

Datum seat_name(const Layout* layout, uint32_t class_index, uint32_t seat) {
    const Text coach = coach_name(layout, class_index, seat);
    const Text label = seat_label(layout, class_index, seat);
    const size_t length = coach.length + 1 + label.length;
    text* name = static_cast<text*>(palloc(VARHDRSZ + length));
    SET_VARSIZE(name, VARHDRSZ + length);
    char* to = VARDATA(name);
    memcpy(to, coach.data, coach.length);
    to[coach.length] = '/';
    memcpy(to + coach.length + 1, label.data, label.length);
    return PointerGetDatum(name);
}

bool split_seat_name(Text name, Text* coach, Text* label) {
    size_t slash = name.length;
    while (slash > 0 && name.data[slash - 1] != '/') {
        slash--;
    }
    if (slash == 0) {
        return false;
    }
    *coach = {name.data, slash - 1};
    *label = {name.data + slash, name.length - slash};
    return true;
}

}  // namespace ticketpool
