// The steps of a move that concern a parcel as such, and what they share: see parcel.hpp.
#include "nodes/parcel.hpp"

#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/plans.hpp"
#include "server/progress.hpp"
#include "server/row_return.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "utils/fmgrprotos.h"
}

namespace ticketpool {

const PartShape part_shapes[kPartKinds] = {
    {"route", &Catalog::route, "route_id"},
    {"route_call", &Catalog::route_call, "route_id"},
    {"layout", &Catalog::layout, "layout_id"},
    {"layout_coach", &Catalog::layout_coach, "layout_id"},
    {"departure", &Catalog::departure, nullptr},
    {"reservation", &Catalog::reservation, nullptr},
    {"order", &Catalog::order, nullptr},
    {"question", &Catalog::question, nullptr},
    {"gate", &Catalog::gate, nullptr},
};

void require_json(const char* argument, Datum value) {
    const ErrorData* error = in_subtransaction([value] {
        DirectFunctionCall1(json_in, CStringGetDatum(TextDatumGetCString(value)));
        return true;
    });
    if (error != nullptr) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("argument \"%s\" is not JSON", argument),
                        errdetail("The nodes describe rows and columns in JSON."),
                        errhint("Pass on what the other node has returned.")));
    }
}

Text name_of_parcel(const Parcel& parcel) {
    return parcel.found && parcel.train != nullptr
               ? train_and_day({parcel.train, strlen(parcel.train)}, parcel.service_date)
               : Text{nullptr, 0};
}

bool is_state(const Parcel& parcel, const char* state) {
    return parcel.found && strcmp(parcel.state, state) == 0;
}

void parcel_begin(const Catalog& catalog, OwnerScope* scope) {
    owner_begin(catalog, scope, RowScope::kEvery);
    const struct {
        const char* name;
        const char* value;
    } settings[] = {{"lock_timeout", psprintf("%d", kMoveWaitMillis)},
                    {"DateStyle", "ISO, YMD"},
                    {"IntervalStyle", "postgres"},
                    {"extra_float_digits", "1"}};
    for (const auto& setting : settings) {
        set_config_option(setting.name, setting.value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                          true, 0, false);
    }
    SPI_connect();
}

void parcel_end(const OwnerScope& scope) {
    SPI_finish();
    owner_end(scope);
}

namespace {

const char* uuid_text(const pg_uuid_t& id) {
    return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&id)));
}

// A statement about one parcel, $1.
void execute_for_parcel(const char* sql, const pg_uuid_t& id, int expected) {
    Oid types[] = {UUIDOID};
    Datum values[] = {UUIDPGetDatum(&id)};
    const int result = execute_planned(sql, 1, types, values, nullptr);
    if (result != expected) {
        elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
    }
}

Datum spi_value(int column) {
    bool is_null;
    return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, &is_null);
}

}  // namespace

Parcel lock_parcel(const Catalog& catalog, const pg_uuid_t& id) {
    Parcel parcel{};
    parcel.id = id;
    execute_for_parcel(psprintf("SELECT direction = 'out', state, "
                                "departure_id, service_date, to_node, parts, train FROM %s "
                                "WHERE parcel = $1 FOR UPDATE",
                                qualified_name(catalog.parcel)),
                       id, SPI_OK_SELECT);
    if (SPI_processed == 0) {
        return parcel;
    }
    parcel.found = true;
    parcel.out = DatumGetBool(spi_value(1));
    parcel.state = TextDatumGetCString(spi_value(2));
    parcel.departure_id = DatumGetInt64(spi_value(3));
    parcel.service_date = DatumGetDateADT(spi_value(4));
    parcel.to_node = DatumGetInt32(spi_value(5));
    parcel.parts = DatumGetInt32(spi_value(6));
    parcel.train = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 7);
    return parcel;
}

void set_parcel_state(const Catalog& catalog, const pg_uuid_t& id, const char* state) {
    execute_for_parcel(psprintf("UPDATE %s SET state = '%s', changed_at = clock_timestamp() "
                                "WHERE parcel = $1",
                                qualified_name(catalog.parcel), state),
                       id, SPI_OK_UPDATE);
}

void drop_parts(const Catalog& catalog, const pg_uuid_t& id) {
    execute_for_parcel(
        psprintf("DELETE FROM %s WHERE parcel = $1", qualified_name(catalog.parcel_part)), id,
        SPI_OK_DELETE);
}

void drop_parcel(const Catalog& catalog, const pg_uuid_t& id) {
    for (const Oid table : {catalog.moved, catalog.parcel_part, catalog.parcel}) {
        execute_for_parcel(psprintf("DELETE FROM %s WHERE parcel = $1", qualified_name(table)), id,
                           SPI_OK_DELETE);
    }
}

