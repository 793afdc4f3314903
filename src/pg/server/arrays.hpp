// Values of array and interval columns, taken apart.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

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

}  // namespace ticketpool
