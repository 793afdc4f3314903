// The blocks of prepared transactions (prepared.hpp): entering, resolving and listing them.
#include "pool/prepared.hpp"

#include <new>

#include "pool/deadlines.hpp"
#include "pool/eviction.hpp"

extern "C" {
#include "access/transam.h"
#include "storage/procarray.h"
}

namespace ticketpool {

namespace {

bool touches(PreparedLedger* block, uint32_t slot) {
    for (uint32_t i = 0; i < block->slot_count; i++) {
        if (block->slots()[i] == slot) {
            return true;
        }
    }
    return slot == kNoSlot;
}

PreparedLedger* first_block() {
    return shared.control->prepared.get();
}

// Takes a block out of the list, with its pins.
void remove(PreparedLedger* block) {
    SharedPtr<PreparedLedger>* link = &shared.control->prepared;
    while (link->get() != block) {
        link = &(*link)->next;
    }
    *link = block->next;
    for (uint32_t i = 0; i < block->slot_count; i++) {
        shared.slots[block->slots()[i]].shared_pins.fetch_sub(1, std::memory_order_seq_cst);
    }
    shared.control->attention.fetch_sub(1, std::memory_order_relaxed);
}

// The end of a prepared transaction.
void finish(PreparedLedger* block, bool committed) {
    for (uint32_t i = 0; committed && i < block->entry_count; i++) {
        settle_entry(block->entries()[i], EntryOf::kPrepared);
    }
    for (uint32_t i = 0; committed && i < block->stock_count; i++) {
        settle_stock_entry(block->stock_entries()[i]);
    }
    for (uint32_t i = block->stock_count; !committed && i > 0; i--) {
        undo_stock_entry(block->stock_entries()[i - 1]);
    }
    for (uint32_t i = block->entry_count; !committed && i > 0; i--) {
        undo_entry(block->entries()[i - 1]);
    }
    remove(block);
    for (uint32_t i = 0; !committed && i < block->entry_count; i++) {
        if (block->entries()[i].kind == Kind::kOpened) {
            retire_slot(block->entries()[i].source.slot);
        }
    }
    if (committed && block->deadline != INT64_MAX) {
        note_sale_change(block->database);
        lower_served_due(block->database, block->deadline);
    }
    free_block(block, MemoryKind::kPrepared);
}

// The transactions with blocks on the departure, palloc'd.
TransactionId* list_transactions(uint32_t slot, uint32_t* count) {
    constexpr uint32_t kSpare = 16;
    for (;;) {
        const uint32_t known = shared.control->attention.load(std::memory_order_relaxed);
        const uint32_t room = (known & ~kLoadedInRecovery) + kSpare;
        TransactionId* xids = static_cast<TransactionId*>(palloc(room * sizeof(TransactionId)));
        uint32_t found = 0;
        LWLockAcquire(shared.control->lock, LW_SHARED);
        for (PreparedLedger* block = first_block(); block != nullptr; block = block->next.get()) {
            if (block->prepared && touches(block, slot)) {
                if (found < room) {
                    xids[found] = block->xid;
                }
                found++;
            }
        }
        LWLockRelease(shared.control->lock);
        if (found <= room) {
            *count = found;
            return xids;
        }
        pfree(xids);
    }
}

struct Decided {
    TransactionId xid;
    bool committed;
};

int64_t count_claims(PreparedLedger* block, uint32_t slot) {
    int64_t claims = 0;
    for (uint32_t i = 0; i < block->entry_count; i++) {
        const Entry& entry = block->entries()[i];
        claims += entry.kind == Kind::kClaim && (slot == kNoSlot || entry.source.slot == slot);
    }
    for (uint32_t i = 0; i < block->stock_count; i++) {
        const StockEntry& entry = block->stock_entries()[i];
        claims += entry.kind == StockKind::kClaim && (slot == kNoSlot || entry.stock.slot == slot);
    }
    return claims;
}

}  // namespace

PreparedLedger* prepared_allocate(uint32_t entries, uint32_t stock_entries, uint32_t slots) {
    const size_t bytes = sizeof(PreparedLedger) + size_t{entries} * sizeof(Entry) +
                         size_t{stock_entries} * sizeof(StockEntry) +
                         size_t{slots} * sizeof(uint32_t);
    PreparedLedger* block = new (require_memory(bytes, MemoryKind::kPrepared)) PreparedLedger{};
    block->entry_count = entries;
    block->stock_count = stock_entries;
    block->slot_count = slots;
    block->database = MyDatabaseId;
    return block;
}

void prepared_enter(PreparedLedger* block) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    for (uint32_t i = 0; i < block->slot_count; i++) {
        shared.slots[block->slots()[i]].shared_pins.fetch_add(1, std::memory_order_seq_cst);
    }
    block->next = shared.control->prepared;
    shared.control->prepared = block;
    shared.control->attention.fetch_add(1, std::memory_order_relaxed);
    LWLockRelease(shared.control->lock);
}

