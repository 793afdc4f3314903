// Values of a GTFS feed. A feed is text, and nothing in it can be relied on: what cannot be read is
// false here, never an error.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Without the blanks around it.
Text trimmed(Text value);

// "8:05:00", "25:10:00" or "8:05" in seconds, at most 366 days.
bool read_feed_time(Text value, int32_t* seconds);

// "20261201".
bool read_feed_day(Text value, DateADT* day);

// A number that is not negative.
bool read_feed_number(Text value, int32_t* number);

// "25:10:00", for messages; palloc'd.
const char* feed_time_text(int32_t seconds);

// In the order of the collation "C".
int compare_texts(Text a, Text b);

}  // namespace ticketpool
