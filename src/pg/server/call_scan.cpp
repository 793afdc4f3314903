// Plans and runs the scan node for calls of the extension's own functions (call_scan.hpp).
#include "server/call_scan.hpp"

#include "server/alone.hpp"

extern "C" {
#include "catalog/objectaccess.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/explain.h"
#if PG_VERSION_NUM >= 180000
#include "commands/explain_format.h"
#endif
#include "executor/executor.h"
#include "nodes/extensible.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/paths.h"
#include "optimizer/restrictinfo.h"
#include "pgstat.h"
#include "utils/acl.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace ticketpool {
namespace {

constinit std::span<const CalledFunction> called_functions{};

// In ReturnSetInfo::allowedModes, beside the server's flags: expectedDesc is the row type, and it
// stays as it is.
constexpr int kCalledDirectly = 1 << 30;

bool is_called_directly(const ReturnSetInfo* result) {
    return (result->allowedModes & kCalledDirectly) != 0;
}

constinit set_rel_pathlist_hook_type next_hook = nullptr;

// ---------------------------------------------------------------------------------------------
// Planning
// ---------------------------------------------------------------------------------------------

// May the expression have another value at the next scan?
bool varies(Node* node, void* context) {
    if (node == nullptr) {
        return false;
    }
    if (IsA(node, Var) || IsA(node, SubPlan) || IsA(node, AlternativeSubPlan) ||
        IsA(node, PlaceHolderVar) ||
        (IsA(node, Param) && reinterpret_cast<Param*>(node)->paramkind != PARAM_EXTERN)) {
        return true;
    }
#if PG_VERSION_NUM >= 160000
    return expression_tree_walker(node, varies, context);
#else
    void (*const any)() = reinterpret_cast<void (*)()>(varies);
    return expression_tree_walker(node, reinterpret_cast<bool (*)()>(any), context);
#endif
}

// The function's entry in called_functions, by its symbol; null: it has none.
const CalledFunction* known_symbol(Oid function) {
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) {
        return nullptr;
    }
    const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    const CalledFunction* found = nullptr;
    if (form->prolang == ClanguageId && !form->prosecdef && form->proretset &&
        heap_attisnull(tuple, Anum_pg_proc_proconfig, nullptr)) {
        bool is_null;
        const Text symbol = text_of(SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &is_null));
        for (const CalledFunction& known : called_functions) {
            if (same_text(symbol, {known.symbol, strlen(known.symbol)})) {
                found = &known;
            }
        }
    }
    ReleaseSysCache(tuple);
    return found;
}

// Is the symbol that of this library, and not of another one?
bool is_ours(Oid function) {
    const CalledFunction* known = known_symbol(function);
    if (known == nullptr) {
        return false;
    }
    FmgrInfo info;
    fmgr_info(function, &info);
    return info.fn_addr == known->address;
}

// The call in the range table entry, if it is one for this node; else null.
FuncExpr* call_of(const RangeTblEntry* entry) {
    if (entry->rtekind != RTE_FUNCTION || entry->funcordinality ||
        list_length(entry->functions) != 1) {
        return nullptr;
    }
    const RangeTblFunction* function =
        static_cast<const RangeTblFunction*>(linitial(entry->functions));
    if (!IsA(function->funcexpr, FuncExpr) || function->funccolnames != NIL) {
        return nullptr;
    }
    FuncExpr* call = reinterpret_cast<FuncExpr*>(function->funcexpr);
    return call->funcretset && is_ours(call->funcid) &&
                   !varies(reinterpret_cast<Node*>(call->args), nullptr)
               ? call
               : nullptr;
}

// The columns that the query wants. False: it wants something else, too, such as the whole row.
bool wanted_columns(RelOptInfo* rel, List** columns) {
    List* vars =
        pull_var_clause(reinterpret_cast<Node*>(rel->reltarget->exprs), PVC_RECURSE_PLACEHOLDERS);
    ListCell* cell;
    foreach (cell, rel->baserestrictinfo) {
        const RestrictInfo* restriction = lfirst_node(RestrictInfo, cell);
        vars = list_concat(vars, pull_var_clause(reinterpret_cast<Node*>(restriction->clause),
                                                 PVC_RECURSE_PLACEHOLDERS));
    }
    *columns = NIL;
    foreach (cell, vars) {
        Var* var = static_cast<Var*>(lfirst(cell));
        if (var->varattno <= 0 || var->varno != static_cast<int>(rel->relid)) {
            return false;
        }
        *columns = list_append_unique(*columns, var);
    }
    return true;
}

