// Finds and announces departures and items, and has them loaded: see directory.hpp.
#include "load/directory.hpp"

#include "load/load_by_key.hpp"
#include "pool/directory_key.hpp"
#include "pool/eviction.hpp"
#include "pool/ledger.hpp"
#include "pool/maker.hpp"
#include "pool/pins.hpp"
#include "pool/prepared.hpp"
#include "pool/standby.hpp"
#include "pool/stock_ledger.hpp"
#include "pool/wait_list.hpp"
#include "pool/waiting.hpp"
#include "server/errors.hpp"
#include "server/settings.hpp"
#include "tables/epoch.hpp"
#include "tables/moved_away.hpp"

extern "C" {
#include "access/xlog.h"
}

namespace ticketpool {

namespace {

// Notes the use of what is announced now. Returns its slot.
uint32_t used(uint32_t index) {
    DirectorySlot& slot = shared.slots[index];
    const int32_t now = static_cast<int32_t>(GetCurrentStatementStartTimestamp() / USECS_PER_SEC);
    if (slot.last_use.load(std::memory_order_relaxed) != now) {
        slot.last_use.store(now, std::memory_order_relaxed);
    }
    return index;
}

// Has the kernel map what a call for the announced slot will read: its first page, its last one,
// and the route.
void touch_block(uint32_t index) {
    const DirectorySlot& slot = shared.slots[index];
    pages_touch(slot.block.get());
    if (!slot.has_item()) {
        const Departure* departure = slot.departure();
        pages_touch(reinterpret_cast<const char*>(departure) + departure->bytes - 1);
        pages_touch(departure->route());
    }
}

enum class Found { kReady, kBusy, kNothing };

Found find_in_chain(const Key& key, uint32_t* announced_slot) {
    Found result = Found::kNothing;
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const uint32_t index = chain_find(key);
    if (index != kNoSlot) {
        DirectorySlot& slot = shared.slots[index];
        const uint64_t version = slot.version.load(std::memory_order_acquire);
        result = state_of(version) == SlotState::kReady && is_made(slot.maker) ? Found::kReady
                                                                               : Found::kBusy;
        if (result == Found::kReady) {
            // Nothing is evicted while the lock is held: the announcement needs no second look.
            shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
            *announced_slot = used(index);
        }
    }
    LWLockRelease(shared.control->lock);
    return result;
}

// Takes what a standby no longer shows out of the directory, unless another session already did.
void retire_outdated(const Key& key, uint32_t index, TimestampTz asked_at, int staleness_ms) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    if (chain_find(key) == index &&
        state_of(shared.slots[index].version.load(std::memory_order_relaxed)) ==
            SlotState::kReady &&
        standby_is_outdated(index, asked_at, staleness_ms)) {
        retire_slot(index);
    }
    LWLockRelease(shared.control->lock);
}

// The second look at what was found and announced. False: it is outdated and has been retired; look
// again.
bool is_current(const Key& key, uint32_t slot, TimestampTz asked_at) {
    const int staleness_ms = key.now ? 0 : setting_standby_staleness;
    if (standby_is_outdated(slot, asked_at, staleness_ms)) {
        end_announcement();
        retire_outdated(key, slot, asked_at, staleness_ms);
        return false;
    }
    prepared_resolve(slot);
    return true;
}

uint32_t find_with_care(const Key& key, uint32_t slot) {
    const TimestampTz asked_at = GetCurrentTimestamp();
    uint32_t loaded = kNoSlot;
    for (;;) {
        if (slot != kNoSlot) {
            if (is_current(key, slot, asked_at)) {
                return slot;
            }
            slot = kNoSlot;
        }
        const Found found = find_in_chain(key, &slot);
        if (found == Found::kBusy) {
            // It is hidden or loading. If it is hidden and not ours, it does not exist for us,
            // unless we see its row.
            Row row{};
            if (!read_row(key, &row)) {
                return kNoSlot;
            }
            // The row may be of another departure: what is hidden was opened under a name, and the
            // transaction in which the old departure gives up that name has not committed either.
            const bool other = key.kind == KeyKind::kName && !directory_has(*key.catalog, row.id);
            if (!other) {
                prepared_resolve(kNoSlot);  // perhaps a rolled back transaction hides it
                wait_for_loader(key);
                continue;
            }
            if (!load_by_key(key, &loaded)) {
                continue;
            }
        } else if (found != Found::kNothing || !load_by_key(key, &loaded)) {
            continue;
        }
        if (loaded == kNoSlot) {
            return kNoSlot;
        }
        prepared_resolve(loaded);
        return used(loaded);
    }
}

// Announces what the key leads to, as it is in memory. kNoSlot: the key leads to nothing.
uint32_t find_any(const Key& key) {
    const uint32_t slot = chain_announce(key);
    if (likely(slot != kNoSlot)) {
        used(slot);
        touch_block(slot);
        if (likely(shared.control->attention.load(std::memory_order_relaxed) == 0)) {
            return slot;
        }
    }
    return find_with_care(key, slot);
}

bool expected_epoch(const Key& key, DateADT date, uint32_t* epoch) {
    return key.kind == KeyKind::kItem ? item_epoch_is_known(epoch) : epoch_is_known(date, epoch);
}

bool is_own_epoch(const Key& key, DateADT date) {
    return key.kind == KeyKind::kItem ? item_epoch_is_own() : epoch_is_own(date);
}

// Drops a departure of an old epoch; if others have it pinned, waits for them instead. This session
// has neither announced nor pinned it. The caller looks again.
void drop_old(const Key& key, uint32_t index, DateADT date) {
    LoadLocks locks;
    const uint32_t epoch = lock_and_read_epoch(key, date, &locks);
    unlock_after_loading(locks);
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const DirectorySlot& slot = shared.slots[index];
    const uint64_t version = slot.version.load(std::memory_order_relaxed);
    // The slot may contain another departure by now.
    const bool old = state_of(version) == SlotState::kReady && slot.database == MyDatabaseId &&
                     slot.relation == key.relation && slot.service_date == date &&
                     slot.epoch.load(std::memory_order_relaxed) != epoch;
    const bool in_use = old && !try_evict(index);
    LWLockRelease(shared.control->lock);
    if (in_use) {
        wait_for_others(index, OfPrepared::kWait);
    }
}

// May the announced departure or item be used: was it loaded from the tables as they are now
// (epoch.hpp)? If not, its announcement has been ended, and the caller looks again.
bool is_of_epoch(const Key& key, uint32_t index) {
    const DirectorySlot& slot = shared.slots[index];
    const DateADT date = slot.service_date;
    uint32_t epoch;
    const bool known = expected_epoch(key, date, &epoch);
    if (likely(known && slot.epoch.load(std::memory_order_acquire) == epoch)) {
        return true;
    }
    if (is_pinned(index) || (known && is_own_epoch(key, date))) {
        return true;
    }
    // Nothing is announced while this session may wait for locks: others wait for announcements.
    end_announcement();
    if (known) {
        drop_old(key, index, date);
    } else {
        read_epoch(key, date);
    }
    return false;
}

// The transaction that has changed names by hand; it may have ended since.
constinit LocalTransactionId renamed_in = InvalidLocalTransactionId;

bool names_are_own() {
    return renamed_in != InvalidLocalTransactionId && renamed_in == my_local_transaction();
}

uint32_t find(const Key& key);

// Finds a departure by what its row says to this transaction, which has changed names.
uint32_t find_own_name(const Key& key) {
    DepartureRow row;
    if (!read_own_departure_row(*key.catalog, key.train, key.date, &row)) {
        return kNoSlot;
    }
    return find(key_of(*key.catalog, row.departure_id));
}

uint32_t find(const Key& key) {
    require_shared_memory();
    if (unlikely(renamed_in != InvalidLocalTransactionId) && !key.by_id() && names_are_own()) {
        return find_own_name(key);
    }
    for (;;) {
        const uint32_t slot = find_any(key);
        if (slot == kNoSlot || is_of_epoch(key, slot)) {
            return slot;
        }
        CHECK_FOR_INTERRUPTS();  // nothing is announced
    }
}

DepartureRef departure_ref(uint32_t slot) {
    return {slot, slot == kNoSlot ? nullptr : shared.slots[slot].departure()};
}

// Announces what is in a slot if it is of this relation and committed. False: it is not.
bool announce_slot(uint32_t index, Oid relation) {
    DirectorySlot& slot = shared.slots[index];
    shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
    const uint64_t version = slot.version.load(std::memory_order_seq_cst);
    if (state_of(version) == SlotState::kReady && slot.database == MyDatabaseId &&
        slot.relation == relation && is_made(slot.maker) &&
        (shared.standby[index].replayed.load(std::memory_order_relaxed) == 0 ||
         RecoveryInProgress()) &&
        slot.version.load(std::memory_order_seq_cst) == version) {
        return true;
    }
    end_announcement();
    return false;
}

}  // namespace

