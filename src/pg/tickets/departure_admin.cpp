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
#include "tables/departure_rows.hpp"
#include "tables/order_leaf.hpp"
#include "tables/own_writes.hpp"
#include "tables/wait_ends.hpp"
#include "tickets/kept_parts.hpp"
#include "tickets/opening.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

void check_binding(Datum value) {
    if (!same_text(text_of(value), {"now", 3})) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("binding \"%s\" does not exist", printable(text_of(value))),
                 errdetail("A passenger gets a seat when the ticket is sold: binding is 'now'."),
                 errhint("Pass 'now', or leave the argument out.")));
    }
}

enum OpenArgument {
    kArgTrain,
    kArgDate,
    kArgFormation,
    kArgOpensAt,
    kArgClosesAt,
    kArgStopsOf,
    kArgSaleMargin,
    kArgBinding
};

void read_opening(FunctionCallInfo fcinfo, Opening* opening) {
    require_argument(fcinfo, kArgTrain, "train");
    require_argument(fcinfo, kArgDate, "service_date");
    require_argument(fcinfo, kArgFormation, "formation");
    require_argument(fcinfo, kArgOpensAt, "opens_at");
    require_argument(fcinfo, kArgBinding, "binding");
    opening->train = text_of(PG_GETARG_DATUM(kArgTrain));
    opening->date = PG_GETARG_DATEADT(kArgDate);
    opening->formation = text_of(PG_GETARG_DATUM(kArgFormation));
    opening->opens_at = PG_GETARG_TIMESTAMPTZ(kArgOpensAt);
    opening->closes = !PG_ARGISNULL(kArgClosesAt);
    opening->closes_at = opening->closes ? PG_GETARG_TIMESTAMPTZ(kArgClosesAt) : 0;
    opening->sale_margin =
        PG_ARGISNULL(kArgSaleMargin) ? nullptr : PG_GETARG_INTERVAL_P(kArgSaleMargin);
    check_name(NameOf::kTrain, opening->train);
    check_service_date(opening->date);
    check_sale_margin(opening->sale_margin);
    check_binding(PG_GETARG_DATUM(kArgBinding));
    if (opening->closes && opening->closes_at <= opening->opens_at) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("closes_at is not after opens_at"), errdetail("Nothing could be sold."),
                 errhint("Pass NULL to sell until ticket_close.")));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_open) {
    using namespace ticketpool;
    require_shared_memory();
    PreventCommandIfReadOnly("ticket_open()");
    // First: the function of an older version has fewer arguments.
    const Catalog& catalog = catalog_of(fcinfo);
    Opening opening{};
    read_opening(fcinfo, &opening);
    const Text stops_of =
        PG_ARGISNULL(kArgStopsOf) ? opening.train : text_of(PG_GETARG_DATUM(kArgStopsOf));
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    lock_for_opening(catalog, opening.date);
    const KeptParts parts = keep_parts(catalog, stops_of, opening.formation);
    opening.route_id = parts.route_id;
    opening.layout_id = parts.layout_id;
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
    const char* sql =
        psprintf("UPDATE %s SET status = 'closed' WHERE departure_id = $1 AND status = 'open'",
                 qualified_name(catalog.departure));
    execute_own_on(catalog.departure, sql, 1, types, values, nullptr, SPI_OK_UPDATE);
    const bool closed = was_changed(sql, catalog.departure, "departure_id", departure_id,
                                    "status = 'open'", "status = 'closed'");
    SPI_finish();
    owner_end(scope);
    if (closed) {
        end_options_of(catalog, departure_id);
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
