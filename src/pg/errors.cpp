#include "errors.hpp"

namespace ticketpool {

void require_argument(FunctionCallInfo fcinfo, int number, const char *name) {
    if (PG_ARGISNULL(number)) {
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("argument \"%s\" may not be NULL", name),
                        errdetail("Function %s needs a value for it.", get_func_name(fcinfo->flinfo->fn_oid)),
                        errhint("Pass a value for \"%s\".", name)));
    }
}

void refuse_channel(FunctionCallInfo fcinfo, int number) {
    if (!PG_ARGISNULL(number)) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED), errmsg("channels are not supported yet"),
                        errdetail("No seats can be set aside for a channel in this version."),
                        errhint("Leave \"channel\" out, or pass NULL.")));
    }
}

ReturnSetInfo *require_set_result(FunctionCallInfo fcinfo) {
    ReturnSetInfo *result = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
    if (result == nullptr || !IsA(result, ReturnSetInfo) || (result->allowedModes & SFRM_Materialize) == 0) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("set-valued function called in context that cannot accept a set")));
    }
    result->returnMode = SFRM_Materialize;
    return result;
}

const char *date_text(DateADT date) {
    return DatumGetCString(DirectFunctionCall1(date_out, DateADTGetDatum(date)));
}

void report_no_departure(Text train, DateADT date) {
    ereport(ERROR, (errcode(kErrorNoDeparture), errmsg("train \"%s\" has no departure on %s", printable(train), date_text(date)),
                    errdetail("No such row in ticket_departure."),
                    errhint("Put the departure on sale with ticket_open.")));
}

void report_out_of_memory(size_t bytes) {
    ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("the seat pool is full"),
                    errdetail("No %zu bytes are free, and every departure in memory is in use by a running transaction.",
                              bytes),
                    errhint("Raise \"ticketpool.memory\" and restart the server, or end long transactions (see ticket_inflight).")));
}

}  // namespace ticketpool
