// Loads what is not in memory, one session at a time: see load_by_key.hpp.
#include "load/load_by_key.hpp"

#include "load/departure_loader.hpp"
#include "load/item_loader.hpp"
#include "pool/eviction.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/pool_full.hpp"
#include "pool/prepared.hpp"
#include "pool/standby.hpp"
#include "pool/unfinished_load.hpp"
#include "pool/waiting.hpp"
#include "pool/worker_notes.hpp"
#include "server/errors.hpp"
#include "tables/epoch.hpp"
#include "tables/inventory_rows.hpp"

extern "C" {
#include "pgstat.h"
#include "utils/wait_event.h"
}

namespace ticketpool {

namespace {

Key by_name_of(const Key& key, const Row& row) {
    return key.kind == KeyKind::kItem
               ? key
               : key_of(*key.catalog, {row.departure.train, strlen(row.departure.train)},
                        row.departure.service_date);
}

// What is in memory is in use, and has another name than the row that was read. Returns if the row
// has changed since it was read. Otherwise the departure was renamed while triggers were off:
// ereports 55006.
void require_same_name(const Key& key, const Row& row) {
    Row now{};
    if (!read_row(key, &now) || now.id != row.id ||
        strcmp(now.departure.train, row.departure.train) != 0) {
        return;
    }
    ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
                    errmsg("departure " INT64_FORMAT " was renamed while it is in use", row.id),
                    errdetail("Running transactions hold claims on it."),
                    errhint("Try again when they have ended.")));
}

// Is the slot entered under the row's train? A rename may have committed meanwhile.
bool has_name_of(uint32_t index, const Row& row) {
    const DirectorySlot& slot = shared.slots[index];
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const SlotTrain& train = slot.train;
    const bool same =
        slot.has_item() ||
        same_text({train.name, train.length}, {row.departure.train, strlen(row.departure.train)});
    LWLockRelease(shared.control->lock);
    return same;
}

enum class Begin {
    kBegun,
    kPresent,   // somebody else has made a slot for it
    kRenaming,  // it has a slot, and a rename has committed that is about to be stored in memory
    kRenamed    // it has a slot, under another name
};

// A rename is stored under the directory lock, before its turn among the sale writers ends. So if
// there is no writer, memory has the last rename that has committed.
Begin state_of_renamed(uint32_t index) {
    const Departure* departure = shared.slots[index].departure();
    return departure->sale_writers.load(std::memory_order_acquire) != 0 ? Begin::kRenaming
                                                                        : Begin::kRenamed;
}

// Enters a LOADING slot for the row. What is in memory under another name is evicted, unless it is
// in use.
Begin begin_loading(const Key& key, const Row& row) {
    const Key by_id = key.kind == KeyKind::kItem ? key : key_of(*key.catalog, row.id);
    const Key by_name = by_name_of(key, row);
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const uint32_t present = chain_find(by_id);
    const bool renamed = present != kNoSlot &&
                         state_of(shared.slots[present].version.load(std::memory_order_acquire)) ==
                             SlotState::kReady &&
                         !slot_matches(present, by_name);
    if (present != kNoSlot && !(renamed && try_evict(present))) {
        const Begin state = renamed ? state_of_renamed(present) : Begin::kPresent;
        LWLockRelease(shared.control->lock);
        return state;
    }
    const uint32_t index = take_slot();
    if (index == kNoSlot) {
        LWLockRelease(shared.control->lock);
        report_no_slot();
    }
    DirectorySlot& slot = shared.slots[index];
    slot.database = MyDatabaseId;
    slot.relation = key.relation;
    slot.id.store(row.id, std::memory_order_relaxed);
    slot.service_date = by_name.date;
    slot.epoch.store(0, std::memory_order_relaxed);
    slot.last_use.store(MyProcPid, std::memory_order_relaxed);
    slot.maker.store(row.own_insert ? GetTopTransactionIdIfAny() : 0, std::memory_order_relaxed);
    link_slot(index, by_id, by_name);
    slot.version.store(
        next_version(slot.version.load(std::memory_order_relaxed), SlotState::kLoading),
        std::memory_order_release);
    standby_note_load(index);
    loading =
        Loading{true,    index,  slot.version.load(std::memory_order_relaxed), nullptr, nullptr,
                nullptr, nullptr};
    LWLockRelease(shared.control->lock);
    return Begin::kBegun;
}

// False: look again.
bool has_begun(const Key& key, const Row& row) {
    constexpr long kPauseMicros = 100;
    const Begin begin = begin_loading(key, row);
    if (begin == Begin::kRenaming) {
        CHECK_FOR_INTERRUPTS();
        prepared_resolve(kNoSlot);
        pg_usleep(kPauseMicros);
    } else if (begin == Begin::kRenamed) {
        require_same_name(key, row);
    }
    return begin == Begin::kBegun;
}

