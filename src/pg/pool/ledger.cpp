// The log of what this transaction did to seats, quotas and sale words (ledger.hpp).
#include "pool/ledger.hpp"

#include "pool/deadlines.hpp"
#include "pool/eviction.hpp"
#include "pool/pins.hpp"
#include "pool/prepared.hpp"
#include "pool/stock_ledger.hpp"
#include "pool/undo_log.hpp"
#include "pool/wait_list.hpp"
#include "server/errors.hpp"

namespace ticketpool {

namespace {

struct Ledger : UndoLog<Entry, Kind::kWaiter> {
    PreparedLedger* prepared;  // the copy for PREPARE TRANSACTION, until that is done
    bool preparing;            // PREPARE TRANSACTION has taken its copy, or found nothing to copy
};
constinit Ledger ledger{};

Rerouting rerouting_of(const Entry& entry) {
    return {reinterpret_cast<SharedPart*>(entry.bits.w[0]),
            reinterpret_cast<OldRoute*>(entry.bits.w[1])};
}

Entry* append(Kind kind, const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    if (unlikely(!is_pinned(source.slot))) {
        report_no_room();
    }
    return ledger.append(
        Entry{kind, GetCurrentTransactionNestLevel(), source, seat, 0, SaleStatus::kOpen, bits});
}

Entry* append(Kind kind, uint32_t slot) {
    return append(kind, seats_of_class(slot, 0), 0, SegmentMask{});
}

void undo(const Entry& entry) {
    if (entry.kind == Kind::kRoute) {
        give_up_rerouting(rerouting_of(entry));
        ledger_routes--;
    }
    undo_entry(entry);
    if (entry.kind == Kind::kClaim) {
        publish_claims(entry.source.slot, -1);
    } else if (entry.kind == Kind::kTakeOver) {
        ledger.entries[entry.release].bits = ledger.entries[entry.release].bits | entry.bits;
    } else if (entry.kind == Kind::kOpened) {
        discard_slot(entry.source.slot);
    }
}

// Does the entry, a release, free anything in the source?
bool frees(const Entry& entry, const SeatSource& source) {
    return same_source(entry.source, source) && entry.bits.any();
}

}  // namespace

void ledger_reserve(size_t entries) {
    if (unlikely(ledger.preparing)) {
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("the seat pool cannot be used while the transaction is being prepared"),
                 errdetail("What the transaction did to the pool has been handed over already. A "
                           "callback of another extension called ticketpool after that."),
                 errhint("Call ticketpool before PREPARE TRANSACTION, or use COMMIT.")));
    }
    reserve_pin();
    ledger.reserve(entries);
}

void ledger_add_claim(const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    append(Kind::kClaim, source, seat, bits);
    publish_claims(source.slot, 1);
}

void ledger_add_release(const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    append(Kind::kRelease, source, seat, bits);
    note_release(source.slot);
}

void ledger_add_waiter(uint32_t slot, uint64_t seen) {
    append(Kind::kWaiter, slot)->bits.w[0] = seen;
}

void ledger_each_waiter(void (*visit)(uint32_t slot, uint64_t seen)) {
    ledger.for_each(Kind::kWaiter,
                    [&](const Entry& entry) { visit(entry.source.slot, entry.bits.w[0]); });
}

uint32_t ledger_releases(uint32_t slot, size_t since, Freed** freed) {
    *freed = nullptr;
    uint32_t count = 0;
    for (size_t i = since; i < ledger.count; i++) {
        const Entry& entry = ledger.entries[i];
        if (entry.kind != Kind::kRelease || entry.source.slot != slot || !entry.bits.any()) {
            continue;
        }
        if (*freed == nullptr) {
            *freed = static_cast<Freed*>(MemoryContextAllocHuge(
                CurrentMemoryContext, ledger_release_count() * sizeof(Freed)));
        }
        (*freed)[count++] = Freed{entry.source, entry.seat, entry.bits};
    }
    return count;
}

// Appends an entry that writes sale words. It is this transaction's turn.
static Entry* append_sale(Kind kind, uint32_t slot, SaleStatus status) {
    Entry* entry = append(kind, slot);
    entry->status = status;
    shared.slots[slot].departure()->sale_writers.fetch_add(1, std::memory_order_relaxed);
    return entry;
}

void ledger_add_status(uint32_t slot, SaleStatus status) {
    append_sale(Kind::kStatus, slot, status);
}