template <typename T>
T* copy(const T* node) {
    return static_cast<T*>(copyObjectImpl(node));
}

Plan* make_plan(PlannerInfo* root, RelOptInfo* rel, CustomPath* path, List* target, List* clauses,
                List* plans);
Node* make_state(CustomScan* scan);
void begin_scan(CustomScanState* state, EState* estate, int flags);
TupleTableSlot* next_row(CustomScanState* state);
void end_scan(CustomScanState* state);
void scan_again(CustomScanState* state);
void explain_scan(CustomScanState* state, List* ancestors, ExplainState* explain);

const CustomPathMethods kPathMethods{"ticketpool", make_plan, nullptr};
const CustomScanMethods kScanMethods{"ticketpool", make_state};
const CustomExecMethods kExecMethods{"ticketpool", begin_scan, next_row,    end_scan, scan_again,
                                     nullptr,      nullptr,    nullptr,     nullptr,  nullptr,
                                     nullptr,      nullptr,    explain_scan};

CustomPath* make_path(RelOptInfo* rel, const Path* instead) {
    CustomPath* path = makeNode(CustomPath);
    path->path.pathtype = T_CustomScan;
    path->path.parent = rel;
    path->path.pathtarget = rel->reltarget;
    path->path.rows = instead->rows;
    path->path.startup_cost = instead->startup_cost;
    path->path.total_cost = instead->total_cost;
    path->flags = CUSTOMPATH_SUPPORT_PROJECTION | CUSTOMPATH_SUPPORT_BACKWARD_SCAN;
    path->methods = &kPathMethods;
    return path;
}

void consider_call(PlannerInfo* root, RelOptInfo* rel, Index index, RangeTblEntry* entry) {
    if (next_hook != nullptr) {
        next_hook(root, rel, index, entry);
    }
    List* columns;
    if (rel->pathlist == NIL || IS_DUMMY_REL(rel) || !bms_is_empty(rel->lateral_relids) ||
        call_of(entry) == nullptr || !wanted_columns(rel, &columns)) {
        return;
    }
    ListCell* cell;
    foreach (cell, rel->pathlist) {
        const Path* instead = static_cast<const Path*>(lfirst(cell));
        if (instead->pathtype == T_FunctionScan) {
            lfirst(cell) = make_path(rel, instead);
        }
    }
}

Plan* make_plan(PlannerInfo* root, RelOptInfo* rel, CustomPath* path, List* target, List* clauses,
                List*) {
    List* columns;
    wanted_columns(rel, &columns);
    CustomScan* scan = makeNode(CustomScan);
    scan->scan.plan.targetlist = target;
    scan->scan.plan.qual = extract_actual_clauses(clauses, false);
    scan->flags = path->flags;
    scan->custom_exprs = list_make1(copy(call_of(root->simple_rte_array[rel->relid])));
    ListCell* cell;
    foreach (cell, columns) {
        Var* var = static_cast<Var*>(lfirst(cell));
        const AttrNumber number = static_cast<AttrNumber>(list_length(scan->custom_scan_tlist) + 1);
        scan->custom_scan_tlist =
            lappend(scan->custom_scan_tlist,
                    makeTargetEntry(reinterpret_cast<Expr*>(copy(var)), number, nullptr, false));
        scan->custom_private = lappend_int(scan->custom_private, var->varattno);
    }
    scan->custom_relids = bms_make_singleton(static_cast<int>(rel->relid));
    scan->methods = &kScanMethods;
    return &scan->scan.plan;
}

// ---------------------------------------------------------------------------------------------
// Execution
// ---------------------------------------------------------------------------------------------

}  // namespace

