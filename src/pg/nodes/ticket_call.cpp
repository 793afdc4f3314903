// ticket_call: calls a function of the extension by its name, with values as texts, and returns the
// rows, or the error, as texts. A router needs this one entry for all functions.
//
// An error of the function is an answer: its subtransaction is undone, and the connection goes on.
// A cancelled call is an error as ever. Rights are asked at each call.
#include "nodes/call_target.hpp"
#include "pool/shared_memory.hpp"
#include "server/call_scan.hpp"
#include "server/catalog.hpp"
#include "server/errors.hpp"
#include "server/pg.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "executor/executor.h"
#include "nodes/nodes.h"
#include "pgstat.h"
#include "utils/float.h"
#include "utils/fmgroids.h"
}

namespace ticketpool {
namespace {

enum { kArgFunction, kArgArguments, kArgColumns };
enum { kPartNodes, kPartFunction, kPartArguments, kPartColumns };

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

NullableDatum value_of(const CallTarget& target, const TextCall& call, int number,
                       ExprContext* context) {
    CallArgument* argument = &target.arguments[number];
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

void add_value(Answer* answer, CallColumn* column, Datum value, bool is_null) {
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
Datum whole_row(const CallTarget& target, const Datum* values, const bool* is_null, int columns) {
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

void add_row(const CallTarget& target, Answer* answer, const Datum* values, const bool* is_null,
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
void require_columns(const CallTarget& target, TupleDesc made) {
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

void add_rows(const CallTarget& target, Answer* answer, ReturnSetInfo* result) {
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

void add_tuple(const CallTarget& target, Answer* answer, Datum value) {
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
int begin_styles(ValueStyles styles) {
    const int level = NewGUCNestLevel();
    if (styles != ValueStyles::kNone && DateStyle != USE_ISO_DATES) {
        set_style("datestyle", "ISO");
    }
    if (styles == ValueStyles::kAll && IntervalStyle != INTSTYLE_ISO_8601) {
        set_style("intervalstyle", "iso_8601");
    }
    if (styles == ValueStyles::kAll && extra_float_digits < 1) {
        set_style("extra_float_digits", "1");
    }
    return level;
}

void add_result(const CallTarget& target, Answer* answer, DirectResult* result, Datum value,
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

void call_target(const CallTarget& target, const TextCall& call, Answer* answer) {
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

TextCall call_of(FunctionCallInfo fcinfo, int name_at, int columns_at, Datum arguments) {
    const Text name = text_of(PG_GETARG_DATUM(name_at));
    TextCall call{};
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
    CallTarget* volatile target = nullptr;
    Datum result = 0;
    ErrorData* error = in_subtransaction([&] {
        const TextCall call = read_call();
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
