#include "stations.hpp"

#include "errors.hpp"
#include "table_scan.hpp"

namespace ticketpool {

namespace {

enum : AttrNumber { kStationCode = 1, kStationName = 2 };

// What names meant, a slot for each hash value: a later name with the same one replaces it.
struct CachedName {
    uint64_t generation;  // 0: empty
    uint8_t name_length;
    uint8_t code_length;
    char name[kMaxNameBytes];
    char code[kMaxNameBytes];
};
constexpr uint32_t kCacheSize = 1024;
CachedName* cache;  // kCacheSize entries, allocated at first use

// One row of ticket_station with this code or name, copied to *code. Returns how many there are.
int read_station(const Catalog& catalog, Snapshot snapshot, Oid index, Text value, char* code,
                 size_t* length) {
    TableReader reader;
    reader_open(&reader, catalog.station, index, snapshot);
    reader_key_text(&reader, value);
    int found = 0;
    while (found < 2 && reader_next(&reader)) {
        const Text station = row_text(reader.row, kStationCode);
        if (station.length <= kMaxNameBytes) {
            memcpy(code, station.data, station.length);
            *length = station.length;
        } else {
            *length = 0;  // too long to be on a train that is on sale
        }
        found++;
    }
    reader_close(&reader);
    return found;
}

void resolve_station(const Catalog& catalog, Text station, char* code, size_t* length) {
    Snapshot snapshot = take_fresh_snapshot();
    int found = read_station(catalog, snapshot, catalog.station_pkey, station, code, length);
    if (found == 0) {
        found = read_station(catalog, snapshot, catalog.station_name, station, code, length);
    }
    drop_snapshot(snapshot);
    if (found == 0) {
        ereport(ERROR,
                (errcode(kErrorNoTrip), errmsg("station \"%s\" does not exist", printable(station)),
                 errdetail("No row of ticket_station has this code or name."),
                 errhint("Use a code or a name from ticket_station.")));
    }
    if (found > 1) {
        ereport(ERROR, (errcode(kErrorNoTrip),
                        errmsg("station name \"%s\" is ambiguous", printable(station)),
                        errdetail("More than one station has this name."),
                        errhint("Use the station's code.")));
    }
}

}  // namespace

StationCode find_station(const Catalog& catalog, Text station, const Route* route) {
    const uint32_t hash = text_hash(station);
    if (route != nullptr && route->calls_at(hash, station.data, station.length)) {
        return {station, hash};
    }
    if (cache == nullptr) {
        cache = static_cast<CachedName*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedName)));
    }
    static constinit CachedName uncached{};
    const bool cacheable = station.length <= kMaxNameBytes;
    CachedName* entry = cacheable ? &cache[hash % kCacheSize] : &uncached;
    if (!cacheable || entry->generation != station_generation ||
        !same_text({entry->name, entry->name_length}, station)) {
        size_t length = 0;
        entry->generation = 0;
        const uint64_t generation = station_generation;
        resolve_station(catalog, station, entry->code, &length);
        entry->code_length = static_cast<uint8_t>(length);
        if (cacheable) {
            memcpy(entry->name, station.data, station.length);
            entry->name_length = static_cast<uint8_t>(station.length);
            entry->generation = generation;
        }
    }
    const Text code = {entry->code, entry->code_length};
    return {code, text_hash(code)};
}

Trip find_trip(const Catalog& catalog, const Route* route, Text from, Text to) {
    char from_code[kMaxNameBytes];
    StationCode start = find_station(catalog, from, route);
    if (start.code.data != from.data) {  // the cache entry may go with the next look-up
        memcpy(from_code, start.code.data, start.code.length);
        start.code.data = from_code;
    }
    const StationCode end = find_station(catalog, to, route);
    Trip trip;
    if (!route->find_trip(start.hash, start.code.data, start.code.length, end.hash, end.code.data,
                          end.code.length, &trip)) {
        const Text train = text_of(route->head, route->train);
        ereport(ERROR, (errcode(kErrorNoTrip),
                        errmsg("train \"%s\" does not go from \"%s\" to \"%s\"", printable(train),
                               printable(from), printable(to)),
                        errdetail("The train calls at one of them only, or in the other order, or "
                                  "they are one station."),
                        errhint("ticket_remaining_matrix shows the trips of a train.")));
    }
    return trip;
}

}  // namespace ticketpool
