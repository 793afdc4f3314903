// A trip of a feed, read and checked: where it calls, when, and, with frequencies, when it starts.
#pragma once

#include "gtfs/feed_tables.hpp"
#include "gtfs/text_index.hpp"

namespace ticketpool {

inline constexpr int32_t kNoFeedTime = -1;

// A stop of a trip. Times are seconds since midnight of the service date.
struct FeedCall {
    int32_t stop_no;
    uint32_t station;  // its number among the stations
    int32_t arrives;   // kNoFeedTime at the first stop
    int32_t departs;   // kNoFeedTime at the last stop
    bool boarding;
    bool alighting;
};

struct FeedTrip {
    Text id;
    uint32_t service;
    int64_t formation;  // its number among the formations; -1: it has none
    FeedCall* calls;
    int count;  // of calls; fewer than two: it sells nothing
    bool by_frequency;
    int32_t* starts;  // with frequencies: when it leaves its first stop, rising
    int start_count;
    const char* trouble;  // why it cannot be opened, translated; null: it can
    int told_error;       // the last SQLSTATE that was reported of it
};

// A WARNING that the trip was not opened. `reason` is translated.
void warn_of_trip(Text trip_id, const char* reason);

// Reads the trip's rows, which are the next ones of both cursors. trip->id is set. What is kept is
// allocated in the current memory context.
void read_calls(Text number, FeedCursor* calls, TextIndex* stations, FeedTrip* trip);
void read_frequencies(Text number, FeedCursor* frequencies, FeedTrip* trip);

// When it leaves its first stop, as stop_times has it.
int32_t first_departure(const FeedTrip& trip);

}  // namespace ticketpool
