// What the twins are, their arguments and rows as texts, and when they refuse (twin.hpp).
#include "router/twin.hpp"

#include "server/errors.hpp"

extern "C" {
#include "catalog/pg_proc.h"
#include "utils/syscache.h"
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// What a twin is
// ---------------------------------------------------------------------------------------------

// By function, direct mapped. A twin that is void is no longer here, but its memory is kept until
// another transaction looks one up: a call may be using it.
struct KeptTwin {
    Twin* twin;
    MemoryContext context;
    uint32 hash;  // of the function in the system cache
};
constexpr uint32_t kTwins = 128;
constinit KeptTwin kept_twins[kTwins]{};
constinit uint64_t changes = 0;
constinit MemoryContext retired = nullptr;  // the contexts of void twins are its children
constinit LocalTransactionId retired_in = 0;

void retire(KeptTwin* kept) {
    if (kept->twin != nullptr) {
        kept->twin = nullptr;
        MemoryContextSetParent(kept->context, retired);
        retired_in = my_local_transaction();
    }
}

void on_function_change(Datum, SystemCache, uint32 hash) {
    changes++;
    for (KeptTwin& kept : kept_twins) {
        if (hash == 0 || kept.hash == hash) {
            retire(&kept);
        }
    }
}

void on_schema_change(Datum, SystemCache, uint32) {
    on_function_change(0, PROCOID, 0);
}

void on_relation_change(Datum, Oid relation) {
    for (KeptTwin& kept : kept_twins) {
        if (kept.twin != nullptr && OidIsValid(kept.twin->row_relation) &&
            (!OidIsValid(relation) || kept.twin->row_relation == relation)) {
            changes++;
            retire(&kept);
        }
    }
}

void forget_retired() {
    if (retired == nullptr) {
        retired = AllocSetContextCreate(TopMemoryContext, "twins that have changed",
                                        ALLOCSET_SMALL_SIZES);
        CacheRegisterSyscacheCallback(PROCOID, on_function_change, 0);
        CacheRegisterSyscacheCallback(NAMESPACEOID, on_schema_change, 0);
        CacheRegisterRelcacheCallback(on_relation_change, 0);
    }
    if (retired_in != 0 && retired_in != my_local_transaction()) {
        retired_in = 0;
        MemoryContextDeleteChildren(retired);
    }
}

void read_arguments(HeapTuple tuple, Twin* twin) {
    Oid* types;
    char** names;
    char* modes;
    const int count = get_func_arg_info(tuple, &types, &names, &modes);
    twin->arguments = static_cast<TwinArgument*>(
        palloc0(static_cast<Size>(Max(count, 1)) * sizeof(TwinArgument)));
    for (int i = 0; i < count; i++) {
        if (modes != nullptr && modes[i] != PROARGMODE_IN) {
            continue;
        }
        TwinArgument* argument = &twin->arguments[twin->argument_count++];
        argument->name = names == nullptr ? "" : names[i];
        argument->type = types[i];
        Oid output;
        bool is_varlena;
        getTypeOutputInfo(types[i], &output, &is_varlena);
        fmgr_info_cxt(output, &argument->output, CurrentMemoryContext);
    }
}

void read_columns(Twin* twin) {
    const int natts = twin->row->natts;
    twin->columns =
        static_cast<TwinColumn*>(palloc0(static_cast<Size>(natts) * sizeof(TwinColumn)));
    const char** names =
        static_cast<const char**>(palloc(static_cast<Size>(natts) * sizeof(char*)));
    for (int i = 0; i < natts; i++) {
        const FormData_pg_attribute* attribute = TupleDescAttr(twin->row, i);
        if (attribute->attisdropped) {
            continue;
        }
        names[twin->column_count] = NameStr(attribute->attname);
        TwinColumn* column = &twin->columns[twin->column_count++];
        column->attribute = i;
        column->type = attribute->atttypid;
        column->modifier = attribute->atttypmod;
        Oid input;
        getTypeInputInfo(attribute->atttypid, &input, &column->io_parameter);
        fmgr_info_cxt(input, &column->input, CurrentMemoryContext);
    }
    twin->column_names = text_array(names, twin->column_count);
}

void read_result(FunctionCallInfo fcinfo, Twin* twin) {
    Oid type;
    TupleDesc row = nullptr;
    const TypeFuncClass kind = get_call_result_type(fcinfo, &type, &row);
    twin->result = type;
    if (kind != TYPEFUNC_COMPOSITE) {
        return;
    }
    twin->row = CreateTupleDescCopy(row);
    twin->row_relation = type == RECORDOID ? InvalidOid : get_typ_typrelid(type);
    read_columns(twin);
}

// In the current memory context, which is the twin's.
Twin* learn(FunctionCallInfo fcinfo) {
    const Oid function = fcinfo->flinfo->fn_oid;
    HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
    if (!HeapTupleIsValid(tuple)) {
        elog(ERROR, "cache lookup failed for function %u", function);
    }
    const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    Twin* twin = static_cast<Twin*>(palloc0(sizeof(Twin)));
    twin->function = function;
    const char* schema = get_namespace_name(form->pronamespace);
    twin->schema = pstrdup(quote_identifier(schema == nullptr ? "" : schema));
    twin->name = pstrdup(NameStr(form->proname));
    twin->returns_set = form->proretset;
    read_arguments(tuple, twin);
    ReleaseSysCache(tuple);
    twin->train = argument_number(*twin, "train");
    twin->service_date = argument_number(*twin, "service_date");
    twin->opens_departure = strcmp(twin->name, "ticket_open") == 0;
    twin->takes_request_id = argument_number(*twin, "request_id") >= 0;
    read_result(fcinfo, twin);
    return twin;
}

// ---------------------------------------------------------------------------------------------
// Values as texts
// ---------------------------------------------------------------------------------------------

// Every node reads dates, times and intervals in the form of these settings, whatever its own are.
struct Forms {
    int level;  // 0: they were so before
};

Forms begin_forms() {
    if (DateStyle == USE_ISO_DATES &&
        (IntervalStyle == INTSTYLE_POSTGRES || IntervalStyle == INTSTYLE_ISO_8601)) {
        return {0};
    }
    const Forms forms{NewGUCNestLevel()};
    set_config_option("datestyle", "ISO", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                      false);
    set_config_option("intervalstyle", "iso_8601", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE,
                      true, 0, false);
    return forms;
}

void end_forms(Forms forms) {
    if (forms.level != 0) {
        AtEOXact_GUC(true, forms.level);
    }
}

Datum as_text(FmgrInfo* output, Oid type, Datum value) {
    if (type == TEXTOID) {
        return value;
    }
    return PointerGetDatum(cstring_to_text(OutputFunctionCall(output, value)));
}

void decode_value(const TwinColumn& column, const Answer& answer, int index, Datum* value,
                  bool* is_null) {
    *is_null = answer.nulls[index];
    if (*is_null) {
        *value = 0;
    } else if (column.type == TEXTOID) {
        *value = answer.values[index];
    } else {
        *value = InputFunctionCall(const_cast<FmgrInfo*>(&column.input),
                                   TextDatumGetCString(answer.values[index]), column.io_parameter,
                                   column.modifier);
    }
}

int rows_of(const Twin& twin, const Answer& answer) {
    const int columns = Max(twin.column_count, 1);
    if (answer.count % columns != 0) {
        ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
                        errmsg("node %d gave rows with other columns", answer.node),
                        errdetail("%d values are not rows of %d columns.", answer.count, columns),
                        errhint("router_status() shows whether the versions agree.")));
    }
    return answer.count / columns;
}

}  // namespace