DepartureRef directory_find(const Catalog& catalog, Text train, DateADT date) {
    return departure_ref(find(key_of(catalog, train, date)));
}

void directory_note_own_names() {
    renamed_in = my_local_transaction();
}

// The train in the departure's row, as this transaction, which has changed names, sees it.
static bool own_train(Oid order, int64_t departure_id, SlotTrain* train) {
    const Catalog& catalog = catalog_in(get_rel_namespace(order));
    DepartureRow row;
    if (!read_own_departure_row(catalog, departure_id, &row)) {
        return false;
    }
    train->length = static_cast<uint8_t>(strlen(row.train));
    memcpy(train->name, row.train, train->length);
    return true;
}

Text directory_train(const DepartureRef& ref) {
    const DirectorySlot& slot = shared.slots[ref.slot];
    const SlotTrain* shown = &slot.train;
    SlotTrain* train = static_cast<SlotTrain*>(palloc(sizeof(SlotTrain)));
    if (names_are_own() &&
        own_train(slot.relation, slot.id.load(std::memory_order_relaxed), train)) {
        return {train->name, train->length};
    }
    *train = *shown;
    const bool whole =
        train->length <= sizeof train->name &&
        low_hash(name_key(slot.relation, {train->name, train->length}, slot.service_date)) ==
            slot.name_hash.load(std::memory_order_relaxed);
    if (!whole) {
        LWLockAcquire(shared.control->lock, LW_SHARED);
        *train = *shown;
        LWLockRelease(shared.control->lock);
    }
    return {train->name, train->length};
}

