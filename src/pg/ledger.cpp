#include "ledger.hpp"

#include "deadlines.hpp"
#include "eviction.hpp"
#include "prepared.hpp"
#include "stock_entries.hpp"

extern "C" {
#include "access/transam.h"
#include "storage/procarray.h"
}

namespace ticketpool {

namespace {

struct Ledger {
    Entry* entries;
    size_t count;
    size_t room;
    size_t releases;  // entries of kind release
    size_t statuses;  // entries of kinds status and bar
    size_t closings;  // entries of kind closing
    // Departures pinned by this transaction: slot numbers, and a bit a slot to ask quickly.
    uint32_t* pinned;
    size_t pinned_count;
    size_t pinned_room;
    uint64_t* pinned_bits;
    int own_pins;              // how many of them are in our BackendSlot; the rest are shared pins
    PreparedLedger* prepared;  // the copy for PREPARE TRANSACTION, until that is done
    bool preparing;            // PREPARE TRANSACTION has taken its copy, or found nothing to copy
};
constinit Ledger ledger{};

constexpr size_t kKeepEntries = 4096;  // more room than this is given back at the transaction's end

bool is_pinned(uint32_t slot) {
    return (ledger.pinned_bits[slot / 64] >> (slot % 64) & 1) != 0;
}

// A caller that forgot to reserve or to pin: better a restart, which is safe, than a damaged
// ledger.
[[noreturn]] void report_no_room() {
    elog(PANIC, "ticketpool ledger has no room");
}

Entry* append(Kind kind, const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    if (unlikely(ledger.count >= ledger.room || !is_pinned(source.slot))) {
        report_no_room();
    }
    Entry* entry = &ledger.entries[ledger.count++];
    *entry =
        Entry{kind, GetCurrentTransactionNestLevel(), source, seat, 0, SaleStatus::kOpen, bits};
    return entry;
}

Entry* append(Kind kind, uint32_t slot) {
    return append(kind, seats_of_class(slot, 0), 0, SegmentMask{});
}

// Undoes the entries from the end down to `first`.
void undo_from(size_t first) {
    while (ledger.count > first) {
        const Entry& entry = ledger.entries[--ledger.count];
        undo_entry(entry);
        switch (entry.kind) {
            case Kind::kClaim:
                ledger_publish_claims(entry.source.slot, -1);
                break;
            case Kind::kRelease:
                ledger.releases--;
                break;
            case Kind::kTakeOver:
                ledger.entries[entry.release].bits =
                    ledger.entries[entry.release].bits | entry.bits;
                break;
            case Kind::kStatus:
            case Kind::kBar:
                ledger.statuses--;
                break;
            case Kind::kOpened:
                discard_slot(entry.source.slot);
                break;
            case Kind::kClosing:
                ledger.closings--;
                break;
            case Kind::kSale:
            case Kind::kQuota:
                break;
        }
    }
}

void forget_entries() {
    ledger.count = 0;
    ledger.releases = 0;
    ledger.statuses = 0;
    ledger.closings = 0;
}

// Has an entry a say in how the transaction ends? Take-overs are settled: they took bits out of
// releases that are left with the rest.
bool is_final(const Entry& entry) {
    return entry.kind != Kind::kTakeOver && (entry.kind != Kind::kRelease || entry.bits.any());
}

}  // namespace

void ledger_publish_claims(uint32_t slot, int change) {
    BackendSlot* mine = shared.mine;
    const uint32_t claims = mine->claims.load(std::memory_order_relaxed);
    if (claims == 0) {
        mine->since.store(GetCurrentStatementStartTimestamp(), std::memory_order_relaxed);
    }
    mine->claims.store(claims + static_cast<uint32_t>(change), std::memory_order_release);
    for (int i = 0; i < ledger.own_pins; i++) {
        if (mine->pins[i].load(std::memory_order_relaxed) == slot + 1) {
            const uint32_t of_slot = mine->pin_claims[i].load(std::memory_order_relaxed);
            mine->pin_claims[i].store(of_slot + static_cast<uint32_t>(change),
                                      std::memory_order_relaxed);
            return;
        }
    }
}

static void* grow(void* memory, size_t room, size_t size) {
    return memory == nullptr ? MemoryContextAllocHuge(TopMemoryContext, room * size)
                             : repalloc_huge(memory, room * size);
}

void ledger_reserve(size_t entries) {
    if (unlikely(ledger.preparing)) {
        ereport(ERROR,
                (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
                 errmsg("the seat pool cannot be used while the transaction is being prepared"),
                 errdetail("What the transaction did to the pool has been handed over already. A "
                           "callback of another extension called ticketpool after that."),
                 errhint("Call ticketpool before PREPARE TRANSACTION, or use COMMIT.")));
    }
    if (ledger.pinned_bits == nullptr) {
        ledger.pinned_bits = static_cast<uint64_t*>(MemoryContextAllocZero(
            TopMemoryContext, (shared.control->slot_count / 64 + 1) * sizeof(uint64_t)));
    }
    if (ledger.pinned_count == ledger.pinned_room) {
        const size_t room = Max(ledger.pinned_room * 2, static_cast<size_t>(64));
        ledger.pinned = static_cast<uint32_t*>(grow(ledger.pinned, room, sizeof(uint32_t)));
        ledger.pinned_room = room;
    }
    const size_t wanted = ledger.count + entries;
    if (wanted > ledger.room) {
        const size_t room = Max(wanted, Max(ledger.room * 2, static_cast<size_t>(64)));
        ledger.entries = static_cast<Entry*>(grow(ledger.entries, room, sizeof(Entry)));
        ledger.room = room;
    }
}

void ledger_pin(uint32_t slot) {
    // Nothing was ever reserved where there are no bits.
    if (likely(ledger.pinned_bits != nullptr) && is_pinned(slot)) {
        return;
    }
    if (unlikely(ledger.pinned_count >= ledger.pinned_room)) {
        report_no_room();
    }
    if (ledger.own_pins < kBackendPins) {
        shared.mine->pins[ledger.own_pins++].store(slot + 1, std::memory_order_seq_cst);
    } else {
        shared.slots[slot].shared_pins.fetch_add(1, std::memory_order_seq_cst);
    }
    ledger.pinned[ledger.pinned_count++] = slot;
    shared.mine->pin_count.store(static_cast<uint32_t>(ledger.pinned_count),
                                 std::memory_order_release);
    ledger.pinned_bits[slot / 64] |= uint64_t{1} << (slot % 64);
}

bool ledger_has_pinned(uint32_t slot) {
    return ledger.pinned_count > 0 && is_pinned(slot);
}

size_t ledger_pinned(const uint32_t** slots) {
    *slots = ledger.pinned;
    return ledger.pinned_count;
}

void ledger_add_claim(const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    append(Kind::kClaim, source, seat, bits);
    ledger_publish_claims(source.slot, 1);
}

void ledger_add_release(const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    append(Kind::kRelease, source, seat, bits);
    ledger.releases++;
}

// An entry that writes sale words: it is this transaction's turn.
static Entry* append_sale(Kind kind, uint32_t slot, SaleStatus status) {
    Entry* entry = append(kind, slot);
    entry->status = status;
    shared.slots[slot].departure()->sale_writers.fetch_add(1, std::memory_order_relaxed);
    return entry;
}

void ledger_add_status(uint32_t slot, SaleStatus status) {
    append_sale(Kind::kStatus, slot, status);
    ledger.statuses++;
}

void ledger_add_sale(uint32_t slot, const SaleTimes& sale, size_t since) {
    SaleStatus status = sale.status;
    for (size_t i = ledger.statuses > 0 ? since : ledger.count; i < ledger.count; i++) {
        const Entry& entry = ledger.entries[i];
        if (entry.source.slot == slot && entry.kind == Kind::kStatus) {
            status = entry.status;
        } else if (entry.source.slot == slot && entry.kind == Kind::kBar) {
            status = SaleStatus::kWithdrawn;
        }
    }
    Entry* entry = append_sale(Kind::kSale, slot, status);
    entry->bits.w[0] = static_cast<uint64_t>(sale.opens_at);
    entry->bits.w[1] = static_cast<uint64_t>(sale.closes_at);
}

uint32_t ledger_sale_writes(uint32_t slot) {
    uint32_t count = 0;
    for (size_t i = 0; i < ledger.count; i++) {
        count += ledger.entries[i].source.slot == slot && writes_sale(ledger.entries[i]) ? 1 : 0;
    }
    return count;
}

bool ledger_has_sale(uint32_t slot) {
    for (size_t i = ledger.count; i > 0; i--) {
        if (ledger.entries[i - 1].source.slot == slot &&
            ledger.entries[i - 1].kind == Kind::kSale) {
            return true;
        }
    }
    return false;
}

void ledger_bar(uint32_t slot) {
    Departure* departure = shared.slots[slot].departure();
    append_sale(Kind::kBar, slot, departure->status.load(std::memory_order_relaxed));
    ledger.statuses++;
    departure->status.store(SaleStatus::kWithdrawn, std::memory_order_seq_cst);
}

void ledger_add_opened(uint32_t slot) {
    append(Kind::kOpened, slot);
}

void ledger_add_quota(const SeatSource& source) {
    append(Kind::kQuota, source, 0, SegmentMask{});
}

void ledger_add_closing(const SeatSource& source) {
    append(Kind::kClosing, source, 0, SegmentMask{});
    ledger.closings++;
}

bool ledger_is_closing(uint32_t slot, uint64_t quota) {
    for (size_t i = ledger.closings > 0 ? ledger.count : 0; i > 0; i--) {
        const Entry& entry = ledger.entries[i - 1];
        if (entry.kind == Kind::kClosing && entry.source.slot == slot &&
            entry.source.quota == quota) {
            return true;
        }
    }
    return false;
}

void ledger_take_over(const SeatSource& source, uint32_t seat, const SegmentMask& bits) {
    const size_t end = ledger.count;
    SegmentMask left = bits;
    for (size_t i = 0; i < end && left.any(); i++) {
        Entry& entry = ledger.entries[i];
        const SegmentMask part = entry.bits & left;
        if (entry.kind == Kind::kRelease && same_source(entry.source, source) &&
            entry.seat == seat && part.any()) {
            append(Kind::kTakeOver, source, seat, part)->release = i;
            entry.bits = entry.bits & ~part;
            left = left & ~part;
        }
    }
}

size_t ledger_mark() {
    return ledger.count;
}

void ledger_undo_to(size_t mark) {
    undo_from(mark);
}

size_t ledger_release_count() {
    return ledger.releases;
}

static int compare_own(const void* a, const void* b) {
    const uint32_t left = static_cast<const OwnFree*>(a)->seat;
    const uint32_t right = static_cast<const OwnFree*>(b)->seat;
    return left < right ? -1 : left > right;
}

uint32_t* ledger_own_places(const SeatSource& source, int segments) {
    uint32_t* places = nullptr;
    for (size_t i = 0; ledger.releases > 0 && i < ledger.count; i++) {
        const Entry& entry = ledger.entries[i];
        if (entry.kind != Kind::kRelease || !same_source(entry.source, source) ||
            !entry.bits.any()) {
            continue;
        }
        if (places == nullptr) {
            places =
                static_cast<uint32_t*>(palloc0(static_cast<size_t>(segments) * sizeof(uint32_t)));
        }
        for (int s = 0; s < segments; s++) {
            places[s] += entry.bits.test(s) ? 1 : 0;
        }
    }
    return places;
}

uint32_t ledger_own_free(const SeatSource& source, OwnFree** own) {
    *own = nullptr;
    if (ledger.releases == 0) {
        return 0;
    }
    uint32_t count = 0;
    *own = static_cast<OwnFree*>(palloc(ledger.releases * sizeof(OwnFree)));
    for (size_t i = 0; i < ledger.count; i++) {
        const Entry& entry = ledger.entries[i];
        if (entry.kind == Kind::kRelease && same_source(entry.source, source) && entry.bits.any()) {
            (*own)[count++] = OwnFree{entry.seat, entry.bits};
        }
    }
    qsort(*own, count, sizeof(OwnFree), compare_own);
    uint32_t merged = 0;  // one entry a seat
    for (uint32_t i = 0; i < count; i++) {
        if (merged > 0 && (*own)[merged - 1].seat == (*own)[i].seat) {
            (*own)[merged - 1].bits = (*own)[merged - 1].bits | (*own)[i].bits;
        } else {
            (*own)[merged++] = (*own)[i];
        }
    }
    return merged;
}

SaleStatus ledger_status(uint32_t slot, const Departure* departure) {
    for (size_t i = ledger.statuses > 0 ? ledger.count : 0; i > 0; i--) {
        const Entry& entry = ledger.entries[i - 1];
        if (entry.kind == Kind::kStatus && entry.source.slot == slot) {
            return entry.status;
        }
    }
    return departure->status.load(std::memory_order_seq_cst);
}

bool is_made(const std::atomic<uint32_t>& maker) {
    const TransactionId xid = maker.load(std::memory_order_acquire);
    if (likely(xid == InvalidTransactionId) || xid == GetTopTransactionIdIfAny()) {
        return true;
    }
    // In this order: a transaction is in progress until its commit shows in new snapshots.
    return !TransactionIdIsInProgress(xid) && TransactionIdDidCommit(xid);
}

// ---------------------------------------------------------------------------------------------
// The transaction's end
// ---------------------------------------------------------------------------------------------

void ledger_settle() {
    for (size_t i = 0; i < ledger.count; i++) {
        settle_entry(ledger.entries[i]);
    }
    forget_entries();
}

void ledger_unpin() {
    BackendSlot* mine = shared.mine;
    mine->claims.store(0, std::memory_order_relaxed);
    for (size_t i = 0; i < ledger.pinned_count; i++) {
        const uint32_t slot = ledger.pinned[i];
        ledger.pinned_bits[slot / 64] &= ~(uint64_t{1} << (slot % 64));
        if (i < static_cast<size_t>(ledger.own_pins)) {
            mine->pin_claims[i].store(0, std::memory_order_relaxed);
            mine->pins[i].store(0, std::memory_order_seq_cst);
        } else {
            shared.slots[slot].shared_pins.fetch_sub(1, std::memory_order_seq_cst);
        }
    }
    ledger.pinned_count = 0;
    ledger.own_pins = 0;
    mine->pin_count.store(0, std::memory_order_release);
    if (ledger.room > kKeepEntries) {
        pfree(ledger.entries);
        ledger.entries = nullptr;
        ledger.room = 0;
    }
}

void ledger_undo_level(int level) {
    size_t first = ledger.count;
    while (first > 0 && ledger.entries[first - 1].level >= level) {
        first--;
    }
    undo_from(first);
}

void ledger_promote_level(int level) {
    for (size_t i = ledger.count; i > 0 && ledger.entries[i - 1].level >= level; i--) {
        ledger.entries[i - 1].level = level - 1;
    }
}

void ledger_prepare() {
    ledger.preparing = true;
    if (ledger.pinned_count == 0) {
        return;
    }
    uint32_t entries = 0;
    for (size_t i = 0; i < ledger.count; i++) {
        entries += is_final(ledger.entries[i]) ? 1 : 0;
    }
    PreparedLedger* block =
        prepared_allocate(entries, stock_final_count(), static_cast<uint32_t>(ledger.pinned_count));
    block->xid = GetTopTransactionIdIfAny();  // PREPARE TRANSACTION has given it one
    block->since = shared.mine->since.load(std::memory_order_relaxed);
    block->deadline = pending_deadline();
    Entry* copy = block->entries();
    for (size_t i = 0; i < ledger.count; i++) {
        if (is_final(ledger.entries[i])) {
            *copy++ = ledger.entries[i];
        }
    }
    stock_copy_final(block->stock_entries());
    memcpy(block->slots(), ledger.pinned, ledger.pinned_count * sizeof(uint32_t));
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
    forget_entries();
}

}  // namespace ticketpool
