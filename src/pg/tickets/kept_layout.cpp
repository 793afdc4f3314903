// Checks the formation that ticket_open sells, and keeps it as a layout (kept_layout.hpp).
#include "tickets/kept_layout.hpp"

#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "ticketpool/layout_builder.hpp"

extern "C" {
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
}

namespace ticketpool {
namespace {

// The order of the coaches in the train: by number if the coach has one.
constexpr const char* kCoachOrder =
    "length(substring(coach FROM '^[0-9]+')), substring(coach FROM '^[0-9]+') COLLATE \"C\", coach "
    "COLLATE \"C\", seat_class COLLATE \"C\"";

// The digest of a formation whose labels are all plain and of whose seats nothing else is known. It
// is the one that version 0.2 stored, so it may not change.
const char* plain_digest() {
    return psprintf(
        "md5(string_agg(concat_ws('/', octet_length(coach), coach, octet_length(seat_class), "
        "seat_class, coalesce(array_to_string(seats, ','), '-'), coalesce(places::text, '-')), '/' "
        "ORDER BY %s))::uuid",
        kCoachOrder);
}

// The digest of any other formation, from its rows as text: which value ends where can be told from
// that. It begins with a letter, the text of a plain formation with a digit.
const char* seats_digest(const Catalog& catalog) {
    return psprintf(
        "md5('seats' || (SELECT string_agg(ROW(coach, seat_class, seats, places)::text, '' "
        "ORDER BY %s) FROM %s WHERE formation = $1) || coalesce((SELECT '/' || "
        "string_agg(ROW(coach, seat, seat_group, x, y, deck, properties)::text, '' "
        "ORDER BY coach COLLATE \"C\", seat COLLATE \"C\") FROM %s WHERE formation = $1), "
        "''))::uuid",
        kCoachOrder, qualified_name(catalog.formation), qualified_name(catalog.formation_seat));
}

// The coaches of the formation with what is kept of their seats: arrays as ticket_layout_coach has
// them. A list of common table expressions, `kept` at its end. A seat is in one row of each of the
// two tables at most, so they are put together by grouping: a join would be planned before anybody
// has analyzed the tables, and be quadratic.
const char* kept_coaches(const Catalog& catalog) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfo(
        &sql,
        "seat AS (SELECT coach, max(seat_class) AS seat_class, max(n) AS n, max(seat_group) AS "
        "seat_group, max(x) AS x, max(y) AS y, max(deck) AS deck, max(words) AS words FROM "
        "(SELECT f.coach, l.label, f.seat_class, l.n, NULL AS seat_group, NULL::int AS x, "
        "NULL::int AS y, NULL::int AS deck, NULL AS words FROM %s f CROSS JOIN unnest(f.seats) "
        "WITH ORDINALITY AS l(label, n) WHERE f.formation = $1 UNION ALL "
        "SELECT coach, seat, NULL, NULL, seat_group, x, y, deck, "
        "(SELECT string_agg(w, ' ' ORDER BY at) FROM unnest(properties) WITH ORDINALITY "
        "AS list(w, at)) FROM %s WHERE formation = $1) AS known GROUP BY coach, label "
        "HAVING count(n) > 0), detail AS (SELECT coach, seat_class",
        qualified_name(catalog.formation), qualified_name(catalog.formation_seat));
    const struct {
        const char* column;
        const char* array;
    } details[] = {{"seat_group", "seat_groups"},
                   {"x", "xs"},
                   {"y", "ys"},
                   {"deck", "decks"},
                   {"words", "properties"}};
    for (const auto& detail : details) {
        appendStringInfo(&sql, ", CASE WHEN count(%s) > 0 THEN array_agg(%s ORDER BY n) END AS %s",
                         detail.column, detail.column, detail.array);
    }
    appendStringInfo(&sql,
                     " FROM seat GROUP BY coach, seat_class), "
                     "kept AS (SELECT f.seats, f.places, coach, seat_class, seat_groups, xs, ys, "
                     "decks, properties FROM %s f LEFT JOIN detail USING (coach, seat_class) "
                     "WHERE f.formation = $1)",
                     qualified_name(catalog.formation));
    return sql.data;
}

// ---------------------------------------------------------------------------------------------
// Checks
// ---------------------------------------------------------------------------------------------

[[noreturn]] void report_bad_formation(Text formation, Text coach, const char* detail) {
    ereport(ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
             errmsg("coach \"%s\" of formation \"%s\" cannot be sold", printable(coach),
                    printable(formation)),
             errdetail_internal("%s", detail), errhint("Correct its row in ticket_formation.")));
}

