#include "directory.hpp"

#include "epoch.hpp"
#include "errors.hpp"
#include "eviction.hpp"
#include "ledger.hpp"
#include "loader.hpp"
#include "waiting.hpp"

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

uint64_t id_key(const Catalog& catalog, int64_t departure_id) {
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&departure_id),
                               sizeof departure_id, catalog.order) |
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

// What a caller looks for: by name where `train` is set, else by id.
struct Key {
    const Catalog* catalog;
    Text train;
    DateADT date;
    int64_t departure_id;
    uint64_t hash;
    bool by_id;
};

Key key_of(const Catalog& catalog, Text train, DateADT date) {
    return Key{&catalog, train, date, 0, name_key(catalog, train, date), false};
}

Key key_of(const Catalog& catalog, int64_t departure_id) {
    return Key{&catalog, {nullptr, 0}, 0, departure_id, id_key(catalog, departure_id), true};
}

uint32_t low_hash(uint64_t hash) {
    return static_cast<uint32_t>(hash);
}

// A READY slot holds the key. (Hash values of names are compared first: trains differ rarely then.)
bool slot_matches(const DirectorySlot& slot, const Key& key, bool ready) {
    if (slot.database != MyDatabaseId || slot.relation != key.catalog->order) {
        return false;
    }
    if (key.by_id) {
        return slot.departure_id == key.departure_id;
    }
    if (slot.service_date != key.date || slot.name_hash != low_hash(key.hash)) {
        return false;
    }
    // While it is loading its train is not known yet: wait for it and look again.
    return !ready ||
           same_text(text_of(slot.departure->route->head, slot.departure->route->train), key.train);
}

uint32_t chain_find(const Key& key) {
    uint32_t index =
        *directory_bucket(key.by_id ? shared.by_id : shared.by_name, low_hash(key.hash));
    while (index != kNoSlot) {
        const DirectorySlot& slot = shared.slots[index];
        if (slot_matches(
                slot, key,
                state_of(slot.version.load(std::memory_order_acquire)) == SlotState::kReady)) {
            break;
        }
        index = key.by_id ? slot.next_by_id : slot.next_by_name;
    }
    return index;
}
// ---------------------------------------------------------------------------------------------
// Announcing and loading
// ---------------------------------------------------------------------------------------------

// What this backend is loading; void after every load and every abort.
struct Loading {
    bool active;
    uint32_t slot;
    uint64_t version;  // another one now: somebody has taken the load over (give_way())
    Departure* departure;
    SharedPart* route;
    SharedPart* layout;
};
constinit Loading loading{};

bool may_see(const DirectorySlot& slot) {
    return is_made(slot.maker);
}

DepartureRef announced(uint32_t index, uint64_t key, uint64_t version) {
    DirectorySlot& slot = shared.slots[index];
    *cache_entry(key) = CachedSlot{key, version, index, 0};
    const int32_t now = static_cast<int32_t>(GetCurrentStatementStartTimestamp() / USECS_PER_SEC);
    if (slot.last_use.load(std::memory_order_relaxed) != now) {
        slot.last_use.store(now, std::memory_order_relaxed);
    }
    return DepartureRef{index, slot.departure.get()};
}

// The way without a lock.
DepartureRef find_in_cache(const Key& key) {
    const CachedSlot* entry = cache_entry(key.hash);
    if (entry->key != key.hash || entry->slot == kNoSlot) {
        return {kNoSlot, nullptr};
    }
    const uint32_t index = entry->slot;
    DirectorySlot& slot = shared.slots[index];
    shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
    if (slot.version.load(std::memory_order_seq_cst) == entry->version &&
        slot_matches(slot, key, true) && may_see(slot)) {
        return announced(index, key.hash, entry->version);
    }
    directory_done();
    return {kNoSlot, nullptr};
}

enum class Found { kReady, kBusy, kNothing };

Found find_in_chain(const Key& key, DepartureRef* ref) {
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
            *ref = announced(index, key.hash, version);
        }
    }
    LWLockRelease(shared.control->lock);
    return result;
}

