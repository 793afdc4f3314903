// Finds the tables of a GTFS feed and reads them (feed_tables.hpp).
#include "gtfs/feed_tables.hpp"

#include "server/errors.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "lib/stringinfo.h"
}

namespace ticketpool {
namespace {

constexpr int kRowsAtATime = 1000;

FeedTable find_table(const Feed& feed, const char* name) {
    return {get_relname_relid(name, feed.schema_oid),
            quote_qualified_identifier(feed.schema, name)};
}

[[noreturn]] void report_no_table(const Feed& feed, const char* name) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_TABLE),
             errmsg("schema \"%s\" has no table \"%s\"", feed.schema, name),
             errdetail("A GTFS feed is read from tables that are named as its files. It needs "
                       "stops, trips, stop_times, and calendar or calendar_dates."),
             errhint("Load the feed into this schema: a table for each file, with the columns of "
                     "the file as text.")));
}

FeedTable need_table(const Feed& feed, const char* name) {
    const FeedTable table = find_table(feed, name);
    if (!OidIsValid(table.relation)) {
        report_no_table(feed, name);
    }
    return table;
}

bool has_column(const FeedTable& table, const char* name) {
    return get_attnum(table.relation, name) > 0;
}

[[noreturn]] void report_no_column(const FeedTable& table, const char* name) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg("table %s has no column \"%s\"", table.name, name),
                    errdetail("A GTFS feed cannot be read without this column."),
                    errhint("Load the file again, with the columns that its first line names.")));
}

// A cast of a type that somebody has made may run functions that somebody has made.
void check_type(const FeedTable& table, const char* name) {
    const AttrNumber number = get_attnum(table.relation, name);
    Oid type;
    int32 modifier;
    Oid collation;
    get_atttypetypmodcoll(table.relation, number, &type, &modifier, &collation);
    const Oid base = getBaseType(type);
    // Types that the server is made with have small numbers.
    if (base >= FirstUnpinnedObjectId) {
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("column \"%s\" of table %s is of type %s", name, table.name,
                               format_type_be(type)),
                        errdetail("The columns of a GTFS feed are read as text."),
                        errhint("Make the column text.")));
    }
}

// "s.stop_id" as text that compares bytewise.
const char* column(const FeedTable& table, const char* alias, const char* name) {
    if (!has_column(table, name)) {
        report_no_column(table, name);
    }
    check_type(table, name);
    return psprintf("%s.%s::pg_catalog.text COLLATE pg_catalog.\"C\"", alias,
                    quote_identifier(name));
}

const char* optional_column(const FeedTable& table, const char* alias, const char* name) {
    return has_column(table, name) ? column(table, alias, name) : "NULL::pg_catalog.text";
}

const char* trip_id(const Feed& feed) {
    return column(feed.trips, "t", "trip_id");
}

// The number of the train of trip t: without one, the trip's id.
const char* number_of_trip(const Feed& feed) {
    const char* number =
        OidIsValid(feed.routes.relation) ? "r.number" : column(feed.trips, "t", feed.number);
    return psprintf("coalesce(nullif(btrim(%s, E' \\t\\n\\r'), ''), %s)", number, trip_id(feed));
}

// "FROM trips AS t …": with the routes that have the numbers.
const char* from_trips(const Feed& feed) {
    if (!OidIsValid(feed.routes.relation)) {
        return psprintf("FROM %s AS t", feed.trips.name);
    }
    return psprintf(
        "FROM %s AS t LEFT JOIN (SELECT %s AS id, min(%s) AS number FROM %s AS s GROUP "
        "BY 1) AS r ON r.id = %s",
        feed.trips.name, column(feed.routes, "s", "route_id"),
        column(feed.routes, "s", feed.number), feed.routes.name,
        column(feed.trips, "t", "route_id"));
}

const char* where_served(const Feed& feed) {
    return psprintf("WHERE %s = ANY ($1) AND t.trip_id IS NOT NULL",
                    column(feed.trips, "t", "service_id"));
}

}  // namespace

