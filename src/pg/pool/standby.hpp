// Departures in memory on a hot standby.
//
// A standby replays what the primary wrote, and nothing of that tells the pool. So a departure that
// was loaded in recovery remembers when, and what had been replayed by then. A session that finds
// it, and sees that it is older than `ticketpool.standby_staleness` and that more has been
// replayed, retires it and loads it again. Sessions that read the retired one go on; others wait
// for the load as for every load. Nobody claims or pins in recovery: transactions are read-only
// there.
//
// Promotion. What was loaded in recovery may lack what was replayed later, so none of it may be
// sold from. Who writes what:
//
//   begin of a load    under the directory lock: `replayed` of the slot, and kLoadedInRecovery in
//                      Control::attention, if the server is in recovery at this moment; otherwise
//                      `replayed` becomes 0
//   every finder       with attention != 0: a departure with `replayed` != 0 is retired and loaded
//                      again once the server is not in recovery any more
//   the launcher       starts with the promotion, retires all of them and, when none is left that
//                      is still being loaded or read, takes kLoadedInRecovery away. So a finder
//                      that announced one before it was retired still sees attention != 0, and
//                      `replayed`, which stays as it is until the slot is used again
//
// "In recovery" turns false once and for all, at the latest when the first transaction may write.
// If it is false at the begin of a load, all has been replayed, and the load sees everything. If it
// is true, the load is marked, however long it takes, and is retired before a writer uses it: a
// writer's transaction began after the end of recovery, so it sees "false" when it finds the
// departure. The launcher sees "false" under the lock, so no load is marked after that.
//
// If a process dies right here: a finder that retired a departure and then fails has only dropped
// what was stale.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

struct StandbyLoad {
    std::atomic<int64_t> loaded_at;  // time stamp: what it shows is not older than this
    std::atomic<uint64_t> replayed;  // position at that time; 0: not loaded in recovery
};

// A load begins in the slot; the directory lock is held exclusively.
void standby_note_load(uint32_t slot);

// Must the departure in the slot be loaded again for a caller that asked at `asked_at` and accepts
// what is up to so many milliseconds old?
bool standby_is_outdated(uint32_t slot, TimestampTz asked_at, int staleness_ms);

// After the promotion: nothing that was loaded in recovery stays. For the launcher.
void standby_discard_all();

}  // namespace ticketpool
