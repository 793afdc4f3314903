#include "directory.hpp"

#include "errors.hpp"
#include "eviction.hpp"
#include "item_loader.hpp"
#include "ledger.hpp"
#include "loader.hpp"
#include "loading.hpp"
#include "prepared.hpp"
#include "settings.hpp"
#include "standby.hpp"

extern "C" {
#include "access/xlog.h"
#include "pgstat.h"
#include "utils/wait_event.h"
}

namespace ticketpool {

namespace {

// ---------------------------------------------------------------------------------------------
// What this session knows by heart: key hash -> slot and the READY version it had. A hit costs no
// lock; a stale entry is found out by the version.
// ---------------------------------------------------------------------------------------------

struct CachedSlot {
    uint64_t key;      // 0: empty
    uint64_t version;  // of the slot; where there is no slot, of the knowledge that there is none
    uint32_t slot;     // kNoSlot: no such departure (searches only)
    uint32_t reserved;
};
constexpr uint32_t kCacheSize = 4096;
CachedSlot* cache;  // kCacheSize entries, allocated at first use

uint64_t name_key(const Catalog& catalog, Text train, DateADT date) {
    const uint64_t seed = uint64_t{catalog.order} << 32 | static_cast<uint32_t>(date);
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(train.data),
                               static_cast<int>(train.length), seed) |
           1;
}

uint64_t id_key(Oid relation, int64_t id) {
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&id), sizeof id, relation) |
           1;
}

CachedSlot* cache_entry(uint64_t key) {
    if (cache == nullptr) {
        cache = static_cast<CachedSlot*>(
            MemoryContextAllocZero(TopMemoryContext, kCacheSize * sizeof(CachedSlot)));
    }
    return &cache[(key >> 1) % kCacheSize];
}

// ---------------------------------------------------------------------------------------------
// Hash chains. All of these hold the directory lock.
// ---------------------------------------------------------------------------------------------

// What a caller looks for: a departure by name or by id, or an item by id.
enum class KeyKind { kName, kId, kItem };
struct Key {
    const Catalog* catalog;
    KeyKind kind;
    Oid relation;
    Text train;
    DateADT date;
    int64_t id;
    uint64_t hash;
    bool now = false;  // a standby loads it anew, however young what it has is

    bool by_id() const { return kind != KeyKind::kName; }
};

Key key_of(const Catalog& catalog, Text train, DateADT date) {
    return Key{
        &catalog, KeyKind::kName, catalog.order, train, date, 0, name_key(catalog, train, date)};
}

Key key_of(const Catalog& catalog, int64_t departure_id) {
    return Key{&catalog,
               KeyKind::kId,
               catalog.order,
               {nullptr, 0},
               0,
               departure_id,
               id_key(catalog.order, departure_id)};
}

Key key_of_item(const Catalog& catalog, int64_t item_id) {
    return Key{&catalog,
               KeyKind::kItem,
               catalog.item_order,
               {nullptr, 0},
               kItemDate,
               item_id,
               id_key(catalog.item_order, item_id)};
}

uint32_t low_hash(uint64_t hash) {
    return static_cast<uint32_t>(hash);
}

// A READY slot holds the key. (Hash values of names are compared first: trains differ rarely then.)
bool slot_matches(const DirectorySlot& slot, const Key& key, bool ready) {
    if (slot.database != MyDatabaseId || slot.relation != key.relation) {
        return false;
    }
    if (key.by_id()) {
        return slot.id == key.id;
    }
    if (slot.service_date != key.date || slot.name_hash != low_hash(key.hash)) {
        return false;
    }
    // While it is loading its train is not known yet: wait for it and look again.
    return !ready ||
           same_text(text_of(slot.departure()->route->head, slot.departure()->route->train),
                     key.train);
}

