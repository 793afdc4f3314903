// ticket_import_gtfs: opens the runs of a GTFS feed that is in tables.
//
// The feed is read with the caller's rights, what is written is written as the extension's owner,
// and nothing of the feed is ever part of a statement: between the two are texts and numbers. The
// rows of trips, stop_times and frequencies come sorted by the number of the train and the trip, so
// only the trips of one number are in memory at a time.
//
// Two imports of one database run one after the other (a lock to the end of the transaction), so
// the second one sees what the first has opened, and they cannot wait for each other in a circle.
#include "gtfs/feed_values.hpp"
#include "gtfs/run_openings.hpp"
#include "pool/shared_memory.hpp"
#include "server/advisory_locks.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/progress.hpp"
#include "server/table_scan.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/departure_rows.hpp"
#include "tables/order_leaf.hpp"
#include "tickets/kept_parts.hpp"
#include "tickets/opening.hpp"

namespace ticketpool {
namespace {

constexpr int kStationsAtATime = 1000;

struct Import {
    const Catalog& catalog;
    Feed feed;
    Services services;
    TextIndex stations;
    Formations formations;
    bool one_formation;  // for all trips: number 0 in the index
    FeedCursor trips;
    FeedCursor calls;
    FeedCursor frequencies;
    FeedCursor on_sale;
    ReturnSetInfo* result;
    Progress progress;
    int64_t trips_read;
};

// What the caller's search_path has is nothing to the queries of the feed. Until the end of the
// (sub)transaction, or AtEOXact_GUC.
int begin_settings() {
    const int level = NewGUCNestLevel();
    set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION,
                      GUC_ACTION_SAVE, true, 0, false);
    // All rows are read.
    set_config_option("cursor_tuple_fraction", "1", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                      true, 0, false);
    return level;
}

void write_stations(const Catalog& catalog, Datum* codes, Datum* names, int count) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    Oid types[] = {TEXTARRAYOID, TEXTARRAYOID};
    Datum values[] = {
        PointerGetDatum(construct_array(codes, count, TEXTOID, -1, false, TYPALIGN_INT)),
        PointerGetDatum(construct_array(names, count, TEXTOID, -1, false, TYPALIGN_INT))};
    const char* sql = psprintf(
        "INSERT INTO %s (station, name) SELECT s.station, s.name FROM unnest($1, $2) AS s "
        "(station, name) ON CONFLICT (station) DO NOTHING",
        qualified_name(catalog.station));
    // With an older snapshot, REPEATABLE READ would refuse to leave a row alone that it does not
    // see.
    Snapshot snapshot = take_fresh_snapshot();
    if (execute_planned(sql, lengthof(types), types, values, nullptr, snapshot) != SPI_OK_INSERT) {
        report_not_written(sql);
    }
    drop_snapshot(snapshot);
    SPI_finish();
    owner_end(scope);
}

