// On which days the services of a feed run: calendar and calendar_dates, for some days.
#pragma once

#include "gtfs/feed_tables.hpp"
#include "gtfs/text_index.hpp"

namespace ticketpool {

struct Service {
    DateADT first;        // of the days that `runs` has
    int32_t days;         // 0: it does not run
    bool* runs;           // for each of these days
    const char* trouble;  // why its days cannot be read, translated; null: they can
};

struct Services {
    TextIndex index;
    Service* list;  // by number in the index
    uint32_t room;
    DateADT first_day;
    DateADT last_day;
};

// Reads the days from the first to the last one, both included. What is kept is allocated in the
// current memory context.
void read_services(const Feed& feed, DateADT first_day, DateADT last_day, Services* services);

bool runs_on(const Service& service, DateADT day);

// Arrays of text: services that run on one of the days, services whose days can be read.
Datum running_services(const Services& services);
Datum readable_services(const Services& services);

}  // namespace ticketpool
