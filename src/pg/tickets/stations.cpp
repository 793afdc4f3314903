// From what a caller writes to stations and calls of a train (stations.hpp), and the cache of what
// such texts mean.
#include "tickets/stations.hpp"

#include "load/directory.hpp"
#include "pool/ledger.hpp"
#include "server/errors.hpp"
#include "server/table_scan.hpp"
#include "tickets/trip_end.hpp"

namespace ticketpool {

namespace {

enum : AttrNumber { kStationCode = 1, kStationName = 2 };

// What a text means. The cache has a slot for each hash value, modulo its size: a later text of the
// same slot replaces the one in it.
struct CachedStations {
    uint64_t stations;  // generations of ticket_station and of the stop lists; 0: empty
    uint64_t routes;
    Oid relation;
    uint8_t text_length;
    char text[kMaxNameBytes];
    int count;           // 0: no station
    StationCode* codes;  // in TopMemoryContext
};
constexpr uint32_t kCacheSize = 1024;
constinit CachedStations* cache = nullptr;  // kCacheSize entries, allocated at first use

struct CodeList {
    StationCode* codes;
    int count;
    int room;
};

void add_code(CodeList* list, Text code) {
    if (code.length > kMaxNameBytes) {
        return;  // too long to be on a train that is on sale
    }
    if (list->count == list->room) {
        list->room = Max(list->room * 2, 1);
        const Size bytes = static_cast<Size>(list->room) * sizeof(StationCode);
        list->codes = static_cast<StationCode*>(list->codes == nullptr
                                                    ? MemoryContextAlloc(TopMemoryContext, bytes)
                                                    : repalloc(list->codes, bytes));
    }
    StationCode* entry = &list->codes[list->count++];
    entry->hash = text_hash(code);
    entry->length = static_cast<uint8_t>(code.length);
    memcpy(entry->text, code.data, code.length);
}

// Adds the codes of the rows that an index finds by the text: of all of them, or of the first.
void read_codes(Oid heap, Oid index, Snapshot snapshot, Text value, bool all, CodeList* list) {
    TableReader reader;
    reader_open(&reader, heap, index, snapshot);
    reader_key_text(&reader, value);
    while (reader_next(&reader)) {
        static_assert(kStationCode == 1);  // in ticket_route_call, too
        add_code(list, row_text(reader.row, kStationCode));
        if (!all) {
            break;
        }
    }
    reader_close(&reader);
}

void read_stations(const Catalog& catalog, Text text, CodeList* list) {
    Snapshot snapshot = take_fresh_snapshot();
    read_codes(catalog.station, catalog.station_pkey, snapshot, text, false, list);
    if (list->count == 0) {
        read_codes(catalog.route_call, catalog.route_call_pkey, snapshot, text, false, list);
        read_codes(catalog.station, catalog.station_name, snapshot, text, true, list);
    }
    drop_snapshot(snapshot);
}

// What the text as a whole means; valid until the next look-up. `hash`: text_hash of the text.
const CachedStations& look_up(const Catalog& catalog, Text text, uint32_t hash) {
    if (cache == nullptr) {
        cache = static_cast<CachedStations*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedStations)));
    }
    static constinit CachedStations uncached{};
    const bool cacheable = text.length <= kMaxNameBytes;
    CachedStations* entry = cacheable ? &cache[hash % kCacheSize] : &uncached;
    if (cacheable && entry->stations == station_generation && entry->routes == route_generation &&
        entry->relation == catalog.station && same_text({entry->text, entry->text_length}, text)) {
        return *entry;
    }
    const uint64_t stations = station_generation;
    const uint64_t routes = route_generation;
    StationCode* old = entry->codes;
    entry->stations = 0;
    entry->codes = nullptr;
    entry->count = 0;
    if (old != nullptr) {
        pfree(old);
    }
    CodeList list{};
    read_stations(catalog, text, &list);
    entry->codes = list.codes;
    entry->count = list.count;
    if (cacheable) {
        memcpy(entry->text, text.data, text.length);
        entry->text_length = static_cast<uint8_t>(text.length);
        entry->relation = catalog.station;
        entry->routes = routes;
        entry->stations = stations;
    }
    return *entry;
}

