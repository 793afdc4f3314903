// ticket_open and ticket_close.
//
// ticket_open keeps the stop list and the formation as they are now: as a route and a layout, which
// departures with equal ones share (found by digest). Nobody else can use the departure until
// ticket_open commits: see "opened" in ledger.hpp.
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/waiting.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "tables/arrival_locks.hpp"
#include "tables/moved_away.hpp"
#include "tables/new_partition.hpp"
#include "tables/order_leaf.hpp"
#include "tables/own_writes.hpp"
#include "tickets/kept_parts.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

constexpr DateADT kFirstDate = 0;      // 2000-01-01
constexpr DateADT kLastDate = 0xFFFF;  // what an order id has room for: 2179-06-06

struct Opening {
    Text train;
    DateADT date;
    Text formation;
    TimestampTz opens_at;
    bool closes;
    TimestampTz closes_at;
};

int64_t open_departure(const Catalog& catalog, const Opening& opening) {
    // Locks are taken in this order: an existing partition, new departures, a new partition. A
    // session that writes orders or departures by hand takes them in the same order. The locks are
    // taken before looking at anything that may change while this session waits for them.
    OrderLeaf leaf;
    if (find_order_leaf(catalog, opening.date, &leaf)) {
        lock_order_leaf(catalog, opening.date, AccessShareLock, &leaf);
    } else {
        // Taken at once in the mode that ensure_order_leaf() needs: DETACH CONCURRENTLY holds the
        // lock in this mode and waits for every session that holds it in a weaker one.
        lock_orders(catalog, ShareUpdateExclusiveLock);
    }
    lock_new_departures(catalog);
    const KeptParts parts = keep_parts(catalog, opening.train, opening.formation);
    ensure_order_leaf(catalog, opening.date);
    Oid types[] = {TEXTOID, DATEOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID, INT8OID};
    Datum values[] = {text_datum(opening.train),
                      DateADTGetDatum(opening.date),
                      text_datum(opening.formation),
                      TimestampTzGetDatum(opening.opens_at),
                      TimestampTzGetDatum(opening.closes_at),
                      Int64GetDatum(parts.route_id),
                      Int64GetDatum(parts.layout_id)};
    const char* sql = psprintf(
        "INSERT INTO %s (train, service_date, formation, opens_at, closes_at, route_id, "
        "layout_id) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING departure_id",
        qualified_name(catalog.departure));
    execute_own_on(catalog.departure, sql, 7, types, values, opening.closes ? "       " : "    n  ",
                   SPI_OK_INSERT_RETURNING);
    if (SPI_processed != 1) {
        report_not_written(sql);
    }
    // Looked for now: if the departure was leaving, the statement has waited for that.
    refuse_moved(catalog, opening.train, opening.date);
    bool is_null;
    return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null));
}

void check_date(DateADT date) {
    if (DATE_NOT_FINITE(date) || date < kFirstDate || date > kLastDate) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("service_date is out of range"),
                 errdetail("Departures are sold from %s to %s.", date_text(kFirstDate),
                           date_text(kLastDate)),
                 errhint("Check the date.")));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_open) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    require_argument(fcinfo, 2, "formation");
    require_argument(fcinfo, 3, "opens_at");
    PreventCommandIfReadOnly("ticket_open()");
    Opening opening{};
    opening.train = text_of(PG_GETARG_DATUM(0));
    opening.date = PG_GETARG_DATEADT(1);
    opening.formation = text_of(PG_GETARG_DATUM(2));
    opening.opens_at = PG_GETARG_TIMESTAMPTZ(3);
    opening.closes = !PG_ARGISNULL(4);
    opening.closes_at = opening.closes ? PG_GETARG_TIMESTAMPTZ(4) : 0;
    check_name(NameOf::kTrain, opening.train);
    check_date(opening.date);
    if (opening.closes && opening.closes_at <= opening.opens_at) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("closes_at is not after opens_at"), errdetail("Nothing could be sold."),
                 errhint("Pass NULL to sell until ticket_close.")));
    }
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    const int64_t departure_id = open_departure(catalog, opening);
    SPI_finish();
    owner_end(scope);
    PG_RETURN_INT64(departure_id);
}

TICKETPOOL_FUNCTION(ticket_close) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    PreventCommandIfReadOnly("ticket_close()");
    const Catalog& catalog = catalog_of(fcinfo);
    lock_orders(catalog, AccessShareLock);
    const Text train = text_of(PG_GETARG_DATUM(0));
    const int64_t departure_id = require_departure_id(catalog, train, PG_GETARG_DATEADT(1));
    refuse_prepared_change(catalog, departure_id);
    // Change the row first: a session that waits for the row pins nothing. The departure in memory
    // is changed at commit.
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(departure_id)};
    const char* table = qualified_name(catalog.departure);
    const char* sql = psprintf(
        "UPDATE %s SET status = 'closed' WHERE departure_id = $1 AND status = 'open'", table);
    execute_own_on(catalog.departure, sql, 1, types, values, nullptr, SPI_OK_UPDATE);
    const bool closed = was_changed(sql, table, "departure_id", departure_id, "status = 'open'");
    SPI_finish();
    owner_end(scope);
    if (closed) {
        const DepartureRef ref = find_settled(catalog, departure_id);
        if (ref.departure != nullptr) {
            ledger_reserve(1);
            pin_slot(ref.slot);
            wait_for_sale_turn(ref.slot);
            ledger_add_status(ref.slot, SaleStatus::kClosed);
        }
        end_announcement();
    }
    PG_RETURN_VOID();
}