[[noreturn]] void report_bad_seat(Text formation, Text coach, Text seat, const char* detail) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("seat \"%s\" of coach \"%s\" of formation \"%s\" cannot be sold",
                           printable(seat), printable(coach), printable(formation)),
                    errdetail_internal("%s", detail),
                    errhint("Correct its row in ticket_formation_seat.")));
}

// Is it a row number (1 to 9999) and a letter (A to Z)? Version 0.2 knew no other labels.
bool is_plain_label(Text label) {
    if (label.length < 2 || label.length > 5 || label.data[0] == '0') {
        return false;
    }
    for (size_t i = 0; i + 1 < label.length; i++) {
        if (label.data[i] < '0' || label.data[i] > '9') {
            return false;
        }
    }
    const char last = label.data[label.length - 1];
    return last >= 'A' && last <= 'Z';
}

// A blank of Unicode (White_Space) that is not of ASCII.
bool is_wide_blank(pg_wchar c) {
    return c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

// Is it a label also for the control characters and blanks that UTF-8 writes with several bytes?
// The core knows those of ASCII.
bool is_label(Text label) {
    if (!is_seat_label({label.data, label.length})) {
        return false;
    }
    if (GetDatabaseEncoding() != PG_UTF8) {
        return true;
    }
    pg_wchar c = 0;
    for (size_t i = 0; i < label.length;) {
        const auto* at = reinterpret_cast<const unsigned char*>(label.data + i);
        c = utf8_to_unicode(at);
        if ((c >= 0x80 && c <= 0x9F) || (i == 0 && is_wide_blank(c))) {
            return false;
        }
        i += static_cast<size_t>(pg_utf_mblen(at));
    }
    return !is_wide_blank(c);
}

// The labels of one coach, of all its classes.
struct Labels {
    Text* label;
    uint64 count;
    bool all_plain;  // those of the formation so far
};

// Appends the labels of a row; refuses what is not a label.
void add_labels(Text formation, Text coach, Datum seats, Labels* labels) {
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
        if (!is_label(label)) {
            report_bad_formation(
                formation, coach,
                psprintf(_("Seat \"%s\" is not a label: 1 to 31 bytes without slashes, control "
                           "characters, and blanks at its ends."),
                         printable(label)));
        }
        labels->label[labels->count++] = label;
        labels->all_plain = labels->all_plain && is_plain_label(label);
    }
}

// Shorter labels first, so that seats in their usual order are in order.
int compare_labels(const void* a, const void* b) {
    const Text* left = static_cast<const Text*>(a);
    const Text* right = static_cast<const Text*>(b);
    if (left->length != right->length) {
        return left->length < right->length ? -1 : 1;
    }
    return memcmp(left->data, right->data, left->length);
}

void check_unique(Text formation, Text coach, const Labels& labels) {
    uint64 rising = 1;
    while (rising < labels.count &&
           compare_labels(&labels.label[rising - 1], &labels.label[rising]) < 0) {
        rising++;
    }
    if (rising >= labels.count) {
        return;
    }
    qsort(labels.label, labels.count, sizeof(Text), compare_labels);
    for (uint64 i = 1; i < labels.count; i++) {
        if (compare_labels(&labels.label[i - 1], &labels.label[i]) == 0) {
            report_bad_formation(
                formation, coach,
                psprintf(_("Seat \"%s\" is there twice."), printable(labels.label[i])));
        }
    }
}

