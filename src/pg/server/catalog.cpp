// Looks up the extension's relations once a session, and notes when they change (catalog.hpp).
#include "server/catalog.hpp"

#include "server/errors.hpp"
#include "server/other_version.hpp"

extern "C" {
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "commands/trigger.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"
}

namespace ticketpool {

uint64_t catalog_generation = 1;
uint64_t station_generation = 1;
uint64_t route_generation = 1;
uint64_t rule_generation = 1;
uint64_t departure_generation = 1;
uint64_t node_generation = 1;
uint64_t relation_generation = 1;
uint64_t function_generation = 1;

namespace {

constinit Catalog cached{};
constinit bool cache_valid = false;

Oid relation_named(Oid schema, const char* name) {
    const Oid oid = get_relname_relid(name, schema);
    if (!OidIsValid(oid)) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                        errmsg("relation \"%s.%s\" of extension ticketpool does not exist",
                               get_namespace_name(schema), name),
                        errhint("Drop and create the extension again, or restore the relation.")));
    }
    return oid;
}

Oid owner_of(Oid relation) {
    HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
    if (!HeapTupleIsValid(tuple)) {
        report_gone();
    }
    const Oid owner = reinterpret_cast<Form_pg_class>(GETSTRUCT(tuple))->relowner;
    ReleaseSysCache(tuple);
    return owner;
}

// The library must not find out one by one which objects are missing or have another shape. So it
// asks for their version, each time that it resolves the catalog and only then. A refusal is not
// remembered: what ALTER EXTENSION UPDATE does counts from its commit on.
void check_version() {
    const char* version = installed_version();
    if (version != nullptr && strcmp(version, kVersion) != 0) {
        report_other_version(version, kVersion);
    }
}

Catalog resolve(Oid schema) {
    check_version();
    Catalog catalog{};
    catalog.schema = schema;
    const struct {
        Oid* oid;
        const char* name;
    } relations[] = {
        {&catalog.station, "ticket_station"},
        {&catalog.station_pkey, "ticket_station_pkey"},
        {&catalog.station_name, "ticket_station_name"},
        {&catalog.stop, "ticket_stop"},
        {&catalog.formation, "ticket_formation"},
        {&catalog.formation_seat, "ticket_formation_seat"},
        {&catalog.departure, "ticket_departure"},
        {&catalog.departure_pkey, "ticket_departure_pkey"},
        {&catalog.departure_train_date, "ticket_departure_train_service_date_key"},
        {&catalog.departure_day, "ticket_departure_day"},
        {&catalog.departure_sequence, "ticket_departure_departure_id_seq"},
        {&catalog.route, "ticket_route"},
        {&catalog.route_pkey, "ticket_route_pkey"},
        {&catalog.route_digest, "ticket_route_digest_key"},
        {&catalog.route_days, "ticket_route_days"},
        {&catalog.route_call, "ticket_route_call"},
        {&catalog.route_call_pkey, "ticket_route_call_pkey"},
        {&catalog.rule, "ticket_rule"},
        {&catalog.reservation, "ticket_reservation"},
        {&catalog.reservation_open, "ticket_reservation_open"},
        {&catalog.reservation_sequence, "ticket_reservation_reservation_id_seq"},
        {&catalog.layout, "ticket_layout"},
        {&catalog.layout_digest, "ticket_layout_digest_key"},
        {&catalog.layout_coach, "ticket_layout_coach"},
        {&catalog.layout_coach_pkey, "ticket_layout_coach_pkey"},
        {&catalog.order, "ticket_order"},
        {&catalog.order_pkey, "ticket_order_pkey"},
        {&catalog.order_live, "ticket_order_live"},
        {&catalog.order_request, "ticket_order_request"},
        {&catalog.order_held, "ticket_order_held"},
        {&catalog.order_unsettled, "ticket_order_unsettled"},
        {&catalog.order_sequence, "ticket_order_id_seq"},
        {&catalog.order_day, "ticket_order_day"},
        {&catalog.order_day_order, "ticket_order_day_order"},
        {&catalog.inventory, "item_inventory"},
        {&catalog.inventory_pkey, "item_inventory_pkey"},
        {&catalog.inventory_root, "item_inventory_root"},
        {&catalog.inventory_item, "item_inventory_item"},
        {&catalog.inventory_sequence, "item_inventory_id_seq"},
        {&catalog.item_order, "item_order"},
        {&catalog.item_order_pkey, "item_order_pkey"},
        {&catalog.item_order_live, "item_order_live"},
        {&catalog.item_order_request, "item_order_request"},
        {&catalog.item_order_held, "item_order_held"},
        {&catalog.item_order_sequence, "item_order_id_seq"},
        {&catalog.refund_call, "item_refund_call"},
        {&catalog.refund_call_pkey, "item_refund_call_pkey"},
        {&catalog.question, "item_question"},
        {&catalog.question_pkey, "item_question_pkey"},
        {&catalog.gate, "item_gate"},
        {&catalog.gate_pkey, "item_gate_pkey"},
        {&catalog.parcel, "ticket_parcel"},
        {&catalog.parcel_pkey, "ticket_parcel_pkey"},
        {&catalog.parcel_departure, "ticket_parcel_departure"},
        {&catalog.parcel_part, "ticket_parcel_part"},
        {&catalog.moved, "ticket_moved"},
        {&catalog.moved_pkey, "ticket_moved_pkey"},
        {&catalog.node, "ticket_node"},
        {&catalog.node_one, "ticket_node_one"},
        {&catalog.node_drawn, "ticket_node_drawn_seq"},
        {&catalog.wait, "ticket_wait"},
        {&catalog.wait_pkey, "ticket_wait_pkey"},
        {&catalog.wait_request, "ticket_wait_request"},
        {&catalog.wait_user, "ticket_wait_user"},
        {&catalog.wait_over, "ticket_wait_over"},
        {&catalog.wait_sequence, "ticket_wait_wait_id_seq"},
        {&catalog.wait_queue, "ticket_wait_queue_seq"},
        {&catalog.wait_option, "ticket_wait_option"},
        {&catalog.wait_option_pkey, "ticket_wait_option_pkey"},
        {&catalog.wait_option_queue, "ticket_wait_option_queue"},
        {&catalog.wait_option_end, "ticket_wait_option_end"},
        {&catalog.wait_option_user, "ticket_wait_option_user"},
        {&catalog.event, "ticket_event"},
        {&catalog.event_sequence, "ticket_event_event_id_seq"},
    };
    for (const auto& relation : relations) {
        *relation.oid = relation_named(schema, relation.name);
    }
    // These two are only for speed.
    catalog.event_pkey = get_relname_relid("ticket_event_pkey", schema);
    catalog.event_xid = get_relname_relid("ticket_event_xid", schema);
    catalog.owner = owner_of(catalog.order);
    return catalog;
}

