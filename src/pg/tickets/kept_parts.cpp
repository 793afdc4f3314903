// Checks the stop list and the formation that ticket_open sells, and keeps them as a route and a
// layout (kept_parts.hpp).
#include "tickets/kept_parts.hpp"

#include "load/shared_parts.hpp"
#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/table_scan.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/uuid.h"
}

namespace ticketpool {
namespace {

constexpr uint64 kMaxSeats = 1000000;  // of one departure
constexpr uint64 kMaxCoaches = 4096;

Text text_column(uint64 row, int number, bool* is_null) {
    const Datum value =
        SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, is_null);
    return *is_null ? Text{"", 0} : text_of(value);
}

// Where the rows come from, and which of them are used: $1 is `name`.
struct Source {
    const Catalog& catalog;
    Snapshot snapshot;  // registered
    Text name;          // of the train or formation
};

void select_rows(const Source& source, const char* sql) {
    Oid types[] = {TEXTOID};
    Datum values[] = {text_datum(source.name)};
    execute_own_on(source.catalog.departure, sql, 1, types, values, nullptr, SPI_OK_SELECT,
                   source.snapshot);
}

// The md5 of the rows in their order. Digests are stored, so no version may change how they are
// made.
constexpr const char* kRouteDigest =
    "md5(train || '/' || string_agg(concat_ws('/', stop_no, octet_length(station), station, "
    "coalesce(extract(epoch FROM arrives)::text, '-'), coalesce(extract(epoch FROM departs)::text, "
    "'-')), '/' ORDER BY stop_no))::uuid";

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

// The digest in a column of the last query's first row.
pg_uuid_t digest_column(int number) {
    bool is_null;
    const Datum digest =
        SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, &is_null);
    if (is_null) {
        elog(ERROR, "rows without a digest");
    }
    return *DatumGetUUIDP(digest);
}

// Columns of the query in check_stops(), after the ones that it reads by number.
enum { kStopNumber = 5, kStopArrives, kStopDeparts, kStopUnknown };

// `detail` is translated, here and below.
[[noreturn]] void report_bad_stops(Text train, const char* detail) {
    ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                    errmsg("the stop list of train \"%s\" cannot be sold", printable(train)),
                    errdetail_internal("%s", detail), errhint("Correct its rows in ticket_stop.")));
}

// Times may fall this much: a clock that is put back in autumn, or a feed that is a little wrong,
// is not a reason to refuse a train.
constexpr int64_t kLargestFall = 2 * USECS_PER_HOUR;

// Refuses times that fall. A night train whose times were written as a clock shows them would be
// found on the wrong day.
void check_order(Text train, uint64 row, const Interval** latest) {
    for (const int column : {kStopArrives, kStopDeparts}) {
        bool is_null;
        const Datum value =
            SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &is_null);
        if (is_null) {
            continue;
        }
        const Interval* time = DatumGetIntervalP(value);
        if (*latest != nullptr &&
            interval_microseconds(*latest) - interval_microseconds(time) > kLargestFall) {
            const auto text = [](const Interval* t) {
                return DatumGetCString(DirectFunctionCall1(interval_out, IntervalPGetDatum(t)));
            };
            bool no_number;
            const int32_t stop_no = DatumGetInt32(SPI_getbinval(
                SPI_tuptable->vals[row], SPI_tuptable->tupdesc, kStopNumber, &no_number));
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("the stop list of train \"%s\" cannot be sold", printable(train)),
                     errdetail("At stop %d its time falls from %s to %s.", stop_no, text(*latest),
                               text(time)),
                     errhint("Times count from midnight of the service date: add 24 hours to those "
                             "after the next midnight.")));
        }
        *latest = time;
    }
}

// Is this the train's first call at the station?
bool is_first_call(uint64 row, Text station) {
    bool is_null;
    for (uint64 i = 0; i < row; i++) {
        if (same_text(text_column(i, 1, &is_null), station)) {
            return false;
        }
    }
    return true;
}

// The stop lists whose unknown stations were reported in a transaction.
struct NotedRoutes {
    TimestampTz transaction;  // the time of its start
    uint32_t count;
    pg_uuid_t digest[64];  // the last ones
};
constinit NotedRoutes noted{};

