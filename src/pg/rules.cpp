// Rules: functions named in ticket_rule that are asked before a purchase.
//
// Two purchases of one passenger at once could both find nothing that forbids them. So the user and
// the passengers are locked first, by advisory transaction locks (objsubid 4 in pg_locks, which
// meets no advisory lock of a user's) in order of their keys; never the departure. A rule then
// sees what is committed now, whatever the isolation level, provided that it reads with the
// snapshot it is given: declare it STABLE.
//
// Rules run as the extension's owner with a search_path of pg_catalog.
#include "rules.hpp"

#include "errors.hpp"
#include "settings.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
}

namespace ticketpool {
namespace {

constexpr int kMaxRules = 64;

// The enabled rules on tickets, as long as neither the table nor any function has changed.
struct RuleCache {
    uint64_t generation;  // of the table and of functions; 0: empty
    Oid relation;
    int count;
    Oid functions[kMaxRules];
};
constinit RuleCache cache{};
constinit uint64_t function_generation = 1;

void on_function_change(Datum, int, uint32) {
    function_generation++;
}

uint64_t current_generation() {
    return function_generation + rule_generation;
}

Oid find_rule(const Catalog& catalog, Text rule) {
    static const Oid arguments[] = {INT8OID, INT8OID, INT8ARRAYOID, INT4OID, INT4OID};
    const char* name = pnstrdup(rule.data, rule.length);
#if PG_VERSION_NUM >= 160000
    List* names = stringToQualifiedNameList(name, nullptr);
#else
    List* names = stringToQualifiedNameList(name);
#endif
    if (list_length(names) == 1) {
        names = lcons(makeString(get_namespace_name(catalog.schema)), names);
    }
    const Oid function = LookupFuncName(names, lengthof(arguments), arguments, true);
    if (!OidIsValid(function) || get_func_rettype(function) != TEXTOID) {
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_FUNCTION),
                 errmsg("rule \"%s\" of ticket_rule is no function that could be asked", name),
                 errdetail(
                     "A rule takes (bigint, bigint, bigint[], integer, integer) and returns text."),
                 errhint("Create the function, or disable the rule in ticket_rule.")));
    }
    return function;
}

void read_rules(const Catalog& catalog) {
    OwnerScope scope;
    cache.count = 0;
    owner_begin(catalog, &scope);
    PushActiveSnapshot(
        GetLatestSnapshot());  // what is kept must be of now, whatever the isolation level
    SPI_connect();
    const char* sql = psprintf(
        "SELECT DISTINCT rule FROM %s WHERE enabled AND on_kind = 'ticket' ORDER BY rule LIMIT %d",
        qualified_name(catalog.rule), kMaxRules);
    if (SPI_execute(sql, true, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read the rules");
    }
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Datum rule = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null);
        cache.functions[cache.count++] = find_rule(catalog, text_of(rule));
    }
    SPI_finish();
    PopActiveSnapshot();
    owner_end(scope);
}

uint64_t lock_key(const Catalog& catalog, int64_t id, bool passenger) {
    const uint64_t seed = uint64_t{catalog.order} << 1 | (passenger ? 1 : 0);
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&id), sizeof id, seed);
}

int compare_keys(const void* a, const void* b) {
    const uint64_t left = *static_cast<const uint64_t*>(a);
    const uint64_t right = *static_cast<const uint64_t*>(b);
    return left < right ? -1 : static_cast<int>(left > right);
}

// One order for everybody: two purchases never wait for each other in a circle.
void lock_people(const Catalog& catalog, const Purchase& purchase) {
    constexpr uint16_t kLockClass = 4;
    uint64_t* keys = static_cast<uint64_t*>(palloc((purchase.party + 1) * sizeof(uint64_t)));
    keys[0] = lock_key(catalog, purchase.user_id, false);
    for (uint32_t i = 0; i < purchase.party; i++) {
        keys[i + 1] = lock_key(catalog, purchase.passengers[i], true);
    }
    qsort(keys, purchase.party + 1, sizeof(uint64_t), compare_keys);
    for (uint32_t i = 0; i <= purchase.party; i++) {
        LOCKTAG tag;
        SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, static_cast<uint32_t>(keys[i] >> 32),
                             static_cast<uint32_t>(keys[i]), kLockClass);
        LockAcquire(&tag, ExclusiveLock, false, false);
    }
}