void check_coach_name(Text formation, Text coach) {
    if (coach.length == 0 || coach.length > kMaxLabelBytes) {
        report_bad_formation(
            formation, coach,
            psprintf(_("Its name has %zu bytes, not 1 to %zu."), coach.length, kMaxLabelBytes));
    }
}

[[noreturn]] void report_too_many(const char* message, uint64 limit, const char* hint) {
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg_internal("%s", message),
                    errdetail("The limit is " UINT64_FORMAT ".", limit), errhint("%s", hint)));
}

uint64 seats_of_formation(Text formation) {
    uint64 seats = 0;
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Text coach = text_column(i, 1, &is_null);
        check_coach_name(formation, coach);
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
            report_too_many(
                psprintf(_("formation \"%s\" has too many seats"), printable(formation)), kMaxSeats,
                _("Sell it as two trains."));
        }
    }
    return seats;
}

// Checks the labels of all coaches, the rows of the last query. Are they all plain?
bool check_labels(Text formation, bool has_details) {
    Labels labels{static_cast<Text*>(palloc_extended(
                      seats_of_formation(formation) * sizeof(Text) + 1, MCXT_ALLOC_HUGE)),
                  0, true};
    uint64 most = 0;
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Text coach = text_column(i, 1, &is_null);
        const Datum seats =
            SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &is_null);
        if (!is_null) {
            add_labels(formation, coach, seats, &labels);
        }
        // Labels are unique in a coach, which may have several classes.
        if (i + 1 == SPI_processed || !same_text(coach, text_column(i + 1, 1, &is_null))) {
            check_unique(formation, coach, labels);
            most = Max(most, labels.count);
            labels.count = 0;
        }
    }
    // Each seat may be a group of its own, unless groups are the rows of plain labels.
    if ((!labels.all_plain || has_details) && most > kMaxGroups) {
        report_too_many(
            psprintf(_("a coach of formation \"%s\" has too many seats"), printable(formation)),
            kMaxGroups, _("Sell it as two coaches."));
    }
    return labels.all_plain;
}

bool is_property(Text word) {
    if (word.length == 0 || word.length > kMaxPropertyBytes) {
        return false;
    }
    for (size_t i = 0; i < word.length; i++) {
        const char c = word.data[i];
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' && c != '-') {
            return false;
        }
    }
    return true;
}

// What is wrong with the properties of a seat; null: nothing.
const char* fault_of_properties(Datum properties) {
    Datum* values;
    bool* nulls;
    int count;
    ArrayType* array = DatumGetArrayTypeP(properties);
    if (ARR_NDIM(array) > 1) {
        return _("Its properties are not a list of words.");
    }
    if (ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)) > static_cast<int>(kMaxProperties)) {
        return psprintf(_("It has more than %zu properties."), kMaxProperties);
    }
    deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &values, &nulls, &count);
    for (int i = 0; i < count; i++) {
        const Text word = nulls[i] ? Text{"", 0} : text_of(values[i]);
        if (!is_property(word)) {
            return psprintf(
                _("Property \"%s\" is not 1 to %zu of the signs a to z, 0 to 9, _ and -."),
                printable(word), kMaxPropertyBytes);
        }
        for (int j = 0; j < i; j++) {
            if (same_text(word, text_of(values[j]))) {
                return psprintf(_("Property \"%s\" is there twice."), printable(word));
            }
        }
    }
    return nullptr;
}

// Checks the rows of ticket_formation_seat, whose coaches have passed.
void check_details(const KeptSource& source) {
    const Text formation = source.name;
    select_rows(source,
                psprintf("SELECT d.coach, d.seat, l.label IS NOT NULL, d.seat_group, d.properties "
                         "FROM %s d LEFT JOIN (SELECT coach, label FROM %s, unnest(seats) AS label "
                         "WHERE formation = $1) l ON l.coach = d.coach AND l.label = d.seat "
                         "WHERE d.formation = $1 ORDER BY d.coach COLLATE \"C\", "
                         "d.seat COLLATE \"C\"",
                         qualified_name(source.catalog.formation_seat),
                         qualified_name(source.catalog.formation)));
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Text coach = text_column(i, 1, &is_null);
        const Text seat = text_column(i, 2, &is_null);
        if (!DatumGetBool(
                SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &is_null))) {
            report_bad_seat(formation, coach, seat, _("The formation does not have this seat."));
        }
        const Text group = text_column(i, 4, &is_null);
        if (!is_null && (group.length == 0 || group.length > kMaxNameBytes)) {
            report_bad_seat(formation, coach, seat,
                            psprintf(_("Its seat_group has %zu bytes, not 1 to %d."), group.length,
                                     kMaxNameBytes));
        }
        const Datum properties =
            SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 5, &is_null);
        const char* fault = is_null ? nullptr : fault_of_properties(properties);
        if (fault != nullptr) {
            report_bad_seat(formation, coach, seat, fault);
        }
    }
}

