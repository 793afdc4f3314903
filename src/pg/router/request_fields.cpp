// The fields that requests are routed by (request_fields.hpp).
#include "router/request_fields.hpp"

namespace ticketpool {

int require_field(const Twin& twin, TupleDesc columns, const char* name) {
    for (int i = 0; i < columns->natts; i++) {
        const FormData_pg_attribute* attribute = TupleDescAttr(columns, i);
        if (!attribute->attisdropped && strcmp(NameStr(attribute->attname), name) == 0) {
            return i;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                    errmsg("a request of %s has no field \"%s\"", twin.name, name),
                    errdetail("Its type was altered."), errhint("Create the extension again.")));
}

DateADT today() {
    return DatumGetDateADT(DirectFunctionCall1(
        timestamptz_date, TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())));
}

}  // namespace ticketpool