const Twin& twin_of(FunctionCallInfo fcinfo) {
    const Oid function = fcinfo->flinfo->fn_oid;
    KeptTwin* kept = &kept_twins[function % kTwins];
    forget_retired();
    if (kept->twin != nullptr && kept->twin->function == function) {
        return *kept->twin;
    }
    retire(kept);
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "twin", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    const uint64_t before = changes;
    Twin* twin = learn(fcinfo);
    MemoryContextSwitchTo(caller);
    if (before == changes) {  // else it is good for this call alone
        MemoryContextSetParent(context, TopMemoryContext);
        *kept = {twin, context, GetSysCacheHashValue1(PROCOID, ObjectIdGetDatum(function))};
    }
    return *twin;
}

int argument_number(const Twin& twin, const char* name) {
    for (int i = 0; i < twin.argument_count; i++) {
        if (strcmp(twin.arguments[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

Datum encode_arguments(FunctionCallInfo fcinfo, const Twin& twin) {
    const int count = twin.argument_count;
    Datum values[FUNC_MAX_ARGS];
    bool nulls[FUNC_MAX_ARGS];
    const Forms forms = begin_forms();
    for (int i = 0; i < count; i++) {
        nulls[i] = PG_ARGISNULL(i);
        values[i] = nulls[i] ? 0
                             : as_text(&twin.arguments[i].output, twin.arguments[i].type,
                                       PG_GETARG_DATUM(i));
    }
    end_forms(forms);
    int lengths[] = {count};
    int bounds[] = {1};
    return PointerGetDatum(
        construct_md_array(values, nulls, 1, lengths, bounds, TEXTOID, -1, false, TYPALIGN_INT));
}

Datum encode_value(Datum value, Oid type) {
    if (type == TEXTOID) {
        return value;
    }
    Oid output;
    bool is_varlena;
    getTypeOutputInfo(type, &output, &is_varlena);
    const Forms forms = begin_forms();
    char* text = OidOutputFunctionCall(output, value);
    end_forms(forms);
    return CStringGetTextDatum(text);
}

// Does this call follow another one without a Sync between them? Servers before 15.2 do not say.
static bool is_in_pipeline() {
#ifdef XACT_FLAGS_PIPELINING
    return (MyXactFlags & XACT_FLAGS_PIPELINING) != 0;
#else
    return false;
#endif
}

void require_no_transaction(const Twin& twin) {
    PreventCommandIfReadOnly(psprintf("%s()", twin.name));
    if (IsTransactionBlock() || IsSubTransaction() || is_in_pipeline()) {
        ereport(ERROR,
                (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
                 errmsg("%s cannot run inside a transaction block", twin.name),
                 errdetail("The node commits by itself: a rollback here would not undo it."),
                 errhint("Call it alone, without BEGIN, without another statement in the same "
                         "query, and outside of blocks with EXCEPTION.")));
    }
}

void decode_row(const Twin& twin, const Answer& answer, int first, Datum* values, bool* nulls) {
    memset(nulls, 1, static_cast<size_t>(twin.row->natts) * sizeof(bool));
    for (int i = 0; i < twin.column_count; i++) {
        const TwinColumn& column = twin.columns[i];
        decode_value(column, answer, first + i, &values[column.attribute],
                     &nulls[column.attribute]);
    }
}

void begin_twin_result(FunctionCallInfo fcinfo, const Twin& twin) {
    ReturnSetInfo* result = require_set_result(fcinfo);
    MemoryContext caller = MemoryContextSwitchTo(result->econtext->ecxt_per_query_memory);
    result->setResult = tuplestore_begin_heap((result->allowedModes & SFRM_Materialize_Random) != 0,
                                              false, work_mem);
    result->setDesc = twin.row != nullptr ? CreateTupleDescCopy(twin.row) : nullptr;
    MemoryContextSwitchTo(caller);
}

void add_rows(FunctionCallInfo fcinfo, const Twin& twin, const Answer& answer) {
    const ReturnSetInfo* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
    const int rows = rows_of(twin, answer);
    const size_t natts = static_cast<size_t>(twin.row->natts);
    Datum* values = static_cast<Datum*>(palloc0(natts * (sizeof(Datum) + sizeof(bool))));
    bool* nulls = reinterpret_cast<bool*>(values + natts);
    for (int i = 0; i < rows; i++) {
        decode_row(twin, answer, i * twin.column_count, values, nulls);
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    pfree(values);
}

Datum return_answer(FunctionCallInfo fcinfo, const Twin& twin, const Answer& answer) {
    if (twin.returns_set) {
        begin_twin_result(fcinfo, twin);
        add_rows(fcinfo, twin, answer);
        return 0;
    }
    if (twin.result == VOIDOID) {
        PG_RETURN_VOID();
    }
    if (rows_of(twin, answer) != 1) {
        ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
                        errmsg("node %d gave %d values for one", answer.node, answer.count)));
    }
    if (answer.nulls[0]) {
        PG_RETURN_NULL();
    }
    if (twin.result == TEXTOID) {
        return answer.values[0];
    }
    Oid input;
    Oid io_parameter;
    getTypeInputInfo(twin.result, &input, &io_parameter);
    return OidInputFunctionCall(input, TextDatumGetCString(answer.values[0]), io_parameter, -1);
}

}  // namespace ticketpool
