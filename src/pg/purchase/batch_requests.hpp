// The batch of a purchase, of tickets or of items: many purchases in one call and one transaction,
// each all or none by itself.
//
// 1. All requests are read, and the locks of all their request_ids are taken, in order of key, so
//    that two batches never wait for each other in a circle.
// 2. They are checked and resolved; a malformed one fails the call before anything is sold. One
//    whose request_id has been used keeps the rows of the first call instead.
// 3. Request by request: claim, and keep the rows.
// 4. Rows go into the table many at a time: at the end, when enough are kept, or before something
//    has to read what was sold so far (a rule, a request_id).
#pragma once

#include <span>

#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
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

// Does `step` for each request from number `first` to `last`; an error names the request's number.
template <typename Step>
void do_numbered(int32_t first, int32_t last, Step step) {
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
    { rethrow_numbered(context, request_no); }
    PG_END_TRY();
}

template <typename Value>
Value* allocate_values(size_t count) {
    return static_cast<Value*>(
        MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(Value)));
}

// Of all request_ids. True: two of them are one.
template <typename Batch>
bool lock_all_requests(const Batch& batch, std::span<const typename Batch::Request> requests) {
    uint64_t* keys = allocate_values<uint64_t>(requests.size());
    size_t locks = 0;
    for (const auto& request : requests) {
        if (request.purchase.request_id != nullptr) {
            keys[locks++] = batch.key_of(request.purchase);
        }
    }
    const bool has_twins = lock_keys(AdvisoryLock::kRequest, keys, locks);
    pfree(keys);
    return has_twins;
}

// Request by request, two batches that name the same people would wait for each other.
template <typename Batch>
void lock_all_people(const Batch& batch, std::span<const typename Batch::Request> requests) {
    size_t party = 0;
    for (const auto& request : requests) {
        party += batch.passengers_of(request.purchase).size();
    }
    int64_t* users = allocate_values<int64_t>(requests.size() + party);
    int64_t* passengers = users + requests.size();
    int64_t* next = passengers;
    for (size_t i = 0; i < requests.size(); i++) {
        users[i] = requests[i].purchase.user_id;
        for (const int64_t passenger : batch.passengers_of(requests[i].purchase)) {
            *next++ = passenger;
        }
    }
    lock_people(batch.catalog, users, static_cast<uint32_t>(requests.size()), passengers,
                static_cast<uint32_t>(party));
    pfree(users);
}

template <typename Batch>
void sell_request(Batch* batch, bool has_twins, int32_t request_no,
                  typename Batch::Request* request) {
    const auto& purchase = request->purchase;
    if (has_twins && !request->is_repeated && purchase.request_id != nullptr) {
        batch->flush();  // an earlier request of the batch may have the same request_id
        do_numbered(request_no, request_no,
                    [&](int32_t) { request->is_repeated = batch->find_first(request); });
    }
    if (request->is_repeated) {
        batch->return_first(request_no, *request);
        return;
    }
    if (!batch->may_sell(purchase)) {
        return;
    }
    if (has_rules(batch->catalog, Batch::kRules)) {
        batch->flush();
        if (ask_rules(batch->catalog, rule_call(purchase)) != nullptr) {
            return;
        }
    }
    batch->sell(request_no, purchase);
}

// Carries out the requests of an array. A `Batch` is of one kind of stock and has:
//
//   Request         its `arguments`, its `purchase`, and whether it `is_repeated`: its request_id
//                   was used before
//   kType, kFields  the composite type of a request
//   kRules          the kind of its rules
//   set_defaults()  gives arguments that are NULL the values that they mean
//   read()          from arguments to a purchase, checked
//   key_of()        the key of its request_id's lock
//   find_first()    was its request_id used before? Keeps the rows of then in the request
//   resolve()       finds what is bought, and pins it: it stays in memory until its turn comes
//   passengers_of() those whom rules are asked about besides the user
//   may_sell()      is what is bought on sale?
//   sell()          claims what is left; keeps and returns the rows
//   return_first()  returns the rows of the first call
//   flush()         writes the rows that are kept
template <typename Batch>
void sell_batch(Batch* batch, ArrayType* array) {
    using Request = typename Batch::Request;
    const RequestArray elements = open_requests(array, Batch::kType, Batch::kFields);
    const int count = elements.count;
    Request* requests = allocate_values<Request>(static_cast<size_t>(count));
    for (int i = 0; i < count; i++) {
        auto* arguments = &requests[i].arguments;
        read_request(elements, i, arguments->value, arguments->is_null);
        batch->set_defaults(arguments);
    }
    do_numbered(1, count, [&](int32_t request_no) { batch->read(&requests[request_no - 1]); });
    const std::span<const Request> all(requests, static_cast<size_t>(count));
    const bool has_twins = lock_all_requests(*batch, all);
    do_numbered(1, count, [&](int32_t request_no) {
        Request* request = &requests[request_no - 1];
        request->is_repeated =
            request->purchase.request_id != nullptr && batch->find_first(request);
        if (!request->is_repeated) {
            batch->resolve(request);
        }
    });
    if (has_rules(batch->catalog, Batch::kRules)) {
        lock_all_people(*batch, all);
    }
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        sell_request(batch, has_twins, i + 1, &requests[i]);
    }
    batch->flush();
}

}  // namespace ticketpool
