// Finding the first call of a purchase that is repeated, by its request_id. This is done before any
// name is resolved, so that a repetition returns the first call's rows even if the train is now
// sold under another name.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"
#include "tickets/ticket_purchase.hpp"

namespace ticketpool {

// The key of the request's lock (request_locks.hpp).
uint64_t request_key(const Catalog& catalog, const Purchase& purchase);

// The rows of the first call, as they are now, in order of ticket number.
struct FirstCall {
    OrderLeaf leaf;
    TupleDesc columns;  // of the rows
    HeapTuple* rows;
    int count;
};
// False: there was no first call. Ereports 22023 if the first call asked for something else than
// this purchase. To find that out names may have to be resolved, which ereports if one is wrong.
bool find_first_call(const Catalog& catalog, const BuyArguments& arguments, Purchase* purchase,
                     FirstCall* first);
OrderValues first_call_row(const FirstCall& first, int number);
// Appends the rows to the result set, which has been begun.
void return_first_call(const FirstCall& first, ReturnSetInfo* result);

// Does a transaction that has not ended have rows of the request? Whoever writes a row by hand does
// not lock its request, so an insert would wait for that transaction.
bool is_call_undecided(const Catalog& catalog, const Purchase& purchase);

// Parts of the same for exchanges (exchange.hpp). Finds the rows by user, date and request_id.
bool read_first_call(const Catalog& catalog, const Purchase& purchase, FirstCall* first);
// Did the first call write the stations in the same way?
bool is_same_trip_as_written(const FirstCall& first, const Purchase& purchase);
// Ereports 22023 if the first call was not the same exchange. If the stations are not written in
// the same way, `asked` has to have the stops.
void check_same_exchange(const FirstCall& first, const Purchase& purchase);

}  // namespace ticketpool
