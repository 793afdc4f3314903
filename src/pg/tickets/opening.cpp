// Writes the row of a departure that is put on sale (opening.hpp).
#include "tickets/opening.hpp"

#include "server/arrays.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/moved_away.hpp"
#include "tables/new_partition.hpp"
#include "tables/order_leaf.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr int kMostMarginDays = 366;

}  // namespace

void check_sale_margin(const Interval* margin) {
    if (margin != nullptr && (margin->month != 0 || margin->day < -kMostMarginDays ||
                              margin->day > kMostMarginDays || interval_microseconds(margin) < 0 ||
                              interval_microseconds(margin) > kMostMarginDays * USECS_PER_DAY)) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("sale_margin is out of range"),
                 errdetail("It is negative, counts in months, or is more than %d days.",
                           kMostMarginDays),
                 errhint("Pass the time from the end of a trip's sale to the train's departure, "
                         "such as 15 minutes.")));
    }
}

void lock_for_opening(const Catalog& catalog, DateADT date) {
    // Locks are taken in this order: an existing partition, new departures, a new partition. A
    // session that writes orders or departures by hand takes them in the same order. The locks are
    // taken before looking at anything that may change while this session waits for them.
    OrderLeaf leaf;
    if (find_order_leaf(catalog, date, &leaf)) {
        lock_order_leaf(catalog, date, AccessShareLock, &leaf);
    } else {
        // Taken at once in the mode that ensure_order_leaf() needs: DETACH CONCURRENTLY holds the
        // lock in this mode and waits for every session that holds it in a weaker one.
        lock_orders(catalog, ShareUpdateExclusiveLock);
    }
    lock_new_departures(catalog);
}

int64_t open_departure(const Catalog& catalog, const Opening& opening) {
    ensure_order_leaf(catalog, opening.date);
    const bool of_trip = opening.trip_id.data != nullptr;
    Oid types[] = {TEXTOID,     DATEOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
                   INTERVALOID, INT8OID, INT8OID, TEXTOID,        INTERVALOID};
    Datum values[] = {text_datum(opening.train),
                      DateADTGetDatum(opening.date),
                      text_datum(opening.formation),
                      TimestampTzGetDatum(opening.opens_at),
                      TimestampTzGetDatum(opening.closes_at),
                      IntervalPGetDatum(opening.sale_margin),
                      Int64GetDatum(opening.route_id),
                      Int64GetDatum(opening.layout_id),
                      of_trip ? text_datum(opening.trip_id) : Datum{0},
                      IntervalPGetDatum(opening.trip_start)};
    const auto null_unless = [](bool given) { return given ? ' ' : 'n'; };
    const char nulls[] = {' ',
                          ' ',
                          ' ',
                          ' ',
                          null_unless(opening.closes),
                          null_unless(opening.sale_margin != nullptr),
                          ' ',
                          ' ',
                          null_unless(of_trip),
                          null_unless(opening.trip_start != nullptr),
                          '\0'};
    const char* sql = psprintf(
        "INSERT INTO %s (train, service_date, formation, opens_at, closes_at, sale_margin, "
        "route_id, layout_id, trip_id, trip_start) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) RETURNING departure_id",
        qualified_name(catalog.departure));
    execute_own_on(catalog.departure, sql, lengthof(types), types, values, nulls,
                   SPI_OK_INSERT_RETURNING);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
    // Looked for now: if the departure was leaving, the statement has waited for that.
    refuse_moved(catalog, opening.train, opening.date);
    bool is_null;
    return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

}  // namespace ticketpool
