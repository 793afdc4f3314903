// The array of requests that a batch is called with, or of options of a wait: an array of a
// composite type, numbered from 1.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// What the elements are called in messages.
enum class Numbered { kRequest, kOption };

struct RequestArray {
    Datum* elements;
    int count;
    TupleDesc columns;
};

// Opens an array of a composite type with this number of fields. Ereports if an element is NULL.
RequestArray open_requests(ArrayType* array, const char* type, int fields,
                           Numbered what = Numbered::kRequest);
// The fields of one request.
void read_request(const RequestArray& requests, int index, Datum* values, bool* nulls);

// To be called in a PG_CATCH block: raises the error again, with the request's number in its
// message.
[[noreturn]] void rethrow_numbered(MemoryContext context, int32_t request_no, Numbered what);

// Calls `step` with each request number from `first` to `last`. An error names the number.
template <typename Step>
void do_numbered(int32_t first, int32_t last, Step step, Numbered what = Numbered::kRequest) {
    MemoryContext context = CurrentMemoryContext;
    volatile int32_t request_no = first - 1;
    PG_TRY();
    {
        while (request_no < last) {
            CHECK_FOR_INTERRUPTS();
            request_no = request_no + 1;
            step(request_no);
        }
    }
    PG_CATCH();
    { rethrow_numbered(context, request_no, what); }
    PG_END_TRY();
}

}  // namespace ticketpool
