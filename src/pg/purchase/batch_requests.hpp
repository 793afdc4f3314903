// What the batches of tickets and of items share: an array of requests, taken apart and carried
// out.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

struct RequestArray {
    Datum* elements;
    int count;
    TupleDesc columns;
};

// An array of a composite type with so many fields; none of its elements is NULL.
RequestArray open_requests(ArrayType* array, const char* type, int fields);
// The fields of one request.
void read_request(const RequestArray& requests, int index, Datum* values, bool* nulls);

// In a PG_CATCH block: raises the error again and says in its message which request it was.
[[noreturn]] void rethrow_numbered(MemoryContext context, int32_t request_no);

// Does `step`; an error names the number of the request.
template <typename Step>
void do_numbered(int32_t request_no, Step step) {
    MemoryContext context = CurrentMemoryContext;
    PG_TRY();
    { step(); }
    PG_CATCH();
    { rethrow_numbered(context, request_no); }
    PG_END_TRY();
}

// Does `step` for each request; an error names the number of its request.
template <typename Request, typename Step>
void for_each_request(Request* requests, int count, Step step) {
    MemoryContext context = CurrentMemoryContext;
    volatile int32_t request_no = 0;
    PG_TRY();
    {
        while (request_no < count) {
            CHECK_FOR_INTERRUPTS();
            request_no = request_no + 1;
            step(&requests[request_no - 1]);
        }
    }
    PG_CATCH();
    { rethrow_numbered(context, request_no); }
    PG_END_TRY();
}

}  // namespace ticketpool