// Splits station#stop_no at the last #. False: the text does not have this form.
bool split_call(Text text, Text* station, int32_t* stop_no) {
    size_t hash = text.length;
    while (hash > 0 && text.data[hash - 1] != '#') {
        hash--;
    }
    if (hash < 2) {
        return false;
    }
    *station = {text.data, hash - 1};
    const bool negative = hash < text.length && text.data[hash] == '-';
    const size_t first = hash + (negative ? 1 : 0);
    const int64_t most = int64_t{INT32_MAX} + (negative ? 1 : 0);
    int64_t number = 0;
    for (size_t i = first; i < text.length && number <= most; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') {
            return false;
        }
        number = number * 10 + (text.data[i] - '0');
    }
    if (first == text.length || number > most) {
        return false;
    }
    *stop_no = static_cast<int32_t>(negative ? -number : number);
    return true;
}

[[noreturn]] void report_no_station(Text station) {
    ereport(ERROR,
            (errcode(kErrorNoTrip), errmsg("station \"%s\" does not exist", printable(station)),
             errdetail("No row of ticket_station has this code or name, and no stop list "
                       "this code."),
             errhint("Use a code or a name from ticket_station, or a code, # and the "
                     "stop_no of a call.")));
}

// One end of a trip of a train: all calls at a station, or the call that is named.
struct TripEnd {
    Text code;      // null: a station at which the train does not call
    uint32_t hash;  // text_hash of the code
    int call;       // stop index; -1: not named
    StationCode copy;
};

bool is_call(const Route* route, int stop, Text code) {
    return same_text(text_of(route->head, route->stops()[stop].station), code);
}

bool calls_at(const Route* route, Text code, uint32_t hash) {
    return route->calls_at(hash, code.data, code.length);
}

// Copies the code: the next look-up may replace what the cache has.
void take_code(const StationCode& code, TripEnd* end) {
    end->copy.length = code.length;
    memcpy(end->copy.text, code.text, code.length);
    end->code = end->copy.code();
    end->hash = code.hash;
}

// Finds the station of this code or name at which the train calls. False: no station has this code
// or name.
bool find_station_of_train(const Catalog& catalog, const DepartureRef& ref, Text station,
                           TripEnd* end) {
    const Route* route = route_of(ref);
    const uint32_t hash = text_hash(station);
    end->code = {nullptr, 0};
    end->call = -1;
    end->hash = hash;
    if (calls_at(route, station, hash)) {
        end->code = station;
        return true;
    }
    const CachedStations& found = look_up(catalog, station, hash);
    if (found.count == 1) {  // the usual case; whether the train calls there is checked later
        take_code(found.codes[0], end);
        return true;
    }
    for (int i = 0; i < found.count; i++) {
        const Text candidate = found.codes[i].code();
        if (!calls_at(route, candidate, found.codes[i].hash)) {
            continue;
        }
        if (end->code.data != nullptr) {
            ereport(ERROR, (errcode(kErrorNoTrip),
                            errmsg("station name \"%s\" is ambiguous", printable(station)),
                            errdetail("Train \"%s\" calls at more than one station of this name.",
                                      printable(directory_train(ref))),
                            errhint("Use the station's code.")));
        }
        take_code(found.codes[i], end);
    }
    return found.count > 0;
}

