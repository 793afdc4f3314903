// ticket_call: calls a function of the extension by its name, with values as texts, and returns the
// rows, or the error, as texts. A router needs this one entry for all functions.
//
// An error of the function is an answer: its subtransaction is undone, and the connection goes on.
// A cancelled call is an error as ever.
//
// What a session has found out about a function is kept: the types of its arguments, its defaults
// and its columns. It is void once any function has changed (DROP and CREATE EXTENSION, ALTER
// FUNCTION), and once the row type has. Rights are asked at each call.
#include "pool/shared_memory.hpp"
#include "server/arrays.hpp"
#include "server/call_scan.hpp"
#include "server/catalog.hpp"
#include "server/errors.hpp"
#include "server/pg.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "optimizer/optimizer.h"
#include "pgstat.h"
#include "utils/catcache.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace ticketpool {
namespace {

enum { kArgFunction, kArgArguments, kArgColumns };
enum { kPartNodes, kPartFunction, kPartArguments, kPartColumns };

// Which settings have a say in how values of a type are written.
enum class Styles { kNone, kDates, kAll };

struct Argument {
    bool is_text;  // taken as it is
    FmgrInfo input;
    Oid io_parameter;
    Expr* default_value;  // planned; null: the caller gives the value
};

struct Column {
    int attribute;  // from 0
    Oid type;
    FmgrInfo output;  // unused for a text
};

// What is called, found for a number of arguments and a list of columns.
struct Target {
    MemoryContext context;  // everything here is in it
    int users;              // calls at work
    uint64_t generation;
    // The key
    Oid entry;  // the ticket_call that was called
    char* name;
    int given;           // arguments
    ArrayType* columns;  // null: the value as a whole
    // What was found
    Oid function;
    bool is_set;
    int argument_count;
    Argument* arguments;
    Oid row_type;          // a named one, or InvalidOid
    uint64_t row_version;  // of row_type
    TupleDesc row;         // null: one value, no set
    bool is_row;           // `row` is declared, and not made for a set of single values
    int column_count;
    Column* wanted;
    Styles styles;
};

// By key, direct mapped.
constexpr uint32_t kTargets = 256;
Target** targets;                  // kTargets entries, allocated at first use
constexpr size_t kKeptKey = 8192;  // bytes: longer lists of columns are not kept

struct Call {
    Oid entry;
    const char* name;
    Elements arguments;
    ArrayType* columns;
};

struct Answer {
    Datum* values;
    bool* is_null;
    int count;
    int room;
};

void add(Answer* answer, Datum value, bool is_null) {
    if (answer->count == answer->room) {
        if (answer->room > static_cast<int>(MaxAllocSize / sizeof(Datum) / 2)) {
            ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                            errmsg("the answer has too many values"),
                            errdetail("It has more than %d.", answer->room)));
        }
        answer->room *= 2;
        const size_t room = static_cast<size_t>(answer->room);
        answer->values = static_cast<Datum*>(repalloc(answer->values, room * sizeof(Datum)));
        answer->is_null = static_cast<bool*>(repalloc(answer->is_null, room * sizeof(bool)));
    }
    answer->values[answer->count] = value;
    answer->is_null[answer->count++] = is_null;
}

void add_text(Answer* answer, const char* value) {
    add(answer, value == nullptr ? 0 : CStringGetTextDatum(value), value == nullptr);
}

Answer begin_answer(const char* const* number) {
    constexpr int kRoom = 32;
    Answer answer{static_cast<Datum*>(palloc(kRoom * sizeof(Datum))),
                  static_cast<bool*>(palloc(kRoom * sizeof(bool))), 0, kRoom};
    if (number != nullptr) {
        add_text(&answer, *number);
    }
    return answer;
}

Datum array_of(const Answer& answer) {
    int length = answer.count;
    int lower = 1;
    return PointerGetDatum(construct_md_array(answer.values, answer.is_null, 1, &length, &lower,
                                              TEXTOID, -1, false, TYPALIGN_INT));
}

