// Recognises the runs of a number that are on sale, and names those that are not (run_names.hpp).
#include "gtfs/run_names.hpp"

#include "gtfs/feed_values.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

// The stop list of a departure on sale.
struct KeptList {
    int64_t route_id;
    int count;
    Text* stations;
    int64_t* times;  // departure, else arrival; kUnknownTime: neither
    KeptList* next;
};

namespace {

enum OnSaleColumn { kSaleNumber = 1, kSaleTrain, kSaleDay, kSaleTrip, kSaleStart, kSaleRoute };

constexpr int64_t kUnknownTime = INT64_MIN / 2;  // far from all others

// What is looked at for one day.
struct Day {
    const Catalog& catalog;
    const TextIndex& stations;
    NumberRuns* numbers;
    DateADT date;
    uint32_t* running;  // runs of the day that are not on sale as far as is known
    uint32_t running_count;
    OnSale* on_sale;
    uint32_t on_sale_count;
    KeptList** lists;
};

Datum sale_value(const FeedCursor& cursor, int column, bool* is_null) {
    return SPI_getbinval(cursor.rows->vals[cursor.at], cursor.rows->tupdesc, column, is_null);
}

// Which train of the number this is: 1 for G1 of G1, 2 for G1/2. 0: none of its.
int suffix_of(Text train, Text number) {
    if (same_text(train, number)) {
        return 1;
    }
    int32_t suffix;
    if (train.length < number.length + 2 || train.data[number.length] != '/' ||
        train.data[number.length + 1] == '0' ||
        !read_feed_number({train.data + number.length + 1, train.length - number.length - 1},
                          &suffix)) {
        return 0;
    }
    return suffix < 2 ? 0 : suffix;
}

int64_t time_of(const FeedCall& call) {
    return call.departs != kNoFeedTime ? call.departs : call.arrives;
}

const KeptList* kept_list(const Day& day, int64_t route_id) {
    for (const KeptList* list = *day.lists; list != nullptr; list = list->next) {
        if (list->route_id == route_id) {
            return list;
        }
    }
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(route_id)};
    if (execute_planned(psprintf("SELECT s.station, extract(epoch FROM coalesce(s.departs, "
                                 "s.arrives))::int8 FROM %s AS r, unnest(r.stations, r.arrives, "
                                 "r.departs) WITH ORDINALITY AS s (station, arrives, departs, n) "
                                 "WHERE r.route_id = $1 ORDER BY s.n",
                                 qualified_name(day.catalog.route)),
                        1, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not read a stop list");
    }
    auto* list = static_cast<KeptList*>(palloc0(sizeof(KeptList)));
    list->route_id = route_id;
    list->count = static_cast<int>(SPI_processed);
    list->stations = static_cast<Text*>(palloc0((SPI_processed + 1) * sizeof(Text)));
    list->times = static_cast<int64_t*>(palloc0((SPI_processed + 1) * sizeof(int64_t)));
    for (int i = 0; i < list->count; i++) {
        bool is_null;
        HeapTuple row = SPI_tuptable->vals[i];
        list->stations[i] =
            copy_text(text_of(SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &is_null)));
        list->times[i] = DatumGetInt64(SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &is_null));
        list->times[i] = is_null ? kUnknownTime : list->times[i];
    }
    SPI_freetuptable(SPI_tuptable);
    list->next = *day.lists;
    *day.lists = list;
    return list;
}

const KeptList& list_of(const Day& day, OnSale* sale) {
    if (sale->list == nullptr) {
        sale->list = kept_list(day, sale->route_id);
    }
    return *sale->list;
}

Text station_of(const Day& day, const FeedCall& call) {
    return day.stations.texts[call.station];
}

bool same_list(const Day& day, const FeedRun& run, OnSale* sale) {
    const KeptList& list = list_of(day, sale);
    const FeedTrip& trip = *run.trip;
    const int64_t shift = run.start - first_departure(trip);
    bool same = list.count == trip.count;
    for (int i = 0; same && i < list.count; i++) {
        same = list.times[i] == time_of(trip.calls[i]) + shift &&
               same_text(list.stations[i], station_of(day, trip.calls[i]));
    }
    return same;
}

// Between the same ends, at nearly the same time?
bool similar_list(const Day& day, const FeedRun& run, OnSale* sale) {
    const KeptList& list = list_of(day, sale);
    const FeedTrip& trip = *run.trip;
    const int64_t later = list.count > 0 ? run.start - list.times[0] : SECS_PER_HOUR;
    return later > -SECS_PER_HOUR && later < SECS_PER_HOUR &&
           same_text(list.stations[0], station_of(day, trip.calls[0])) &&
           same_text(list.stations[list.count - 1], station_of(day, trip.calls[trip.count - 1]));
}

// In the order of the cursor: trip_id, NULL last, then trip_start, NULL first.
int compare_origin(const OnSale& sale, Text trip_id, int32_t start) {
    if (sale.trip_id.data == nullptr) {
        return 1;
    }
    const int order = compare_texts(sale.trip_id, trip_id);
    if (order != 0) {
        return order;
    }
    return sale.trip_start < start ? -1 : static_cast<int>(sale.trip_start > start);
}

