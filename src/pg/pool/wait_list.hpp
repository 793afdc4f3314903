// The waiting list, as the pool knows it: which departures have waiters, what this transaction has
// freed in them, and whether the list was served with that. include/ticketpool/wait_control.hpp has
// the protocol. Reading the list and serving it is done above (src/pg/waits), by the functions in
// WaitHooks.
//
// What this transaction knows of a departure, in private memory:
//
//   release      something is freed in a departure that has waiters: `pending`
//   serve        serve_waiting() matches the list with what is freed; note_served() keeps the word
//                as it was seen before
//   commit       a note that still holds means that what is given back was offered to everybody who
//                waits. Without one, or if a waiter was passed over because its rows were locked,
//                the departure is marked unserved
//   rollback to  all notes are void: what is freed then may be more than was offered
//   a savepoint
#pragma once

#include "pool/announcement.hpp"
#include "pool/shared_memory.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// A trip for which somebody waits, who fits what is free.
struct WaitedTrip {
    Trip trip;
    bool has_channel;  // the waiter, or one of them, buys from a channel
};

struct WaitHooks {
    // Serves the lists of all departures in which this transaction has freed something.
    void (*serve)();
    // The trips of the class that overlap this one and that a waiter fits now, in palloc'd memory.
    uint32_t (*find_waited)(const DepartureRef& ref, uint32_t class_index, Trip trip,
                            WaitedTrip** waited);
};
extern constinit WaitHooks wait_hooks;

// ---------------------------------------------------------------------------------------------
// Who frees
// ---------------------------------------------------------------------------------------------

extern constinit bool wait_releases_pending;

// Something is to be released in the departure.
inline void note_release(uint32_t slot) {
    const uint64_t seen =
        shared.slots[slot].departure()->waits()->word.load(std::memory_order_relaxed);
    if (unlikely(WaitControl::is_listed(seen))) {
        wait_releases_pending = true;
    }
}

// To be called by each function that frees seats, after it has taken those that it wants itself.
// Offers what is freed to those who wait. Never waits for the list, and never fails because of it.
inline void serve_waiting() {
    if (unlikely(wait_releases_pending)) {
        wait_hooks.serve();
    }
}

// What a hand-written statement frees is offered when it has ended, with all that its triggers do.
extern constinit bool wait_after_statement;
inline void serve_after_statement() {
    wait_after_statement = wait_releases_pending;
}
inline void end_of_statement(int trigger_depth) {
    if (unlikely(wait_after_statement) && trigger_depth == 0) {
        wait_after_statement = false;
        serve_waiting();
    }
}

// From which entry of the ledger on the list has not been served yet. `seen`: the word as it is
// now.
size_t unserved_since(uint32_t slot, uint64_t seen);
// The list was served up to the ledger's end; `whole`: nobody was passed over who may have to be
// asked again after another transaction. May ereport for want of memory.
void note_served(uint32_t slot, uint64_t seen, bool whole);

// ---------------------------------------------------------------------------------------------
// Who waits, and who buys
// ---------------------------------------------------------------------------------------------

// A new waiter, before the first look at what is free. The departure is pinned. Ereports.
void list_waiter(uint32_t slot);

inline bool may_be_unserved(Departure* departure) {
    return WaitControl::is_unserved(departure->waits()->word.load(std::memory_order_acquire));
}

// A departure that was loaded, and has waiters.
void mark_loaded(Departure* departure);

// The departure leaves memory, or is to be loaded again because its rows have changed. The worker
// loads it if it may be unserved: what is free then may fit somebody who waits. No-fail.
void forget_waited(Oid database, Departure* departure, bool changes);

// ---------------------------------------------------------------------------------------------
// For the transaction's end: no-fail
// ---------------------------------------------------------------------------------------------

enum class GivenBack { kServed, kUnserved };

// Before bits are cleared; then call end_giving_back() of the WaitControl. kServed: by a commit of
// this transaction, whose notes count.
void begin_giving_back(uint32_t slot, GivenBack how);
// A new waiter has committed.
void enter_waiter(uint32_t slot, uint64_t seen);
// It was rolled back.
void leave_waiter(uint32_t slot);
// Before the commit: what was freed since a new waiter looked is kept from buyers from now on.
void warn_of_waiters();
// A subtransaction was rolled back.
void void_served();
void forget_served();

}  // namespace ticketpool