DepartureRef directory_find_id(const Catalog& catalog, int64_t departure_id) {
    return departure_ref(find(key_of(catalog, departure_id)));
}

ItemRef directory_find_item(const Catalog& catalog, int64_t item_id) {
    const uint32_t slot = find(key_of_item(catalog, item_id));
    return {slot, slot == kNoSlot ? nullptr : shared.slots[slot].item()};
}

bool directory_forget_item(const Catalog& catalog, int64_t item_id) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const uint32_t index = chain_find(key_of_item(catalog, item_id));
    const bool forgotten = index == kNoSlot || try_evict(index);
    LWLockRelease(shared.control->lock);
    return forgotten;
}

bool directory_item_is_leaving(const Catalog& catalog, int64_t item_id) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const uint32_t index = chain_find(key_of_item(catalog, item_id));
    LWLockRelease(shared.control->lock);
    if (index == kNoSlot || !is_pinned(index)) {
        return false;
    }
    Item* item = shared.slots[index].item();
    return stock_is_leaving({index, item->offset_of(item->root())});
}

DepartureRef directory_find_id_now(const Catalog& catalog, int64_t departure_id) {
    Key key = key_of(catalog, departure_id);
    key.now = true;
    return departure_ref(find(key));
}

void directory_forget(const DepartureRef& ref) {
    end_announcement();
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    try_evict(ref.slot);
    LWLockRelease(shared.control->lock);
}

bool directory_announce_slot(const Catalog& catalog, uint32_t index, DepartureRef* ref) {
    const bool here = announce_slot(index, catalog.order);
    *ref = departure_ref(here ? index : kNoSlot);
    return here;
}

bool directory_announce_item(const Catalog& catalog, uint32_t index, ItemRef* ref) {
    const bool here = announce_slot(index, catalog.item_order);
    *ref = {index, here ? shared.slots[index].item() : nullptr};
    return here;
}

// What is announced is of this version and epoch; otherwise its announcement is ended.
static bool is_known_slot(const SlotVersion& known, uint32_t epoch) {
    const DirectorySlot& slot = shared.slots[known.slot];
    if (slot.version.load(std::memory_order_seq_cst) == known.version &&
        slot.epoch.load(std::memory_order_acquire) == epoch) {
        return true;
    }
    end_announcement();
    return false;
}