// Has this transaction reported this stop list already? A statement that opens many days then does
// not repeat the notice for each day; with more stop lists than are kept here it may.
bool was_noted(const pg_uuid_t& route) {
    if (noted.transaction != GetCurrentTransactionStartTimestamp()) {
        noted.transaction = GetCurrentTransactionStartTimestamp();
        noted.count = 0;
    }
    for (uint32_t i = 0; i < Min(noted.count, lengthof(noted.digest)); i++) {
        if (memcmp(&noted.digest[i], &route, sizeof(route)) == 0) {
            return true;
        }
    }
    noted.digest[noted.count++ % lengthof(noted.digest)] = route;
    return false;
}

// A code that is not in ticket_station is sold like any other, but it may be a typing error.
void note_unknown_stations(Text train, const pg_uuid_t& route, const char* codes, int count) {
    if (count > 0 && !was_noted(route)) {
        ereport(NOTICE,
                (errmsg_plural("train \"%s\" calls at a station that ticket_station does not have: "
                               "%s",
                               "train \"%s\" calls at stations that ticket_station does not have: "
                               "%s",
                               static_cast<unsigned long>(count), printable(train), codes),
                 errdetail_plural("It is sold and found by this code.",
                                  "They are sold and found by these codes.",
                                  static_cast<unsigned long>(count)),
                 errhint_plural("Add it to ticket_station, which gives it a name, or correct "
                                "ticket_stop.",
                                "Add them to ticket_station, which gives them names, or correct "
                                "ticket_stop.",
                                static_cast<unsigned long>(count))));
    }
}

// Checks that the rows of ticket_stop can be sold, and returns their digest. Appends the codes that
// ticket_station does not have.
pg_uuid_t check_stops(const Source& source, StringInfo unknown, int* unknown_count) {
    const Text train = source.name;
    const char* stop = qualified_name(source.catalog.stop);
    const Interval* latest = nullptr;
    select_rows(
        source,
        psprintf("SELECT station, arrives IS NULL AND departs IS NULL, "
                 "coalesce(extract(month FROM arrives) <> 0 OR extract(year FROM arrives) "
                 "<> 0 OR arrives < interval '0' OR arrives > interval '366 days', false) OR "
                 "coalesce(extract(month FROM departs) <> 0 OR extract(year FROM departs) "
                 "<> 0 OR departs < interval '0' OR departs > interval '366 days', false), "
                 "(SELECT %s FROM %s WHERE train = $1 GROUP BY train), stop_no, arrives, departs, "
                 "NOT EXISTS (SELECT FROM %s AS k WHERE k.station = t.station) "
                 "FROM %s AS t WHERE train = $1 ORDER BY stop_no",
                 kRouteDigest, stop, qualified_name(source.catalog.station), stop));
    if (SPI_processed == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("train \"%s\" does not exist", printable(train)),
                        errdetail("ticket_stop has no row of it."),
                        errhint("Load its stops into ticket_stop first.")));
    }
    if (SPI_processed > kMaxStops) {
        ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                        errmsg("train \"%s\" has too many stops", printable(train)),
                        errdetail("It has " UINT64_FORMAT " stops; the limit is %d.", SPI_processed,
                                  kMaxStops),
                        errhint("Sell it as two trains.")));
    }
    if (SPI_processed < 2) {
        report_bad_stops(train, _("It has one stop only."));
    }
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Text station = text_column(i, 1, &is_null);
        check_name(NameOf::kStation, station);
        if (DatumGetBool(
                SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 2, &is_null))) {
            report_bad_stops(train, _("A stop has neither an arrival nor a departure time."));
        }
        if (DatumGetBool(
                SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 3, &is_null))) {
            report_bad_stops(train,
                             _("A time is negative, counts in months, or is more than 366 days."));
        }
        check_order(train, i, &latest);
        if (DatumGetBool(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, kStopUnknown,
                                       &is_null)) &&
            is_first_call(i, station)) {
            appendStringInfo(unknown, "%s\"%s\"", (*unknown_count)++ > 0 ? ", " : "",
                             printable(station));
        }
    }
    return digest_column(4);
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

