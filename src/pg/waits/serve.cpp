// Serves the waiting list of a departure.
//
// Who frees serves the list in the same transaction, with what it is about to give back: for the
// transaction itself that is free already, and nobody else can take it (pool/ledger.hpp). Only
// waiters whose trip lies inside the new free run of a seat that was touched, and overlaps what was
// freed of it, can fit now and did not before (include/ticketpool/wait_control.hpp has the
// invariant). These are read as streams of alike options, of which only the heads are looked at, so
// a service costs by what it awards and by the number of different trips, not by the waiters.
//
// Whoever has waited longest and fits is served. An option that is passed over although it fits
// keeps its place, and the reason is on record in the event of the award, and in its row, if no
// other transaction was in the way. It is asked again when something is freed on the departure; if
// another transaction was, also by the worker, when that one has ended.
//
// The worker serves departures that are marked unserved, with the same steps, but all of the list.
#include "waits/serve.hpp"

#include "load/directory.hpp"
#include "pool/pins.hpp"
#include "pool/wait_list.hpp"
#include "server/errors.hpp"
#include "server/subtransaction.hpp"
#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"
#include "tables/order_leaf.hpp"
#include "tables/wait_rows.hpp"
#include "tickets/on_sale.hpp"
#include "tickets/sale.hpp"
#include "waits/award.hpp"

extern "C" {
#include "access/twophase.h"
#include "storage/lmgr.h"
}