// Gives names to the stations of the feed that have none yet. In the order of their codes, as any
// import does: two of them never wait for each other.
void add_stations(const Import& import) {
    Datum codes[kStationsAtATime];
    Datum names[kStationsAtATime];
    int count = 0;
    MemoryContext batch = AllocSetContextCreate(CurrentMemoryContext, "ticketpool feed stations",
                                                ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(batch);
    FeedCursor cursor;
    open_cursor(&cursor, stations_query(import.feed), 0, nullptr, nullptr);
    while (next_row(&cursor)) {
        codes[count] = text_datum(feed_text(cursor, 1));
        names[count++] = text_datum(feed_text(cursor, 2));
        if (count == kStationsAtATime) {
            write_stations(import.catalog, codes, names, count);
            count = 0;
            MemoryContextReset(batch);
        }
    }
    if (count > 0) {
        write_stations(import.catalog, codes, names, count);
    }
    close_cursor(&cursor);
    MemoryContextSwitchTo(previous);
    MemoryContextDelete(batch);
}

void open_trips_cursor(FeedCursor* cursor, const char* sql, Datum services) {
    Oid types[] = {TEXTARRAYOID};
    Datum values[] = {services};
    open_cursor(cursor, sql, lengthof(types), types, values);
}

int64_t count_trips(const Import& import, Datum services) {
    FeedCursor cursor;
    open_trips_cursor(&cursor, trip_count_query(import.feed), services);
    bool is_null = true;
    const Datum count = next_row(&cursor) ? SPI_getbinval(cursor.rows->vals[cursor.at],
                                                          cursor.rows->tupdesc, 1, &is_null)
                                          : 0;
    const int64_t trips = is_null ? kNoTotal : DatumGetInt64(count);
    close_cursor(&cursor);
    return trips;
}

// Trips of which nobody knows when they run.
void warn_of_unserved(const Import& import) {
    FeedCursor cursor;
    open_trips_cursor(&cursor, unserved_query(import.feed), readable_services(import.services));
    while (next_row(&cursor)) {
        const Text service = feed_text(cursor, 2);
        const int64_t number =
            service.data == nullptr ? -1 : find_text(import.services.index, service);
        warn_of_trip(
            feed_text(cursor, 1),
            number >= 0
                ? import.services.list[number].trouble
                : psprintf(_("Its service \"%s\" is neither in calendar nor in calendar_dates."),
                           service.data == nullptr ? "" : printable(service)));
    }
    close_cursor(&cursor);
}

// The locks of ticket_open, for all days that have a run.
void lock_days(const Import& import) {
    const Catalog& catalog = import.catalog;
    const Services& services = import.services;
    const DateADT first = services.first_day;
    const auto days = static_cast<size_t>(services.last_day - first) + 1;
    bool* wanted = static_cast<bool*>(palloc0(days));
    for (uint32_t i = 0; i < services.index.count; i++) {
        const Service& service = services.list[i];
        for (int day = 0; day < service.days && service.trouble == nullptr; day++) {
            wanted[service.first - first + day] |= service.runs[day];
        }
    }
    OrderLeaf leaf;
    bool all_there = true;
    for (size_t day = 0; day < days; day++) {
        all_there =
            all_there &&
            (!wanted[day] || find_order_leaf(catalog, first + static_cast<DateADT>(day), &leaf));
    }
    lock_orders(catalog, all_there ? AccessShareLock : ShareUpdateExclusiveLock);
    for (size_t day = 0; day < days; day++) {
        const DateADT date = first + static_cast<DateADT>(day);
        if (wanted[day] && find_order_leaf(catalog, date, &leaf)) {
            lock_order_leaf(catalog, date, AccessShareLock, &leaf);
        }
    }
    lock_new_departures(catalog);
    pfree(wanted);
}

// The number of the trip's formation.
int64_t formation_of_row(Import* import) {
    if (import->one_formation) {
        return 0;
    }
    const Text least = trimmed(feed_text(import->trips, 4));
    if (least.length == 0 || !same_text(least, trimmed(feed_text(import->trips, 5)))) {
        return -1;
    }
    return number_of_text(&import->formations.index, least);
}

// Reads the trip that the cursor of trips is at, and goes to the next one.
FeedTrip* read_trip(Import* import, Text number) {
    auto* trip = static_cast<FeedTrip*>(palloc0(sizeof(FeedTrip)));
    trip->id = copy_text(feed_text(import->trips, 2));
    trip->service =
        static_cast<uint32_t>(find_text(import->services.index, feed_text(import->trips, 3)));
    trip->formation = formation_of_row(import);
    read_calls(number, &import->calls, &import->stations, trip);
    read_frequencies(number, &import->frequencies, trip);
    progress_done(import->progress, ++import->trips_read);
    while (next_row(&import->trips) && same_text(feed_text(import->trips, 2), trip->id) &&
           same_text(feed_text(import->trips, 1), number)) {
        trip->trouble = _("Table trips has more than one row of it.");
    }
    return trip;
}

void append_runs(FeedTrip* trip, NumberRuns* numbers, uint32_t* room) {
    const auto starts = static_cast<uint32_t>(trip->by_frequency ? trip->start_count : 1);
    while (numbers->run_count + starts > *room) {
        *room = Max(2 * *room, 16U);
        const size_t bytes = *room * sizeof(FeedRun);
        numbers->runs = static_cast<FeedRun*>(
            numbers->runs == nullptr ? palloc(bytes) : repalloc_huge(numbers->runs, bytes));
    }
    for (uint32_t i = 0; i < starts; i++) {
        FeedRun* run = &numbers->runs[numbers->run_count++];
        *run = FeedRun{};
        run->trip = trip;
        run->start = trip->by_frequency ? trip->starts[i] : first_departure(*trip);
    }
}

int compare_runs(const void* a, const void* b) {
    const auto* left = static_cast<const FeedRun*>(a);
    const auto* right = static_cast<const FeedRun*>(b);
    if (left->start != right->start) {
        return left->start < right->start ? -1 : 1;
    }
    return compare_texts(left->trip->id, right->trip->id);
}

// Reads the trips of the number that the cursor of trips is at.
void read_runs(Import* import, NumberRuns* numbers) {
    uint32_t room = 0;
    while (has_row(import->trips) && same_text(feed_text(import->trips, 1), numbers->number)) {
        FeedTrip* trip = read_trip(import, numbers->number);
        if (trip->trouble != nullptr) {
            warn_of_trip(trip->id, trip->trouble);
        } else if (trip->count > 1) {
            append_runs(trip, numbers, &room);
        }
    }
    if (numbers->run_count > 1) {
        qsort(numbers->runs, numbers->run_count, sizeof(FeedRun), compare_runs);
    }
}

void return_runs(const Import& import, const NumberRuns& numbers) {
    for (uint32_t i = 0; i < numbers.opening_count; i++) {
        const NewRun& one = numbers.opening[i];
        if (one.departure_id != 0) {
            bool nulls[4] = {};
            Datum values[] = {text_datum(train_name(numbers.number, one.suffix)),
                              DateADTGetDatum(one.day), Int64GetDatum(one.departure_id),
                              text_datum(numbers.runs[one.run].trip->id)};
            tuplestore_putvalues(import.result->setResult, import.result->setDesc, values, nulls);
        }
    }
}

void import_number(Import* import) {
    NumberRuns numbers{};
    numbers.number = copy_text(feed_text(import->trips, 1));
    progress_object(import->progress, numbers.number);
    read_runs(import, &numbers);
    OwnerScope scope;
    owner_begin(import->catalog, &scope);
    read_on_sale(&import->on_sale, &numbers);
    if (numbers.run_count > 0) {
        name_runs(import->catalog, import->services, import->stations, &numbers);
    }
    owner_end(scope);
    if (numbers.opening_count > 0) {
        open_runs(import->catalog, import->stations, &import->formations, &numbers);
        return_runs(*import, numbers);
    }
}

void import_all(Import* import) {
    const Datum services = running_services(import->services);
    progress_phase(import->progress, ProgressPhase::kRuns, count_trips(*import, services));
    open_trips_cursor(&import->trips, trips_query(import->feed), services);
    open_trips_cursor(&import->calls, calls_query(import->feed), services);
    if (OidIsValid(import->feed.frequencies.relation)) {
        open_trips_cursor(&import->frequencies, frequencies_query(import->feed), services);
    }
    OwnerScope scope;
    owner_begin(import->catalog, &scope, RowScope::kEvery);
    open_on_sale(import->catalog, import->services.first_day, import->services.last_day,
                 &import->on_sale);
    owner_end(scope);
    MemoryContext number = AllocSetContextCreate(CurrentMemoryContext, "ticketpool train number",
                                                 ALLOCSET_DEFAULT_SIZES);
    MemoryContext previous = MemoryContextSwitchTo(number);
    next_row(&import->trips);
    next_row(&import->calls);
    next_row(&import->frequencies);
    while (has_row(import->trips)) {
        CHECK_FOR_INTERRUPTS();
        import_number(import);
        MemoryContextReset(number);
    }
    MemoryContextSwitchTo(previous);
    for (FeedCursor* cursor :
         {&import->trips, &import->calls, &import->frequencies, &import->on_sale}) {
        close_cursor(cursor);
    }
}

// Keeps the formation of all trips; ereports as ticket_open does.
void keep_one_formation(Import* import, Text formation) {
    OwnerScope scope;
    owner_begin(import->catalog, &scope);
    SPI_connect();
    const int64_t layout_id = keep_formation(import->catalog, formation);
    SPI_finish();
    owner_end(scope);
    import->one_formation = true;
    number_of_text(&import->formations.index, formation);
    import->formations.list = static_cast<Formation*>(palloc0(sizeof(Formation)));
    import->formations.list[0] = Formation{true, layout_id, nullptr};
    import->formations.room = 1;
}

void check_days(DateADT first_day, DateADT last_day) {
    check_service_date(first_day);
    check_service_date(last_day);
    if (first_day > last_day) {
        ereport(
            ERROR,
            (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("first_day is after last_day"),
             errdetail("There is no day from %s to %s.", date_text(first_day), date_text(last_day)),
             errhint("Pass the first and the last day to be opened.")));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_import_gtfs) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "gtfs_schema");
    require_argument(fcinfo, 1, "first_day");
    require_argument(fcinfo, 2, "last_day");
    require_argument(fcinfo, 4, "number_column");
    PreventCommandIfReadOnly("ticket_import_gtfs()");
    const DateADT first_day = PG_GETARG_DATEADT(1);
    const DateADT last_day = PG_GETARG_DATEADT(2);
    check_days(first_day, last_day);
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    const Progress progress =
        progress_begin(ProgressCommand::kImport, ProgressPhase::kImportTurn,
                       text_of(std::string_view(NameStr(*PG_GETARG_NAME(0)))));
    const LOCKTAG tag = advisory_tag(AdvisoryLock::kImport, catalog.departure, 0);
    LockAcquire(&tag, ExclusiveLock, false, false);
    const int settings = begin_settings();
    SPI_connect();
    Import import{catalog, {}, {}, {}, {}, false, {}, {}, {}, {}, result, progress, 0};
    progress_phase(progress, ProgressPhase::kFeed);
    begin_index(&import.stations, CurrentMemoryContext);
    begin_index(&import.formations.index, CurrentMemoryContext);
    import.feed = find_feed(NameStr(*PG_GETARG_NAME(0)), text_to_cstring(PG_GETARG_TEXT_PP(4)),
                            PG_ARGISNULL(3));
    read_services(import.feed, first_day, last_day, &import.services);
    lock_days(import);
    if (!PG_ARGISNULL(3)) {
        keep_one_formation(&import, text_of(PG_GETARG_DATUM(3)));
    }
    progress_phase(progress, ProgressPhase::kStations);
    add_stations(import);
    warn_of_unserved(import);
    import_all(&import);
    SPI_finish();
    AtEOXact_GUC(true, settings);
    progress_end(progress);
    return 0;
}
