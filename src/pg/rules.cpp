// Rules: functions named in ticket_rule that are asked before a purchase.
//
// Two purchases of one passenger at once could both find nothing that forbids them. So the user and
// the passengers are locked first, by advisory transaction locks (advisory_locks.hpp) in order of
// their keys; never the departure. A rule then sees what is committed now, whatever the isolation
// level, provided that it reads with the snapshot it is given: declare it STABLE.
//
// Rules run as the extension's owner with a search_path of pg_catalog.
#include "rules.hpp"

#include "advisory_locks.hpp"
#include "errors.hpp"
#include "item.hpp"
#include "sale.hpp"
#include "table_scan.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
#include "utils/varlena.h"
}

namespace ticketpool {
namespace {

constexpr int kMaxRules = 64;

// What a rule of each kind is called with.
struct RuleShape {
    const char* kind;
    int arguments;
    Oid types[kMostRuleArguments];
    const char* signature;
};
constexpr RuleShape kShapes[kRuleKinds] = {
    {"ticket",
     5,
     {INT8OID, INT8OID, INT8ARRAYOID, INT4OID, INT4OID},
     "(bigint, bigint, bigint[], integer, integer)"},
    {"item", 3, {INT8OID, INT8OID, INT8OID}, "(bigint, bigint, bigint)"}};

const RuleShape& shape_of(RuleKind kind) {
    return kShapes[static_cast<int>(kind)];
}

// The enabled rules of a kind, as long as neither the table nor any function has changed.
struct RuleCache {
    uint64_t generation;  // of the table and of functions; 0: empty
    Oid relation;
    int count;
    Oid functions[kMaxRules];
};
constinit RuleCache caches[kRuleKinds]{};
constinit uint64_t function_generation = 1;

void on_function_change(Datum, int, uint32) {
    function_generation++;
}

uint64_t current_generation() {
    return function_generation + rule_generation;
}

Oid find_rule(const Catalog& catalog, const RuleShape& shape, Text rule) {
    const char* name = pnstrdup(rule.data, rule.length);
#if PG_VERSION_NUM >= 160000
    List* names = stringToQualifiedNameList(name, nullptr);
#else
    List* names = stringToQualifiedNameList(name);
#endif
    if (list_length(names) == 1) {
        names = lcons(makeString(get_namespace_name(catalog.schema)), names);
    }
    const Oid function = LookupFuncName(names, shape.arguments, shape.types, true);
    if (!OidIsValid(function) || get_func_rettype(function) != TEXTOID) {
        ereport(
            ERROR,
            (errcode(ERRCODE_UNDEFINED_FUNCTION),
             errmsg("rule \"%s\" of ticket_rule is no function that could be asked", name),
             errdetail("A rule on_kind %s takes %s and returns text.", shape.kind, shape.signature),
             errhint("Create the function, or disable the rule in ticket_rule.")));
    }
    return function;
}

enum RuleColumn : AttrNumber { kRuleName = 1, kRuleOnKind, kRuleEnabled };

// Usually none is, and a session that asks for the first time need not plan a query to be told.
bool is_any_enabled(const Catalog& catalog, const RuleShape& shape) {
    Relation table = open_table(catalog.rule);
    Snapshot snapshot = take_fresh_snapshot();
    TupleTableSlot* row = table_slot_create(table, nullptr);
    TableScanDesc scan = table_beginscan(table, snapshot, 0, nullptr);
    bool found = false;
    while (!found && table_scan_getnextslot(scan, ForwardScanDirection, row)) {
        const Text kind = row_text(row, kRuleOnKind);
        found = DatumGetBool(row_datum(row, kRuleEnabled)) &&
                same_text(kind, {shape.kind, strlen(shape.kind)});
    }
    table_endscan(scan);
    ExecDropSingleTupleTableSlot(row);
    drop_snapshot(snapshot);
    table_close(table, AccessShareLock);
    return found;
}

void read_rules(const Catalog& catalog, const RuleShape& shape, RuleCache* cache) {
    OwnerScope scope;
    cache->count = 0;
    if (!is_any_enabled(catalog, shape)) {
        return;
    }
    owner_begin(catalog, &scope);
    PushActiveSnapshot(
        GetLatestSnapshot());  // what is kept must be of now, whatever the isolation level
    SPI_connect();
    const char* sql = psprintf(
        "SELECT DISTINCT rule FROM %s WHERE enabled AND on_kind = '%s' ORDER BY rule LIMIT %d",
        qualified_name(catalog.rule), shape.kind, kMaxRules);
    if (SPI_execute(sql, true, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read the rules");
    }
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool is_null;
        const Datum rule = SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null);
        cache->functions[cache->count++] = find_rule(catalog, shape, text_of(rule));
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

Datum passenger_array(const Purchase& purchase) {
    Datum* values = static_cast<Datum*>(palloc(purchase.party * sizeof(Datum)));
    for (uint32_t i = 0; i < purchase.party; i++) {
        values[i] = Int64GetDatum(purchase.passengers[i]);
    }
    return PointerGetDatum(construct_array(values, static_cast<int>(purchase.party), INT8OID, 8,
                                           FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

const char* ask(Oid function, const RuleCall& rule_call) {
    const int count = shape_of(rule_call.kind).arguments;
    FmgrInfo info;
    LOCAL_FCINFO(call, kMostRuleArguments);
    fmgr_info(function, &info);
    InitFunctionCallInfoData(*call, &info, static_cast<short>(count), DEFAULT_COLLATION_OID,
                             nullptr, nullptr);
    for (int i = 0; i < count; i++) {
        call->args[i].value = rule_call.arguments[i];
        call->args[i].isnull = false;
    }
    const Datum reason = FunctionCallInvoke(call);
    return call->isnull ? nullptr : text_to_cstring(DatumGetTextPP(reason));
}

}  // namespace

RuleCall rule_call(const Purchase& purchase) {
    const Stop* stops = purchase.ref.departure->route->stops();
    return RuleCall{
        RuleKind::kTicket,
        purchase.user_id,
        purchase.passengers,
        purchase.party,
        {Int64GetDatum(purchase.ref.departure->departure_id), Int64GetDatum(purchase.user_id),
         passenger_array(purchase), Int32GetDatum(stops[purchase.trip.from].stop_no),
         Int32GetDatum(stops[purchase.trip.to].stop_no)}};
}

RuleCall rule_call(const ItemPurchase& purchase) {
    return RuleCall{RuleKind::kItem,
                    purchase.user_id,
                    nullptr,
                    0,
                    {Int64GetDatum(purchase.item_id), Int64GetDatum(purchase.user_id),
                     Int64GetDatum(purchase.quantity)}};
}

bool has_rules(const Catalog& catalog, RuleKind kind) {
    RuleCache* cache = &caches[static_cast<int>(kind)];
    while (cache->generation != current_generation() || cache->relation != catalog.rule) {
        const uint64_t generation = current_generation();
        cache->generation = 0;
        read_rules(catalog, shape_of(kind), cache);
        cache->generation = generation;
        cache->relation = catalog.rule;
    }
    return cache->count > 0;
}

const char* ask_rules(const Catalog& catalog, const RuleCall& call) {
    if (!has_rules(catalog, call.kind)) {
        return nullptr;
    }
    lock_people(catalog, &call.user_id, 1, call.passengers, call.party);
    const char* reason = nullptr;
    const RuleCache rules = caches[static_cast<int>(call.kind)];  // a rule may run anything
    OwnerScope scope;
    owner_begin(catalog, &scope);
    PushActiveSnapshot(GetLatestSnapshot());
    for (int i = 0; i < rules.count && reason == nullptr; i++) {
        reason = ask(rules.functions[i], call);
    }
    PopActiveSnapshot();
    owner_end(scope);
    return reason;
}

void check_rules(const Catalog& catalog, const RuleCall& call) {
    const char* reason = ask_rules(catalog, call);
    if (reason != nullptr) {
        ereport(ERROR, (errcode(kErrorRule), errmsg("%s", reason),
                        errdetail("The purchase was refused by a rule."),
                        errhint("The enabled rules are in ticket_rule.")));
    }
}

// One order for everybody: two purchases never wait for each other in a circle.
void lock_people(const Catalog& catalog, const int64_t* users, uint32_t user_count,
                 const int64_t* passengers, uint32_t passenger_count) {
    const size_t count = size_t{user_count} + passenger_count;
    uint64_t* keys = static_cast<uint64_t*>(
        MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(uint64_t)));
    for (uint32_t i = 0; i < user_count; i++) {
        keys[i] = lock_key(catalog, users[i], false);
    }
    for (uint32_t i = 0; i < passenger_count; i++) {
        keys[user_count + i] = lock_key(catalog, passengers[i], true);
    }
    qsort(keys, count, sizeof(uint64_t), compare_keys);
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || keys[i] != keys[i - 1]) {
            const LOCKTAG tag =
                advisory_tag(AdvisoryLock::kPeople, static_cast<uint32_t>(keys[i] >> 32),
                             static_cast<uint32_t>(keys[i]));
            LockAcquire(&tag, ExclusiveLock, false, false);
        }
    }
    pfree(keys);
}

void install_rule_callbacks() {
    CacheRegisterSyscacheCallback(PROCOID, on_function_change, 0);
}

}  // namespace ticketpool