// ---------------------------------------------------------------------------------------------
// Finding the function
// ---------------------------------------------------------------------------------------------

[[noreturn]] void report_no_function(const char* name) {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                    errmsg("function \"%s\" does not exist", printable({name, strlen(name)})),
                    errdetail("The extension ticketpool has no function of this name."),
                    errhint("Give the name alone, without a schema, as \\df shows it.")));
}

// The function of this name in the schema and the extension of ticket_call. Others may have put
// functions of the same name there.
HeapTuple function_named(Oid entry, const char* name) {
    const Oid schema = get_func_namespace(entry);
    const Oid extension = getExtensionOfObject(ProcedureRelationId, entry);
    HeapTuple found = nullptr;
    if (strlen(name) >= NAMEDATALEN || !OidIsValid(extension)) {
        report_no_function(name);
    }
    CatCList* list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
    for (int i = 0; i < list->n_members && found == nullptr; i++) {
        HeapTuple tuple = &list->members[i]->tuple;
        const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
        if (form->pronamespace == schema && form->prokind == PROKIND_FUNCTION &&
            getExtensionOfObject(ProcedureRelationId, form->oid) == extension) {
            found = heap_copytuple(tuple);
        }
    }
    ReleaseSysCacheList(list);
    if (found == nullptr) {
        report_no_function(name);
    }
    return found;
}

// 0A000 for functions that only the server itself can call, and for those of this file.
void require_callable(const Form_pg_proc form) {
    bool callable = strncmp(NameStr(form->proname), "ticket_call", 11) != 0 &&
                    form->prorettype != TRIGGEROID && form->prorettype != EVENT_TRIGGEROID;
    for (int i = 0; i < form->pronargs; i++) {
        callable = callable && get_typtype(form->proargtypes.values[i]) != TYPTYPE_PSEUDO;
    }
    if (!callable) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("function \"%s\" cannot be called through ticket_call",
                               NameStr(form->proname)),
                        errdetail("Neither ticket_call itself nor a function that the server calls "
                                  "has an answer in texts.")));
    }
}

void find_arguments(HeapTuple tuple, Target* target) {
    const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    const int count = form->pronargs;
    const int required = count - form->pronargdefaults;
    if (target->given < required || target->given > count) {
        ereport(ERROR,
                (errcode(ERRCODE_UNDEFINED_FUNCTION),
                 errmsg("function \"%s\" does not exist with this number of arguments",
                        NameStr(form->proname)),
                 errdetail("It takes at least %d and at most %d arguments, and %d are given.",
                           required, count, target->given)));
    }
    target->argument_count = count;
    target->arguments =
        static_cast<Argument*>(palloc0(sizeof(Argument) * static_cast<size_t>(Max(count, 1))));
    List* defaults = NIL;
    if (target->given < count) {
        bool is_null;
        const Datum nodes = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargdefaults, &is_null);
        defaults = static_cast<List*>(stringToNode(TextDatumGetCString(nodes)));
    }
    for (int i = 0; i < count; i++) {
        Argument* argument = &target->arguments[i];
        if (i >= target->given) {
            argument->default_value =
                expression_planner(static_cast<Expr*>(list_nth(defaults, i - required)));
            continue;
        }
        Oid input;
        argument->is_text = form->proargtypes.values[i] == TEXTOID;
        getTypeInputInfo(form->proargtypes.values[i], &input, &argument->io_parameter);
        fmgr_info_cxt(input, &argument->input, target->context);
    }
}

Styles styles_of(Oid type) {
    switch (getBaseType(type)) {
        case BOOLOID:
        case INT2OID:
        case INT4OID:
        case INT8OID:
        case NUMERICOID:
        case TEXTOID:
        case VARCHAROID:
        case BPCHAROID:
        case NAMEOID:
        case UUIDOID:
        case INT4ARRAYOID:
        case INT8ARRAYOID:
        case TEXTARRAYOID:
        case VOIDOID:
            return Styles::kNone;
        case DATEOID:
        case TIMEOID:
        case TIMESTAMPOID:
        case TIMESTAMPTZOID:
            return Styles::kDates;
        default:
            return Styles::kAll;
    }
}