// Checks that the rows of ticket_formation can be sold, and returns their digest.
pg_uuid_t check_formation(const Source& source) {
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

constexpr AttrNumber kPartId = 1;  // in ticket_route and in ticket_layout

struct Part {
    Oid table;
    Oid digest_index;
    AttrNumber owner;  // the column of the train that alone may use it; 0: shared by all
    pg_uuid_t digest;
};

// The id of the row with this digest, or 0. Rows of every transaction that has committed by now
// count, whatever the isolation level, because these rows never change.
int64_t find_part(const Part& part, Text name) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, part.table, part.digest_index, snapshot);
    reader_key_uuid(&reader, UUIDPGetDatum(&part.digest));
    int64_t id = 0;
    if (reader_next(&reader)) {
        id = row_int64(reader.row, kPartId);
        // The text that is hashed begins with the train's name, which may look like a shorter name
        // and a stop.
        if (part.owner != 0 && !same_text(row_text(reader.row, part.owner), name)) {
            ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                            errmsg("train \"%s\" cannot be told from another one", printable(name)),
                            errdetail("Its name looks like the name and a stop of train \"%s\".",
                                      printable(row_text(reader.row, part.owner))),
                            errhint("Choose a name without slashes.")));
        }
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return id;
}

// The id of the row with this digest: of an existing row, or of the row that `insert` ($1: the
// name, $2: the digest) writes. If another session is writing that row, `insert` waits for it, and
// writes nothing if that session commits.
int64_t keep_part(const Source& source, const Part& part, const char* insert) {
    int64_t id = find_part(part, source.name);
    if (id == 0) {
        Oid types[] = {TEXTOID, UUIDOID};
        Datum values[] = {text_datum(source.name), UUIDPGetDatum(&part.digest)};
        execute_own_on(source.catalog.departure, insert, 2, types, values, nullptr, SPI_OK_INSERT,
                       source.snapshot);
        id = find_part(part, source.name);
    }
    if (id == 0) {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to a concurrent ticket_open"),
                        errhint("Retry the transaction.")));
    }
    return id;
}

int64_t keep_route(const Source& source, const pg_uuid_t& digest) {
    const Catalog& catalog = source.catalog;
    return keep_part(
        source, {catalog.route, catalog.route_digest, kRouteTrain, digest},
        psprintf("WITH r AS (INSERT INTO %s (digest, train, stop_nos, stations, arrives, departs) "
                 "SELECT $2, train, array_agg(stop_no ORDER BY stop_no), "
                 "array_agg(station ORDER BY stop_no), array_agg(arrives ORDER BY stop_no), "
                 "array_agg(departs ORDER BY stop_no) FROM %s WHERE train = $1 GROUP BY train "
                 "ON CONFLICT (digest) DO NOTHING RETURNING route_id, stations) "
                 "INSERT INTO %s (station, route_id, stop_index) "
                 "SELECT c.station, r.route_id, c.n - 1 FROM r, unnest(r.stations) WITH "
                 "ORDINALITY AS c (station, n)",
                 qualified_name(catalog.route), qualified_name(catalog.stop),
                 qualified_name(catalog.route_call)));
}

int64_t keep_layout(const Source& source, const pg_uuid_t& digest) {
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

}  // namespace

KeptParts keep_parts(const Catalog& catalog, Text train, Text formation) {
    Snapshot snapshot = RegisterSnapshot(GetTransactionSnapshot());
    const Source stops{catalog, snapshot, train};
    const Source coaches{catalog, snapshot, formation};
    StringInfoData unknown;
    int unknown_count = 0;
    initStringInfo(&unknown);
    const pg_uuid_t route = check_stops(stops, &unknown, &unknown_count);
    const pg_uuid_t layout = check_formation(coaches);
    note_unknown_stations(train, route, unknown.data, unknown_count);
    const KeptParts parts{keep_route(stops, route), keep_layout(coaches, layout)};
    UnregisterSnapshot(snapshot);
    return parts;
}

}  // namespace ticketpool