void report_no_parcel(const pg_uuid_t& id) {
    ereport(ERROR,
            (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("parcel %s does not exist", uuid_text(id)),
             errdetail("No row of ticket_parcel has this id. It may have been taken back."),
             errhint("See ticket_parcel_state.")));
}

void report_parcel_state(const Parcel& parcel, const char* hint) {
    ereport(
        ERROR,
        (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
         errmsg("parcel %s cannot take this step", uuid_text(parcel.id)),
         parcel.out ? errdetail("It leaves this node, and its state is \"%s\".", parcel.state)
                    : errdetail("It comes to this node, and its state is \"%s\".", parcel.state),
         errhint("%s", hint)));
}

namespace {

pg_uuid_t parcel_argument(FunctionCallInfo fcinfo) {
    require_shared_memory();
    require_argument(fcinfo, 0, "parcel");
    return *DatumGetUUIDP(PG_GETARG_DATUM(0));
}

// The header, part 0, makes the parcel known.
void put_header(const Catalog& catalog, const pg_uuid_t& id, Datum rows) {
    require_json("rows", rows);
    Oid types[] = {UUIDOID, TEXTOID};
    Datum values[] = {UUIDPGetDatum(&id), rows};
    const char* sql = psprintf(
        "INSERT INTO %s (parcel, direction, train, service_date, departure_id, to_node, state, "
        "parts) SELECT $1, 'in', h.train, h.service_date, h.departure_id, h.to_node, 'coming', "
        "h.parts FROM pg_catalog.json_to_record($2::json) AS h (train text, "
        "service_date date, departure_id int8, to_node int4, "
        "parts int4) ON CONFLICT (parcel) DO NOTHING",
        qualified_name(catalog.parcel));
    if (execute_planned(sql, 2, types, values, nullptr) != SPI_OK_INSERT) {
        report_not_written(sql);
    }
    execute_for_parcel(psprintf("SELECT FROM %s WHERE parcel = $1 AND state = 'coming' AND "
                                "num_nulls(train, service_date, departure_id, to_node) > 0",
                                qualified_name(catalog.parcel)),
                       id, SPI_OK_SELECT);
    if (SPI_processed > 0) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("the header of the parcel does not name the departure"),
                        errdetail("It has to have train, service_date, departure_id and to_node."),
                        errhint("Copy the parts as ticket_parcel_part gives them.")));
    }
}

void put_part(const Catalog& catalog, const pg_uuid_t& id, FunctionCallInfo fcinfo) {
    Oid types[] = {UUIDOID, INT4OID, TEXTOID, TEXTOID};
    Datum values[] = {UUIDPGetDatum(&id), PG_GETARG_DATUM(1), PG_GETARG_DATUM(2),
                      PG_GETARG_DATUM(3)};
    const char* sql = psprintf(
        "INSERT INTO %s (parcel, part_no, kind, rows) "
        "VALUES ($1, $2, $3, $4) ON CONFLICT (parcel, part_no) DO NOTHING",
        qualified_name(catalog.parcel_part));
    if (execute_planned(sql, 4, types, values, nullptr) != SPI_OK_INSERT) {
        report_not_written(sql);
    }
}

