// What the batches of tickets and of items share: an array of requests taken apart, and the locks
// of all their request_ids taken in one order, so that two batches never wait for each other in a
// circle.
#pragma once

#include "pg.hpp"

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

// Sorts the keys and takes their locks.
void lock_requests(uint64_t* keys, size_t count);

}  // namespace ticketpool