Datum passenger_array(const Purchase& purchase) {
    Datum* values = static_cast<Datum*>(palloc(purchase.party * sizeof(Datum)));
    for (uint32_t i = 0; i < purchase.party; i++) {
        values[i] = Int64GetDatum(purchase.passengers[i]);
    }
    return PointerGetDatum(construct_array(values, static_cast<int>(purchase.party), INT8OID, 8,
                                           FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

const char* ask(Oid function, const Purchase& purchase, Datum passengers) {
    const Stop* stops = purchase.ref.departure->route->stops();
    FmgrInfo info;
    LOCAL_FCINFO(call, 5);
    fmgr_info(function, &info);
    InitFunctionCallInfoData(*call, &info, 5, DEFAULT_COLLATION_OID, nullptr, nullptr);
    const Datum arguments[] = {Int64GetDatum(purchase.ref.departure->departure_id),
                               Int64GetDatum(purchase.user_id), passengers,
                               Int32GetDatum(stops[purchase.trip.from].stop_no),
                               Int32GetDatum(stops[purchase.trip.to].stop_no)};
    for (int i = 0; i < 5; i++) {
        call->args[i].value = arguments[i];
        call->args[i].isnull = false;
    }
    const Datum reason = FunctionCallInvoke(call);
    return call->isnull ? nullptr : text_to_cstring(DatumGetTextPP(reason));
}

}  // namespace

bool has_rules(const Catalog& catalog) {
    while (cache.generation != current_generation() || cache.relation != catalog.rule) {
        const uint64_t generation = current_generation();
        cache.generation = 0;
        read_rules(catalog);
        cache.generation = generation;
        cache.relation = catalog.rule;
    }
    return cache.count > 0;
}

const char* ask_rules(const Catalog& catalog, const Purchase& purchase) {
    if (!has_rules(catalog)) {
        return nullptr;
    }
    lock_people(catalog, purchase);
    const char* reason = nullptr;
    const Datum passengers = passenger_array(purchase);
    const RuleCache rules = cache;  // a rule may run anything
    OwnerScope scope;
    owner_begin(catalog, &scope);
    PushActiveSnapshot(GetLatestSnapshot());
    for (int i = 0; i < rules.count && reason == nullptr; i++) {
        reason = ask(rules.functions[i], purchase, passengers);
    }
    PopActiveSnapshot();
    owner_end(scope);
    return reason;
}

void check_rules(const Catalog& catalog, const Purchase& purchase) {
    const char* reason = ask_rules(catalog, purchase);
    if (reason != nullptr) {
        ereport(ERROR, (errcode(kErrorRule), errmsg("%s", reason),
                        errdetail("The purchase was refused by a rule."),
                        errhint("The enabled rules are in ticket_rule.")));
    }
}

void install_rule_callbacks() {
    CacheRegisterSyscacheCallback(PROCOID, on_function_change, 0);
}

// ---------------------------------------------------------------------------------------------
// Built-in rules
// ---------------------------------------------------------------------------------------------

namespace {

enum RuleArgument { kArgDeparture, kArgUser, kArgPassengers, kArgFromStop, kArgToStop };

// The only value of a query about the purchase ($1 departure, $2 user, $3 passengers, $4 and $5 the
// stops), or null.
const char* query_value(FunctionCallInfo fcinfo, const char* sql, MemoryContext context) {
    require_shared_memory();
    for (int i = 0; i < 5; i++) {
        if (PG_ARGISNULL(i)) {
            return nullptr;
        }
    }
    Oid types[] = {INT8OID, INT8OID, INT8ARRAYOID, INT4OID, INT4OID};
    Datum values[] = {PG_GETARG_DATUM(kArgDeparture), PG_GETARG_DATUM(kArgUser),
                      PG_GETARG_DATUM(kArgPassengers), PG_GETARG_DATUM(kArgFromStop),
                      PG_GETARG_DATUM(kArgToStop)};
    OwnerScope scope;
    owner_begin(catalog_of(fcinfo), &scope);
    SPI_connect();
    if (SPI_execute_with_args(sql, 5, types, values, nullptr, true, 1) != SPI_OK_SELECT) {
        elog(ERROR, "could not ask a rule");
    }
    const char* value = SPI_processed == 0
                            ? nullptr
                            : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
    if (value != nullptr) {
        value = MemoryContextStrdup(context, value);
    }
    SPI_finish();
    owner_end(scope);
    return value;
}

Datum reason_or_null(FunctionCallInfo fcinfo, const char* reason) {
    if (reason == nullptr) {
        PG_RETURN_NULL();
    }
    PG_RETURN_TEXT_P(cstring_to_text(reason));
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_rule_one_per_departure) {
    using namespace ticketpool;
    const Catalog& catalog = catalog_of(fcinfo);
    const char* sql = psprintf(
        "SELECT o.passenger_id FROM %s AS d JOIN %s AS o ON o.departure_id = d.departure_id AND "
        "o.service_date = d.service_date "
        "WHERE d.departure_id = $1 AND o.status IN ('held', 'sold') AND o.passenger_id = ANY ($3) "
        "UNION ALL SELECT p FROM unnest($3) AS p GROUP BY p HAVING count(*) > 1 LIMIT 1",
        qualified_name(catalog.departure), qualified_name(catalog.order));
    const char* passenger = query_value(fcinfo, sql, CurrentMemoryContext);
    return reason_or_null(
        fcinfo, passenger == nullptr
                    ? nullptr
                    : psprintf("passenger %s has a ticket for this train and day", passenger));
}

TICKETPOOL_FUNCTION(ticket_rule_no_overlap) {
    using namespace ticketpool;
    const Catalog& catalog = catalog_of(fcinfo);
    // A train runs for some days at most: trips that could overlap set out within a week of each
    // other.
    const char* sql = psprintf(
        "WITH n AS (SELECT d.service_date AS day, d.service_date + "
        "r.departs[array_position(r.stop_nos, $4)] AS departs, "
        "d.service_date + r.arrives[array_position(r.stop_nos, $5)] AS arrives FROM %1$s AS d JOIN "
        "%2$s AS r USING (route_id) WHERE d.departure_id = $1) "
        "SELECT o.passenger_id FROM n, %3$s AS o JOIN %1$s AS d USING (departure_id) JOIN %2$s AS "
        "r USING (route_id) "
        "WHERE o.service_date BETWEEN n.day - 7 AND n.day + 7 AND o.status IN ('held', 'sold') AND "
        "o.passenger_id = ANY ($3) "
        "AND d.service_date + r.departs[array_position(r.stop_nos, o.from_stop)] < n.arrives "
        "AND n.departs < d.service_date + r.arrives[array_position(r.stop_nos, o.to_stop)] LIMIT 1",
        qualified_name(catalog.departure), qualified_name(catalog.route),
        qualified_name(catalog.order));
    const char* passenger = query_value(fcinfo, sql, CurrentMemoryContext);
    return reason_or_null(
        fcinfo, passenger == nullptr
                    ? nullptr
                    : psprintf("passenger %s has a ticket for a trip at the same time", passenger));
}

TICKETPOOL_FUNCTION(ticket_rule_user_limit) {
    using namespace ticketpool;
    const Catalog& catalog = catalog_of(fcinfo);
    const char* sql = psprintf(
        "SELECT count(*) + cardinality($3) FROM %s AS d JOIN %s AS o ON o.departure_id = "
        "d.departure_id AND o.service_date = d.service_date "
        "WHERE d.departure_id = $1 AND o.user_id = $2 AND o.status IN ('held', 'sold') HAVING "
        "count(*) + cardinality($3) > %d",
        qualified_name(catalog.departure), qualified_name(catalog.order), setting_user_limit);
    const char* tickets = query_value(fcinfo, sql, CurrentMemoryContext);
    return reason_or_null(fcinfo, tickets == nullptr
                                      ? nullptr
                                      : psprintf("a user may have %d tickets for a train and day",
                                                 setting_user_limit));
}