// Enters a LOADING slot for the row; false: somebody else has one.
bool begin_loading(const Catalog& catalog, const DepartureRow& row) {
    const Key by_id = key_of(catalog, row.departure_id);
    const Key by_name = key_of(catalog, {row.train, strlen(row.train)}, row.service_date);
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const uint32_t present = chain_find(by_id);
    // Under another name, its row was renamed by hand: what is in memory gives way.
    const bool renamed = present != kNoSlot &&
                         state_of(shared.slots[present].version.load(std::memory_order_acquire)) ==
                             SlotState::kReady &&
                         !slot_matches(shared.slots[present], by_name, true);
    if (present != kNoSlot && !(renamed && try_evict(present))) {
        LWLockRelease(shared.control->lock);
        if (renamed) {
            ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                            errmsg("departure " INT64_FORMAT " was renamed while it is in use",
                                   row.departure_id),
                            errdetail("Running transactions hold claims on it."),
                            errhint("Try again when they have ended.")));
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
    slot.relation = catalog.order;
    slot.departure_id = row.departure_id;
    slot.service_date = row.service_date;
    slot.name_hash = low_hash(by_name.hash);
    slot.epoch.store(0, std::memory_order_relaxed);
    slot.last_use.store(MyProcPid, std::memory_order_relaxed);
    slot.maker.store(row.own_insert ? GetTopTransactionIdIfAny() : 0, std::memory_order_relaxed);
    slot.next_by_name = *directory_bucket(shared.by_name, by_name.hash);
    *directory_bucket(shared.by_name, by_name.hash) = index;
    slot.next_by_id = *directory_bucket(shared.by_id, low_hash(by_id.hash));
    *directory_bucket(shared.by_id, low_hash(by_id.hash)) = index;
    slot.version.store(
        next_version(slot.version.load(std::memory_order_relaxed), SlotState::kLoading),
        std::memory_order_release);
    loading = Loading{true,    index,   slot.version.load(std::memory_order_relaxed),
                      nullptr, nullptr, nullptr};
    LWLockRelease(shared.control->lock);
    return true;
}

// Locks what the load reads; only then it begins in earnest. False: taken over meanwhile.
bool lock_and_begin(const Catalog& catalog, DateADT date, LoadLocks* locks) {
    lock_for_loading(catalog, date, locks);
    const uint32_t epoch = epoch_of(catalog, date) | (has_truncated() ? kStale : 0);
    DirectorySlot& slot = shared.slots[loading.slot];
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    loading.active = slot.version.load(std::memory_order_relaxed) == loading.version;
    if (loading.active) {
        slot.last_use.store(0, std::memory_order_relaxed);
        slot.epoch.fetch_or(epoch, std::memory_order_acq_rel);  // a commit may have set kStale
    }
    LWLockRelease(shared.control->lock);
    if (!loading.active) {
        unlock_after_loading(*locks);
    }
    return loading.active;
}

// A loader that waits for a lock of ours, while we wait for it, has not begun in earnest: we take
// its slot away and load ourselves.
void give_way(uint32_t index, uint64_t version, int pid) {
    if (!waits_for_me(pid)) {
        return;
    }
    DirectorySlot& slot = shared.slots[index];
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    if (slot.version.load(std::memory_order_relaxed) == version &&
        slot.last_use.load(std::memory_order_relaxed) == pid) {
        slot.departure = nullptr;
        free_slot(index, version);
    }
    LWLockRelease(shared.control->lock);
    ConditionVariableBroadcast(&shared.control->loaded);
}

void finish_loading(const Key& key, DepartureRef* ref) {
    DirectorySlot& slot = shared.slots[loading.slot];
    slot.departure = loading.departure;
    slot.last_use.store(0, std::memory_order_relaxed);
    shared.mine->reading.store(loading.slot + 1, std::memory_order_seq_cst);
    const uint64_t version =
        next_version(slot.version.load(std::memory_order_relaxed), SlotState::kReady);
    slot.version.store(version, std::memory_order_seq_cst);
    loading.active = false;
    ConditionVariableBroadcast(&shared.control->loaded);
    count(shared.mine->counters.rebuilds);
    *ref = announced(loading.slot, key.hash, version);
}

