// The errors and checks of arguments that many functions share (errors.hpp).
#include "server/errors.hpp"

namespace ticketpool {

void report_gone() {
    ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE),
                    errmsg("a relation of extension ticketpool has just been dropped"),
                    errdetail("Another session dropped or altered the extension meanwhile."),
                    errhint("Try again.")));
}

void report_no_trigger(const char* function) {
    ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
                    errmsg("function \"%s\" was not called by trigger manager", function)));
}

void report_null(const char* name) {
    ereport(
        ERROR,
        (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"%s\" may not be NULL", name),
         errdetail("There is no default for it."), errhint("Pass a value for \"%s\".", name)));
}

void require_argument(FunctionCallInfo fcinfo, int number, const char* name) {
    if (PG_ARGISNULL(number)) {
        report_null(name);
    }
}

void check_channel(Text channel) {
    if (channel.length == 0 || channel.length > kMaxNameBytes) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                 errmsg("\"%s\" is not a channel", printable(channel)),
                 errdetail("A channel's name has 1 to %d bytes.", kMaxNameBytes),
                 errhint("Leave \"channel\" out, or pass NULL, to buy from the open pool.")));
    }
}

ReturnSetInfo* require_set_result(FunctionCallInfo fcinfo) {
    ReturnSetInfo* result = reinterpret_cast<ReturnSetInfo*>(fcinfo->resultinfo);
    if (result == nullptr || !IsA(result, ReturnSetInfo) ||
        (result->allowedModes & SFRM_Materialize) == 0) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("set-valued function called in context that cannot accept a set")));
    }
    result->returnMode = SFRM_Materialize;
    return result;
}

void report_not_written(const char* sql) {
    ereport(
        ERROR,
        (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION), errmsg("a row of ticketpool was not written"),
         errdetail("A trigger, a rule or a policy on the table left it out or replaced the "
                   "statement: %s",
                   sql),
         errhint("Let a trigger raise an error instead, and drop rules that replace what "
                 "ticketpool writes.")));
}

void report_changed_by_trigger(Oid table) {
    ereport(ERROR,
            (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
             errmsg("a trigger on %s has changed what ticketpool writes", get_rel_name(table)),
             errdetail("The row would not agree with what is in memory."),
             errhint("Let a trigger change other columns, or raise an error.")));
}

const char* date_text(DateADT date) {
    return DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(date)));
}

int detail_of_no_order(const char* table) {
    return IsolationUsesXactSnapshot()
               ? errdetail("No row of %s that this transaction's snapshot shows has this order_id.",
                           table)
               : errdetail("No row of %s has this order_id.", table);
}

int hint_of_no_order() {
    return IsolationUsesXactSnapshot()
               ? errhint("Check the order_id, or look for a newer order in a new transaction.")
               : errhint("Check the order_id.");
}

void report_damaged(const char* table, int64_t id) {
    ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
                    errmsg("row " INT64_FORMAT " of %s is missing or damaged", id, table),
                    errdetail("A departure on sale refers to it."),
                    errhint("ticket_open writes these rows; restore them from a backup.")));
}

// By NameOf.
static constexpr struct {
    const char* too_long;
    const char* empty;
} kNameErrors[] = {
    {gettext_noop("train \"%s\" is too long"), gettext_noop("train is empty")},
    {gettext_noop("station \"%s\" is too long"), gettext_noop("station is empty")},
    {gettext_noop("seat class \"%s\" is too long"), gettext_noop("seat class is empty")},
    {gettext_noop("coach \"%s\" is too long"), gettext_noop("coach is empty")},
};

void check_name(NameOf what, Text value) {
    const auto& errors = kNameErrors[static_cast<int>(what)];
    if (value.length > kMaxNameBytes) {
        ereport(ERROR,
                (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg(errors.too_long, printable(value)),
                 errdetail("It has %zu bytes; the limit is %d.", value.length, kMaxNameBytes),
                 errhint("Use a shorter code.")));
    }
    if (value.length == 0) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg_internal("%s", _(errors.empty)),
                 errdetail("Trains, stations, classes and coaches need a name."),
                 errhint("Give it a name.")));
    }
}

}  // namespace ticketpool
