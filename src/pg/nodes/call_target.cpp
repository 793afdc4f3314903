// Finds and keeps what a ticket_call calls (call_target.hpp).
#include "nodes/call_target.hpp"

#include "server/catalog.hpp"
#include "server/errors.hpp"

extern "C" {
#include "catalog/dependency.h"
#include "catalog/pg_proc.h"
#include "nodes/nodes.h"
#include "nodes/parsenodes.h"
#include "optimizer/optimizer.h"
#include "utils/catcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace ticketpool {
namespace {

// By key, direct mapped.
constexpr uint32_t kTargets = 256;
CallTarget** targets;              // kTargets entries, allocated at first use
constexpr size_t kKeptKey = 8192;  // bytes: longer lists of columns are not kept

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

// 0A000 for functions that only the server itself can call, and for ticket_call itself.
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

void find_arguments(HeapTuple tuple, CallTarget* target) {
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
    target->arguments = static_cast<CallArgument*>(
        palloc0(sizeof(CallArgument) * static_cast<size_t>(Max(count, 1))));
    List* defaults = NIL;
    if (target->given < count) {
        bool is_null;
        const Datum nodes = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proargdefaults, &is_null);
        defaults = static_cast<List*>(stringToNode(TextDatumGetCString(nodes)));
    }
    for (int i = 0; i < count; i++) {
        CallArgument* argument = &target->arguments[i];
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

ValueStyles styles_of(Oid type) {
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
            return ValueStyles::kNone;
        case DATEOID:
        case TIMEOID:
        case TIMESTAMPOID:
        case TIMESTAMPTZOID:
            return ValueStyles::kDates;
        default:
            return ValueStyles::kAll;
    }
}

void set_column(CallTarget* target, CallColumn* column, int attribute, Oid type) {
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

void find_row(HeapTuple tuple, CallTarget* target) {
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
void find_columns(HeapTuple tuple, CallTarget* target) {
    const Form_pg_proc form = reinterpret_cast<Form_pg_proc>(GETSTRUCT(tuple));
    if (target->columns == nullptr) {
        target->column_count = 1;
        target->wanted = static_cast<CallColumn*>(palloc0(sizeof(CallColumn)));
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
    target->wanted = static_cast<CallColumn*>(
        palloc0(sizeof(CallColumn) * static_cast<size_t>(Max(names.count, 1))));
    for (int i = 0; i < names.count; i++) {
        if (names.nulls[i]) {
            report_null("columns");
        }
        const int attribute = attribute_named(row, TextDatumGetCString(names.values[i]));
        set_column(target, &target->wanted[i], attribute, TupleDescAttr(row, attribute)->atttypid);
    }
}

CallTarget* make_target(const TextCall& call) {
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticket_call", ALLOCSET_SMALL_SIZES);
    MemoryContext caller = MemoryContextSwitchTo(context);
    CallTarget* target = static_cast<CallTarget*>(palloc0(sizeof(CallTarget)));
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

bool is_for(const CallTarget& target, const TextCall& call) {
    const size_t size = call.columns == nullptr ? 0 : VARSIZE(call.columns);
    return target.generation == function_generation && target.entry == call.entry &&
           target.given == call.arguments.count && strcmp(target.name, call.name) == 0 &&
           (target.columns == nullptr ? 0 : VARSIZE(target.columns)) == size &&
           (size == 0 || memcmp(target.columns, call.columns, size) == 0) &&
           (!OidIsValid(target.row_type) ||
            target.row_version == assign_record_type_identifier(target.row_type, -1));
}

uint32_t hash_of(const TextCall& call) {
    uint32_t hash = text_hash({call.name, strlen(call.name)}) + call.entry +
                    static_cast<uint32_t>(call.arguments.count) * 0x9e3779b9U;
    if (call.columns != nullptr) {
        hash ^= hash_bytes(reinterpret_cast<const unsigned char*>(call.columns),
                           static_cast<int>(VARSIZE(call.columns)));
    }
    return hash;
}

}  // namespace

// The kept target, or a new one, which is kept unless the one in its place is at work.
CallTarget* find_target(const TextCall& call) {
    if (targets == nullptr) {
        targets = static_cast<CallTarget**>(
            MemoryContextAllocZero(TopMemoryContext, kTargets * sizeof(CallTarget*)));
    }
    CallTarget** place = &targets[hash_of(call) % kTargets];
    if (*place != nullptr && is_for(**place, call)) {
        return *place;
    }
    CallTarget* target = make_target(call);
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

}  // namespace ticketpool
