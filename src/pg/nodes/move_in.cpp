// ticket_move_in: a departure comes to this node; and what the nodes ask each other before it
// leaves the other one. See parcel.hpp.
#include "load/directory.hpp"
#include "nodes/parcel.hpp"
#include "pool/announcement.hpp"
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/plans.hpp"
#include "server/progress.hpp"
#include "tables/departure_rows.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {
namespace {

// All parts and the header.
void require_all_parts(const Catalog& catalog, const Parcel& parcel) {
    Oid types[] = {UUIDOID};
    Datum values[] = {UUIDPGetDatum(&parcel.id)};
    if (execute_planned(
            psprintf("SELECT FROM %s WHERE parcel = $1", qualified_name(catalog.parcel_part)), 1,
            types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not count the parts of a parcel");
    }
    if (SPI_processed != static_cast<uint64>(parcel.parts)) {
        ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                        errmsg("the parcel is not complete"),
                        errdetail(UINT64_FORMAT " of its %d parts are here.",
                                  static_cast<uint64>(SPI_processed), parcel.parts),
                        errhint("Put the other parts first.")));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_move_in) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "parcel");
    PreventCommandIfReadOnly("ticket_move_in()");
    const Catalog& catalog = catalog_of(fcinfo);
    const pg_uuid_t id = *DatumGetUUIDP(PG_GETARG_DATUM(0));
    const Progress progress = progress_begin(ProgressCommand::kMoveIn, ProgressPhase::kUnpacking);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    const Parcel parcel = lock_parcel(catalog, id);
    if (!parcel.found) {
        report_no_parcel(id);
    }
    progress_object(progress, name_of_parcel(parcel));
    if (is_state(parcel, "coming")) {
        require_all_parts(catalog, parcel);
        bring_in(catalog, parcel);
        set_parcel_state(catalog, id, "arrived");
        drop_parts(catalog, id);
    } else if (!is_state(parcel, "arrived")) {
        report_parcel_state(parcel, _("Begin a new move."));
    }
    parcel_end(scope);
    progress_end(progress);
    PG_RETURN_INT64(parcel.departure_id);
}

TICKETPOOL_FUNCTION(ticket_move_columns) {
    using namespace ticketpool;
    require_shared_memory();
    const Catalog& catalog = catalog_of(fcinfo);
    MemoryContext caller = CurrentMemoryContext;
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    const char* columns = MemoryContextStrdup(caller, columns_of_node(catalog));
    parcel_end(scope);
    PG_RETURN_DATUM(CStringGetTextDatum(columns));
}

TICKETPOOL_FUNCTION(ticket_move_check) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    require_argument(fcinfo, 2, "columns");
    require_json("columns", PG_GETARG_DATUM(2));
    const Catalog& catalog = catalog_of(fcinfo);
    const Text train = text_of(PG_GETARG_DATUM(0));
    const DateADT date = PG_GETARG_DATEADT(1);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    require_columns(catalog, PG_GETARG_DATUM(2));
    DepartureRow row;
    if (read_departure_row(catalog, train, date, &row)) {
        ereport(ERROR,
                (errcode(ERRCODE_UNIQUE_VIOLATION),
                 errmsg("train \"%s\" of %s is on this node already", printable(train),
                        date_text(date)),
                 errdetail("Departure " INT64_FORMAT " has this name and day.", row.departure_id),
                 errhint("A train and day can be on one node only.")));
    }
    parcel_end(scope);
    PG_RETURN_VOID();
}
