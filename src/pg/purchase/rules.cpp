// Rules: functions named in ticket_rule that are asked before a purchase.
//
// Two simultaneous purchases for the same passenger could both find nothing that forbids them. So
// the user and the passengers are locked first, by advisory transaction locks (advisory_locks.hpp)
// in order of their keys. The departure is never locked. A rule then sees what is committed now,
// whatever the isolation level, provided that it reads with the snapshot it is given: declare it
// STABLE.
//
// Rules run as the extension's owner with a search_path of pg_catalog. Built-in rules are asked
// without calling a function (builtin_rules.hpp). What the server keeps for calls of a function,
// such as the plans of a function in SQL, is kept from one purchase to the next for as long as the
// server can keep it.
#include "purchase/rules.hpp"

#include "purchase/builtin_rules.hpp"
#include "purchase/request_locks.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/table_scan.hpp"
#include "tables/item_rows.hpp"
#include "tables/order_leaf.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "executor/spi.h"
#include "parser/parse_func.h"
#include "utils/regproc.h"
#include "utils/syscache.h"
}

namespace ticketpool {
namespace {

constexpr int kMaxRules = 64;

// The arguments that a rule of each kind is called with.
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

struct Rule {
    Oid function;
    BuiltinRule builtin;  // null: a function of the user's
};

// The enabled rules of a kind, valid until the table or any function changes.
struct RuleCache {
    uint64_t generation;  // of the table and of functions; 0: empty
    Oid relation;
    int count;
    Rule rules[kMaxRules];
};
constinit RuleCache caches[kRuleKinds]{};

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
             errmsg("rule \"%s\" of ticket_rule is not a function that could be asked", name),
             errdetail("A rule on_kind %s takes %s and returns text.", shape.kind, shape.signature),
             errhint("Create the function, or disable the rule in ticket_rule.")));
    }
    return function;
}

enum RuleColumn : AttrNumber { kRuleName = 1, kRuleOnKind, kRuleEnabled };

// Usually no rule is enabled. A session that asks for the first time learns this without planning a
// query.
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
        GetLatestSnapshot());  // what is kept must be current, whatever the isolation level
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
        const Oid function = find_rule(catalog, shape, text_of(rule));
        cache->rules[cache->count++] = Rule{function, builtin_rule(catalog, function)};
    }
    SPI_finish();
    PopActiveSnapshot();
    owner_end(scope);
}

uint64_t lock_key(const Catalog& catalog, int64_t id, bool passenger) {
    const uint64_t seed = uint64_t{catalog.order} << 1 | (passenger ? 1 : 0);
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&id), sizeof id, seed);
}

// How the functions are called, kept for as long as the rules are the same. A rule may itself buy:
// of such nested purchases only the outermost uses what is kept.
struct KeptCalls {
    uint64_t generation;  // of the rules and of all relations: the server checks neither again
    MemoryContext memory;
    FmgrInfo calls[kMaxRules];  // fn_oid InvalidOid: not called yet
};
constinit KeptCalls* kept_calls = nullptr;  // kRuleKinds, allocated at first use
constinit int kept_in_use = 0;

// Set if a function raised an error: what it has kept is then as it is in the middle of a call.
constinit bool kept_broken = false;

void forget_calls(KeptCalls* kept) {
    if (kept->memory != nullptr) {
        MemoryContextDelete(kept->memory);
    }
    *kept = KeptCalls{};
}

KeptCalls* keep_calls(RuleKind kind, uint64_t generation) {
    if (kept_calls == nullptr) {
        kept_calls = static_cast<KeptCalls*>(
            MemoryContextAllocZero(TopMemoryContext, kRuleKinds * sizeof(KeptCalls)));
    }
    for (int i = 0; i < kRuleKinds && kept_broken; i++) {
        forget_calls(&kept_calls[i]);
    }
    kept_broken = false;
    KeptCalls* kept = &kept_calls[static_cast<int>(kind)];
    if (kept->generation != generation) {
        forget_calls(kept);
        kept->memory =
            AllocSetContextCreate(TopMemoryContext, "ticketpool rules", ALLOCSET_DEFAULT_SIZES);
        kept->generation = generation;
    }
    return kept;
}

const char* call_function(FmgrInfo* function, const RuleCall& asked) {
    const int count = shape_of(asked.kind).arguments;
    LOCAL_FCINFO(call, kMostRuleArguments);
    InitFunctionCallInfoData(*call, function, static_cast<short>(count), DEFAULT_COLLATION_OID,
                             nullptr, nullptr);
    for (int i = 0; i < count; i++) {
        call->args[i].value = asked.arguments[i];
        call->args[i].isnull = false;
    }
    const Datum reason = FunctionCallInvoke(call);
    return call->isnull ? nullptr : text_to_cstring(DatumGetTextPP(reason));
}

const char* call_kept(KeptCalls* kept, int number, Oid function, const RuleCall& call) {
    FmgrInfo* info = &kept->calls[number];
    if (!OidIsValid(info->fn_oid)) {
        fmgr_info_cxt(function, info, kept->memory);
    }
    const char* volatile reason = nullptr;
    kept_in_use++;
    PG_TRY();
    { reason = call_function(info, call); }
    PG_CATCH();
    {
        kept_in_use--;
        kept_broken = true;
        PG_RE_THROW();
    }
    PG_END_TRY();
    kept_in_use--;
    return reason;
}

const char* call_once(Oid function, const RuleCall& call) {
    FmgrInfo info;
    fmgr_info(function, &info);
    return call_function(&info, call);
}