OnSale* find_origin(const Day& day, const FeedRun& run) {
    const int32_t start = run.trip->by_frequency ? run.start : kNoFeedTime;
    uint32_t low = 0;
    uint32_t high = day.on_sale_count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        const int order = compare_origin(day.on_sale[middle], run.trip->id, start);
        if (order == 0) {
            return &day.on_sale[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return nullptr;
}

bool trip_runs(const Day& day, const Services& services, Text trip_id) {
    for (uint32_t i = 0; i < day.numbers->run_count; i++) {
        const FeedTrip& trip = *day.numbers->runs[i].trip;
        if (same_text(trip.id, trip_id) && runs_on(services.list[trip.service], day.date)) {
            return true;
        }
    }
    return false;
}

// Which run of its day this is, from 1: the suffix that it has in a new timetable.
int place_of(const Day& day, const Services& services, const FeedRun& run) {
    int place = 1;
    for (const FeedRun* other = day.numbers->runs; other != &run; other++) {
        place += static_cast<int>(runs_on(services.list[other->trip->service], day.date));
    }
    return place;
}

// Takes the runs off `running` that are on sale, by this way to find them.
template <typename Find>
void recognise(Day* day, Find find) {
    uint32_t left = 0;
    for (uint32_t i = 0; i < day->running_count; i++) {
        CHECK_FOR_INTERRUPTS();
        OnSale* sale = find(&day->numbers->runs[day->running[i]]);
        if (sale != nullptr) {
            sale->found = true;
        } else {
            day->running[left++] = day->running[i];
        }
    }
    day->running_count = left;
}

template <typename Fits>
OnSale* find_other(const Day& day, Fits fits) {
    for (uint32_t i = 0; i < day.on_sale_count; i++) {
        if (!day.on_sale[i].found && fits(&day.on_sale[i])) {
            return &day.on_sale[i];
        }
    }
    return nullptr;
}

void recognise_all(Day* day, const Services& services) {
    recognise(day, [&](FeedRun* run) {
        OnSale* sale = find_origin(*day, *run);
        return sale == nullptr || sale->found ? nullptr : sale;
    });
    recognise(day, [&](FeedRun* run) {
        return find_other(*day, [&](OnSale* sale) { return same_list(*day, *run, sale); });
    });
    recognise(day, [&](FeedRun* run) {
        int place = 0;  // of the run; 0: not looked for yet
        OnSale* sale = find_other(*day, [&](OnSale* other) {
            if (other->trip_id.data != nullptr) {
                return similar_list(*day, *run, other) &&
                       !trip_runs(*day, services, other->trip_id);
            }
            place = place == 0 ? place_of(*day, services, *run) : place;
            return other->suffix == place;
        });
        if (sale != nullptr && run->other_days++ == 0) {
            run->other_day = day->date;
            run->other_train = sale->train;
        }
        return sale;
    });
}

// Gives the runs that are left the names that are free.
void name_rest(const Day& day) {
    // As many names as there are departures and runs: one of them is free for each run.
    const uint32_t names = day.on_sale_count + day.running_count;
    bool* taken = static_cast<bool*>(palloc0(names + 2));
    for (uint32_t i = 0; i < day.on_sale_count; i++) {
        if (static_cast<uint32_t>(day.on_sale[i].suffix) <= names) {
            taken[day.on_sale[i].suffix] = true;
        }
    }
    int suffix = 1;
    for (uint32_t i = 0; i < day.running_count; i++, suffix++) {
        while (taken[suffix]) {
            suffix++;
        }
        day.numbers->opening[day.numbers->opening_count++] =
            NewRun{day.running[i], suffix, day.date, 0};
    }
    pfree(taken);
}

int compare_new_runs(const void* a, const void* b) {
    const auto* left = static_cast<const NewRun*>(a);
    const auto* right = static_cast<const NewRun*>(b);
    if (left->run != right->run) {
        return left->run < right->run ? -1 : 1;
    }
    if (left->suffix != right->suffix) {
        return left->suffix < right->suffix ? -1 : 1;
    }
    return left->day < right->day ? -1 : static_cast<int>(left->day > right->day);
}

void warn_of_other_times(const FeedRun& run) {
    const char* train = printable(run.other_train);
    const char* day = date_text(run.other_day);
    warn_of_trip(
        run.trip->id,
        run.other_days == 1
            ? psprintf(_("On %s train \"%s\" is on sale with other stops or times."), day, train)
            : psprintf(_("On %s train \"%s\" is on sale with other stops or times, and so on %d "
                         "days in all."),
                       day, train, run.other_days));
}

}  // namespace

Text train_name(Text number, int suffix) {
    if (suffix == 1) {
        return number;
    }
    const char* name = psprintf("%.*s/%d", static_cast<int>(number.length), number.data, suffix);
    return {name, strlen(name)};
}

void open_on_sale(const Catalog& catalog, DateADT first_day, DateADT last_day, FeedCursor* cursor) {
    const char* rows = psprintf(
        "SELECT train, service_date, trip_id, extract(epoch FROM "
        "trip_start)::int AS start, route_id FROM %s WHERE service_date "
        "BETWEEN $1 AND $2",
        qualified_name(catalog.departure));
    // A train G1/2 belongs to the numbers G1 and G1/2.
    const char* sql = psprintf(
        "WITH d AS NOT MATERIALIZED (%s) "
        "SELECT u.* FROM (SELECT train AS number, * FROM d UNION ALL "
        "SELECT regexp_replace(train, '/[0-9]+$', ''), * FROM d WHERE train ~ '/[0-9]+$') AS u "
        "ORDER BY u.number COLLATE \"C\", u.service_date, u.trip_id COLLATE \"C\" NULLS LAST, "
        "u.start NULLS FIRST, u.train COLLATE \"C\"",
        rows);
    Oid types[] = {DATEOID, DATEOID};
    Datum values[] = {DateADTGetDatum(first_day), DateADTGetDatum(last_day)};
    PushActiveSnapshot(GetLatestSnapshot());
    open_cursor(cursor, sql, lengthof(types), types, values);
    PopActiveSnapshot();
    next_row(cursor);
}

void read_on_sale(FeedCursor* cursor, NumberRuns* numbers) {
    uint32_t room = 0;
    while (has_row(*cursor)) {
        const int order = compare_texts(feed_text(*cursor, kSaleNumber), numbers->number);
        if (order > 0) {
            break;
        }
        const Text train = feed_text(*cursor, kSaleTrain);
        const int suffix = order < 0 ? 0 : suffix_of(train, numbers->number);
        if (suffix > 0) {
            if (numbers->on_sale_count == room) {
                room = Max(2 * room, 32U);
                const size_t bytes = room * sizeof(OnSale);
                numbers->on_sale = static_cast<OnSale*>(
                    numbers->on_sale == nullptr ? palloc(bytes)
                                                : repalloc_huge(numbers->on_sale, bytes));
            }
            OnSale* sale = &numbers->on_sale[numbers->on_sale_count++];
            bool is_null;
            const Text trip_id = feed_text(*cursor, kSaleTrip);
            *sale = OnSale{};
            sale->train = copy_text(train);
            sale->day = DatumGetDateADT(sale_value(*cursor, kSaleDay, &is_null));
            sale->suffix = suffix;
            sale->trip_id = trip_id.data == nullptr ? trip_id : copy_text(trip_id);
            sale->route_id = DatumGetInt64(sale_value(*cursor, kSaleRoute, &is_null));
            sale->trip_start = DatumGetInt32(sale_value(*cursor, kSaleStart, &is_null));
            sale->trip_start = is_null ? kNoFeedTime : sale->trip_start;
        }
        next_row(cursor);
    }
}

void name_runs(const Catalog& catalog, const Services& services, const TextIndex& stations,
               NumberRuns* numbers) {
    DateADT first = services.last_day;
    DateADT last = services.first_day;
    size_t most = 0;
    for (uint32_t i = 0; i < numbers->run_count; i++) {
        const Service& service = services.list[numbers->runs[i].trip->service];
        first = Min(first, service.first);
        last = Max(last, service.first + service.days - 1);
        most += static_cast<size_t>(service.days);
    }
    numbers->opening = static_cast<NewRun*>(
        MemoryContextAllocHuge(CurrentMemoryContext, (most + 1) * sizeof(NewRun)));
    uint32_t* running = static_cast<uint32_t*>(palloc((numbers->run_count + 1) * sizeof(uint32_t)));
    KeptList* lists = nullptr;
    uint32_t sale = 0;
    for (DateADT date = first; date <= last; date++) {
        CHECK_FOR_INTERRUPTS();
        while (sale < numbers->on_sale_count && numbers->on_sale[sale].day < date) {
            sale++;
        }
        Day day{catalog, stations, numbers, date, running, 0, &numbers->on_sale[sale], 0, &lists};
        while (sale + day.on_sale_count < numbers->on_sale_count &&
               numbers->on_sale[sale + day.on_sale_count].day == date) {
            day.on_sale_count++;
        }
        for (uint32_t i = 0; i < numbers->run_count; i++) {
            if (runs_on(services.list[numbers->runs[i].trip->service], date)) {
                running[day.running_count++] = i;
            }
        }
        if (day.on_sale_count > 0) {
            recognise_all(&day, services);
        }
        name_rest(day);
    }
    if (numbers->opening_count > 1) {
        qsort(numbers->opening, numbers->opening_count, sizeof(NewRun), compare_new_runs);
    }
    for (uint32_t i = 0; i < numbers->run_count; i++) {
        if (numbers->runs[i].other_days > 0) {
            warn_of_other_times(numbers->runs[i]);
        }
    }
}

}  // namespace ticketpool