// Rows of a query about the arguments, as the function's result.
void return_query(FunctionCallInfo fcinfo, const Catalog& catalog, const char* sql, int count,
                  Oid* types, Datum* values) {
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    if (execute_planned(sql, count, types, values, nullptr) != SPI_OK_SELECT) {
        elog(ERROR, "could not execute \"%s\"", sql);
    }
    return_spi_rows(result);
    parcel_end(scope);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_parcel_state) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    const Catalog& catalog = catalog_of(fcinfo);
    Oid types[] = {TEXTOID, DATEOID};
    Datum values[] = {PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)};
    return_query(fcinfo, catalog,
                 psprintf("SELECT p.* FROM (SELECT parcel, direction, state, to_node, parts, "
                          "departure_id FROM %s WHERE train = $1 AND service_date = $2 "
                          "ORDER BY created_at, parcel) AS p UNION ALL "
                          "SELECT NULL, 'here', status, NULL, NULL, departure_id FROM %s "
                          "WHERE train = $1 AND service_date = $2",
                          qualified_name(catalog.parcel), qualified_name(catalog.departure)),
                 2, types, values);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_parcels) {
    using namespace ticketpool;
    require_shared_memory();
    const Catalog& catalog = catalog_of(fcinfo);
    return_query(
        fcinfo, catalog,
        psprintf("SELECT train, service_date, parcel, state, to_node, created_at AS since FROM %s "
                 "WHERE direction = 'out' AND state <> 'done' ORDER BY created_at",
                 qualified_name(catalog.parcel)),
        0, nullptr, nullptr);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_parcel_homes) {
    using namespace ticketpool;
    const pg_uuid_t id = parcel_argument(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    Oid types[] = {UUIDOID};
    Datum values[] = {UUIDPGetDatum(&id)};
    return_query(
        fcinfo, catalog,
        psprintf("SELECT DISTINCT (m.id & 127)::int4 AS node, d.service_date FROM %s AS p "
                 "JOIN %s AS m USING (parcel), LATERAL (SELECT p.service_date UNION ALL "
                 "SELECT date '2000-01-01' + (m.id >> 37)::int4 "
                 "WHERE m.kind = 'order' AND m.id >> 37 BETWEEN 0 AND 65535) AS d (service_date) "
                 "WHERE p.parcel = $1 ORDER BY 2, 1",
                 qualified_name(catalog.parcel), qualified_name(catalog.moved)),
        1, types, values);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_parcel_part) {
    using namespace ticketpool;
    const pg_uuid_t id = parcel_argument(fcinfo);
    require_argument(fcinfo, 1, "part_no");
    const Catalog& catalog = catalog_of(fcinfo);
    Oid types[] = {UUIDOID, INT4OID};
    Datum values[] = {UUIDPGetDatum(&id), PG_GETARG_DATUM(1)};
    return_query(fcinfo, catalog,
                 psprintf("SELECT kind, rows FROM %s WHERE parcel = $1 AND "
                          "part_no = $2",
                          qualified_name(catalog.parcel_part)),
                 2, types, values);
    return 0;
}

TICKETPOOL_FUNCTION(ticket_parcel_put) {
    using namespace ticketpool;
    const pg_uuid_t id = parcel_argument(fcinfo);
    require_argument(fcinfo, 1, "part_no");
    require_argument(fcinfo, 2, "kind");
    require_argument(fcinfo, 3, "rows");
    PreventCommandIfReadOnly("ticket_parcel_put()");
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    if (PG_GETARG_INT32(1) == 0) {
        put_header(catalog, id, PG_GETARG_DATUM(3));
    }
    const Parcel parcel = lock_parcel(catalog, id);
    if (!parcel.found) {
        report_no_parcel(id);
    }
    if (is_state(parcel, "coming")) {
        put_part(catalog, id, fcinfo);
    } else if (!is_state(parcel, "arrived")) {
        report_parcel_state(parcel, _("Begin a new move."));
    }
    parcel_end(scope);
    PG_RETURN_VOID();
}

TICKETPOOL_FUNCTION(ticket_move_ready) {
    using namespace ticketpool;
    const pg_uuid_t id = parcel_argument(fcinfo);
    PreventCommandIfReadOnly("ticket_move_ready()");
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    const Parcel parcel = lock_parcel(catalog, id);
    if (!parcel.found) {
        report_no_parcel(id);
    }
    if (is_state(parcel, "packed")) {
        set_parcel_state(catalog, id, "handed");
    } else if (!is_state(parcel, "handed") && !is_state(parcel, "done")) {
        report_parcel_state(parcel, _("Ask the node that the departure leaves."));
    }
    parcel_end(scope);
    PG_RETURN_VOID();
}

TICKETPOOL_FUNCTION(ticket_move_refuse) {
    using namespace ticketpool;
    const pg_uuid_t id = parcel_argument(fcinfo);
    PreventCommandIfReadOnly("ticket_move_refuse()");
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    Oid types[] = {UUIDOID};
    Datum values[] = {UUIDPGetDatum(&id)};
    // A parcel of which nothing has come yet may still come.
    const char* sql = psprintf(
        "INSERT INTO %s (parcel, direction, state, parts) "
        "VALUES ($1, 'in', 'refused', 0) ON CONFLICT (parcel) DO NOTHING",
        qualified_name(catalog.parcel));
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_INSERT) {
        report_not_written(sql);
    }
    const Parcel parcel = lock_parcel(catalog, id);
    if (!parcel.found || parcel.out) {
        report_parcel_state(parcel, _("Ask the node that the departure was to go to."));
    }
    const bool refused = !is_state(parcel, "arrived");
    if (is_state(parcel, "coming")) {
        set_parcel_state(catalog, id, "refused");
        drop_parts(catalog, id);
    }
    parcel_end(scope);
    PG_RETURN_BOOL(refused);
}

TICKETPOOL_FUNCTION(ticket_move_done) {
    using namespace ticketpool;
    const pg_uuid_t id = parcel_argument(fcinfo);
    PreventCommandIfReadOnly("ticket_move_done()");
    const Catalog& catalog = catalog_of(fcinfo);
    OwnerScope scope;
    parcel_begin(catalog, &scope);
    const Parcel parcel = lock_parcel(catalog, id);
    if (!parcel.found) {
        report_no_parcel(id);
    }
    if (is_state(parcel, "handed")) {
        set_parcel_state(catalog, id, "done");
        drop_parts(catalog, id);
    } else if (!is_state(parcel, "done")) {
        report_parcel_state(parcel, _("Call ticket_move_ready, and ticket_move_in on the target."));
    }
    parcel_end(scope);
    PG_RETURN_VOID();
}