void set_column(Target* target, Column* column, int attribute, Oid type) {
    Oid output;
    bool is_varlena;
    column->attribute = attribute;
    column->type = type;
    getTypeOutputInfo(type, &output, &is_varlena);
    fmgr_info_cxt(output, &column->output, target->context);
    target->styles = Max(target->styles, styles_of(type));
}

int attribute_named(TupleDesc row, const char* name) {
    for (int i = 0; i < row->natts; i++) {
        const Form_pg_attribute attribute = TupleDescAttr(row, i);
        if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0) {
            return i;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
                    errmsg("column \"%s\" does not exist", printable({name, strlen(name)})),
                    errdetail("The result of the function has no column of this name.")));
}

void find_row(HeapTuple tuple, Target* target) {
    const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    target->is_set = form->proretset;
    const char type = get_typtype(form->prorettype);
    if (type == TYPTYPE_COMPOSITE) {
        target->row_type = form->prorettype;
        target->row_version = assign_record_type_identifier(target->row_type, -1);
        target->row = lookup_rowtype_tupdesc_copy(target->row_type, -1);
        target->is_row = true;
    } else if (form->prorettype == RECORDOID) {
        target->row = BlessTupleDesc(build_function_result_tupdesc_t(tuple));
        target->is_row = true;
    } else if (form->proretset) {
        target->row = CreateTemplateTupleDesc(1);
        TupleDescInitEntry(target->row, 1, NameStr(form->proname), form->prorettype, -1, 0);
    }
}

// `columns` null: the row or the value as a whole.
void find_columns(HeapTuple tuple, Target* target) {
    const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    if (target->columns == nullptr) {
        target->column_count = 1;
        target->wanted = static_cast<Column*>(palloc0(sizeof(Column)));
        set_column(target, target->wanted, 0, form->prorettype);
        return;
    }
    const Elements names =
        elements_of(PointerGetDatum(target->columns), TEXTOID, -1, false, TYPALIGN_INT);
    if (names.count > MaxTupleAttributeNumber) {
        ereport(ERROR, (errcode(ERRCODE_TOO_MANY_COLUMNS),
                        errmsg("ticket_call returns at most %d columns", MaxTupleAttributeNumber)));
    }
    TupleDesc row = target->row;
    if (row == nullptr) {
        row = CreateTemplateTupleDesc(1);
        TupleDescInitEntry(row, 1, NameStr(form->proname), form->prorettype, -1, 0);
    }
    target->column_count = names.count;
    target->wanted =
        static_cast<Column*>(palloc0(sizeof(Column) * static_cast<size_t>(Max(names.count, 1))));
    for (int i = 0; i < names.count; i++) {
        if (names.nulls[i]) {
            report_null("columns");
        }
        const int attribute = attribute_named(row, TextDatumGetCString(names.values[i]));
        set_column(target, &target->wanted[i], attribute, TupleDescAttr(row, attribute)->atttypid);
    }
}

Target* make_target(const Call& call) {
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticket_call", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    Target* target = static_cast<Target*>(palloc0(sizeof(Target)));
    target->context = context;
    target->generation = function_generation;
    target->entry = call.entry;
    target->name = pstrdup(call.name);
    target->given = call.arguments.count;
    if (call.columns != nullptr) {
        target->columns = DatumGetArrayTypePCopy(PointerGetDatum(call.columns));
    }
    HeapTuple tuple = function_named(call.entry, call.name);
    const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    target->function = form->oid;
    require_callable(form);
    find_arguments(tuple, target);
    find_row(tuple, target);
    find_columns(tuple, target);
    MemoryContextSwitchTo(caller);
    return target;
}

bool is_for(const Target& target, const Call& call) {
    const size_t size = call.columns == nullptr ? 0 : VARSIZE(call.columns);
    return target.generation == function_generation && target.entry == call.entry &&
           target.given == call.arguments.count && strcmp(target.name, call.name) == 0 &&
           (target.columns == nullptr ? 0 : VARSIZE(target.columns)) == size &&
           (size == 0 || memcmp(target.columns, call.columns, size) == 0) &&
           (!OidIsValid(target.row_type) ||
            target.row_version == assign_record_type_identifier(target.row_type, -1));
}

