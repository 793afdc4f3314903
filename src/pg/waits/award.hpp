// Serving the waiting list: what is free goes to whoever has waited longest for it.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Sets what the pool calls to read the list and to serve it (pool/wait_list.hpp).
void install_wait_hooks();

// A wait that this transaction has just written: offers its options what is free now, in their
// order, unless somebody who waits longer may have a claim to it. The departures are pinned, and
// list_waiter() was called for each before the rows were written. True: an option was awarded, and
// the rows say so.
struct NewOption {
    DepartureRef ref;
    uint32_t class_index;
    Trip trip;
    int32_t option_no;
};
bool award_at_once(const Catalog& catalog, int64_t wait_id, const NewOption* options, int count);

// For the worker: serves the whole list of one departure, in the running transaction.
//
// Of those departures in memory that are marked unserved, one in each call. *next: where to go on,
// from 0. False: there is none left. *busy: how many have to be served again.
bool serve_next_unserved(const Catalog& catalog, uint32_t* next, int* busy);
// Ends the announcement of a departure, and pins it if it is marked unserved; returns whether.
bool pin_if_unserved(const DepartureRef& announced, DepartureRef* ref);
// Of a departure that is pinned. False: it has to be served again.
bool serve_pinned(const Catalog& catalog, const DepartureRef& ref);

// For ticket_reform: serves the list from the seats of this departure in private memory, which the
// departure gets at the commit.
void serve_planned(const Catalog& catalog, Departure* planned);

// For ticket_verify: somebody who waits for the departure, fits what is free and is left. Null:
// nobody.
const char* find_left_waiter(const Catalog& catalog, const DepartureRef& ref);

}  // namespace ticketpool
