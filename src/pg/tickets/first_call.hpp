// A repetition of a purchase, found by its request_id. It is looked for before any name is
// resolved: it returns the first call's rows even where the train is sold under another name by
// now.
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
// False: there was none. Ereports 22023 where it was asked something else than this purchase; to
// find that out names may have to be resolved, with the errors of mistaken ones.
bool find_first_call(const Catalog& catalog, const BuyArguments& arguments, Purchase* purchase,
                     FirstCall* first);
OrderValues first_call_row(const FirstCall& first, int number);

}  // namespace ticketpool