uint32_t hash_of(const Call& call) {
    uint32_t hash = text_hash({call.name, strlen(call.name)}) + call.entry +
                    static_cast<uint32_t>(call.arguments.count) * 0x9e3779b9U;
    if (call.columns != nullptr) {
        hash ^= hash_bytes(reinterpret_cast<const unsigned char*>(call.columns),
                           static_cast<int>(VARSIZE(call.columns)));
    }
    return hash;
}

// The kept target, or a new one, which is kept unless the one in its place is at work.
Target* find_target(const Call& call) {
    if (targets == nullptr) {
        targets = static_cast<Target**>(
            MemoryContextAllocZero(TopMemoryContext, kTargets * sizeof(Target*)));
    }
    Target** place = &targets[hash_of(call) % kTargets];
    if (*place != nullptr && is_for(**place, call)) {
        return *place;
    }
    Target* target = make_target(call);
    if ((call.columns != nullptr && VARSIZE(call.columns) > kKeptKey) ||
        (*place != nullptr && (*place)->users > 0)) {
        return target;
    }
    if (*place != nullptr) {
        MemoryContextDelete((*place)->context);
        *place = nullptr;
    }
    MemoryContextSetParent(target->context, TopMemoryContext);
    *place = target;
    return target;
}

// ---------------------------------------------------------------------------------------------
// Calling it
// ---------------------------------------------------------------------------------------------

NullableDatum value_of(const Target& target, const Call& call, int number, ExprContext* context) {
    Argument* argument = &target.arguments[number];
    NullableDatum value{};
    if (argument->default_value == nullptr) {
        const Datum given = call.arguments.values[number];
        value.isnull = call.arguments.nulls[number];
        value.value = argument->is_text
                          ? given
                          : InputFunctionCall(&argument->input,
                                              value.isnull ? nullptr : TextDatumGetCString(given),
                                              argument->io_parameter, -1);
    } else if (IsA(argument->default_value, Const)) {
        const Const* constant = reinterpret_cast<const Const*>(argument->default_value);
        value = {constant->constvalue, constant->constisnull};
    } else {
        value.value =
            ExecEvalExpr(ExecInitExpr(argument->default_value, nullptr), context, &value.isnull);
    }
    return value;
}

void add_value(Answer* answer, Column* column, Datum value, bool is_null) {
    if (is_null) {
        add(answer, 0, true);
    } else if (column->type == TEXTOID) {
        add(answer, PointerGetDatum(DatumGetTextPCopy(value)), false);
    } else {
        char* written = OutputFunctionCall(&column->output, value);
        add_text(answer, written);
        pfree(written);
    }
}

// The row as one value. Columns of the row type beyond `columns` are NULL.
Datum whole_row(const Target& target, const Datum* values, const bool* is_null, int columns) {
    const int natts = target.row->natts;
    const size_t room = static_cast<size_t>(Max(natts, 1));
    Datum* all = static_cast<Datum*>(palloc0(room * sizeof(Datum)));
    bool* all_null = static_cast<bool*>(palloc(room * sizeof(bool)));
    for (int i = 0; i < natts; i++) {
        all_null[i] = i >= columns || is_null[i];
        all[i] = all_null[i] ? 0 : values[i];
    }
    return HeapTupleGetDatum(heap_form_tuple(target.row, all, all_null));
}

void add_row(const Target& target, Answer* answer, const Datum* values, const bool* is_null,
             int columns) {
    if (target.is_row && target.columns == nullptr) {
        add_value(answer, target.wanted, whole_row(target, values, is_null, columns), false);
        return;
    }
    for (int i = 0; i < target.column_count; i++) {
        const int attribute = target.wanted[i].attribute;
        const bool none = attribute >= columns || is_null[attribute];
        add_value(answer, &target.wanted[i], none ? 0 : values[attribute], none);
    }
}

