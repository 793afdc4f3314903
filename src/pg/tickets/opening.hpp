// A departure is put on sale: what ticket_open does when its stop list and its seats are kept.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Fields of zero: no closes_at, no sale_margin.
struct Opening {
    Text train;
    DateADT date;
    Text formation;
    TimestampTz opens_at;
    bool closes;
    TimestampTz closes_at;
    const Interval* sale_margin;  // null: none
    Text trip_id;                 // of the feed that it is from; `data` null: of none
    const Interval* trip_start;   // the start that frequencies has; null: none
    int64_t route_id;
    int64_t layout_id;
};

// Ereports 22023 for a margin that is negative, counts in months or is more than 366 days.
void check_sale_margin(const Interval* margin);

// Takes the locks of an opening on that day. Call it before the stop list and the formation are
// looked for: keep_route(), keep_formation(). Like open_departure(), inside SPI and owner_begin().
void lock_for_opening(const Catalog& catalog, DateADT date);

// Makes the partition of the day if there is none, and writes the departure's row. Returns its id.
// Ereports 23505 if the train is on sale on that day already.
int64_t open_departure(const Catalog& catalog, const Opening& opening);

}  // namespace ticketpool