// Sleeps until some load ends, unless `key` is there by now. A departure that is hidden from us
// while its ticket_open commits is looked at again soon.
void wait_for_loader(const Key& key) {
    constexpr long kLookAgainMs = 10;
    ConditionVariablePrepareToSleep(&shared.control->loaded);
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const uint32_t index = chain_find(key);
    const uint64_t version = index == kNoSlot ? 0 : shared.slots[index].version.load();
    const int pid = index == kNoSlot || state_of(version) != SlotState::kLoading
                        ? 0
                        : shared.slots[index].last_use.load(std::memory_order_relaxed);
    LWLockRelease(shared.control->lock);
    bool timed_out = false;
    if (index != kNoSlot) {
        timed_out =
            ConditionVariableTimedSleep(&shared.control->loaded, kLookAgainMs, PG_WAIT_EXTENSION);
    }
    ConditionVariableCancelSleep();
    CHECK_FOR_INTERRUPTS();
    if (timed_out && pid != 0) {
        give_way(index, version, pid);
    }
}

bool read_row(const Key& key, DepartureRow* row) {
    return key.by_id ? read_departure_row(*key.catalog, key.departure_id, row)
                     : read_departure_row(*key.catalog, key.train, key.date, row);
}

// When nobody waits for this load any more: a client may be slow to listen.
void warn_of_bad_rows(int64_t departure_id, uint32_t bad_rows) {
    ereport(WARNING,
            (errmsg("departure " INT64_FORMAT " has %u live tickets that it has no seat for",
                    departure_id, bad_rows),
             errdetail("Their seat or stops do not exist, or another live ticket has them."),
             errhint("SELECT * FROM ticket_verify(" INT64_FORMAT ") names them.", departure_id)));
}

// Reads the row to learn the id, enters the slot, and only then reads what it builds from: from
// that moment on nobody can change the departure without waiting for this load.
bool load(const Key& key, DepartureRef* ref) {
    if (RecoveryInProgress()) {
        // Nothing would tell a pool loaded here of what is replayed later.
        ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
                        errmsg("the seat pool cannot be used during recovery"),
                        errdetail("This server is a standby."),
                        errhint("Ask the primary, or promote this server.")));
    }
    DepartureRow row;
    if (!read_row(key, &row)) {
        *ref = {kNoSlot, nullptr};
        return true;
    }
    LoadLocks locks;
    if (!begin_loading(*key.catalog, row) ||
        !lock_and_begin(*key.catalog, row.service_date, &locks)) {
        return false;
    }
    const bool own_insert = row.own_insert;
    const DateADT date = row.service_date;
    if (!read_departure_row(*key.catalog, row.departure_id, &row) || row.service_date != date) {
        directory_abandon();
        unlock_after_loading(locks);
        return false;
    }
    if (own_insert) {
        ledger_reserve(1);
        ledger_pin(loading.slot);
    }
    uint32_t bad_rows;
    load_departure(*key.catalog, row, &bad_rows);
    finish_loading(key, ref);
    unlock_after_loading(locks);
    if (own_insert) {
        ledger_add_opened(ref->slot);
    }
    if (bad_rows > 0) {
        warn_of_bad_rows(row.departure_id, bad_rows);
    }
    return true;
}

// Announces the departure, as it is in memory.
DepartureRef find_any(const Key& key) {
    DepartureRef ref = find_in_cache(key);
    while (ref.departure == nullptr) {
        const Found found = find_in_chain(key, &ref);
        if (found == Found::kBusy) {
            // Hidden or loading. Hidden and not ours: as if it did not exist, unless its row shows.
            DepartureRow row;
            if (!read_row(key, &row)) {
                return {kNoSlot, nullptr};
            }
            wait_for_loader(key);
        } else if (found == Found::kNothing && load(key, &ref)) {
            break;
        }
    }
    return ref;
}