bool directory_announce_known(const Catalog& catalog, const SlotVersion& known, uint32_t epoch,
                              DepartureRef* ref) {
    return directory_announce_slot(catalog, known.slot, ref) && is_known_slot(known, epoch);
}

bool directory_announce_known_item(const Catalog& catalog, const SlotVersion& known, uint32_t epoch,
                                   ItemRef* ref) {
    return directory_announce_item(catalog, known.slot, ref) && is_known_slot(known, epoch);
}

bool directory_has(const Catalog& catalog, int64_t departure_id) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const bool found = chain_find(key_of(catalog, departure_id)) != kNoSlot;
    LWLockRelease(shared.control->lock);
    return found;
}

bool directory_has_current(const Catalog& catalog, int64_t departure_id) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const uint32_t index = chain_find(key_of(catalog, departure_id));
    const bool found = index != kNoSlot &&
                       (shared.slots[index].epoch.load(std::memory_order_acquire) & kStale) == 0;
    LWLockRelease(shared.control->lock);
    return found;
}

bool directory_item_in(const Catalog& catalog, uint32_t index, int64_t* item_id) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const DirectorySlot& slot = shared.slots[index];
    const int64_t id = slot.id.load(std::memory_order_relaxed);
    // A slot that was retired while somebody has it pinned is not in any chain any more, and its
    // item may be in another slot.
    const bool here = state_of(slot.version.load(std::memory_order_acquire)) != SlotState::kFree &&
                      slot.database == MyDatabaseId && slot.relation == catalog.item_order &&
                      chain_find(key_of_item(catalog, id)) == index;
    *item_id = id;
    LWLockRelease(shared.control->lock);
    return here;
}

void directory_mark_stale(Oid relation, int64_t id) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const uint32_t index = chain_find(key_of(relation, id));
    if (index != kNoSlot) {
        DirectorySlot& slot = shared.slots[index];
        slot.epoch.fetch_or(kStale, std::memory_order_acq_rel);
        if (!slot.has_item() &&
            state_of(slot.version.load(std::memory_order_acquire)) == SlotState::kReady) {
            forget_waited(slot.database, slot.departure(), true);
        }
    }
    LWLockRelease(shared.control->lock);
}

void directory_replace(Oid relation, int64_t departure_id) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const uint32_t index = chain_find(key_of(relation, departure_id));
    const bool loaded =
        index != kNoSlot &&
        state_of(shared.slots[index].version.load(std::memory_order_acquire)) == SlotState::kReady;
    // A second reform in one transaction finds what was replaced for the first, or nothing.
    if (loaded && shared.slots[index].departure()->seat_change.load(std::memory_order_relaxed) ==
                      SeatChange::kUnderWay) {
        retire_slot(index);
    }
    LWLockRelease(shared.control->lock);
}

void directory_set_train(Oid relation, int64_t departure_id, Text train) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const uint32_t index = chain_find(key_of(relation, departure_id));
    if (index != kNoSlot) {
        unlink_name(index);
        link_name(index, train, name_key(relation, train, shared.slots[index].service_date));
    }
    LWLockRelease(shared.control->lock);
}

uint32_t directory_pin_if_ready(Oid relation, int64_t id) {
    ledger_reserve(1);
    LWLockAcquire(shared.control->lock, LW_SHARED);
    uint32_t index = chain_find(key_of(relation, id));
    if (index != kNoSlot && state_of(shared.slots[index].version.load(std::memory_order_acquire)) ==
                                SlotState::kReady) {
        // Nothing is evicted while the lock is held: the pin needs no second look.
        pin_slot(index);
    } else {
        index = kNoSlot;
    }
    LWLockRelease(shared.control->lock);
    return index;
}

int64_t require_departure_id(const Catalog& catalog, Text train, DateADT date) {
    const DepartureRef ref = directory_find(catalog, train, date);
    if (ref.departure == nullptr) {
        report_no_departure(catalog, train, date);
    }
    const int64_t departure_id = ref.departure->departure_id;
    end_announcement();
    return departure_id;
}

}  // namespace ticketpool
