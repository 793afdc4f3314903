// See parts.cpp.
#pragma once

#include "catalog.hpp"
#include "pg.hpp"

namespace ticketpool {

// The part in the pool, loaded where it is not there; counted as used by the departure that is
// being loaded.
SharedPart* shared_route(const Catalog& catalog, int64_t route_id);
SharedPart* shared_layout(const Catalog& catalog, int64_t layout_id);

enum RouteColumn : AttrNumber {
    kRouteId = 1,
    kRouteDigest,
    kRouteTrain,
    kRouteStopNos,
    kRouteStations,
    kRouteArrives,
    kRouteDeparts
};

// Of a time of a stop list.
int64_t interval_microseconds(const Interval* interval);

// A text array or an array of fixed-size elements, taken apart.
struct Elements {
    Datum* values;
    bool* nulls;
    int count;
};

Elements elements_of(Datum array, Oid type, int length, bool by_value, char alignment);

// In palloc'd memory that outlives the row.
Text keep(Text value);

// XX001: a row that ticket_open wrote is gone.
[[noreturn]] void report_damaged(const char* table, int64_t id);

}  // namespace ticketpool