void ledger_add_sale(uint32_t slot, const SaleTimes& sale, size_t since) {
    SaleStatus status = sale.status;
    const bool has_status = ledger.count_of(Kind::kStatus) + ledger.count_of(Kind::kBar) > 0;
    for (size_t i = since; has_status && i < ledger.count; i++) {
        const Entry& entry = ledger.entries[i];
        if (entry.source.slot == slot && entry.kind == Kind::kStatus) {
            status = entry.status;
        } else if (entry.source.slot == slot && entry.kind == Kind::kBar) {
            status = barred_status(entry);
        }
    }
    Entry* entry = append_sale(Kind::kSale, slot, status);
    entry->bits.w[0] = static_cast<uint64_t>(sale.opens_at);
    entry->bits.w[1] = static_cast<uint64_t>(sale.closes_at);
    entry->bits.w[2] = static_cast<uint64_t>(int64_t{sale.margin});
}

void ledger_add_route(uint32_t slot, const Rerouting& rerouting) {
    Entry* entry = append_sale(Kind::kRoute, slot, SaleStatus::kOpen);
    entry->bits.w[0] = reinterpret_cast<uint64_t>(rerouting.route);
    entry->bits.w[1] = reinterpret_cast<uint64_t>(rerouting.node);
    ledger_routes++;
}

uint32_t ledger_sale_writes(uint32_t slot) {
    return ledger.count_if(
        [&](const Entry& entry) { return entry.source.slot == slot && writes_sale(entry); });
}

bool ledger_has_sale(uint32_t slot) {
    return ledger.find(Kind::kSale, [&](const Entry& entry) { return entry.source.slot == slot; });
}

static Entry* bar(uint32_t slot, SaleStatus status) {
    Departure* departure = shared.slots[slot].departure();
    Entry* entry = append_sale(Kind::kBar, slot, departure->status.load(std::memory_order_relaxed));
    departure->status.store(status, std::memory_order_seq_cst);
    return entry;
}

void ledger_bar(uint32_t slot) {
    bar(slot, SaleStatus::kWithdrawn);
}

void ledger_bar_moving(uint32_t slot) {
    bar(slot, SaleStatus::kMoving)->bits.w[0] = kMovingBar;
}

void ledger_add_opened(uint32_t slot) {
    append(Kind::kOpened, slot);
}

void ledger_bar_reform(uint32_t slot) {
    append(Kind::kReform, slot);
    shared.slots[slot].departure()->seat_change.store(SeatChange::kBarred,
                                                      std::memory_order_seq_cst);
}

bool ledger_is_reforming(uint32_t slot) {
    return ledger.find(Kind::kReform,
                       [&](const Entry& entry) { return entry.source.slot == slot; });
}

void ledger_add_quota(const SeatSource& source) {
    append(Kind::kQuota, source, 0, SegmentMask{});
}

void ledger_add_closing(const SeatSource& source) {
    append(Kind::kClosing, source, 0, SegmentMask{});
}

bool ledger_is_closing(uint32_t slot, uint64_t quota) {
    return ledger.find(Kind::kClosing, [&](const Entry& entry) {
        return entry.source.slot == slot && entry.source.quota == quota;
    });
}

void ledger_take_over(const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    SegmentMask left = bits;
    ledger.find(Kind::kRelease, [&](Entry& entry) {
        const SegmentMask part = entry.bits & left;
        if (same_source(entry.source, source) && entry.seat == seat && part.any()) {
            append(Kind::kTakeOver, source, seat, part)->release = ledger.index_of(entry);
            entry.bits = entry.bits & ~part;
            left = left & ~part;
        }
        return !left.any();
    });
}

size_t ledger_mark() {
    return ledger.count;
}

void ledger_undo_to(size_t mark) {
    ledger.undo_to(mark, undo);
}

size_t ledger_release_count() {
    return ledger.count_of(Kind::kRelease);
}

static int compare_own(const void* a, const void* b) {
    const uint32_t left = static_cast<const OwnFree*>(a)->seat;
    const uint32_t right = static_cast<const OwnFree*>(b)->seat;
    return left < right ? -1 : left > right;
}

uint32_t* ledger_own_places(const SeatSource& source, int segments) {
    uint32_t* places = nullptr;
    ledger.for_each(Kind::kRelease, [&](const Entry& entry) {
        if (!frees(entry, source)) {
            return;
        }
        if (places == nullptr) {
            places =
                static_cast<uint32_t*>(palloc0(static_cast<size_t>(segments) * sizeof(uint32_t)));
        }
        for (int s = 0; s < segments; s++) {
            places[s] += entry.bits.test(s) ? 1 : 0;
        }
    });
    return places;
}