Feed find_feed(const char* schema, const char* number, bool with_formations) {
    Feed feed{};
    feed.schema = schema;
    feed.schema_oid = LookupExplicitNamespace(schema, false);
    feed.stops = need_table(feed, "stops");
    feed.trips = need_table(feed, "trips");
    feed.stop_times = need_table(feed, "stop_times");
    feed.calendar = find_table(feed, "calendar");
    feed.calendar_dates = find_table(feed, "calendar_dates");
    feed.frequencies = find_table(feed, "frequencies");
    feed.number = number;
    if (!OidIsValid(feed.calendar.relation) && !OidIsValid(feed.calendar_dates.relation)) {
        report_no_table(feed, "calendar");
    }
    if (!has_column(feed.trips, number)) {
        feed.routes = find_table(feed, "routes");
        if (!OidIsValid(feed.routes.relation) || !has_column(feed.routes, number)) {
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("number_column \"%s\" does not exist",
                            printable(text_of(std::string_view(number)))),
                     errdetail("Neither trips nor routes of schema \"%s\" has a column of this "
                               "name.",
                               schema),
                     errhint("Name the column with the numbers that passengers know the trains by, "
                             "such as trip_headsign, route_short_name or trip_id.")));
        }
    }
    if (with_formations) {
        feed.formations = find_table(feed, "trip_formation");
        if (!OidIsValid(feed.formations.relation)) {
            ereport(ERROR,
                    (errcode(ERRCODE_UNDEFINED_TABLE),
                     errmsg("schema \"%s\" has no table \"%s\"", schema, "trip_formation"),
                     errdetail("Without an argument formation, each trip's formation is read from "
                               "it."),
                     errhint("Pass a formation, or make trip_formation(trip_id text, formation "
                             "text).")));
        }
    }
    return feed;
}

const char* trips_query(const Feed& feed) {
    const FeedTable& formations = feed.formations;
    const bool asked = OidIsValid(formations.relation);
    const char* join =
        asked ? psprintf(
                    " LEFT JOIN (SELECT %1$s AS id, min(%2$s) AS least, max(%2$s) AS greatest "
                    "FROM %3$s AS s GROUP BY 1) AS f ON f.id = %4$s",
                    column(formations, "s", "trip_id"), column(formations, "s", "formation"),
                    formations.name, trip_id(feed))
              : "";
    return psprintf("SELECT %s, %s, %s, %s %s%s %s ORDER BY 1, 2", number_of_trip(feed),
                    trip_id(feed), column(feed.trips, "t", "service_id"),
                    asked ? "f.least, f.greatest" : "NULL, NULL", from_trips(feed), join,
                    where_served(feed));
}

const char* calls_query(const Feed& feed) {
    const FeedTable& times = feed.stop_times;
    const char* stops =
        psprintf("SELECT %s AS id, min(nullif(%s, '')) AS parent FROM %s AS p GROUP BY 1",
                 column(feed.stops, "p", "stop_id"),
                 optional_column(feed.stops, "p", "parent_station"), feed.stops.name);
    return psprintf(
        "SELECT %s, %s, %s, %s, %s, %s, coalesce(p.parent, p.id), %s, %s %s JOIN %s AS s ON %s = "
        "%s LEFT JOIN (%s) AS p ON p.id = %s %s ORDER BY 1, 2",
        number_of_trip(feed), trip_id(feed), column(times, "s", "stop_sequence"),
        optional_column(times, "s", "arrival_time"), optional_column(times, "s", "departure_time"),
        column(times, "s", "stop_id"), optional_column(times, "s", "pickup_type"),
        optional_column(times, "s", "drop_off_type"), from_trips(feed), times.name,
        column(times, "s", "trip_id"), trip_id(feed), stops, column(times, "s", "stop_id"),
        where_served(feed));
}

const char* frequencies_query(const Feed& feed) {
    const FeedTable& table = feed.frequencies;
    return psprintf("SELECT %s, %s, %s, %s, %s %s JOIN %s AS f ON %s = %s %s ORDER BY 1, 2",
                    number_of_trip(feed), trip_id(feed), column(table, "f", "start_time"),
                    column(table, "f", "end_time"), column(table, "f", "headway_secs"),
                    from_trips(feed), table.name, column(table, "f", "trip_id"), trip_id(feed),
                    where_served(feed));
}

const char* trip_count_query(const Feed& feed) {
    return psprintf("SELECT count(*) %s %s", from_trips(feed), where_served(feed));
}