// Functions that declare their columns themselves may have made the rows by another declaration.
void require_columns(const Target& target, TupleDesc made) {
    bool same = made->natts == target.row->natts;
    for (int i = 0; same && i < made->natts; i++) {
        same = TupleDescAttr(made, i)->atttypid == TupleDescAttr(target.row, i)->atttypid;
    }
    if (!same) {
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("function \"%s\" has not returned the columns that it declares",
                               target.name)));
    }
}

void add_rows(const Target& target, Answer* answer, ReturnSetInfo* result) {
    const TupleDesc made = result->setDesc == nullptr ? target.row : result->setDesc;
    if (made != target.row) {
        require_columns(target, made);
    }
    TupleTableSlot* slot = MakeSingleTupleTableSlot(made, &TTSOpsMinimalTuple);
    while (tuplestore_gettupleslot(result->setResult, true, false, slot)) {
        CHECK_FOR_INTERRUPTS();
        slot_getallattrs(slot);
        add_row(target, answer, slot->tts_values, slot->tts_isnull, made->natts);
    }
    ExecDropSingleTupleTableSlot(slot);
    tuplestore_end(result->setResult);
}

void add_tuple(const Target& target, Answer* answer, Datum value) {
    HeapTupleHeader header = DatumGetHeapTupleHeader(value);
    HeapTupleData tuple{};
    tuple.t_len = HeapTupleHeaderGetDatumLength(header);
    tuple.t_data = header;
    const size_t room = static_cast<size_t>(Max(target.row->natts, 1));
    Datum* values = static_cast<Datum*>(palloc(room * sizeof(Datum)));
    bool* is_null = static_cast<bool*>(palloc(room * sizeof(bool)));
    heap_deform_tuple(&tuple, target.row, values, is_null);
    add_row(target, answer, values, is_null, target.row->natts);
}

void set_style(const char* setting, const char* value) {
    set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

// Values are written as every session reads them, whatever the settings of either. What is read
// needs no setting: dates that begin with the year and intervals in the form of ISO 8601 mean the
// same under all.
int begin_styles(Styles styles) {
    const int level = NewGUCNestLevel();
    if (styles != Styles::kNone && DateStyle != USE_ISO_DATES) {
        set_style("datestyle", "ISO");
    }
    if (styles == Styles::kAll && IntervalStyle != INTSTYLE_ISO_8601) {
        set_style("intervalstyle", "iso_8601");
    }
    if (styles == Styles::kAll && extra_float_digits < 1) {
        set_style("extra_float_digits", "1");
    }
    return level;
}

void add_result(const Target& target, Answer* answer, DirectResult* result, Datum value,
                bool is_null) {
    const int level = begin_styles(target.styles);
    if (!target.is_set) {
        if (target.is_row && !is_null) {
            add_tuple(target, answer, value);
        } else {
            for (int i = 0; i < target.column_count; i++) {
                add_value(answer, &target.wanted[i], value, is_null);
            }
        }
    } else if (result->single.values != nullptr) {
        const SingleRow& single = result->single;
        add_row(target, answer, single.values, single.is_null, single.columns);
    } else if (result->info.setResult != nullptr) {
        add_rows(target, answer, &result->info);
    }
    AtEOXact_GUC(true, level);
}

void call_target(const Target& target, const Call& call, Answer* answer) {
    ExprContext* context = CreateStandaloneExprContext();
    DirectResult result;
    FmgrInfo function;
    LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
    begin_direct_call(&result, context, target.row);
    find_function(target.function, &function);
    InitFunctionCallInfoData(*fcinfo, &function, static_cast<short>(target.argument_count),
                             InvalidOid, nullptr,
                             target.is_set ? reinterpret_cast<Node*>(&result) : nullptr);
    bool has_null = false;
    for (int i = 0; i < target.argument_count; i++) {
        fcinfo->args[i] = value_of(target, call, i, context);
        has_null = has_null || fcinfo->args[i].isnull;
    }
    Datum value = 0;
    fcinfo->isnull = true;
    if (!function.fn_strict || !has_null) {
        PgStat_FunctionCallUsage usage;
        fcinfo->isnull = false;
        pgstat_init_function_usage(fcinfo, &usage);
        value = FunctionCallInvoke(fcinfo);
        pgstat_end_function_usage(&usage, true);
    }
    if (result.info.returnMode != SFRM_Materialize) {
        elog(ERROR, "function \"%s\" returns its rows one by one", target.name);
    }
    add_result(target, answer, &result, value, fcinfo->isnull);
    FreeExprContext(context, true);
}

Call call_of(FunctionCallInfo fcinfo, int name_at, int columns_at, Datum arguments) {
    const Text name = text_of(PG_GETARG_DATUM(name_at));
    Call call{};
    call.entry = fcinfo->flinfo->fn_oid;
    call.name = pnstrdup(name.data, name.length);
    call.arguments = elements_of(arguments, TEXTOID, -1, false, TYPALIGN_INT);
    if (!PG_ARGISNULL(columns_at)) {
        call.columns = PG_GETARG_ARRAYTYPE_P(columns_at);
    }
    return call;
}

// Of an array that is to have one element.
Datum only_element(const char* name, Elements elements) {
    if (elements.count != 1 || elements.nulls[0]) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("argument \"%s\" has to have one element", name),
                        errdetail("It has %d.", elements.count), errhint("Name each node once.")));
    }
    return elements.values[0];
}

