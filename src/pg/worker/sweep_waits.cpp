// Waits that end, and departures whose waiting lists are to be served: parts of a sweep.
//
// Options of waits whose time is over are found in the index of open options by their end. Waits
// for departures that are not on sale any more are looked for only if a sale has changed since the
// last time, or was not seen to change for a while (sales_known in deadlines.hpp), since that is a
// look at every departure for which somebody waits.
#include "load/directory.hpp"
#include "pool/deadlines.hpp"
#include "server/table_scan.hpp"
#include "tables/wait_queue.hpp"
#include "waits/award.hpp"
#include "worker/sweep_steps.hpp"

namespace ticketpool {
namespace {

const char* of_waits(int64_t, const ErrorData& error) {
    return psprintf(_("waits that are over stay as they are: %s"), error.message);
}

const char* of_departure(int64_t id, const ErrorData& error) {
    return psprintf(_("the waiting list of departure " INT64_FORMAT " is not served: %s"), id,
                    error.message);
}

const char* of_wait(int64_t id, const ErrorData& error) {
    return psprintf(_("wait " INT64_FORMAT " stays as it is: %s"), id, error.message);
}

// Loads the next departure that has waiters, and serves it if it is unserved, as it is if it was
// loaded for this. False: there is none left, or all were loaded before. What fails with one
// departure is left for the next sweep.
bool load_and_serve_next(const Catalog& catalog, Sweep* sweep, int* busy) {
    WaitLoad* load = &sweep->load;
    DatabaseDue* entry = find_database_due(MyDatabaseId);
    if (load->state == WaitLoad::kNotBegun) {
        const uint32_t left =
            entry == nullptr ? 0 : entry->waits_left.load(std::memory_order_acquire);
        const bool known = entry == nullptr || entry->waits_loaded.load() == left + 1;
        *load = {known ? WaitLoad::kDone : WaitLoad::kRunning, left, PG_INT64_MIN, true};
    }
    if (load->state == WaitLoad::kDone) {
        return false;
    }
    int64_t departure_id;
    if (!try_lock_relations({catalog.wait_option, catalog.wait_option_queue}, AccessShareLock)) {
        note_left(sweep, Outcome::kBusy, GetCurrentTimestamp());
        load->state = WaitLoad::kDone;
        return false;
    }
    if (!next_waited_departure(catalog, load->behind, &departure_id)) {
        load->state = WaitLoad::kDone;
        if (load->whole) {
            entry->waits_loaded.store(load->left + 1, std::memory_order_release);
        }
        return false;
    }
    load->behind = departure_id;
    volatile bool unserved = false;
    DepartureRef ref{};
    const Outcome outcome =
        guarded([&] { unserved = pin_if_unserved(directory_find_id(catalog, departure_id), &ref); },
                of_departure, departure_id);
    if (outcome != Outcome::kDone) {
        note_left(sweep, outcome, GetCurrentTimestamp());
        load->whole = false;
    } else if (unserved) {
        *busy += serve_pinned(catalog, ref) ? 0 : 1;
    }
    return true;
}

bool try_lock_to_end_waits(const Catalog& catalog) {
    return try_lock_relations({catalog.wait, catalog.wait_option, catalog.event},
                              RowExclusiveLock) &&
           try_lock_relations({catalog.departure, catalog.route}, AccessShareLock);
}

}  // namespace

bool serve_some(const Catalog& catalog, Sweep* sweep) {
    int busy = 0;
    const bool more = serve_next_unserved(catalog, &sweep->next_slot, &busy) ||
                      load_and_serve_next(catalog, sweep, &busy);
    for (; busy > 0; busy--) {
        note_left(sweep, Outcome::kBusy, GetCurrentTimestamp());
    }
    return more;
}

void find_ended_waits(const Catalog& catalog, Sweep* sweep, size_t limit, bool closed) {
    CommandCounterIncrement();  // so that this transaction's own waits are seen, too
    const bool locked = try_lock_relations({catalog.wait_option, catalog.wait_option_end,
                                            catalog.wait_option_queue, catalog.departure},
                                           AccessShareLock);
    const auto look = [&] {
        sweep->soonest = Min(sweep->soonest, find_expired_waits(catalog, limit, &sweep->waits));
        if (closed) {
            find_closed_waits(catalog, limit, &sweep->waits);
        }
    };
    const Outcome outcome = locked ? guarded(look, of_waits, 0) : Outcome::kBusy;
    if (outcome != Outcome::kDone) {
        note_left(sweep, outcome, GetCurrentTimestamp());
    }
}

bool end_some_waits(const Catalog& catalog, Sweep* sweep, size_t limit) {
    const size_t end = Min(sweep->next_wait + limit, sweep->waits.count);
    if (sweep->next_wait == end) {
        return false;
    }
    const bool locked = try_lock_to_end_waits(catalog);
    const TimestampTz stop = GetCurrentTimestamp() + kMostTime;
    OwnerScope scope;
    scope_begin(catalog, &scope);
    for (; sweep->next_wait < end && GetCurrentTimestamp() < stop; sweep->next_wait++) {
        CHECK_FOR_INTERRUPTS();
        const EndedWait& wait = sweep->waits.wait[sweep->next_wait];
        volatile bool ended = false;
        const Outcome outcome = !locked ? Outcome::kBusy
                                        : guarded([&] { ended = end_wait(catalog, wait.wait_id); },
                                                  of_wait, wait.wait_id);
        if (outcome != Outcome::kDone) {
            note_left(sweep, outcome, wait.since);
        } else if (ended) {
            sweep->done++;
        } else {  // it has another end than the look has found
            sweep->soonest = Min(sweep->soonest, GetCurrentTimestamp() + USECS_PER_SEC);
        }
    }
    scope_end(scope);
    return true;
}

}  // namespace ticketpool
