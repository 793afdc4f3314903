// Reads the seats that a caller names and finds them in a departure (named_seats.hpp).
#include "tickets/named_seats.hpp"

#include "load/directory.hpp"
#include "purchase/request_digest.hpp"
#include "server/errors.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

namespace {

int compare_texts(const void* a, const void* b) {
    const Text* left = static_cast<const Text*>(a);
    const Text* right = static_cast<const Text*>(b);
    const int order = memcmp(left->data, right->data, Min(left->length, right->length));
    return order != 0                     ? order
           : left->length < right->length ? -1
                                          : static_cast<int>(left->length > right->length);
}

// Hashes the names in ascending order; ereports if one is there twice.
uint64_t hash_of_names(const Text* name, uint32_t count) {
    if (count == 1) {
        return digest_hash(name[0]);
    }
    Text* sorted = static_cast<Text*>(palloc(count * sizeof(Text)));
    memcpy(sorted, name, count * sizeof(Text));
    qsort(sorted, count, sizeof(Text), compare_texts);
    uint64_t hash = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (i > 0 && same_text(sorted[i - 1], sorted[i])) {
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("seat \"%s\" is named twice", printable(sorted[i])),
                     errdetail("A seat can be taken once only."), errhint("Name each seat once.")));
        }
        hash = digest_hash(sorted[i], hash);
    }
    pfree(sorted);
    return hash;
}

// The seat's number in its class; -1: the departure does not have it.
int64_t find_seat(const Layout* layout, Text name, uint32_t* class_index) {
    Text coach;
    Text label;
    return split_seat_name(name, &coach, &label)
               ? layout->find_named_seat(coach.data, coach.length, label.data, label.length,
                                         class_index)
               : -1;
}

}  // namespace

NamedSeats read_seats(FunctionCallInfo fcinfo, int argument) {
    require_argument(fcinfo, argument, "seats");
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(argument);
    if (ARR_NDIM(array) != 1) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("seats is not a list of seats"),
                 errdetail("It has %d dimensions and %d elements.", ARR_NDIM(array),
                           ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array))),
                 errhint("Name each seat as coach/seat, for example '{07/12F}'.")));
    }
    if (array_contains_nulls(array)) {
        ereport(ERROR,
                (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("seats may not contain NULL"),
                 errdetail("Each element names one seat."),
                 errhint("Name each seat as coach/seat, for example '{07/12F}'.")));
    }
    Datum* values;
    int count;
    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, nullptr, &count);
    const size_t room = static_cast<size_t>(count);
    Text* name = static_cast<Text*>(palloc(room * sizeof(Text)));
    for (int i = 0; i < count; i++) {
        name[i] = text_of(values[i]);
    }
    pfree(values);
    NamedSeats seats{name, nullptr, static_cast<uint32_t>(count), 0};
    seats.hash = hash_of_names(name, seats.count);
    return seats;
}

void resolve_seats(const DepartureRef& ref, NamedSeats* seats) {
    const Layout* layout = ref.departure->layout.get();
    seats->seat = static_cast<NamedSeat*>(palloc(seats->count * sizeof(NamedSeat)));
    for (uint32_t i = 0; i < seats->count; i++) {
        const Text name = seats->name[i];
        NamedSeat* seat = &seats->seat[i];
        const int64_t number = find_seat(layout, name, &seat->class_index);
        if (number < 0) {
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("train \"%s\" has no seat \"%s\"",
                                   printable(directory_train(ref)), printable(name)),
                            errdetail("The formation of the departure does not have it."),
                            errhint("Name each seat as coach/seat, for example '07/12F'.")));
        }
        seat->seat = static_cast<uint32_t>(number);
    }
}

}  // namespace ticketpool