bool is_cached(Oid relation) {
    const Oid* oids = reinterpret_cast<const Oid*>(&cached);
    for (size_t i = 0; i < sizeof cached / sizeof(Oid); i++) {
        if (oids[i] == relation) {
            return true;
        }
    }
    return false;
}

void on_relation_change(Datum, Oid relation) {
    const bool all = relation == InvalidOid;
    relation_generation++;
    if (all || relation == cached.station) {
        station_generation++;
    }
    if (all || relation == cached.route_call) {
        route_generation++;
    }
    if (all || relation == cached.rule) {
        rule_generation++;
    }
    if (all || relation == cached.departure) {
        departure_generation++;
    }
    if (all || relation == cached.node) {
        node_generation++;
    }
    // The content of these changes often, and a change of it leaves the catalog as it is.
    const bool content = relation == cached.station || relation == cached.route_call ||
                         relation == cached.rule || relation == cached.departure ||
                         relation == cached.node;
    if (all || (!content && is_cached(relation))) {
        cache_valid = false;
        catalog_generation++;
    }
}

}  // namespace

// The schemas of the functions that this session has called, direct mapped; void after any function
// has changed.
struct FunctionSchema {
    Oid function;
    Oid schema;
};
static constinit FunctionSchema function_schemas[16]{};

static void on_function_change(Datum, SystemCache, uint32) {
    function_generation++;
    for (FunctionSchema& entry : function_schemas) {
        entry.function = InvalidOid;
    }
}

const Catalog& catalog_of(FunctionCallInfo fcinfo) {
    const Oid function = fcinfo->flinfo->fn_oid;
    FunctionSchema* entry = &function_schemas[function % lengthof(function_schemas)];
    if (entry->function != function) {
        const uint64_t changes = function_generation;
        const Oid schema = get_func_namespace(function);
        *entry = FunctionSchema{changes == function_generation ? function : InvalidOid, schema};
    }
    return catalog_in(entry->schema);
}

const Catalog& catalog_in(Oid schema) {
    while (!cache_valid || cached.schema != schema) {
        cached.schema = InvalidOid;  // should the look-up fail
        cache_valid = true;          // an invalidation during the look-up makes it false again
        cached = resolve(schema);
    }
    return cached;
}

const char* installed_version() {
    const char* version = nullptr;
    Relation extensions = table_open(ExtensionRelationId, AccessShareLock);
    ScanKeyData key;
    ScanKeyInit(&key, Anum_pg_extension_extname, BTEqualStrategyNumber, F_NAMEEQ,
                CStringGetDatum("ticketpool"));
    SysScanDesc scan = systable_beginscan(extensions, ExtensionNameIndexId, true, nullptr, 1, &key);
    HeapTuple tuple = systable_getnext(scan);
    if (HeapTupleIsValid(tuple)) {
        bool is_null;
        const Datum datum = heap_getattr(tuple, Anum_pg_extension_extversion,
                                         RelationGetDescr(extensions), &is_null);
        version = is_null ? "" : TextDatumGetCString(datum);
    }
    systable_endscan(scan);
    table_close(extensions, AccessShareLock);
    return version;
}

bool is_installed() {
    const char* version = installed_version();
    return version != nullptr && strcmp(version, kVersion) == 0;
}

void announce_change(Oid relation) {
    CacheInvalidateRelcacheByRelid(relation);
}

void install_catalog_callbacks() {
    CacheRegisterSyscacheCallback(PROCOID, on_function_change, 0);
    CacheRegisterRelcacheCallback(on_relation_change, 0);
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_cache_reset) {
    if (!CALLED_AS_TRIGGER(fcinfo)) {
        ticketpool::report_no_trigger("ticket_cache_reset");
    }
    const TriggerData* trigger = reinterpret_cast<TriggerData*>(fcinfo->context);
    ticketpool::announce_change(RelationGetRelid(trigger->tg_relation));
    return Datum{0};
}