void prepared_complete(PreparedLedger* block) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    block->prepared = true;
    LWLockRelease(shared.control->lock);
}

void prepared_withdraw(PreparedLedger* block) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    remove(block);
    free_block(block, MemoryKind::kPrepared);
    LWLockRelease(shared.control->lock);
}

bool prepared_resolve_now(uint32_t slot) {
    uint32_t count;
    TransactionId* xids = list_transactions(slot, &count);
    Decided* decided = static_cast<Decided*>(palloc((count + 1) * sizeof(Decided)));
    uint32_t decisions = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!TransactionIdIsInProgress(xids[i])) {
            decided[decisions++] = Decided{xids[i], TransactionIdDidCommit(xids[i])};
        }
    }
    if (decisions > 0) {
        LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
        PreparedLedger* next = nullptr;
        for (PreparedLedger* block = first_block(); block != nullptr; block = next) {
            next = block->next.get();
            for (uint32_t i = 0; i < decisions; i++) {
                if (block->prepared && block->xid == decided[i].xid) {
                    finish(block, decided[i].committed);
                    break;
                }
            }
        }
        LWLockRelease(shared.control->lock);
    }
    pfree(xids);
    pfree(decided);
    return decisions > 0;
}

TransactionId prepared_transaction_on(uint32_t slot) {
    TransactionId xid = InvalidTransactionId;
    LWLockAcquire(shared.control->lock, LW_SHARED);
    for (PreparedLedger* block = first_block(); block != nullptr; block = block->next.get()) {
        if (block->prepared && touches(block, slot)) {
            xid = block->xid;
        }
    }
    LWLockRelease(shared.control->lock);
    return xid;
}

int64_t prepared_claims_on(uint32_t slot) {
    int64_t claims = 0;
    LWLockAcquire(shared.control->lock, LW_SHARED);
    for (PreparedLedger* block = first_block(); block != nullptr; block = block->next.get()) {
        claims += block->prepared ? count_claims(block, slot) : 0;
    }
    LWLockRelease(shared.control->lock);
    return claims;
}

int64_t prepared_units_of(const StockRef& stock) {
    int64_t units = 0;
    if (shared.slots[stock.slot].shared_pins.load(std::memory_order_acquire) == 0) {
        return units;
    }
    LWLockAcquire(shared.control->lock, LW_SHARED);
    for (PreparedLedger* block = first_block(); block != nullptr; block = block->next.get()) {
        for (uint32_t i = 0; block->prepared && i < block->stock_count; i++) {
            const StockEntry& entry = block->stock_entries()[i];
            units +=
                entry.kind == StockKind::kClaim && same_stock(entry.stock, stock) ? entry.units : 0;
        }
    }
    LWLockRelease(shared.control->lock);
    return units;
}

PreparedSummary* prepared_list(uint32_t* count) {
    constexpr uint32_t kSpare = 16;
    const uint32_t known = shared.control->attention.load(std::memory_order_relaxed);
    const uint32_t room = (known & ~kLoadedInRecovery) + kSpare;
    PreparedSummary* list = static_cast<PreparedSummary*>(palloc(room * sizeof(PreparedSummary)));
    *count = 0;
    LWLockAcquire(shared.control->lock, LW_SHARED);
    for (PreparedLedger* block = first_block(); block != nullptr && *count < room;
         block = block->next.get()) {
        const int64_t claims = block->prepared ? count_claims(block, kNoSlot) : 0;
        if (claims > 0) {
            list[(*count)++] = PreparedSummary{claims, block->since};
        }
    }
    LWLockRelease(shared.control->lock);
    return list;
}

bool is_prepared(TransactionId xid) {
    return TransactionIdIsValid(xid) && BackendXidGetPid(xid) == 0;
}

}  // namespace ticketpool
