// The batch of a purchase, of tickets or of items: many purchases in one call and one transaction,
// each all or none by itself.
//
// 1. All requests are read, and the locks of all their request_ids are taken, in order of key, so
//    that two batches never wait for each other in a circle.
// 2. The requests are checked and resolved. A malformed request fails the call before anything is
//    sold. A request whose request_id was used before keeps the rows of the first call instead.
// 3. Request by request: claim, and keep the rows.
// 4. The kept rows are written to the table many at a time: at the end, when there are enough, or
//    before something has to read what was sold so far (a rule, a request_id).
#pragma once

#include <span>

#include "purchase/request_locks.hpp"
#include "purchase/rules.hpp"
#include "server/pg.hpp"
#include "server/request_array.hpp"

namespace ticketpool {

template <typename Value>
Value* allocate_values(size_t count) {
    return static_cast<Value*>(
        MemoryContextAllocHuge(CurrentMemoryContext, Max(count, 1) * sizeof(Value)));
}

// Takes the locks of all request_ids. Returns true if two requests have the same one.
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

// Takes the locks of all people at once: if each request took its own, two batches that name the
// same people would wait for each other.
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

// Opens the array and reads its requests.
template <typename Batch>
std::span<typename Batch::Request> read_batch(Batch* batch, ArrayType* array) {
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
    return {requests, static_cast<size_t>(count)};
}

// Finds the first call of each request whose request_id was used before, and calls `resolve` with
// each of the others.
template <typename Batch, typename Resolve>
void find_batch(const Batch& batch, std::span<typename Batch::Request> requests, Resolve resolve) {
    do_numbered(1, static_cast<int32_t>(requests.size()), [&](int32_t request_no) {
        typename Batch::Request* request = &requests[static_cast<size_t>(request_no - 1)];
        request->is_repeated = request->purchase.request_id != nullptr && batch.find_first(request);
        if (!request->is_repeated) {
            resolve(request);
        }
    });
}

// Carries out the requests of an array. A `Batch` is for one kind of stock and has:
//
//   Request         with `arguments`, `purchase`, and `is_repeated`: its request_id was used before
//   kType, kFields  the composite type of a request, and the number of its fields
//   kRules          the kind of rules to ask
//   set_defaults()  replaces arguments that are NULL by what NULL means
//   read()          checks the arguments and makes them a purchase
//   key_of()        the key of the request_id's lock
//   find_first()    was the request_id used before? If so, keeps the first call's rows in the
//                   request
//   resolve()       finds the departure or item and pins it, so that it stays in memory until the
//                   request is carried out
//   check()         the same without the pin: only for its errors
//   passengers_of() the people, besides the user, whom rules are asked about
//   may_sell()      is the departure or item on sale?
//   sell()          claims; if that succeeds, keeps the rows and returns them
//   return_first()  returns the rows of the first call
//   flush()         writes the kept rows
template <typename Batch>
void sell_batch(Batch* batch, ArrayType* array) {
    const std::span<typename Batch::Request> requests = read_batch(batch, array);
    const int count = static_cast<int>(requests.size());
    const bool has_twins = lock_all_requests<Batch>(*batch, requests);
    find_batch(*batch, requests, [&](auto* request) { batch->resolve(request); });
    if (has_rules(batch->catalog, Batch::kRules)) {
        lock_all_people<Batch>(*batch, requests);
    }
    for (int i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        sell_request(batch, has_twins, i + 1, &requests[static_cast<size_t>(i)]);
    }
    batch->flush();
}

// Raises the error that sell_batch() would raise for a malformed request, and sells nothing.
template <typename Batch>
void check_batch(Batch* batch, ArrayType* array) {
    find_batch(*batch, read_batch(batch, array), [&](auto* request) { batch->check(request); });
}

}  // namespace ticketpool