struct CallScanState {
    CustomScanState base;
    FuncExpr* call;
    FmgrInfo function;
    TupleDesc row_type;
    bool called;
    SingleRow single;       // the only row, or
    int at;                 // where the cursor is: 0 before it, 1 on it, 2 behind it
    Tuplestorestate* rows;  // all rows; null: none, or the single one
    TupleTableSlot* row;    // of the tuplestore
};

namespace {

Node* make_state(CustomScan*) {
    CallScanState* state = static_cast<CallScanState*>(palloc0(sizeof(CallScanState)));
    NodeSetTag(state, T_CustomScanState);
    state->base.methods = &kExecMethods;
    return reinterpret_cast<Node*>(state);
}

CallScanState* state_of(CustomScanState* state) {
    return reinterpret_cast<CallScanState*>(state);
}

// What fmgr_info() has said of functions, direct mapped; void after any function has changed.
struct KnownInfo {
    Oid function;
    FmgrInfo info;
};
constinit KnownInfo known_infos[32]{};
constinit uint64_t function_changes = 0;

void on_function_change(Datum, SystemCache, uint32) {
    function_changes++;
    for (KnownInfo& known : known_infos) {
        known.function = InvalidOid;
    }
}

void begin_scan(CustomScanState* base, EState*, int) {
    CallScanState* state = state_of(base);
    const CustomScan* scan = reinterpret_cast<const CustomScan*>(base->ss.ps.plan);
    state->call = static_cast<FuncExpr*>(linitial(scan->custom_exprs));
    require_execute(state->call->funcid);
    find_function(state->call->funcid, &state->function);
    fmgr_info_set_expr(reinterpret_cast<Node*>(state->call), &state->function);
}

// Ereports unless the columns still have the types that the query was planned with.
void require_row_type(const CallScanState* state) {
    const CustomScan* scan = reinterpret_cast<const CustomScan*>(state->base.ss.ps.plan);
    const TupleDesc wanted = state->base.ss.ss_ScanTupleSlot->tts_tupleDescriptor;
    ListCell* cell;
    foreach (cell, scan->custom_private) {
        const int column = lfirst_int(cell) - 1;
        if (column >= state->row_type->natts ||
            TupleDescAttr(state->row_type, column)->attisdropped ||
            TupleDescAttr(state->row_type, column)->atttypid !=
                TupleDescAttr(wanted, foreach_current_index(cell))->atttypid) {
            ereport(ERROR,
                    (errcode(ERRCODE_DATATYPE_MISMATCH),
                     errmsg("function return row and query-specified return row do not match"),
                     errdetail("Column %d has changed since the query was planned.", column + 1)));
        }
    }
}

// A parameter of the statement.
NullableDatum parameter(const Param* wanted, ExprContext* context) {
    const ParamListInfo list = context->ecxt_param_list_info;
    if (list != nullptr && wanted->paramid > 0 && wanted->paramid <= list->numParams) {
        ParamExternData buffer;
        const ParamExternData* found = list->paramFetch != nullptr
                                           ? list->paramFetch(list, wanted->paramid, false, &buffer)
                                           : &list->params[wanted->paramid - 1];
        if (found->ptype == wanted->paramtype) {
            return {found->value, found->isnull};
        }
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT),
                    errmsg("no value found for parameter %d", wanted->paramid)));
}

// The value of an argument: mostly a constant or a parameter, which need no ExprState.
NullableDatum evaluate(CallScanState* state, Node* argument) {
    ExprContext* context = state->base.ss.ps.ps_ExprContext;
    if (IsA(argument, Const)) {
        const Const* constant = reinterpret_cast<const Const*>(argument);
        return {constant->constvalue, constant->constisnull};
    }
    if (IsA(argument, Param)) {
        return parameter(reinterpret_cast<const Param*>(argument), context);
    }
    NullableDatum result;
    ExprState* expression = ExecInitExpr(reinterpret_cast<Expr*>(argument), &state->base.ss.ps);
    result.value = ExecEvalExpr(expression, context, &result.isnull);
    return result;
}

