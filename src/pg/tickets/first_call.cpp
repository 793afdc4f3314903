// Idempotency: finds the first call with the same user, date and request_id, and compares what it
// asked for with what this call asks for.
#include "tickets/first_call.hpp"

#include "purchase/request_locks.hpp"
#include "server/row_return.hpp"

namespace ticketpool {

uint64_t request_key(const Catalog& catalog, const Purchase& purchase) {
    struct {
        int64_t user_id;
        int64_t date;
        pg_uuid_t request_id;
    } key = {purchase.user_id, purchase.service_date, *purchase.request_id};
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&key), sizeof key,
                               catalog.order);
}

namespace {

// The first row of a first call, and the number of its rows.
struct Before {
    OrderValues row;
    const RequestDigest* asked;  // null: before version 0.3, or by hand
    int tickets;
};

// `message` is translated.
[[noreturn]] void report_other_request(const Before& before, const char* message) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg_internal("%s", message),
                    errdetail("Order " INT64_FORMAT " of this user and date has it.",
                              DatumGetInt64(before.row.value[kOrderId])),
                    errhint("Use a new request_id for each purchase.")));
}

[[noreturn]] void report_other_party(const Before& before, uint64_t tickets, uint32_t wanted) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("request_id was used for another number of passengers"),
                    errdetail("Order " INT64_FORMAT " of this user and date has it. "
                              "The first call asked for %llu, this one for %u.",
                              DatumGetInt64(before.row.value[kOrderId]),
                              static_cast<unsigned long long>(tickets), wanted),
                    errhint("Use a new request_id for each purchase.")));
}

bool same_class(const RequestDigest& a, const RequestDigest& b) {
    return (digest_get(a, kDigestClass) | kClassNamed) ==
           (digest_get(b, kDigestClass) | kClassNamed);
}

// Two requests that are written alike are the same request. The class is also the same if neither
// call names it.
bool is_written_alike(const RequestDigest& first, const RequestDigest& now) {
    const bool named = names_seats(now) || (digest_get(now, kDigestClass) & kClassNamed) != 0;
    return digest_same(first, now, kDigestTrain) && digest_same(first, now, kDigestStations) &&
           digest_same(first, now, kDigestParty) &&
           (named ? same_class(first, now) : (digest_get(first, kDigestClass) & kClassNamed) == 0);
}

void check_same_trip(const Before& before, const RequestDigest& now) {
    const RequestDigest& first = *before.asked;
    if (!digest_same(first, now, kDigestTrain)) {
        report_other_request(before, _("request_id was used for another train"));
    }
    if (!digest_same(first, now, kDigestStations) && !digest_same(first, now, kDigestStops)) {
        report_other_request(before, _("request_id was used for another trip"));
    }
}

// Of an exchange: is it the same class, or are they the same tickets? The first call has what was
// meant also if the caller named nothing; a call that names nothing repeats only such a call.
bool is_same_choice(const RequestDigest& first, const RequestDigest& now, DigestField field,
                    uint64_t named) {
    return (digest_get(now, field) & named) != 0
               ? (digest_get(first, field) | named) == (digest_get(now, field) | named)
               : (digest_get(first, field) & named) == 0;
}

// At least one of the two calls names its seats.
void check_same_seats(const Before& before, const RequestDigest& now) {
    const RequestDigest& first = *before.asked;
    if (!names_seats(now)) {
        report_other_request(before, _("request_id was used for a purchase of named seats"));
    }
    if (!names_seats(first)) {
        report_other_request(before, _("request_id was used for a purchase that named no seats"));
    }
    if (!digest_same(first, now, kDigestClass) || !digest_same(first, now, kDigestParty)) {
        report_other_request(before, _("request_id was used for other seats"));
    }
}

// Compares digests; the names of this call have been resolved.
void check_same_request(const Before& before, const RequestDigest& now, uint32_t party) {
    const RequestDigest& first = *before.asked;
    check_same_trip(before, now);
    if (names_seats(first) || names_seats(now)) {
        check_same_seats(before, now);
        return;
    }
    if (!same_class(first, now)) {
        report_other_request(before, _("request_id was used for another class"));
    }
    if (!digest_same(first, now, kDigestParty)) {
        report_other_party(before, digest_get(first, kDigestParty), party);
    }
}

// Compares what can be compared with rows that have no digest.
void check_same_rows(const Before& before, const Purchase& purchase) {
    const Departure* departure = purchase.ref.departure;
    const Stop* stops = departure->route()->stops();
    const Layout* layout = departure->layout.get();
    const Text seat_class = text_of(layout->head, layout->classes()[purchase.class_index].name);
    if (DatumGetInt64(before.row.value[kDepartureId]) != departure->departure_id) {
        report_other_request(before, _("request_id was used for another train"));
    }
    if (DatumGetInt32(before.row.value[kFromStop]) != stops[purchase.trip.from].stop_no ||
        DatumGetInt32(before.row.value[kToStop]) != stops[purchase.trip.to].stop_no) {
        report_other_request(before, _("request_id was used for another trip"));
    }
    if (purchase.seats == nullptr &&
        !same_text(text_of(before.row.value[kSeatClass]), seat_class)) {
        report_other_request(before, _("request_id was used for another class"));
    }
    if (static_cast<uint32_t>(before.tickets) != purchase.party) {
        report_other_party(before, static_cast<uint64_t>(before.tickets), purchase.party);
    }
}