// Finds the call that is named. It may be at any of the stations of that name.
void find_call(const Catalog& catalog, const DepartureRef& ref, Text station, int32_t stop_no,
               TripEnd* end) {
    const Route* route = route_of(ref);
    int stop = 0;
    while (stop < static_cast<int>(route->stop_count) && route->stops()[stop].stop_no != stop_no) {
        stop++;
    }
    bool exists = calls_at(route, station, text_hash(station));
    bool here = stop < static_cast<int>(route->stop_count) && is_call(route, stop, station);
    if (!exists) {
        const CachedStations& found = look_up(catalog, station, text_hash(station));
        exists = found.count > 0;
        for (int i = 0; i < found.count && stop < static_cast<int>(route->stop_count); i++) {
            here = here || is_call(route, stop, found.codes[i].code());
        }
    }
    if (!exists) {
        report_no_station(station);
    }
    if (!here) {
        ereport(ERROR, (errcode(kErrorNoTrip),
                        errmsg("train \"%s\" does not call at \"%s\" as stop %d",
                               printable(directory_train(ref)), printable(station), stop_no),
                        errdetail("The number behind # is the stop_no of a call at that station."),
                        errhint("ticket_remaining_matrix shows the calls of a train.")));
    }
    end->code = text_of(route->head, route->stops()[stop].station);
    end->call = stop;
}

void find_end(const Catalog& catalog, const DepartureRef& ref, Text station, TripEnd* end) {
    Text base;
    int32_t stop_no;
    if (!find_station_of_train(catalog, ref, station, end)) {
        if (!split_call(station, &base, &stop_no)) {
            report_no_station(station);
        }
        find_call(catalog, ref, base, stop_no, end);
    }
}

// A departure's stop list, and the ends of a trip.
struct Wanted {
    const DepartureRef& ref;
    const Route* route;
    const TripEnd& from;
    const TripEnd& to;
};

// What makes no difference to a look for a trip.
enum Ignored { kNothing = 0, kMargin = 1, kAlighting = 2, kBoarding = 4 };

// The trip with the fewest stops between two ends; of equal ones, the earlier. False: none.
bool shortest_trip(const Wanted& wanted, int ignored, Trip* trip) {
    const Route* route = wanted.route;
    const TripEnd& from = wanted.from;
    const TripEnd& to = wanted.to;
    if (from.code.data == nullptr || to.code.data == nullptr ||
        (same_text(from.code, to.code) && (from.call < 0 || to.call < 0))) {
        return false;
    }
    const auto is_at = [route](int stop, const TripEnd& end) {
        return end.call >= 0 ? stop == end.call : is_call(route, stop, end.code);
    };
    const auto may_board = [&](int stop) {
        return ((ignored & kBoarding) != 0 || !route->stops()[stop].no_boarding) &&
               ((ignored & kMargin) != 0 || !is_over_at(wanted.ref, stop));
    };
    int last_from = -1;
    bool found = false;
    for (int i = 0; i < static_cast<int>(route->stop_count); i++) {
        if (last_from >= 0 && is_at(i, to) && (!found || i - last_from < trip->to - trip->from) &&
            ((ignored & kAlighting) != 0 || !route->stops()[i].no_alighting)) {
            *trip = {last_from, i};
            found = true;
        }
        if (is_at(i, from) && may_board(i)) {
            last_from = i;
        }
    }
    return found;
}

// The usual case: two stations, and no margin.
bool find_usual_trip(const Wanted& wanted, Trip* trip) {
    const TripEnd& from = wanted.from;
    const TripEnd& to = wanted.to;
    return from.code.data != nullptr && to.code.data != nullptr && from.call < 0 && to.call < 0 &&
           !has_margin(wanted.ref) &&
           wanted.route->find_trip(from.hash, from.code.data, from.code.length, to.hash,
                                   to.code.data, to.code.length, trip);
}

// There is a trip, except that passengers may not board where it starts, or not alight where it
// ends. `from` and `to` are as the caller wrote them.
[[noreturn]] void report_closed_stop(const Wanted& wanted, Text from, Text to) {
    const char* train = printable(directory_train(wanted.ref));
    Trip trip;
    if (shortest_trip(wanted, kMargin | kAlighting, &trip)) {
        ereport(ERROR, (errcode(kErrorNoTrip),
                        errmsg("passengers may not alight from train \"%s\" at \"%s\"", train,
                               printable(to)),
                        errdetail("The train takes passengers on only there, or passes through."),
                        errhint("ticket_remaining_matrix shows the trips of a train.")));
    }
    ereport(ERROR,
            (errcode(kErrorNoTrip),
             errmsg("passengers may not board train \"%s\" at \"%s\"", train, printable(from)),
             errdetail("The train lets passengers alight only there, or passes through."),
             errhint("ticket_remaining_matrix shows the trips of a train.")));
}