// Evaluates the arguments and calls the function; then its rows are in the state. All of this is in
// the query's memory: a single row is kept as the function has made it, in as many pieces as it has
// columns.
void call_function(CallScanState* state) {
    ExprContext* context = state->base.ss.ps.ps_ExprContext;
    LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
    DirectResult node;
    ReturnSetInfo& result = node.info;
    state->called = true;
    state->row_type = lookup_rowtype_tupdesc(state->call->funcresulttype, -1);
    require_row_type(state);
    begin_direct_call(&node, context, state->row_type);
    node.node = state;
    InitFunctionCallInfoData(*fcinfo, &state->function,
                             static_cast<short>(list_length(state->call->args)),
                             state->call->inputcollid, nullptr, reinterpret_cast<Node*>(&result));
    MemoryContext caller = MemoryContextSwitchTo(context->ecxt_per_query_memory);
    bool has_null = false;
    ListCell* cell;
    foreach (cell, state->call->args) {
        NullableDatum* argument = &fcinfo->args[foreach_current_index(cell)];
        *argument = evaluate(state, static_cast<Node*>(lfirst(cell)));
        has_null = has_null || argument->isnull;
    }
    if (!state->function.fn_strict || !has_null) {
        PgStat_FunctionCallUsage usage;
        pgstat_init_function_usage(fcinfo, &usage);
        FunctionCallInvoke(fcinfo);
        pgstat_end_function_usage(&usage, true);
        state->rows = result.setResult;
        state->single = node.single;
    }
    MemoryContextSwitchTo(caller);
    if (state->rows != nullptr) {
        state->row =
            ExecInitExtraTupleSlot(state->base.ss.ps.state, state->row_type, &TTSOpsMinimalTuple);
    }
}

// Moves the cursor; is it on the single row now?
bool move_to_single(CallScanState* state, bool forward) {
    state->at = forward ? Min(state->at + 1, 2) : Max(state->at - 1, 0);
    return state->at == 1;
}

TupleTableSlot* fetch(ScanState* scan) {
    CallScanState* state = reinterpret_cast<CallScanState*>(scan);
    TupleTableSlot* slot = scan->ss_ScanTupleSlot;
    if (!state->called) {
        call_function(state);
    }
    ExecClearTuple(slot);
    const bool forward = ScanDirectionIsForward(scan->ps.state->es_direction);
    const SingleRow& single = state->single;
    if (single.values != nullptr
            ? !move_to_single(state, forward)
            : state->rows == nullptr ||
                  !tuplestore_gettupleslot(state->rows, forward, false, state->row)) {
        return slot;
    }
    const CustomScan* plan = reinterpret_cast<const CustomScan*>(scan->ps.plan);
    ListCell* cell;
    foreach (cell, plan->custom_private) {
        const int i = foreach_current_index(cell);
        const int column = lfirst_int(cell);
        if (single.values == nullptr) {
            slot->tts_values[i] =
                slot_getattr(state->row, static_cast<AttrNumber>(column), &slot->tts_isnull[i]);
        } else {
            slot->tts_isnull[i] = column > single.columns || single.is_null[column - 1];
            slot->tts_values[i] = slot->tts_isnull[i] ? 0 : single.values[column - 1];
        }
    }
    return ExecStoreVirtualTuple(slot);
}

// Inside EvalPlanQual some releases call this instead of fetching.
bool recheck(ScanState* scan, TupleTableSlot*) {
    return !TupIsNull(fetch(scan));
}

TupleTableSlot* next_row(CustomScanState* base) {
    return ExecScan(&base->ss, fetch, recheck);
}

void scan_again(CustomScanState* base) {
    ExecScanReScan(&base->ss);
    state_of(base)->at = 0;
    if (state_of(base)->rows != nullptr) {
        tuplestore_rescan(state_of(base)->rows);
    }
}

void end_scan(CustomScanState* base) {
    CallScanState* state = state_of(base);
    if (state->rows != nullptr) {
        ExecClearTuple(state->row);
        tuplestore_end(state->rows);
        state->rows = nullptr;
    }
    if (state->row_type != nullptr) {
        ReleaseTupleDesc(state->row_type);
        state->row_type = nullptr;
    }
}

void explain_scan(CustomScanState* base, List*, ExplainState* explain) {
    const char* name = get_func_name(state_of(base)->call->funcid);
    ExplainPropertyText("Function", name == nullptr ? "" : name, explain);
}

}  // namespace