const char* unserved_query(const Feed& feed) {
    return psprintf(
        "SELECT %1$s, %2$s FROM %3$s AS t WHERE t.trip_id IS NOT NULL AND "
        "NOT coalesce(%2$s = ANY ($1), false) ORDER BY 1",
        trip_id(feed), column(feed.trips, "t", "service_id"), feed.trips.name);
}

const char* calendar_query(const Feed& feed) {
    StringInfoData sql;
    initStringInfo(&sql);
    appendStringInfo(&sql, "SELECT %s", column(feed.calendar, "c", "service_id"));
    for (const char* name : {"monday", "tuesday", "wednesday", "thursday", "friday", "saturday",
                             "sunday", "start_date", "end_date"}) {
        appendStringInfo(&sql, ", %s", column(feed.calendar, "c", name));
    }
    appendStringInfo(&sql, " FROM %s AS c WHERE c.service_id IS NOT NULL", feed.calendar.name);
    return sql.data;
}

// Days that are taken out come last: they win over those that are added.
const char* exceptions_query(const Feed& feed) {
    return psprintf("SELECT %s, %s, %s FROM %s AS c WHERE c.service_id IS NOT NULL ORDER BY 3",
                    column(feed.calendar_dates, "c", "service_id"),
                    column(feed.calendar_dates, "c", "date"),
                    column(feed.calendar_dates, "c", "exception_type"), feed.calendar_dates.name);
}

const char* stations_query(const Feed& feed) {
    const char* id = column(feed.stops, "s", "stop_id");
    const char* name = optional_column(feed.stops, "s", "stop_name");
    return psprintf(
        "SELECT u.code, min(u.name) FROM (SELECT coalesce(p.parent, p.id) AS code, "
        "coalesce(nullif(q.name, ''), nullif(p.name, ''), p.parent, p.id) AS name "
        "FROM (SELECT %1$s AS id, nullif(%2$s, '') AS parent, %3$s AS name FROM %4$s AS s "
        "WHERE %1$s IN (SELECT %5$s FROM %6$s AS c)) AS p "
        "LEFT JOIN (SELECT %1$s AS id, min(%3$s) AS name FROM %4$s AS s GROUP BY 1) AS q "
        "ON q.id = p.parent) AS u WHERE octet_length(u.code) BETWEEN 1 AND %7$d "
        "GROUP BY 1 ORDER BY 1",
        id, optional_column(feed.stops, "s", "parent_station"), name, feed.stops.name,
        column(feed.stop_times, "c", "stop_id"), feed.stop_times.name, kMaxNameBytes);
}

void open_cursor(FeedCursor* cursor, const char* sql, int count, Oid* types, Datum* values) {
    *cursor = FeedCursor{};
    cursor->portal = SPI_cursor_open_with_args(nullptr, sql, count, types, values, nullptr, true,
                                               CURSOR_OPT_NO_SCROLL);
    if (cursor->portal == nullptr) {
        elog(ERROR, "could not read a feed: %s", SPI_result_code_string(SPI_result));
    }
}

bool next_row(FeedCursor* cursor) {
    CHECK_FOR_INTERRUPTS();
    if (cursor->portal == nullptr) {
        return false;
    }
    if (++cursor->at < cursor->count) {
        return true;
    }
    if (cursor->rows != nullptr) {
        SPI_freetuptable(cursor->rows);
    }
    SPI_cursor_fetch(cursor->portal, true, kRowsAtATime);
    cursor->rows = SPI_tuptable;
    cursor->count = SPI_processed;
    cursor->at = 0;
    return cursor->count > 0;
}

Text feed_text(const FeedCursor& cursor, int column) {
    bool is_null;
    const Datum value =
        SPI_getbinval(cursor.rows->vals[cursor.at], cursor.rows->tupdesc, column, &is_null);
    return is_null ? Text{nullptr, 0} : text_of(value);
}

void close_cursor(FeedCursor* cursor) {
    if (cursor->portal != nullptr) {
        if (cursor->rows != nullptr) {
            SPI_freetuptable(cursor->rows);
        }
        SPI_cursor_close(cursor->portal);
    }
    *cursor = FeedCursor{};
}

}  // namespace ticketpool