// Drops a departure of an old epoch; where others have it pinned, waits for them instead. It is
// neither announced nor pinned by this session. The caller looks again.
void drop_old(const Catalog& catalog, uint32_t index, DateADT date) {
    LoadLocks locks;
    lock_for_loading(catalog, date, &locks);  // tells this session of every change
    const uint32_t epoch = epoch_of(catalog, date);
    unlock_after_loading(locks);
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const DirectorySlot& slot = shared.slots[index];
    const uint64_t version = slot.version.load(std::memory_order_relaxed);
    // The slot may have another departure by now.
    const bool old = state_of(version) == SlotState::kReady && slot.database == MyDatabaseId &&
                     slot.relation == catalog.order && slot.service_date == date &&
                     slot.epoch.load(std::memory_order_relaxed) != epoch;
    const bool in_use = old && !try_evict(index);
    LWLockRelease(shared.control->lock);
    if (in_use) {
        wait_for_others(index);
    }
}

// A departure that was loaded from the tables as they are (epoch.hpp).
DepartureRef find(const Key& key) {
    require_shared_memory();
    const Catalog& catalog = *key.catalog;
    for (;;) {
        const DepartureRef ref = find_any(key);
        uint32_t epoch;
        if (ref.departure == nullptr) {
            return ref;
        }
        const DirectorySlot& slot = shared.slots[ref.slot];
        const DateADT date = slot.service_date;
        const bool known = epoch_is_known(catalog, date, &epoch);
        if (likely(known && slot.epoch.load(std::memory_order_acquire) == epoch)) {
            return ref;
        }
        if (ledger_has_pinned(ref.slot) || (known && epoch_is_own(catalog, date))) {
            return ref;
        }
        // Not announced while this session may wait for locks: others wait for announcements.
        directory_done();
        if (known) {
            drop_old(catalog, ref.slot, date);
        } else {
            epoch_of(catalog, date);
        }
    }
}

SharedPart* find_part(SharedPtr<SharedPart>* table, SharedPart** mine, const Catalog& catalog,
                      int64_t id) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    SharedPart* part = part_find(table, MyDatabaseId, catalog.order, id);
    if (part != nullptr) {
        part->departures++;
        *mine = part;
    }
    LWLockRelease(shared.control->lock);
    return part;
}

SharedPart* add_part(SharedPtr<SharedPart>* table, SharedPart** mine, const SharedPart* built) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    SharedPart* part = part_find(table, built->database, built->relation, built->id);
    if (part == nullptr) {
        part = static_cast<SharedPart*>(allocate_or_evict(built->bytes));
        if (part == nullptr) {
            LWLockRelease(shared.control->lock);
            report_out_of_memory(built->bytes);
        }
        memcpy(static_cast<void*>(part), built, built->bytes);
        SharedPtr<SharedPart>* head =
            part_bucket(table, built->database, built->relation, built->id);
        part->departures = 0;
        part->next = *head;
        *head = part;
    }
    part->departures++;
    *mine = part;
    LWLockRelease(shared.control->lock);
    return part;
}

}  // namespace

DepartureRef directory_find(const Catalog& catalog, Text train, DateADT date) {
    return find(key_of(catalog, train, date));
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
    const DepartureRef ref = find(key);
    if (ref.departure == nullptr) {
        *entry = CachedSlot{key.hash, generation, kNoSlot, 0};
    }
    return ref;
}

DepartureRef directory_find_id(const Catalog& catalog, int64_t departure_id) {
    return find(key_of(catalog, departure_id));
}

void directory_done() {
    shared.mine->reading.store(0, std::memory_order_release);
}

bool directory_announce_slot(const Catalog& catalog, uint32_t index, DepartureRef* ref) {
    DirectorySlot& slot = shared.slots[index];
    shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
    const uint64_t version = slot.version.load(std::memory_order_seq_cst);
    if (state_of(version) == SlotState::kReady && slot.database == MyDatabaseId &&
        slot.relation == catalog.order && may_see(slot) &&
        slot.version.load(std::memory_order_seq_cst) == version) {
        *ref = DepartureRef{index, slot.departure.get()};
        return true;
    }
    directory_done();
    return false;
}

