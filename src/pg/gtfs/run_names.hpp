// The runs of a train number, and the names under which they are sold.
//
// The first run of a number on a day is sold as the number, a second one as number/2, and so on, in
// the order of first departure, then trip_id. A run that is on sale keeps its name, and the names
// of others are those that are free. So each run has to be recognised among what is on sale. For
// each number and day:
//
//   1. ticket_departure.trip_id says from which trip a departure was opened, and trip_start at which
//      of the starts that frequencies has. The same trip is the same run, whatever has become of
//      its times.
//   2. What is left may be from an edition of the feed that has other trip_ids, or was opened
//      without a feed. The same stations at the same times are the same run.
//   3. What is still left is a run with other times, of a departure
//        that was opened without a feed under the name that the run has in a new timetable,
//        or from a trip that does not run on that day any more, between the same two ends, and less
//        than an hour earlier or later.
//      It stays on sale as it is, with a WARNING: a second departure would be a train that does not
//      exist.
#pragma once

#include "gtfs/feed_trip.hpp"
#include "gtfs/service_days.hpp"
#include "server/catalog.hpp"

namespace ticketpool {

// A trip at one of its starts.
struct FeedRun {
    FeedTrip* trip;
    int32_t start;      // when it leaves its first stop
    int other_days;     // on which it is on sale with other times
    DateADT other_day;  // the first of them
    Text other_train;
};

struct KeptList;  // a stop list: run_names.cpp

// A departure of the number.
struct OnSale {
    Text train;
    DateADT day;
    int suffix;          // 1: sold as the number itself
    Text trip_id;        // `data` null: it was opened without a feed
    int32_t trip_start;  // kNoFeedTime: without frequencies
    int64_t route_id;
    const KeptList* list;  // of the route; null: not looked for yet
    bool found;            // among the runs of the feed
};

// A run that is to be opened.
struct NewRun {
    uint32_t run;
    int suffix;
    DateADT day;
    int64_t departure_id;  // 0: not opened
};

// The runs of one number, and what is on sale of it.
struct NumberRuns {
    Text number;
    FeedRun* runs;  // in the order of names
    uint32_t run_count;
    OnSale* on_sale;  // in the order of day, trip_id, trip_start
    uint32_t on_sale_count;
    NewRun* opening;  // in the order of run, suffix, day
    uint32_t opening_count;
};

// Opens a cursor over all that is on sale on these days, by number; rows are read by
// read_on_sale(). Both inside SPI and owner_begin().
void open_on_sale(const Catalog& catalog, DateADT first_day, DateADT last_day, FeedCursor* cursor);
void read_on_sale(FeedCursor* cursor, NumberRuns* numbers);

// Fills in `opening`. Inside SPI and owner_begin().
void name_runs(const Catalog& catalog, const Services& services, const TextIndex& stations,
               NumberRuns* numbers);

// The name of a train; palloc'd.
Text train_name(Text number, int suffix);

}  // namespace ticketpool