namespace ticketpool {
namespace {

bool claim_in_pool(const Purchase& purchase, Claimed* claims) {
    Demand demand = demand_of(purchase);
    demand.for_waiter = true;
    return claim_demand(demand, claims);
}

}  // namespace

const WaitStock kPoolStock{count_remaining, claim_in_pool};

// ---------------------------------------------------------------------------------------------
// Streams
// ---------------------------------------------------------------------------------------------

namespace {

struct Serving {
    const WaitStock* stock;
    StreamList* list;
    uint64_t round;  // counts up with each award: what is free has changed
    Service service;
    StringInfoData passed;
};

void count_for(const Serving& serving, Stream* stream, Text channel) {
    if (stream->counted != serving.round) {
        stream->counted = serving.round;
        stream->free =
            serving.stock->count(serving.list->ref, stream->class_index, stream->trip, channel);
    }
}

bool fits(const Stream& stream) {
    return meets_need(stream.free, stream.alike.need);
}

// Moves the stream to its next option that fits. False: it has none.
bool find_head(const Serving& serving, Stream* stream) {
    const StreamList& list = *serving.list;
    if (!list.has_quotas) {
        count_for(serving, stream, {nullptr, 0});
        if (!fits(*stream)) {
            return false;  // none of them does: the queue need not be read
        }
    }
    for (;;) {
        CHECK_FOR_INTERRUPTS();
        if (!stream->has_head) {
            stream->has_head = queue_behind(queue_of(list, stream->class_index), stream->alike,
                                            stream->behind, list.unpassed, &stream->head);
            stream->counted = list.has_quotas ? 0 : stream->counted;
        }
        if (!stream->has_head) {
            return false;
        }
        count_for(serving, stream, stream->head.channel);
        if (fits(*stream)) {
            return true;
        }
        stream->behind = stream->head.queue_no;
        stream->has_head = false;
    }
}

Stream* find_first(const Serving& serving) {
    Stream* first = nullptr;
    for (int i = 0; i < serving.list->count; i++) {
        Stream* stream = &serving.list->streams[i];
        if (find_head(serving, stream) &&
            (first == nullptr || stream->head.queue_no < first->head.queue_no)) {
            first = stream;
        }
    }
    return first;
}

const char* passed_so_far(Serving* serving, const Stream& stream) {
    if (serving->list->ref.departure->waits()->joining.load(std::memory_order_acquire) == 0) {
        return serving->passed.data;
    }
    StringInfoData all;
    initStringInfo(&all);
    appendStringInfoString(&all, serving->passed.data);
    append_uncommitted(queue_of(*serving->list, stream.class_index), stream.head.queue_no, &all);
    return all.data;
}

const char* reason_of(Awarded result, const char* reason) {
    return result == Awarded::kBusy ? "it is being served, or changed, by another transaction"
           : reason == nullptr      ? "it was refused"
                                    : reason;
}

void offer_to_head(Serving* serving, Stream* stream) {
    StreamList* list = serving->list;
    const Offer offer{serving->stock,
                      list->ref,
                      stream->class_index,
                      stream->trip,
                      stream->head,
                      stream->free,
                      passed_so_far(serving, *stream)};
    const char* reason;
    const Awarded result = try_award(*list->catalog, offer, &reason);
    stream->behind = stream->head.queue_no;
    stream->has_head = false;
    serving->service.awarded += result == Awarded::kYes ? 1 : 0;
    serving->service.busy += result == Awarded::kBusy ? 1 : 0;
    serving->service.lost += result == Awarded::kLost || result == Awarded::kFailed ? 1 : 0;
    if (result == Awarded::kYes || result == Awarded::kLost) {
        serving->round++;
    } else if (result != Awarded::kGone) {
        const char* why = reason_of(result, reason);
        append_passed(&serving->passed, offer.option.wait_id, why);
        if (result != Awarded::kBusy) {  // that will be over in a moment, and the wait asked again
            record_passed(*list->catalog, offer.option, why);
        }
    }
}

}  // namespace

Service serve_streams(const WaitStock& stock, StreamList* list) {
    Serving serving{&stock, list, 1, {}, {}};
    initStringInfo(&serving.passed);
    while (Stream* first = find_first(serving)) {
        CHECK_FOR_INTERRUPTS();
        offer_to_head(&serving, first);
    }
    return serving.service;
}

// ---------------------------------------------------------------------------------------------
// Who frees
// ---------------------------------------------------------------------------------------------

namespace {

const Catalog& catalog_of_slot(uint32_t slot) {
    return catalog_in(get_rel_namespace(shared.slots[slot].relation));
}

bool is_waited_for(uint32_t slot) {
    return !shared.slots[slot].has_item() &&
           WaitControl::is_listed(shared.slots[slot].departure()->waits()->look());
}

// May the list be offered what is free? kNotNow: other transactions are in the way.
enum class May { kYes, kNo, kNotNow };

May may_serve(const Catalog& catalog, const DepartureRef& ref) {
    if (!shows_seats(ref)) {
        return May::kNo;
    }
    return ledger_status(ref.slot, ref.departure) == SaleStatus::kOpen &&
                   ref.departure->seat_change.load(std::memory_order_seq_cst) ==
                       SeatChange::kNone &&
                   try_lock_award_tables(catalog)
               ? May::kYes
               : May::kNotNow;
}

// True: everybody was served whom what is freed fits.
bool serve_list(const Catalog& catalog, const DepartureRef& ref, const Freed* freed,
                uint32_t count) {
    if (may_serve(catalog, ref) != May::kYes) {
        return false;
    }
    StreamList list;
    begin_streams(catalog, ref, &list);
    add_freed_streams(&list, freed, count);
    const Service service = serve_streams(kPoolStock, &list);
    return service.busy == 0 && service.lost == 0;
}

// Whatever goes wrong with the list, what is freed is freed: the worker serves it then.
void serve_freed(uint32_t slot) {
    const DepartureRef ref{slot, shared.slots[slot].departure()};
    const uint64_t seen = ref.departure->waits()->look();
    Freed* freed;
    const uint32_t count = ledger_releases(slot, unserved_since(slot, seen), &freed);
    if (count == 0) {
        return;
    }
    bool whole = false;
    ErrorData* error = in_subtransaction([&] {
        whole = serve_list(catalog_of_slot(slot), ref, freed, count);
        return true;
    });
    if (error != nullptr) {
        rethrow_cancel(error);
        ereport(LOG,
                (errcode(error->sqlerrcode),
                 errmsg("the waiting list of departure " INT64_FORMAT " is left to the worker: %s",
                        ref.departure->departure_id, error->message)));
    }
    note_served(slot, seen, whole && error == nullptr);
}

void serve_all_freed() {
    constexpr int kMostRounds = 100;  // each after a trigger of an award has freed something
    if (is_awarding()) {
        return;
    }
    MemoryContext outer = CurrentMemoryContext;
    MemoryContext scratch =
        AllocSetContextCreate(outer, "ticketpool waiting list", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(scratch);
    for (int round = 0; wait_releases_pending && round < kMostRounds; round++) {
        wait_releases_pending = false;
        CommandCounterIncrement();
        // An award pins nothing that is not pinned already, but a trigger of it may.
        for (size_t i = 0; i < my_pins.count; i++) {
            if (is_waited_for(my_pins.slots[i])) {
                serve_freed(my_pins.slots[i]);
            }
        }
    }
    MemoryContextSwitchTo(outer);
    MemoryContextDelete(scratch);
}

// ---------------------------------------------------------------------------------------------
// Who buys in a departure that is unserved
// ---------------------------------------------------------------------------------------------

// Is it open, and does no other transaction work on it? An option whose wait is over, or is not
// there, was written by hand.
bool may_be_served(const Catalog& catalog, int64_t wait_id) {
    const WaitState wait = look_at_wait(catalog, wait_id);
    return wait.is_open && !wait.in_use;
}

// The first option of the stream that fits what is free and has a claim to it: it was not passed
// over, and no other transaction serves or changes its wait at this moment. *has_channel: so has
// one that buys from a channel.
bool find_claimant(const StreamList& list, const Stream& stream, QueuedOption* claimant,
                   bool* has_channel) {
    const WaitQueue queue = queue_of(list, stream.class_index);
    QueuedOption option;
    bool found = false;
    int64_t behind = PG_INT64_MIN;
    while ((!found || list.has_quotas) &&
           queue_behind(queue, stream.alike, behind, true, &option)) {
        CHECK_FOR_INTERRUPTS();
        behind = option.queue_no;
        const bool fits =
            meets_need(count_remaining(list.ref, stream.class_index, stream.trip, option.channel),
                       option.need);
        if (!fits && !list.has_quotas) {
            break;
        }
        if (!fits || !may_be_served(*list.catalog, option.wait_id)) {
            continue;
        }
        *claimant = found ? *claimant : option;
        *has_channel = *has_channel || option.channel.data != nullptr;
        found = true;
    }
    return found;
}

// Is called for a departure that is announced, so it may not wait for a lock. While somebody alters
// the list's table, all that is free counts as wanted.
uint32_t find_waited(const DepartureRef& ref, uint32_t class_index, Trip trip,
                     WaitedTrip** waited) {
    const Catalog& catalog = catalog_of_slot(ref.slot);
    StreamList list;
    begin_streams(catalog, ref, &list);
    if (!try_lock_relations(
            {catalog.wait_option, catalog.wait_option_queue, catalog.wait, catalog.wait_pkey},
            AccessShareLock)) {
        *waited = static_cast<WaitedTrip*>(palloc(sizeof(WaitedTrip)));
        **waited = WaitedTrip{trip, true};
        return 1;
    }
    add_class_streams(kPoolStock, &list, class_index, trip);
    *waited = static_cast<WaitedTrip*>(
        palloc(static_cast<size_t>(Max(list.count, 1)) * sizeof(WaitedTrip)));
    uint32_t count = 0;
    for (int i = 0; i < list.count; i++) {
        QueuedOption option;
        bool has_channel = false;
        if (find_claimant(list, list.streams[i], &option, &has_channel)) {
            (*waited)[count++] = WaitedTrip{list.streams[i].trip, has_channel};
        }
    }
    return count;
}

// ---------------------------------------------------------------------------------------------
// The worker
// ---------------------------------------------------------------------------------------------

void add_all_streams(StreamList* list) {
    for (uint32_t c = 0; c < list->ref.departure->layout->class_count; c++) {
        add_class_streams(kPoolStock, list, c, {0, list->ref.departure->segments});
    }
}

Service serve_all_streams(const Catalog& catalog, const DepartureRef& ref, bool unpassed) {
    StreamList list;
    begin_streams(catalog, ref, &list);
    list.unpassed = unpassed;
    add_all_streams(&list);
    return serve_streams(kPoolStock, &list);
}

// Somebody may wait whom this transaction's rows do not show: it may be rolled back, and a new
// waiter may be about to commit.
bool may_be_waited_for(const Catalog& catalog, Departure* departure) {
    return departure->waits()->joining.load(std::memory_order_seq_cst) > 0 ||
           may_have_waiters(catalog, departure->departure_id);
}

// A new waiter of whom the pool does not know: prepared before the server was started. Nothing
// tells when it commits.
bool has_unknown_waiters(const Catalog& catalog, Departure* departure) {
    return max_prepared_xacts > 0 &&
           departure->waits()->joining.load(std::memory_order_seq_cst) == 0 &&
           has_undecided_waiters(catalog, departure->departure_id);
}

// Serves the pinned departure, and takes its mark off if nothing is left. False: it has to be
// served again.
bool serve_unserved(const Catalog& catalog, const DepartureRef& ref) {
    WaitControl* waits = ref.departure->waits();
    bool unpassed = false;
    for (;;) {
        const uint64_t seen = waits->look();
        const May may = may_serve(catalog, ref);
        const Service service =
            may == May::kYes ? serve_all_streams(catalog, ref, unpassed) : Service{};
        if (may == May::kNotNow || service.busy > 0 ||
            has_unknown_waiters(catalog, ref.departure)) {
            return false;
        }
        if (waits->served(seen, may_be_waited_for(catalog, ref.departure))) {
            return true;
        }
        // An award that failed has given its seats back, which marks the departure. It was tried
        // twice by now, by who freed and by the worker: once more without those that are on record.
        if (unpassed || service.lost == 0) {
            return false;
        }
        unpassed = true;
    }
}

}  // namespace

bool pin_if_unserved(const DepartureRef& announced, DepartureRef* ref) {
    const bool unserved = announced.departure != nullptr && may_be_unserved(announced.departure);
    if (unserved) {
        ledger_reserve(0);
        pin_slot(announced.slot);
        *ref = announced;
    }
    end_announcement();
    return unserved;
}

bool serve_pinned(const Catalog& catalog, const DepartureRef& ref) {
    MemoryContext outer = CurrentMemoryContext;
    MemoryContext scratch =
        AllocSetContextCreate(outer, "ticketpool waiting list", ALLOCSET_DEFAULT_SIZES);
    MemoryContextSwitchTo(scratch);
    const bool served = serve_unserved(catalog, ref);
    MemoryContextSwitchTo(outer);
    MemoryContextDelete(scratch);
    return served;
}

bool serve_next_unserved(const Catalog& catalog, uint32_t* next, int* busy) {
    while (*next < shared.control->slot_count) {
        const uint32_t slot = (*next)++;
        DepartureRef ref;
        if (state_of(shared.slots[slot].version.load(std::memory_order_relaxed)) ==
                SlotState::kReady &&
            !shared.slots[slot].has_item() && directory_announce_slot(catalog, slot, &ref) &&
            pin_if_unserved(ref, &ref)) {
            *busy += serve_pinned(catalog, ref) ? 0 : 1;
            return true;
        }
    }
    return false;
}

bool award_at_once(const Catalog& catalog, int64_t wait_id, const NewOption* options, int count) {
    for (int i = 0; i < count; i++) {
        // In a departure that is unserved, somebody who waits longer may have a claim to what is
        // free: the worker decides.
        const DepartureRef& ref = options[i].ref;
        if (may_be_unserved(ref.departure) || may_serve(catalog, ref) != May::kYes) {
            continue;
        }
        StreamList list;
        QueuedOption option;
        begin_streams(catalog, ref, &list);
        if (!read_option(catalog, wait_id, options[i].option_no, &option)) {
            continue;
        }
        Offer offer{&kPoolStock,
                    ref,
                    options[i].class_index,
                    options[i].trip,
                    option,
                    count_remaining(ref, options[i].class_index, options[i].trip, option.channel),
                    ""};
        if (!meets_need(offer.free, option.need)) {
            continue;
        }
        const char* reason;
        const Awarded result = try_award(catalog, offer, &reason);
        if (result == Awarded::kYes) {
            return true;
        }
        if (result == Awarded::kRefused || result == Awarded::kFailed) {
            record_passed(catalog, option, reason_of(result, reason));
        }
    }
    return false;
}

const char* find_left_waiter(const Catalog& catalog, const DepartureRef& ref) {
    if (!WaitControl::is_listed(ref.departure->waits()->look()) || !shows_seats(ref)) {
        return nullptr;
    }
    StreamList list;
    begin_streams(catalog, ref, &list);
    add_all_streams(&list);
    for (int i = 0; i < list.count; i++) {
        bool has_channel = false;
        QueuedOption option;
        if (find_claimant(list, list.streams[i], &option, &has_channel)) {
            return psprintf("wait " INT64_FORMAT
                            " fits between stops %d and %d of class \"%s\", and is not served",
                            option.wait_id, option.from_stop, option.to_stop,
                            printable(class_name(ref, list.streams[i].class_index)));
        }
    }
    return nullptr;
}

void install_wait_hooks() {
    wait_hooks = {serve_all_freed, find_waited};
}

}  // namespace ticketpool
