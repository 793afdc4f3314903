// Values of array and interval columns, taken apart.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// The length of an interval, for the times of a stop list. A day has 24 hours; months do not count.
int64_t interval_microseconds(const Interval* interval);

// A text array or an array of fixed-size elements, taken apart.
struct Elements {
    Datum* values;
    bool* nulls;
    int count;
};

Elements elements_of(Datum array, Oid type, int length, bool by_value, char alignment);

}  // namespace ticketpool