// A session that is cancelled is to hear of it: the caller does not wait for an answer any more.
void add_error(Answer* answer, ErrorData* error) {
    if (error->sqlerrcode == ERRCODE_QUERY_CANCELED) {
        ReThrowError(error);
    }
    add_text(answer, unpack_sql_state(error->sqlerrcode));
    for (const char* field :
         {error->message, error->detail, error->hint, error->context, error->schema_name,
          error->table_name, error->column_name, error->datatype_name, error->constraint_name}) {
        add_text(answer, field);
    }
}

// Calls what read_call() returns, in a subtransaction. `number`: null, or what the answer begins
// with, set by read_call().
template <typename Read>
Datum answer_call(const char* const* number, Read read_call) {
    require_shared_memory();
    Target* volatile target = nullptr;
    Datum result = 0;
    ErrorData* error = in_subtransaction([&] {
        const Call call = read_call();
        target = find_target(call);
        target->users++;
        require_execute(target->function);
        Answer answer = begin_answer(number);
        add_text(&answer, "00000");
        call_target(*target, call, &answer);
        result = array_of(answer);
        return true;
    });
    if (target != nullptr) {
        target->users--;
    }
    if (error != nullptr) {
        Answer answer = begin_answer(number);
        add_error(&answer, error);
        result = array_of(answer);
    }
    return result;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_call) {
    using namespace ticketpool;
    return answer_call(nullptr, [&] {
        require_argument(fcinfo, kArgFunction, "function");
        require_argument(fcinfo, kArgArguments, "arguments");
        return call_of(fcinfo, kArgFunction, kArgColumns, PG_GETARG_DATUM(kArgArguments));
    });
}

TICKETPOOL_FUNCTION(ticket_call_part) {
    using namespace ticketpool;
    const char* number = nullptr;
    return answer_call(&number, [&] {
        require_argument(fcinfo, kPartNodes, "nodes");
        require_argument(fcinfo, kPartFunction, "function");
        require_argument(fcinfo, kPartArguments, "arguments");
        const Datum node = only_element(
            "nodes", elements_of(PG_GETARG_DATUM(kPartNodes), INT4OID, 4, true, TYPALIGN_INT));
        number = psprintf("%d", DatumGetInt32(node));
        const Datum list = only_element("arguments", elements_of(PG_GETARG_DATUM(kPartArguments),
                                                                 TEXTOID, -1, false, TYPALIGN_INT));
        const Datum arguments =
            OidInputFunctionCall(F_ARRAY_IN, TextDatumGetCString(list), TEXTOID, -1);
        return call_of(fcinfo, kPartFunction, kPartColumns, arguments);
    });
}