uint32_t chain_find(const Key& key) {
    uint32_t index =
        *directory_bucket(key.by_id() ? shared.by_id : shared.by_name, low_hash(key.hash));
    while (index != kNoSlot) {
        const DirectorySlot& slot = shared.slots[index];
        if (slot_matches(
                slot, key,
                state_of(slot.version.load(std::memory_order_acquire)) == SlotState::kReady)) {
            break;
        }
        index = key.by_id() ? slot.next_by_id : slot.next_by_name;
    }
    return index;
}
// ---------------------------------------------------------------------------------------------
// Announcing and loading
// ---------------------------------------------------------------------------------------------

bool may_see(const DirectorySlot& slot) {
    return is_made(slot.maker);
}

// Notes what is announced now; its slot.
uint32_t announced(uint32_t index, uint64_t key, uint64_t version) {
    DirectorySlot& slot = shared.slots[index];
    *cache_entry(key) = CachedSlot{key, version, index, 0};
    const int32_t now = static_cast<int32_t>(GetCurrentStatementStartTimestamp() / USECS_PER_SEC);
    if (slot.last_use.load(std::memory_order_relaxed) != now) {
        slot.last_use.store(now, std::memory_order_relaxed);
    }
    return index;
}

// The way without a lock.
uint32_t find_in_cache(const Key& key) {
    const CachedSlot* entry = cache_entry(key.hash);
    if (entry->key != key.hash || entry->slot == kNoSlot) {
        return kNoSlot;
    }
    const uint32_t index = entry->slot;
    DirectorySlot& slot = shared.slots[index];
    shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
    if (slot.version.load(std::memory_order_seq_cst) == entry->version &&
        slot_matches(slot, key, true) && may_see(slot)) {
        return announced(index, key.hash, entry->version);
    }
    directory_done();
    return kNoSlot;
}

enum class Found { kReady, kBusy, kNothing };

Found find_in_chain(const Key& key, uint32_t* announced_slot) {
    Found result = Found::kNothing;
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const uint32_t index = chain_find(key);
    if (index != kNoSlot) {
        DirectorySlot& slot = shared.slots[index];
        const uint64_t version = slot.version.load(std::memory_order_acquire);
        result =
            state_of(version) == SlotState::kReady && may_see(slot) ? Found::kReady : Found::kBusy;
        if (result == Found::kReady) {
            // No eviction while the lock is held: the announcement needs no second look.
            shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
            *announced_slot = announced(index, key.hash, version);
        }
    }
    LWLockRelease(shared.control->lock);
    return result;
}

// The row that a key leads to.
struct Row {
    int64_t id;
    bool own_insert;  // by the running transaction
    DepartureRow departure;
};

Key by_name_of(const Key& key, const Row& row) {
    return key.kind == KeyKind::kItem
               ? key
               : key_of(*key.catalog, {row.departure.train, strlen(row.departure.train)},
                        row.departure.service_date);
}

// Where its row was renamed by hand, what is in memory gives way.
[[noreturn]] void report_renamed(int64_t departure_id) {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_IN_USE),
             errmsg("departure " INT64_FORMAT " was renamed while it is in use", departure_id),
             errdetail("Running transactions hold claims on it."),
             errhint("Try again when they have ended.")));
}

void enter_chains(uint32_t index, const Key& by_id, const Key& by_name) {
    DirectorySlot& slot = shared.slots[index];
    slot.name_hash = low_hash(by_name.hash);
    slot.id_hash = low_hash(by_id.hash);
    if (!slot.has_item()) {
        slot.next_by_name = *directory_bucket(shared.by_name, by_name.hash);
        *directory_bucket(shared.by_name, by_name.hash) = index;
    }
    slot.next_by_id = *directory_bucket(shared.by_id, low_hash(by_id.hash));
    *directory_bucket(shared.by_id, low_hash(by_id.hash)) = index;
}