// Locks what the load reads; only then the load really begins. False: another session has taken it
// over meanwhile.
bool lock_and_begin(const Key& key, DateADT date, LoadLocks* locks) {
    const uint32_t epoch = lock_and_read_epoch(key, date, locks) | (has_truncated() ? kStale : 0);
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

// If the loader waits for a lock of ours while we wait for the loader, its load has not really
// begun: we free its slot, and then load ourselves.
void give_way(uint32_t index, uint64_t version, int pid) {
    if (!waits_for_me(pid)) {
        return;
    }
    DirectorySlot& slot = shared.slots[index];
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    if (slot.version.load(std::memory_order_relaxed) == version &&
        slot.last_use.load(std::memory_order_relaxed) == pid) {
        slot.block = nullptr;
        free_slot(index, version);
    }
    LWLockRelease(shared.control->lock);
    ConditionVariableBroadcast(&shared.control->loaded);
}

uint32_t finish_loading() {
    DirectorySlot& slot = shared.slots[loading.slot];
    // This is stored first: as soon as a prepared ledger is entered, a session that finds its
    // transaction decided settles it in this block.
    slot.block = loading.block;
    while (loading.prepared != nullptr) {
        PreparedLedger* block = loading.prepared;
        loading.prepared = block->next.get();
        prepared_enter(block);
    }
    slot.last_use.store(0, std::memory_order_relaxed);
    shared.mine->reading.store(loading.slot + 1, std::memory_order_seq_cst);
    const uint64_t version =
        next_version(slot.version.load(std::memory_order_relaxed), SlotState::kReady);
    slot.version.store(version, std::memory_order_seq_cst);
    loading.active = false;
    ConditionVariableBroadcast(&shared.control->loaded);
    count(shared.mine->counters.rebuilds);
    return loading.slot;
}

// Builds the departure or item. Returns how many live tickets have no seat there.
uint32_t build(const Key& key, const Row& row) {
    uint32_t bad_rows = 0;
    if (key.kind == KeyKind::kItem) {
        load_item(*key.catalog, row.id, loading.slot, row.own_insert);
    } else {
        load_departure(*key.catalog, row.departure, loading.slot, &bad_rows);
    }
    return bad_rows;
}

// On a standby, a reform (amend/reform.cpp) may be replayed between the reading of the departure's
// row and that of its orders. On a primary, the departure is in memory then.
bool has_seats_of(const Key& key, const Row& row) {
    Row now{};
    return key.kind == KeyKind::kItem || !RecoveryInProgress() ||
           (read_row(key_of(*key.catalog, row.id), &now) &&
            now.departure.layout_id == row.departure.layout_id &&
            now.departure.route_id == row.departure.route_id);
}

// Call when nobody waits for this load any more: a client may be slow to read the warning.
void warn_of_bad_rows(int64_t departure_id, uint32_t bad_rows) {
    const char* text =
        psprintf(_("departure " INT64_FORMAT " has %u live tickets that it has no seat for"),
                 departure_id, bad_rows);
    note_my_error(ERRCODE_WARNING, text);
    ereport(WARNING,
            (errmsg_internal("%s", text),
             errdetail("Their seat or stops do not exist, or another live ticket has them."),
             errhint("SELECT * FROM ticket_verify(" INT64_FORMAT ") names them.", departure_id)));
}

}  // namespace

uint32_t read_epoch(const Key& key, DateADT date) {
    return key.kind == KeyKind::kItem ? item_epoch_of(*key.catalog) : epoch_of(*key.catalog, date);
}

uint32_t lock_and_read_epoch(const Key& key, DateADT date, LoadLocks* locks) {
    if (key.kind == KeyKind::kItem) {
        lock_for_loading_item(*key.catalog, locks);
    } else {
        lock_for_loading(*key.catalog, date, locks);
    }
    return read_epoch(key, date);
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

bool load_by_key(const Key& key, uint32_t* found) {
    Row row{};
    *found = kNoSlot;
    if (!read_row(key, &row)) {
        return true;
    }
    LoadLocks locks{};
    if (!has_begun(key, row) || !lock_and_begin(key, row.departure.service_date, &locks)) {
        return false;
    }
    const bool own_insert = row.own_insert;
    const DateADT date = row.departure.service_date;
    if (!read_row(key.kind == KeyKind::kItem ? key : key_of(*key.catalog, row.id), &row) ||
        row.departure.service_date != date || !has_name_of(loading.slot, row)) {
        loading_abandon();
        unlock_after_loading(locks);
        return false;
    }
    if (own_insert) {
        ledger_reserve(1);
        pin_slot(loading.slot);
    }
    const uint32_t bad_rows = build(key, row);
    if (!has_seats_of(key, row)) {
        loading_abandon();
        unlock_after_loading(locks);
        return false;
    }
    *found = finish_loading();
    unlock_after_loading(locks);
    if (own_insert) {
        ledger_add_opened(*found);
    }
    if (bad_rows > 0) {
        warn_of_bad_rows(row.id, bad_rows);
    }
    return true;
}

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

}  // namespace ticketpool
