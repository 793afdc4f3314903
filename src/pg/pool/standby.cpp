// Notes what was loaded in recovery, and finds and drops what is out of date (standby.hpp).
#include "pool/standby.hpp"

#include "pool/eviction.hpp"
#include "pool/shared_memory.hpp"

extern "C" {
#include "access/xlog.h"
#include "access/xlogrecovery.h"
}

namespace ticketpool {

void standby_note_load(uint32_t slot) {
    StandbyLoad& load = shared.standby[slot];
    uint64_t replayed = 0;
    if (unlikely(RecoveryInProgress())) {
        replayed = Max(GetXLogReplayRecPtr(nullptr), static_cast<XLogRecPtr>(1));
        shared.control->attention.fetch_or(kLoadedInRecovery, std::memory_order_relaxed);
        load.loaded_at.store(GetCurrentTimestamp(), std::memory_order_relaxed);
    }
    load.replayed.store(replayed, std::memory_order_relaxed);
}

bool standby_is_outdated(uint32_t slot, TimestampTz asked_at, int staleness_ms) {
    StandbyLoad& load = shared.standby[slot];
    const uint64_t replayed = load.replayed.load(std::memory_order_relaxed);
    if (replayed == 0) {
        return false;
    }
    if (!RecoveryInProgress()) {
        return true;
    }
    const int64_t age = asked_at - load.loaded_at.load(std::memory_order_relaxed);
    // The clock may have been set back by more than a moment.
    if (age <= int64_t{staleness_ms} * 1000 && age > -USECS_PER_MINUTE) {
        return false;
    }
    const TimestampTz now = GetCurrentTimestamp();
    if (GetXLogReplayRecPtr(nullptr) != replayed) {
        return true;
    }
    load.loaded_at.store(now, std::memory_order_relaxed);
    return false;
}

void standby_discard_all() {
    if ((shared.control->attention.load(std::memory_order_relaxed) & kLoadedInRecovery) == 0) {
        return;
    }
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    const bool in_recovery = RecoveryInProgress();
    bool left = in_recovery;
    for (uint32_t i = 0; !in_recovery && i < shared.control->slot_count; i++) {
        if (state_of(shared.slots[i].version.load(std::memory_order_relaxed)) ==
                SlotState::kReady &&
            shared.standby[i].replayed.load(std::memory_order_relaxed) != 0) {
            retire_slot(i);
        }
    }
    free_retired();
    // Some may still be loading, and a finder may just have announced one that is retired now: the
    // finder must still see the mark.
    for (uint32_t i = 0; i < shared.control->slot_count && !left; i++) {
        left =
            state_of(shared.slots[i].version.load(std::memory_order_relaxed)) != SlotState::kFree &&
            shared.standby[i].replayed.load(std::memory_order_relaxed) != 0;
    }
    if (!left) {
        shared.control->attention.fetch_and(~kLoadedInRecovery, std::memory_order_relaxed);
    }
    LWLockRelease(shared.control->lock);
}

}  // namespace ticketpool