SegmentMask ledger_own_bits(const SeatSource& source, uint32_t seat) {
    SegmentMask bits{};
    ledger.for_each(Kind::kRelease, [&](const Entry& entry) {
        if (entry.seat == seat && frees(entry, source)) {
            bits = bits | entry.bits;
        }
    });
    return bits;
}

uint32_t ledger_own_free(const SeatSource& source, OwnFree** own) {
    *own = nullptr;
    if (ledger_release_count() == 0) {
        return 0;
    }
    uint32_t count = 0;
    *own = static_cast<OwnFree*>(palloc(ledger_release_count() * sizeof(OwnFree)));
    ledger.for_each(Kind::kRelease, [&](const Entry& entry) {
        if (frees(entry, source)) {
            (*own)[count++] = OwnFree{entry.seat, entry.bits};
        }
    });
    qsort(*own, count, sizeof(OwnFree), compare_own);
    uint32_t merged = 0;  // one entry for each seat
    for (uint32_t i = 0; i < count; i++) {
        if (merged > 0 && (*own)[merged - 1].seat == (*own)[i].seat) {
            (*own)[merged - 1].bits = (*own)[merged - 1].bits | (*own)[i].bits;
        } else {
            (*own)[merged++] = (*own)[i];
        }
    }
    return merged;
}

constinit size_t ledger_routes = 0;

const Route* ledger_route(uint32_t slot, const Departure* departure) {
    for (size_t i = ledger.count; i > 0; i--) {
        const Entry& entry = ledger.entries[i - 1];
        if (entry.kind == Kind::kRoute && entry.source.slot == slot) {
            return reinterpret_cast<const Route*>(rerouting_of(entry).route);
        }
    }
    return departure->route();
}

SaleStatus ledger_status(uint32_t slot, const Departure* departure) {
    for (size_t i = ledger.count_of(Kind::kStatus) > 0 ? ledger.count : 0; i > 0; i--) {
        const Entry& entry = ledger.entries[i - 1];
        if (entry.kind == Kind::kStatus && entry.source.slot == slot) {
            return entry.status;
        }
    }
    return departure->status.load(std::memory_order_seq_cst);
}

// ---------------------------------------------------------------------------------------------
// The transaction's end
// ---------------------------------------------------------------------------------------------

void ledger_settle() {
    ledger.settle([](const Entry& entry) {
        if (entry.kind == Kind::kRoute) {
            // A stop that is back makes waiters fit, as seats do that are given back.
            begin_giving_back(entry.source.slot, GivenBack::kUnserved);
            finish_rerouting(entry.source.slot, rerouting_of(entry));
            shared.slots[entry.source.slot].departure()->waits()->end_giving_back();
            ledger_routes--;
        }
        settle_entry(entry, EntryOf::kOwn);
    });
}

void ledger_undo_level(int level) {
    ledger.undo_level(level, undo);
}

void ledger_promote_level(int level) {
    ledger.promote(level);
}

void ledger_prepare() {
    if (ledger_routes > 0) {
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("cannot PREPARE a transaction that has changed the stop list of a "
                               "departure"),
                        errdetail("The pool follows ticket_retime and ticket_skip_stop in the "
                                  "session that commits."),
                        errhint("Use COMMIT.")));
    }
    ledger.preparing = true;
    if (my_pins.count == 0) {
        return;
    }
    PreparedLedger* block = prepared_allocate(ledger.final_count(), stock_final_count(),
                                              static_cast<uint32_t>(my_pins.count));
    block->xid = GetTopTransactionIdIfAny();  // PREPARE TRANSACTION has given it one
    block->since = shared.mine->since.load(std::memory_order_relaxed);
    block->deadline = pending_deadline();
    ledger.copy_final(block->entries());
    stock_copy_final(block->stock_entries());
    memcpy(block->slots(), my_pins.slots, my_pins.count * sizeof(uint32_t));
    prepared_enter(block);
    ledger.prepared = block;
}

void ledger_abandon_prepare() {
    ledger.preparing = false;
    if (ledger.prepared != nullptr) {
        prepared_withdraw(ledger.prepared);
        ledger.prepared = nullptr;
    }
}

void ledger_complete_prepare() {
    ledger.preparing = false;
    if (ledger.prepared != nullptr) {
        prepared_complete(ledger.prepared);
        ledger.prepared = nullptr;
    }
    ledger.forget();
}

}  // namespace ticketpool