// Asks the rules that are functions of the user's, as the extension's owner.
const char* ask_functions(const Catalog& catalog, const RuleCache& rules, const RuleCall& call) {
    OwnerScope scope;
    owner_begin(catalog, &scope);
    KeptCalls* kept =
        kept_in_use == 0 ? keep_calls(call.kind, rules.generation + relation_generation) : nullptr;
    const char* reason = nullptr;
    for (int i = 0; i < rules.count && reason == nullptr; i++) {
        const Rule& rule = rules.rules[i];
        if (rule.builtin == nullptr) {
            reason = kept == nullptr ? call_once(rule.function, call)
                                     : call_kept(kept, i, rule.function, call);
        }
    }
    owner_end(scope);
    return reason;
}

// Asks the built-in rules; *functions: some rules are functions of the user's.
const char* ask_builtin(const Catalog& catalog, const RuleCache& rules, const RuleCall& call,
                        bool* functions) {
    const char* reason = nullptr;
    for (int i = 0; i < rules.count && reason == nullptr; i++) {
        const BuiltinRule builtin = rules.rules[i].builtin;
        *functions = *functions || builtin == nullptr;
        reason = builtin == nullptr ? nullptr : builtin(catalog, call);
    }
    return reason;
}

}  // namespace

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

bool has_only_builtin_rules(const Catalog& catalog, RuleKind kind) {
    if (!has_rules(catalog, kind)) {
        return true;
    }
    const RuleCache& rules = caches[static_cast<int>(kind)];
    bool only_builtin = true;
    for (int i = 0; i < rules.count; i++) {
        only_builtin = only_builtin && rules.rules[i].builtin != nullptr;
    }
    return only_builtin;
}

// The keys of the locks of these people.
static uint64_t* people_keys(const Catalog& catalog, const int64_t* users, uint32_t user_count,
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
    return keys;
}

bool may_buy_at_once(const Catalog& catalog, const RuleCall& call) {
    if (!has_only_builtin_rules(catalog, call.kind)) {
        return false;
    }
    uint64_t* keys = people_keys(catalog, &call.user_id, 1, call.passengers, call.party);
    if (!try_lock_keys(AdvisoryLock::kPeople, keys, size_t{1} + call.party)) {
        return false;
    }
    AcceptInvalidationMessages();  // as in ask_rules()
    const RuleCache& rules = caches[static_cast<int>(call.kind)];
    bool functions = false;
    PushActiveSnapshot(GetLatestSnapshot());
    const bool allowed = ask_builtin(catalog, rules, call, &functions) == nullptr && !functions;
    PopActiveSnapshot();
    return allowed;
}

// Asks the rules; the people are locked.
static const char* ask_locked(const Catalog& catalog, const RuleCall& call) {
    // A session that had the locks before has by now sent its invalidation messages: about
    // partitions, indexes and stop lists.
    AcceptInvalidationMessages();
    const RuleCache rules = caches[static_cast<int>(call.kind)];  // a rule may run anything
    // Frees what the rules allocate: a batch may ask very many times.
    MemoryContext scratch =
        AllocSetContextCreate(CurrentMemoryContext, "ticketpool rule", ALLOCSET_SMALL_SIZES);
    MemoryContext outer = MemoryContextSwitchTo(scratch);
    bool functions = false;
    PushActiveSnapshot(GetLatestSnapshot());
    const char* reason = ask_builtin(catalog, rules, call, &functions);
    if (reason == nullptr && functions) {
        reason = ask_functions(catalog, rules, call);
    }
    PopActiveSnapshot();
    MemoryContextSwitchTo(outer);
    if (reason != nullptr) {
        reason = pstrdup(reason);
    }
    MemoryContextDelete(scratch);
    return reason;
}

const char* ask_rules(const Catalog& catalog, const RuleCall& call) {
    if (!has_rules(catalog, call.kind)) {
        return nullptr;
    }
    // The orders are locked before anything else that a rule reads (order_leaf.hpp).
    if (call.kind == RuleKind::kTicket) {
        lock_orders(catalog, RowExclusiveLock);
    } else {
        lock_item_orders(catalog, RowExclusiveLock);
    }
    lock_people(catalog, &call.user_id, 1, call.passengers, call.party);
    return ask_locked(catalog, call);
}

const char* ask_rules_at_once(const Catalog& catalog, const RuleCall& call, bool* busy) {
    *busy = false;
    if (!has_rules(catalog, call.kind)) {
        return nullptr;
    }
    uint64_t* keys = people_keys(catalog, &call.user_id, 1, call.passengers, call.party);
    *busy = !try_lock_keys(AdvisoryLock::kPeople, keys, size_t{1} + call.party);
    return *busy ? nullptr : ask_locked(catalog, call);
}

void check_rules(const Catalog& catalog, const RuleCall& call) {
    const char* reason = ask_rules(catalog, call);
    if (reason != nullptr) {
        ereport(ERROR, (errcode(kErrorRule), errmsg("%s", reason),
                        errdetail("The purchase was refused by a rule."),
                        errhint("The enabled rules are in ticket_rule.")));
    }
}

// All sessions take the locks in the same order, so two purchases never wait for each other in a
// circle.
void lock_people(const Catalog& catalog, const int64_t* users, uint32_t user_count,
                 const int64_t* passengers, uint32_t passenger_count) {
    uint64_t* keys = people_keys(catalog, users, user_count, passengers, passenger_count);
    lock_keys(AdvisoryLock::kPeople, keys, size_t{user_count} + passenger_count);
    pfree(keys);
}

}  // namespace ticketpool