void* directory_allocate(size_t bytes) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    void* block = allocate_or_evict(bytes);
    LWLockRelease(shared.control->lock);
    if (block == nullptr) {
        report_out_of_memory(bytes);
    }
    return block;
}

SharedPart* directory_find_route(const Catalog& catalog, int64_t route_id) {
    return find_part(shared.routes, &loading.route, catalog, route_id);
}

SharedPart* directory_find_layout(const Catalog& catalog, int64_t layout_id) {
    return find_part(shared.layouts, &loading.layout, catalog, layout_id);
}

SharedPart* directory_add_route(const SharedPart* part) {
    return add_part(shared.routes, &loading.route, part);
}

SharedPart* directory_add_layout(const SharedPart* part) {
    return add_part(shared.layouts, &loading.layout, part);
}

void directory_loading_block(Departure* departure) {
    loading.departure = departure;
}

void directory_link_quota(Departure* departure, Quota* quota) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    quota->next = departure->first_quota();
    departure->quotas.store(departure->offset_of(quota), std::memory_order_release);
    LWLockRelease(shared.control->lock);
}

void directory_abandon() {
    if (loading.active) {
        const uint32_t index = loading.slot;
        LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
        if (shared.slots[index].version.load(std::memory_order_relaxed) == loading.version) {
            part_drop(shared.routes, loading.route);
            part_drop(shared.layouts, loading.layout);
            if (loading.departure != nullptr) {
                free_departure(loading.departure);
            }
            free_slot(index, loading.version);
        }
        loading.active = false;
        LWLockRelease(shared.control->lock);
        ConditionVariableBroadcast(&shared.control->loaded);
    }
    directory_done();
}

bool directory_has(const Catalog& catalog, int64_t departure_id) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const bool found = chain_find(key_of(catalog, departure_id)) != kNoSlot;
    LWLockRelease(shared.control->lock);
    return found;
}

namespace {

// The slot of a departure, loading or not; the lock is held.
DirectorySlot* slot_of(Oid relation, int64_t departure_id) {
    Catalog catalog{};
    catalog.order = relation;
    const uint32_t index = chain_find(key_of(catalog, departure_id));
    return index == kNoSlot ? nullptr : &shared.slots[index];
}

}  // namespace

void directory_mark_stale(Oid relation, int64_t departure_id) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    DirectorySlot* slot = slot_of(relation, departure_id);
    if (slot != nullptr) {
        slot->epoch.fetch_or(kStale, std::memory_order_acq_rel);
    }
    LWLockRelease(shared.control->lock);
}

void directory_set_sale(Oid relation, int64_t departure_id, const SaleTimes& sale) {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    DirectorySlot* slot = slot_of(relation, departure_id);
    if (slot != nullptr &&
        state_of(slot->version.load(std::memory_order_acquire)) == SlotState::kReady) {
        // Others read them without a lock: each is a word of its own.
        Departure* departure = slot->departure.get();
        std::atomic_ref<int64_t>(departure->opens_at).store(sale.opens_at);
        std::atomic_ref<int64_t>(departure->closes_at).store(sale.closes_at);
        departure->status.store(sale.status, std::memory_order_seq_cst);
    } else if (slot != nullptr) {
        slot->epoch.fetch_or(kStale, std::memory_order_acq_rel);  // it may have read the old row
    }
    LWLockRelease(shared.control->lock);
}

void directory_discard(uint32_t index) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    DirectorySlot& slot = shared.slots[index];
    const uint64_t leaving =
        next_version(slot.version.load(std::memory_order_relaxed), SlotState::kLoading);
    slot.version.store(leaving, std::memory_order_seq_cst);
    free_slot(index, leaving);
    LWLockRelease(shared.control->lock);
}

}  // namespace ticketpool