[[noreturn]] void report_no_trip(const Wanted& wanted, Text from, Text to) {
    if (same_text(from, to)) {
        ereport(ERROR,
                (errcode(kErrorNoTrip),
                 errmsg("train \"%s\" does not go from \"%s\" to \"%s\"",
                        printable(directory_train(wanted.ref)), printable(from), printable(to)),
                 errdetail("They are one station."),
                 errhint("If the train calls there twice, name both calls, as "
                         "\"station#stop_no\": ticket_remaining_matrix shows them.")));
    }
    ereport(ERROR, (errcode(kErrorNoTrip),
                    errmsg("train \"%s\" does not go from \"%s\" to \"%s\"",
                           printable(directory_train(wanted.ref)), printable(from), printable(to)),
                    errdetail("The train calls at one of them only, or in the other order, or "
                              "they are one station."),
                    errhint("ticket_remaining_matrix shows the trips of a train.")));
}

}  // namespace

StationArgument find_stations(const Catalog& catalog, Text station) {
    StationArgument argument{};
    const CachedStations* found = &look_up(catalog, station, text_hash(station));
    Text base;
    if (found->count == 0 && split_call(station, &base, &argument.stop_no)) {
        argument.has_stop_no = true;
        found = &look_up(catalog, base, text_hash(base));
    }
    if (found->count == 0) {
        report_no_station(argument.has_stop_no ? base : station);
    }
    const Size bytes = static_cast<Size>(found->count) * sizeof(StationCode);
    argument.codes = static_cast<StationCode*>(memcpy(palloc(bytes), found->codes, bytes));
    argument.count = found->count;
    return argument;
}

Trip find_trip(const Catalog& catalog, const DepartureRef& ref, Text from, Text to, TripUse use) {
    TripEnd start;
    TripEnd end;
    Trip trip;
    find_end(catalog, ref, from, &start);
    find_end(catalog, ref, to, &end);
    const Wanted wanted{ref, route_of(ref), start, end};
    if (use != TripUse::kStretch &&
        (likely(find_usual_trip(wanted, &trip)) || shortest_trip(wanted, kNothing, &trip) ||
         shortest_trip(wanted, kMargin, &trip))) {
        return trip;
    }
    if (!shortest_trip(wanted, kMargin | kAlighting | kBoarding, &trip)) {
        report_no_trip(wanted, from, to);
    }
    if (use == TripUse::kSale) {
        report_closed_stop(wanted, from, to);
    }
    return trip;
}

Text name_of_call(const Route* route, int stop) {
    const Text code = text_of(route->head, route->stops()[stop].station);
    const char* name =
        psprintf("%.*s#%d", static_cast<int>(code.length), code.data, route->stops()[stop].stop_no);
    return {name, strlen(name)};
}

bool* find_calls(const Catalog& catalog, const DepartureRef& ref, Text station) {
    const Route* route = route_of(ref);
    TripEnd end;
    find_end(catalog, ref, station, &end);
    bool* here = static_cast<bool*>(palloc0(route->stop_count));
    bool any = false;
    for (int i = 0; i < static_cast<int>(route->stop_count); i++) {
        here[i] =
            end.call >= 0 ? i == end.call : end.code.data != nullptr && is_call(route, i, end.code);
        any = any || here[i];
    }
    if (!any) {
        ereport(ERROR, (errcode(kErrorNoTrip),
                        errmsg("train \"%s\" does not call at \"%s\"",
                               printable(directory_train(ref)), printable(station)),
                        errdetail("Its stop list does not have the station."),
                        errhint("ticket_remaining_matrix shows the calls of a train.")));
    }
    return here;
}

}  // namespace ticketpool