void check_property_sets(const KeptSource& source) {
    select_rows(source, psprintf("SELECT count(DISTINCT properties) FROM %s WHERE formation = $1",
                                 qualified_name(source.catalog.formation_seat)));
    bool is_null;
    const int64_t sets =
        DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
    if (sets > static_cast<int64_t>(kMaxPropertySets)) {
        report_too_many(psprintf(_("seats of formation \"%s\" have too many sets of properties"),
                                 printable(source.name)),
                        kMaxPropertySets, _("Leave out properties that nobody asks for."));
    }
}

pg_uuid_t digest_of_seats(const KeptSource& source) {
    select_rows(source, psprintf("SELECT %s", seats_digest(source.catalog)));
    return digest_column(1);
}

KeptPart layout_part(const Catalog& catalog, const pg_uuid_t& digest) {
    return {catalog.layout, catalog.layout_digest, 0, digest};
}

}  // namespace

pg_uuid_t check_formation(const KeptSource& source) {
    const Text formation = source.name;
    const char* coaches = qualified_name(source.catalog.formation);
    select_rows(source,
                psprintf("SELECT coach, seat_class, seats, places, "
                         "(SELECT %s FROM %s WHERE formation = $1), "
                         "EXISTS (SELECT FROM %s WHERE formation = $1) "
                         "FROM %s WHERE formation = $1 ORDER BY %s",
                         plain_digest(), coaches, qualified_name(source.catalog.formation_seat),
                         coaches, kCoachOrder));
    if (SPI_processed == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("formation \"%s\" does not exist", printable(formation)),
                        errdetail("ticket_formation has no row of it."),
                        errhint("Load its coaches into ticket_formation first.")));
    }
    if (SPI_processed > kMaxCoaches) {
        report_too_many(psprintf(_("formation \"%s\" has too many coaches"), printable(formation)),
                        kMaxCoaches, _("Sell it as two trains."));
    }
    const pg_uuid_t plain = digest_column(5);
    bool is_null;
    const bool has_details =
        DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 6, &is_null));
    const bool all_plain = check_labels(formation, has_details);
    if (all_plain && !has_details) {
        return plain;
    }
    const pg_uuid_t digest = digest_of_seats(source);
    // Rows that are kept with this digest have passed before.
    if (has_details && !is_kept(layout_part(source.catalog, digest))) {
        check_details(source);
        check_property_sets(source);
    }
    return digest;
}

int64_t keep_layout(const KeptSource& source, const pg_uuid_t& digest) {
    const Catalog& catalog = source.catalog;
    return keep_part(
        source, layout_part(catalog, digest),
        psprintf("WITH l AS (INSERT INTO %s (digest) VALUES ($2) "
                 "ON CONFLICT (digest) DO NOTHING RETURNING layout_id), %s "
                 "INSERT INTO %s (layout_id, position, coach, seat_class, seats, places, "
                 "seat_groups, xs, ys, decks, properties) "
                 "SELECT l.layout_id, row_number() OVER (ORDER BY %s), coach, seat_class, "
                 "seats, places, seat_groups, xs, ys, decks, properties FROM l, kept",
                 qualified_name(catalog.layout), kept_coaches(catalog),
                 qualified_name(catalog.layout_coach), kCoachOrder));
}

}  // namespace ticketpool
