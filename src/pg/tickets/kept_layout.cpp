// Checks the formation that ticket_open sells, and keeps it as a layout (kept_layout.hpp).
#include "tickets/kept_layout.hpp"

#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr uint64 kMaxSeats = 1000000;  // of one departure
constexpr uint64 kMaxCoaches = 4096;

// The order of the coaches in the train: by number if the coach has one.
constexpr const char* kCoachOrder =
    "length(substring(coach FROM '^[0-9]+')), substring(coach FROM '^[0-9]+') COLLATE \"C\", coach "
    "COLLATE \"C\", seat_class COLLATE \"C\"";

const char* layout_digest() {
    return psprintf(
        "md5(string_agg(concat_ws('/', octet_length(coach), coach, octet_length(seat_class), "
        "seat_class, coalesce(array_to_string(seats, ','), '-'), coalesce(places::text, '-')), '/' "
        "ORDER BY %s))::uuid",
        kCoachOrder);
}

[[noreturn]] void report_bad_formation(Text formation, Text coach, const char* detail) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("coach \"%s\" of formation \"%s\" cannot be sold", printable(coach),
                    printable(formation)),
             errdetail_internal("%s", detail), errhint("Correct its row in ticket_formation.")));
}

// Appends the coach's labels as numbers; refuses what is not a label.
void check_labels(Text formation, Text coach, Datum seats, uint32_t* labels, uint64* count) {
    Datum* values;
    bool* nulls;
    int elements;
    ArrayType* array = DatumGetArrayTypeP(seats);
    if (ARR_NDIM(array) != 1) {
        report_bad_formation(formation, coach,
                             _("Its seats are not a list of labels, or the list is empty."));
    }
    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &elements);
    for (int i = 0; i < elements; i++) {
        const Text label = nulls[i] ? Text{"", 0} : text_of(values[i]);
        uint16_t row;
        uint8_t letter;
        if (nulls[i] || !parse_seat_label(label.data, label.length, &row, &letter)) {
            report_bad_formation(
                formation, coach,
                psprintf(_("Seat \"%s\" is not a row number (1 to 9999) and a letter (A to Z)."),
                         printable(label)));
        }
        labels[(*count)++] = static_cast<uint32_t>(row) << 8 | letter;
    }
}

uint64 seats_of_formation(Text formation) {
    uint64 seats = 0;
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Text coach = text_column(i, 1, &is_null);
        check_name(NameOf::kCoach, coach);
        check_name(NameOf::kSeatClass, text_column(i, 2, &is_null));
        bool no_seats;
        bool no_places;
        const Datum labels =
            SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &no_seats);
        const int32_t places = DatumGetInt32(
            SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 4, &no_places));
        if (no_seats == no_places) {
            report_bad_formation(formation, coach,
                                 _("It needs either numbered seats or a number of places."));
        }
        if (!no_places) {
            if (places <= 0) {
                report_bad_formation(formation, coach, psprintf(_("It has %d places."), places));
            }
            seats += static_cast<uint64>(places);
        } else {
            ArrayType* array = DatumGetArrayTypeP(labels);
            seats += static_cast<uint64>(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));
        }
        if (seats > kMaxSeats) {
            ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                            errmsg("formation \"%s\" has too many seats", printable(formation)),
                            errdetail("The limit is " UINT64_FORMAT ".", kMaxSeats),
                            errhint("Sell it as two trains.")));
        }
    }
    return seats;
}

}  // namespace

pg_uuid_t check_formation(const KeptSource& source) {
    const Text formation = source.name;
    const char* coaches = qualified_name(source.catalog.formation);
    select_rows(source, psprintf("SELECT coach, seat_class, seats, places, "
                                 "(SELECT %s FROM %s WHERE formation = $1) "
                                 "FROM %s WHERE formation = $1 ORDER BY %s",
                                 layout_digest(), coaches, coaches, kCoachOrder));
    if (SPI_processed == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("formation \"%s\" does not exist", printable(formation)),
                        errdetail("ticket_formation has no row of it."),
                        errhint("Load its coaches into ticket_formation first.")));
    }
    if (SPI_processed > kMaxCoaches) {
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("formation \"%s\" has too many coaches", printable(formation)),
                        errdetail("The limit is " UINT64_FORMAT ".", kMaxCoaches),
                        errhint("Sell it as two trains.")));
    }
    uint32_t* labels =
        static_cast<uint32_t*>(palloc(seats_of_formation(formation) * sizeof(uint32_t) + 1));
    uint64 count = 0;
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Text coach = text_column(i, 1, &is_null);
        if (i > 0 && !same_text(coach, text_column(i - 1, 1, &is_null))) {
            count = 0;  // labels are unique in a coach, which may have several classes
        }
        const Datum seats =
            SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &is_null);
        if (!is_null) {
            check_labels(formation, coach, seats, labels, &count);
        }
        qsort(labels, count, sizeof(uint32_t), compare_numbers);
        for (uint64 j = 1; j < count; j++) {
            if (labels[j] == labels[j - 1]) {
                report_bad_formation(
                    formation, coach,
                    psprintf(_("Seat %u%c is there twice."), labels[j] >> 8, labels[j] & 0xFF));
            }
        }
    }
    return digest_column(5);
}

int64_t keep_layout(const KeptSource& source, const pg_uuid_t& digest) {
    const Catalog& catalog = source.catalog;
    return keep_part(
        source, {catalog.layout, catalog.layout_digest, 0, digest},
        psprintf("WITH l AS (INSERT INTO %s (digest) VALUES ($2) "
                 "ON CONFLICT (digest) DO NOTHING RETURNING layout_id) "
                 "INSERT INTO %s (layout_id, position, coach, seat_class, seats, places) "
                 "SELECT l.layout_id, row_number() OVER (ORDER BY %s), coach, seat_class, "
                 "seats, places FROM l, %s WHERE formation = $1",
                 qualified_name(catalog.layout), qualified_name(catalog.layout_coach), kCoachOrder,
                 qualified_name(catalog.formation)));
}

}  // namespace ticketpool