// Enters a LOADING slot for the row; false: somebody else has one.
bool begin_loading(const Key& key, const Row& row) {
    const Key by_id = key.kind == KeyKind::kItem ? key : key_of(*key.catalog, row.id);
    const Key by_name = by_name_of(key, row);
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const uint32_t present = chain_find(by_id);
    const bool renamed = present != kNoSlot &&
                         state_of(shared.slots[present].version.load(std::memory_order_acquire)) ==
                             SlotState::kReady &&
                         !slot_matches(shared.slots[present], by_name, true);
    if (present != kNoSlot && !(renamed && try_evict(present))) {
        LWLockRelease(shared.control->lock);
        if (renamed) {
            report_renamed(row.id);
        }
        return false;
    }
    const uint32_t index = take_slot();
    if (index == kNoSlot) {
        LWLockRelease(shared.control->lock);
        report_out_of_memory(sizeof(DirectorySlot));
    }
    DirectorySlot& slot = shared.slots[index];
    slot.database = MyDatabaseId;
    slot.relation = key.relation;
    slot.id = row.id;
    slot.service_date = by_name.date;
    slot.maker.store(row.own_insert ? GetTopTransactionIdIfAny() : 0, std::memory_order_relaxed);
    enter_chains(index, by_id, by_name);
    slot.version.store(
        next_version(slot.version.load(std::memory_order_relaxed), SlotState::kLoading),
        std::memory_order_release);
    standby_note_load(index);
    loading = Loading{true, index, nullptr, nullptr, nullptr, nullptr};
    LWLockRelease(shared.control->lock);
    return true;
}

uint32_t finish_loading(const Key& key) {
    DirectorySlot& slot = shared.slots[loading.slot];
    while (loading.prepared != nullptr) {
        PreparedLedger* block = loading.prepared;
        loading.prepared = block->next.get();
        prepared_enter(block);
    }
    slot.block = loading.block;
    slot.last_use.store(0, std::memory_order_relaxed);
    shared.mine->reading.store(loading.slot + 1, std::memory_order_seq_cst);
    const uint64_t version =
        next_version(slot.version.load(std::memory_order_relaxed), SlotState::kReady);
    slot.version.store(version, std::memory_order_seq_cst);
    loading.active = false;
    ConditionVariableBroadcast(&shared.control->loaded);
    count(shared.mine->counters.rebuilds);
    return announced(loading.slot, key.hash, version);
}

// Sleeps until some load ends, unless `key` is there by now. A departure that is hidden from us
// while its ticket_open commits is looked at again soon.
void wait_for_loader(const Key& key) {
    constexpr long kLookAgainMs = 10;
    ConditionVariablePrepareToSleep(&shared.control->loaded);
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const bool busy = chain_find(key) != kNoSlot;
    LWLockRelease(shared.control->lock);
    if (busy) {
        ConditionVariableTimedSleep(&shared.control->loaded, kLookAgainMs, PG_WAIT_EXTENSION);
    }
    ConditionVariableCancelSleep();
    CHECK_FOR_INTERRUPTS();
}

bool read_row(const Key& key, Row* row) {
    if (key.kind == KeyKind::kItem) {
        row->id = key.id;
        return read_item_row(*key.catalog, key.id, &row->own_insert);
    }
    const bool found = key.by_id()
                           ? read_departure_row(*key.catalog, key.id, &row->departure)
                           : read_departure_row(*key.catalog, key.train, key.date, &row->departure);
    row->id = row->departure.departure_id;
    row->own_insert = row->departure.own_insert;
    return found;
}

void build(const Key& key, const Row& row) {
    if (key.kind == KeyKind::kItem) {
        load_item(*key.catalog, row.id, row.own_insert);
    } else {
        load_departure(*key.catalog, row.departure, loading.slot);
    }
}

// Reads the row to learn the id, enters the slot, and only then reads what it builds from: from
// that moment on nobody can change the departure without waiting for this load.
bool load(const Key& key, uint32_t* found) {
    Row row{};
    *found = kNoSlot;
    if (!read_row(key, &row)) {
        return true;
    }
    if (!begin_loading(key, row)) {
        return false;
    }
    const bool own_insert = row.own_insert;
    if (!read_row(key.kind == KeyKind::kItem ? key : key_of(*key.catalog, row.id), &row)) {
        directory_abandon();
        return false;
    }
    if (own_insert) {
        ledger_reserve(1);
        ledger_pin(loading.slot);
    }
    build(key, row);
    *found = finish_loading(key);
    if (own_insert) {
        ledger_add_opened(*found);
    }
    return true;
}

