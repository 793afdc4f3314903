// Reads the trips of a feed (feed_trip.hpp).
//
// What is checked here is what the route of a departure requires (kept_route.hpp), so a trip that
// cannot be opened is told before anything is written.
#include "gtfs/feed_trip.hpp"

#include "gtfs/feed_values.hpp"

namespace ticketpool {
namespace {

constexpr int32_t kLargestFall = 2 * SECS_PER_HOUR;
constexpr int32_t kLatestSecond = 366 * SECS_PER_DAY;
constexpr int kMostStarts = 366 * SECS_PER_DAY;

bool is_empty(Text value) {
    return trimmed(value).length == 0;
}

// Does the cursor's row belong to the trip? Rows of trips before it are left out.
bool at_trip(FeedCursor* cursor, Text number, Text trip_id) {
    while (has_row(*cursor)) {
        int order = compare_texts(feed_text(*cursor, kCallNumber), number);
        if (order == 0) {
            order = compare_texts(feed_text(*cursor, kCallTrip), trip_id);
        }
        if (order >= 0) {
            return order == 0;
        }
        next_row(cursor);
    }
    return false;
}

// A time that may be left out.
bool read_optional_time(Text value, int32_t* seconds) {
    *seconds = kNoFeedTime;
    return is_empty(value) || read_feed_time(value, seconds);
}

// pickup_type or drop_off_type: 1 is none; 0, 2 and 3 are some.
bool read_service_type(Text value, bool* given) {
    const Text type = trimmed(value);
    *given = !same_text(type, {"1", 1});
    return type.length == 0 || (type.length == 1 && *type.data >= '0' && *type.data <= '3');
}

// Reads a row; returns why it cannot be read, or null.
const char* read_call(const FeedCursor& row, TextIndex* stations, FeedCall* call) {
    const Text sequence = feed_text(row, kCallSequence);
    if (!read_feed_number(sequence, &call->stop_no)) {
        return psprintf(_("It has the stop_sequence \"%s\", which is not a number."),
                        printable(sequence));
    }
    for (const int column : {kCallArrival, kCallDeparture}) {
        const Text time = feed_text(row, column);
        if (!read_optional_time(time, column == kCallArrival ? &call->arrives : &call->departs)) {
            return psprintf(_("At stop %d it has the time \"%s\", which cannot be read."),
                            call->stop_no, printable(time));
        }
    }
    for (const int column : {kCallPickup, kCallDropOff}) {
        const Text type = feed_text(row, column);
        if (!read_service_type(type, column == kCallPickup ? &call->boarding : &call->alighting)) {
            return psprintf(_("At stop %d it has a pickup_type or drop_off_type \"%s\"."),
                            call->stop_no, printable(type));
        }
    }
    const Text station = feed_text(row, kCallStation);
    if (station.data == nullptr) {
        return psprintf(_("Its stop %d has the stop_id \"%s\", which stops does not have."),
                        call->stop_no, printable(feed_text(row, kCallStop)));
    }
    if (station.length == 0 || station.length > kMaxNameBytes) {
        return psprintf(_("At stop %d the code of its station has %zu bytes; the limit is %d."),
                        call->stop_no, station.length, kMaxNameBytes);
    }
    call->station = number_of_text(stations, station);
    return nullptr;
}

int compare_calls(const void* a, const void* b) {
    const int32_t left = static_cast<const FeedCall*>(a)->stop_no;
    const int32_t right = static_cast<const FeedCall*>(b)->stop_no;
    return left < right ? -1 : static_cast<int>(left > right);
}

int32_t either(int32_t time, int32_t other) {
    return time != kNoFeedTime ? time : other;
}

// Gives times to the stops between two that have one, evenly by stops, in whole seconds.
void interpolate(FeedCall* calls, int before, int after) {
    const int64_t from = either(calls[before].departs, calls[before].arrives);
    const int64_t to = either(calls[after].arrives, calls[after].departs);
    for (int i = before + 1; i < after; i++) {
        const int64_t way = (to - from) * (i - before);
        const int64_t parts = after - before;
        const int64_t whole = way >= 0 ? way / parts : -((-way + parts - 1) / parts);
        calls[i].arrives = static_cast<int32_t>(from + whole);
        calls[i].departs = calls[i].arrives;
    }
}

const char* complete_times(FeedTrip* trip) {
    FeedCall* calls = trip->calls;
    int known = -1;
    for (int i = 0; i < trip->count; i++) {
        if (calls[i].arrives == kNoFeedTime && calls[i].departs == kNoFeedTime) {
            continue;
        }
        if (known < 0 && i > 0) {
            break;
        }
        if (known >= 0) {
            interpolate(calls, known, i);
        }
        calls[i].arrives = either(calls[i].arrives, calls[i].departs);
        calls[i].departs = either(calls[i].departs, calls[i].arrives);
        known = i;
    }
    if (known != trip->count - 1) {
        return _("Its first or its last stop has no time.");
    }
    calls[0].arrives = kNoFeedTime;
    calls[trip->count - 1].departs = kNoFeedTime;
    return nullptr;
}

const char* check_calls(const FeedTrip& trip) {
    int32_t latest = kNoFeedTime;
    for (int i = 0; i < trip.count; i++) {
        const FeedCall& call = trip.calls[i];
        if (i > 0 && call.stop_no == trip.calls[i - 1].stop_no) {
            return psprintf(_("Two of its stops have the stop_sequence %d."), call.stop_no);
        }
        for (const int32_t time : {call.arrives, call.departs}) {
            if (time != kNoFeedTime && latest != kNoFeedTime && latest - time > kLargestFall) {
                return psprintf(_("At stop %d its time falls from %s to %s."), call.stop_no,
                                feed_time_text(latest), feed_time_text(time));
            }
            latest = time != kNoFeedTime ? time : latest;
        }
    }
    return nullptr;
}

int compare_starts(const void* a, const void* b) {
    const int32_t left = *static_cast<const int32_t*>(a);
    const int32_t right = *static_cast<const int32_t*>(b);
    return left < right ? -1 : static_cast<int>(left > right);
}

// Appends the starts of a row of frequencies.
const char* read_starts(const FeedCursor& row, FeedTrip* trip, int* room) {
    int32_t start;
    int32_t end;
    int32_t headway;
    if (!read_feed_time(feed_text(row, 3), &start) || !read_feed_time(feed_text(row, 4), &end)) {
        return psprintf(_("In frequencies it has the times \"%s\" and \"%s\"."),
                        printable(feed_text(row, 3)), printable(feed_text(row, 4)));
    }
    if (!read_feed_number(feed_text(row, 5), &headway) || headway == 0) {
        return psprintf(_("In frequencies it has the headway_secs \"%s\"."),
                        printable(feed_text(row, 5)));
    }
    for (int64_t time = start; time < end; time += headway) {
        CHECK_FOR_INTERRUPTS();
        if (trip->start_count == *room) {
            *room = Max(2 * *room, 16);
            const size_t bytes = static_cast<size_t>(*room) * sizeof *trip->starts;
            trip->starts = static_cast<int32_t*>(
                trip->starts == nullptr ? palloc(bytes) : repalloc_huge(trip->starts, bytes));
        }
        if (trip->start_count == kMostStarts) {
            return _("In frequencies it starts too often.");
        }
        trip->starts[trip->start_count++] = static_cast<int32_t>(time);
    }
    return nullptr;
}

// Two rows may overlap: a start is one departure all the same.
void sort_starts(FeedTrip* trip) {
    if (trip->start_count == 0) {
        return;
    }
    qsort(trip->starts, static_cast<size_t>(trip->start_count), sizeof *trip->starts,
          compare_starts);
    int kept = 1;
    for (int i = 1; i < trip->start_count; i++) {
        if (trip->starts[i] != trip->starts[kept - 1]) {
            trip->starts[kept++] = trip->starts[i];
        }
    }
    trip->start_count = kept;
}

}  // namespace

void warn_of_trip(Text trip_id, const char* reason) {
    ereport(WARNING,
            (errcode(ERRCODE_WARNING), errmsg("trip \"%s\" was not opened", printable(trip_id)),
             errdetail_internal("%s", reason)));
}

int32_t first_departure(const FeedTrip& trip) {
    return trip.calls[0].departs;
}

void read_calls(Text number, FeedCursor* calls, TextIndex* stations, FeedTrip* trip) {
    FeedCall* read = static_cast<FeedCall*>(palloc((kMaxStops + 1) * sizeof *read));
    int64_t rows = 0;
    while (at_trip(calls, number, trip->id)) {
        if (rows < kMaxStops && trip->trouble == nullptr) {
            trip->trouble = read_call(*calls, stations, &read[rows]);
        }
        rows++;
        next_row(calls);
    }
    trip->count = static_cast<int>(Min(rows, kMaxStops));
    trip->calls = static_cast<FeedCall*>(
        repalloc(read, static_cast<size_t>(Max(trip->count, 1)) * sizeof *read));
    if (trip->trouble == nullptr && rows == 0) {
        trip->trouble = _("stop_times has no row of it.");
    }
    if (trip->trouble == nullptr && rows > kMaxStops) {
        trip->trouble =
            psprintf(_("It has " INT64_FORMAT " stops; the limit is %d."), rows, kMaxStops);
    }
    if (trip->trouble != nullptr || trip->count < 2) {
        return;
    }
    qsort(trip->calls, static_cast<size_t>(trip->count), sizeof *trip->calls, compare_calls);
    trip->trouble = complete_times(trip);
    if (trip->trouble == nullptr) {
        trip->trouble = check_calls(*trip);
    }
}

void read_frequencies(Text number, FeedCursor* frequencies, FeedTrip* trip) {
    int room = 0;
    while (at_trip(frequencies, number, trip->id)) {
        trip->by_frequency = true;
        if (trip->trouble == nullptr) {
            trip->trouble = read_starts(*frequencies, trip, &room);
        }
        next_row(frequencies);
    }
    if (trip->trouble != nullptr || trip->count < 2 || trip->start_count == 0) {
        return;
    }
    sort_starts(trip);
    int32_t latest = 0;
    int32_t earliest = kLatestSecond;
    for (int i = 0; i < trip->count; i++) {
        latest = Max(latest, Max(trip->calls[i].arrives, trip->calls[i].departs));
        earliest = Min(earliest, either(trip->calls[i].arrives, trip->calls[i].departs));
        earliest = Min(earliest, either(trip->calls[i].departs, trip->calls[i].arrives));
    }
    const int32_t first = first_departure(*trip);
    if (trip->starts[0] - first + earliest < 0 ||
        static_cast<int64_t>(trip->starts[trip->start_count - 1]) - first + latest >
            kLatestSecond) {
        trip->trouble =
            _("In frequencies it starts so that a time is negative or more than 366 "
              "days.");
    }
}

}  // namespace ticketpool