Before read_before(const FirstCall& first) {
    Before before{first_call_row(first, 0), nullptr, first.count};
    if (!before.row.is_null[kRequestDigest]) {
        before.asked = DatumGetUUIDP(before.row.value[kRequestDigest]);
    }
    return before;
}

void open_rows(const OrderLeaf& leaf, const Purchase& purchase, Snapshot snapshot,
               TableReader* reader) {
    reader_open(reader, leaf.relation, leaf.request(), snapshot);
    reader_key_date(reader, purchase.service_date);
    reader_key_int64(reader, purchase.user_id);
    reader_key_uuid(reader, UUIDPGetDatum(purchase.request_id));
}

// Copies the rows of the request: names must not be resolved while the scan is open.
void read_rows(const Purchase& purchase, FirstCall* first) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    open_rows(first->leaf, purchase, snapshot, &reader);
    int room = 0;
    while (reader_next(&reader)) {
        require_visible_first_call(&reader);
        if (first->count == room) {
            const size_t bytes = static_cast<size_t>(room = room * 2 + 1) * sizeof(HeapTuple);
            first->rows = static_cast<HeapTuple*>(first->count == 0 ? palloc(bytes)
                                                                    : repalloc(first->rows, bytes));
        }
        first->rows[first->count++] = ExecCopySlotHeapTuple(reader.row);
    }
    if (first->count > 0) {
        first->columns = CreateTupleDescCopy(RelationGetDescr(reader.heap));
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
}

}  // namespace

OrderValues first_call_row(const FirstCall& first, int number) {
    OrderValues row;
    for (AttrNumber c = 1; c <= kOrderColumns; c++) {
        row.value[c] =
            heap_getattr(first.rows[number], first.leaf.column[c], first.columns, &row.is_null[c]);
    }
    return row;
}

void return_first_call(const FirstCall& first, ReturnSetInfo* result) {
    const RowReturn rows = begin_rows(first.columns, result);
    for (int i = 0; i < first.count; i++) {
        return_row(rows, first.rows[i]);
    }
}

bool read_first_call(const Catalog& catalog, const Purchase& purchase, FirstCall* first) {
    first->rows = nullptr;
    first->count = 0;
    if (!find_order_leaf(catalog, purchase.service_date, &first->leaf)) {
        return false;
    }
    read_rows(purchase, first);
    return first->count > 0;
}

bool is_call_undecided(const Catalog& catalog, const Purchase& purchase) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, purchase.service_date, &leaf)) {
        return false;
    }
    TableReader reader;
    open_rows(leaf, purchase, nullptr, &reader);
    const bool found = reader_next(&reader);
    reader_close(&reader);
    return found;
}

bool is_same_trip_as_written(const FirstCall& first, const Purchase& purchase) {
    const Before before = read_before(first);
    return before.asked == nullptr || (digest_same(*before.asked, purchase.asked, kDigestTrain) &&
                                       digest_same(*before.asked, purchase.asked, kDigestStations));
}

void check_same_exchange(const FirstCall& first, const Purchase& purchase) {
    const Before before = read_before(first);
    if (before.row.is_null[kChangedFrom]) {
        report_other_request(before, _("request_id was used for a purchase"));
    }
    if (DatumGetInt64(before.row.value[kChangedFrom]) != purchase.changed_from) {
        report_other_request(before, _("request_id was used for an exchange of another order"));
    }
    if (before.asked == nullptr) {
        return;  // by hand: there is nothing more to compare
    }
    const RequestDigest& asked = *before.asked;
    check_same_trip(before, purchase.asked);
    if (!is_same_choice(asked, purchase.asked, kDigestClass, kClassNamed)) {
        report_other_request(before, _("request_id was used for another class"));
    }
    if (!is_same_choice(asked, purchase.asked, kDigestTickets, kTicketsNamed)) {
        report_other_request(before, _("request_id was used for other tickets"));
    }
}

bool find_first_call(const Catalog& catalog, const BuyArguments& arguments, Purchase* purchase,
                     FirstCall* first) {
    if (!read_first_call(catalog, *purchase, first)) {
        return false;
    }
    const Before before = read_before(*first);
    if (!before.row.is_null[kChangedFrom]) {
        report_other_request(before, _("request_id was used for an exchange"));
    }
    if (before.asked == nullptr || !is_written_alike(*before.asked, purchase->asked)) {
        resolve_purchase(arguments, catalog, purchase, ResolveFor::kComparison);
        if (before.asked == nullptr) {
            check_same_rows(before, *purchase);
        } else {
            check_same_request(before, purchase->asked, purchase->party);
        }
        end_announcement();
    }
    return true;
}

}  // namespace ticketpool
