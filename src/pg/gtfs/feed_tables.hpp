// The tables of a GTFS feed: which of them there are, and the queries that read them.
//
// They are tables or views of the caller's, named as the files of the feed, with the feed's columns
// as text. They are read with the caller's rights and with a search_path that only finds what the
// server has itself: names are quoted and qualified, values are arguments. So a query runs nothing
// of others' except what a view is made of, as any query of the caller's would.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {

struct FeedTable {
    Oid relation;      // InvalidOid: the feed does not have it
    const char* name;  // quoted and qualified
};

struct Feed {
    const char* schema;
    Oid schema_oid;
    FeedTable stops;
    FeedTable trips;
    FeedTable stop_times;
    FeedTable calendar;
    FeedTable calendar_dates;
    FeedTable frequencies;
    FeedTable routes;      // only if the trains' numbers are there
    FeedTable formations;  // only if the trips' formations are asked for
    const char* number;    // the column of trips or routes that has the trains' numbers
};

// Looks for the tables. Ereports 3F000, 42P01 or 42703 if one that is needed or one of its columns
// is missing, 42804 for a column of a type that is not the server's own, and 22023 if neither trips
// nor routes has the column `number`.
Feed find_feed(const char* schema, const char* number, bool with_formations);

// Each with $1: an array of service_ids. Rows of trips come in the order of number and trip_id,
// bytewise.
const char* trips_query(const Feed& feed);        // number, trip_id, service_id, formation twice
const char* calls_query(const Feed& feed);        // see CallColumn
const char* frequencies_query(const Feed& feed);  // number, trip_id, start, end, headway
const char* unserved_query(const Feed& feed);     // trips of other services: trip_id, service_id
const char* trip_count_query(const Feed& feed);   // how many rows trips_query() has
// Without arguments.
const char* calendar_query(const Feed& feed);    // service_id, seven days, start, end
const char* exceptions_query(const Feed& feed);  // service_id, date, type
const char* stations_query(const Feed& feed);    // code, name; in the order of codes

enum CallColumn {
    kCallNumber = 1,
    kCallTrip,
    kCallSequence,
    kCallArrival,
    kCallDeparture,
    kCallStop,
    kCallStation,  // NULL: stops does not have the stop
    kCallPickup,
    kCallDropOff
};

// Reads the rows of a query, some at a time. Like find_feed(), inside SPI. The rows are those of
// the snapshot that is active when it is opened, and are read as the user who is current then.
struct FeedCursor {
    Portal portal;  // null: no rows at all
    SPITupleTable* rows;
    uint64_t count;
    uint64_t at;
};
void open_cursor(FeedCursor* cursor, const char* sql, int count, Oid* types, Datum* values);
// Goes to the first row, and then to the next. False: there is none.
bool next_row(FeedCursor* cursor);
inline bool has_row(const FeedCursor& cursor) {
    return cursor.at < cursor.count;
}
// A column of the current row, valid until the next one; `data` is null for NULL.
Text feed_text(const FeedCursor& cursor, int column);
void close_cursor(FeedCursor* cursor);

}  // namespace ticketpool