// Takes out of the directory what a standby shows no longer, unless somebody did it before.
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

// The second look at what was found and announced. False: it is gone, look again.
bool is_current(const Key& key, uint32_t slot, TimestampTz asked_at) {
    const int staleness_ms = key.now ? 0 : setting_standby_staleness;
    if (standby_is_outdated(slot, asked_at, staleness_ms)) {
        directory_done();
        retire_outdated(key, slot, asked_at, staleness_ms);
        return false;
    }
    prepared_resolve(slot);
    return true;
}

uint32_t find_with_care(const Key& key, uint32_t slot) {
    const TimestampTz asked_at = GetCurrentTimestamp();
    for (;;) {
        if (slot != kNoSlot) {
            if (is_current(key, slot, asked_at)) {
                return slot;
            }
            slot = kNoSlot;
        }
        const Found found = find_in_chain(key, &slot);
        if (found == Found::kBusy) {
            // Hidden or loading. Hidden and not ours: as if it did not exist, unless its row shows.
            Row row{};
            if (!read_row(key, &row)) {
                return kNoSlot;
            }
            prepared_resolve(kNoSlot);  // hidden by a transaction that was rolled back, perhaps
            wait_for_loader(key);
        } else if (found == Found::kNothing && load(key, &slot)) {
            if (slot != kNoSlot) {
                prepared_resolve(slot);
            }
            return slot;
        }
    }
}

// Announces what the key leads to; kNoSlot: nothing.
uint32_t find(const Key& key) {
    require_shared_memory();
    const uint32_t slot = find_in_cache(key);
    if (likely(slot != kNoSlot && shared.control->attention.load(std::memory_order_relaxed) == 0)) {
        return slot;
    }
    return find_with_care(key, slot);
}

DepartureRef departure_ref(uint32_t slot) {
    return {slot, slot == kNoSlot ? nullptr : shared.slots[slot].departure()};
}

// Announces what is in a slot where it is of this relation and committed; false otherwise.
bool announce_slot(uint32_t index, Oid relation) {
    DirectorySlot& slot = shared.slots[index];
    shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
    const uint64_t version = slot.version.load(std::memory_order_seq_cst);
    if (state_of(version) == SlotState::kReady && slot.database == MyDatabaseId &&
        slot.relation == relation && may_see(slot) &&
        (shared.standby[index].replayed.load(std::memory_order_relaxed) == 0 ||
         RecoveryInProgress()) &&
        slot.version.load(std::memory_order_seq_cst) == version) {
        return true;
    }
    directory_done();
    return false;
}

}  // namespace

DepartureRef directory_find(const Catalog& catalog, Text train, DateADT date) {
    return departure_ref(find(key_of(catalog, train, date)));
}

DepartureRef directory_find_if_any(const Catalog& catalog, Text train, DateADT date) {
    require_shared_memory();
    const Key key = key_of(catalog, train, date);
    CachedSlot* entry = cache_entry(key.hash);
    if (entry->key == key.hash && entry->slot == kNoSlot &&
        entry->version == departure_generation) {
        return {kNoSlot, nullptr};
    }
    const uint64_t generation = departure_generation;
    const DepartureRef ref = departure_ref(find(key));
    if (ref.departure == nullptr) {
        *entry = CachedSlot{key.hash, generation, kNoSlot, 0};
    }
    return ref;
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

DepartureRef directory_find_id_now(const Catalog& catalog, int64_t departure_id) {
    Key key = key_of(catalog, departure_id);
    key.now = true;
    return departure_ref(find(key));
}

void directory_done() {
    shared.mine->reading.store(0, std::memory_order_release);
}

void directory_forget(const DepartureRef& ref) {
    directory_done();
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

void directory_discard(uint32_t index) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    retire_slot(index);
    LWLockRelease(shared.control->lock);
}

}  // namespace ticketpool
