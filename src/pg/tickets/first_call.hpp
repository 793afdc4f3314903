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

}  // namespace ticketpool