void require_execute(Oid function) {
#if PG_VERSION_NUM >= 160000
    const AclResult result =
        object_aclcheck(ProcedureRelationId, function, GetUserId(), ACL_EXECUTE);
#else
    const AclResult result = pg_proc_aclcheck(function, GetUserId(), ACL_EXECUTE);
#endif
    if (result != ACLCHECK_OK) {
        aclcheck_error(result, OBJECT_FUNCTION, get_func_name(function));
    }
    InvokeFunctionExecuteHook(function);
}

void find_function(Oid function, FmgrInfo* info) {
    KnownInfo* known = &known_infos[function % lengthof(known_infos)];
    if (needs_fmgr_hook != nullptr) {  // the hook may decide otherwise each time
        fmgr_info(function, info);
        return;
    }
    if (known->function != function) {
        const uint64_t changes = function_changes;
        known->function = InvalidOid;  // should the look-up fail
        fmgr_info_cxt(function, &known->info, TopMemoryContext);
        known->function = changes == function_changes ? function : InvalidOid;
    }
    fmgr_info_copy(info, &known->info, CurrentMemoryContext);
}

void begin_direct_call(DirectResult* result, ExprContext* context, TupleDesc row_type) {
    *result = DirectResult{};
    result->info.type = T_ReturnSetInfo;
    result->info.econtext = context;
    result->info.expectedDesc = row_type;
    result->info.allowedModes = SFRM_Materialize | kCalledDirectly;
    result->info.returnMode = SFRM_Materialize;
}

// The node that makes the call. Null: another caller.
static const CallScanState* node_of(FunctionCallInfo fcinfo) {
    const ReturnSetInfo* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    return is_called_directly(result) ? reinterpret_cast<const DirectResult*>(result)->node
                                      : nullptr;
}

bool may_be_alone(FunctionCallInfo fcinfo) {
    const CallScanState* node = node_of(fcinfo);
    return node != nullptr && may_be_alone(node->base.ss);
}

bool is_alone(FunctionCallInfo fcinfo) {
    const CallScanState* node = node_of(fcinfo);
    return node != nullptr && is_alone(node->base.ss, node->call);
}

void begin_result(FunctionCallInfo fcinfo) {
    ReturnSetInfo* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    if (is_called_directly(result)) {
        result->setDesc = result->expectedDesc;
        return;
    }
    // The columns as the query expects them, not as they are now: an ALTER TABLE may have happened
    // in between.
    const bool named =
        result->expectedDesc != nullptr && result->expectedDesc->tdtypeid != RECORDOID;
    InitMaterializedSRF(fcinfo, named ? MAT_SRF_USE_EXPECTED_DESC : 0);
}

Tuplestorestate* result_rows(ReturnSetInfo* result) {
    if (result->setResult == nullptr) {
        MemoryContext caller = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
        result->setResult = tuplestore_begin_heap(true, false, work_mem);
        MemoryContextSwitchTo(caller);
    }
    return result->setResult;
}

bool return_single_row(ReturnSetInfo* result, const Datum* values, const bool* is_null,
                       int columns) {
    if (!is_called_directly(result) || result->setResult != nullptr) {
        return false;
    }
    DirectResult* node = reinterpret_cast<DirectResult*>(result);
    Assert(node->single.values == nullptr);
    const size_t count = static_cast<size_t>(columns);
    Datum* kept = static_cast<Datum*>(palloc(count * (sizeof(Datum) + sizeof(bool))));
    bool* kept_null = reinterpret_cast<bool*>(kept + count);
    memcpy(kept, values, count * sizeof(Datum));
    memcpy(kept_null, is_null, count * sizeof(bool));
    node->single = {kept, kept_null, columns};
    return true;
}

void install_call_scan(std::span<const CalledFunction> functions) {
    called_functions = functions;
    RegisterCustomScanMethods(&kScanMethods);
    CacheRegisterSyscacheCallback(PROCOID, on_function_change, 0);
    next_hook = set_rel_pathlist_hook;
    set_rel_pathlist_hook = consider_call;
}

}  // namespace ticketpool
