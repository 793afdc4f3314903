// Opens the array of requests that a batch is called with, reads one request, and names a request
// in an error (request_array.hpp).
#include "server/request_array.hpp"

extern "C" {
#include "utils/typcache.h"
}

namespace ticketpool {

RequestArray open_requests(ArrayType* array, const char* type, int fields, Numbered what) {
    const bool is_option = what == Numbered::kOption;
    if (ARR_NDIM(array) > 1) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        is_option ? errmsg("options is not a list of options")
                                  : errmsg("requests is not a list of requests"),
                        errdetail("It has %d dimensions.", ARR_NDIM(array)),
                        errhint("Pass an array of %s.", type)));
    }
    RequestArray requests{nullptr, 0, lookup_rowtype_tupdesc_copy(ARR_ELEMTYPE(array), -1)};
    bool* nulls;
    deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_DOUBLE, &requests.elements,
                      &nulls, &requests.count);
    if (requests.columns->natts != fields) {
        ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
                        errmsg("%s has other fields than it should", type),
                        errdetail("It has %d fields.", requests.columns->natts),
                        errhint("Create the extension again.")));
    }
    for (int i = 0; i < requests.count; i++) {
        if (nulls[i]) {
            ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
                            is_option ? errmsg("option %d is NULL", i + 1)
                                      : errmsg("request %d is NULL", i + 1),
                            is_option ? errdetail("Each option is a %s.", type)
                                      : errdetail("Each request is a %s.", type),
                            errhint("Leave it out.")));
        }
    }
    return requests;
}

void read_request(const RequestArray& requests, int index, Datum* values, bool* nulls) {
    HeapTupleHeader header = DatumGetHeapTupleHeader(requests.elements[index]);
    HeapTupleData tuple;
    tuple.t_len = HeapTupleHeaderGetDatumLength(header);
    ItemPointerSetInvalid(&tuple.t_self);
    tuple.t_tableOid = InvalidOid;
    tuple.t_data = header;
    heap_deform_tuple(&tuple, requests.columns, values, nulls);
}

void rethrow_numbered(MemoryContext context, int32_t request_no, Numbered what) {
    MemoryContextSwitchTo(context);
    ErrorData* error = CopyErrorData();
    FlushErrorState();
    error->message = psprintf(what == Numbered::kOption ? "option %d: %s" : "request %d: %s",
                              request_no, error->message);
    ReThrowError(error);
    pg_unreachable();
}

}  // namespace ticketpool
