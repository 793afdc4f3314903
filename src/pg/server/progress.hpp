// What a call that may take long has done so far, for others to see: a row of ticket_progress (and
// of router_progress on a router).
//
// The server's own progress views (pg_stat_progress_…) know a fixed list of commands, to which an
// extension cannot add. So there is a slot for each backend in shared memory, found by the number
// of the backend. Without the preload there is none, and nothing is reported.
//
// Who writes which word when
// --------------------------
// A slot is written by its own backend alone, so nobody waits for anybody:
//
//   version   odd while the backend is writing the words below, else even
//   command   kNone: there is no row. Stored with all other words by progress_begin(), set back by
//             progress_end()
//   phase, done, total, object
//             as the call goes on. A new phase or object is written under a new version; `done`
//             alone is one word, and is just stored
//
// A reader reads the version, then all words, then the version again, and begins again unless the
// version was even and is the same: then all words are of one moment. All words are atomic. The
// writer stores the odd version before a release fence, and the even one, and `done`, by releasing
// stores; the reader's second look comes after an acquire fence. So a reader that sees a word of a
// later write sees the later version, too. A backend writes for some nanoseconds, and nothing in
// there can fail. A reader that meets one which is stopped right then takes what it has read after
// kMostReads: the words of two moments.
//
// Only the outermost of our calls is shown. One that runs inside it (in a trigger of the user's,
// say) gets an empty Progress, which reports nothing.
//
// When a row disappears
// ---------------------
//   the call returns             progress_end()
//   an error, also a cancel      the end of the transaction, or of the subtransaction in which the
//                                call began: progress_abandon(), called by transaction.cpp. The
//                                call's own subtransactions begin later, and leave its row alone.
//                                A commit does not end a row: a worker's call has many
//   the process ends             before_shmem_exit
//   the process is killed        the server restarts; all of this memory is made again, empty
//
// A number, and with it the slot, that goes to another process has been left like that.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

enum class ProgressCommand : uint32_t {
    kNone,
    kPreload,
    kVerify,
    kItemVerify,
    kImport,
    kReform,
    kWithdraw,
    kMoveOut,
    kMoveBack,
    kMoveIn,
    kRouterMove,
    kSweep
};

enum class ProgressPhase : uint32_t {
    kListing,
    kLoading,
    kComparing,
    kImportTurn,
    kFeed,
    kStations,
    kRuns,
    kClaims,
    kRows,
    kPlan,
    kWriting,
    kServing,
    kRefunds,
    kPacking,
    kUnpacking,
    kFinding,
    kCopying,
    kHandingOver,
    kBringingIn,
    kRoutes,
    kHolds,
    kQuotas,
    kWaits
};

inline constexpr int64_t kNoTotal = -1;  // it is not known how much there is to do

struct alignas(64) ProgressSlot {
    static constexpr int kObjectWords = 12;  // 95 bytes and a zero
    std::atomic<uint32_t> version;
    std::atomic<uint32_t> command;
    std::atomic<uint32_t> phase;
    std::atomic<uint32_t> database;
    std::atomic<int32_t> pid;
    std::atomic<int64_t> started_at;
    std::atomic<int64_t> done;
    std::atomic<int64_t> total;
    std::atomic<uint64_t> object[kObjectWords];
};
static_assert(std::is_standard_layout_v<ProgressSlot> &&
              std::is_trivially_destructible_v<ProgressSlot>);
static_assert(std::atomic<int64_t>::is_always_lock_free && sizeof(ProgressSlot) == 192);

// The piece of shared memory; called by pool_layout.cpp.
Size progress_bytes(uint32_t backends);
void progress_attach(char* memory);
void progress_start(uint32_t backends);

// A call's own row. Empty: it has none, and all of these do nothing.
struct Progress {
    ProgressSlot* slot;
};

Progress progress_begin(ProgressCommand command, ProgressPhase phase, Text object = {nullptr, 0});
void progress_phase(const Progress& progress, ProgressPhase phase, int64_t total = kNoTotal);
// What is being looked at: a departure's id, a train and its day, a train's number.
void progress_object(const Progress& progress, Text object);
Text train_and_day(Text train, DateADT date);  // palloc'd
void progress_departure(const Progress& progress, int64_t departure_id);
inline void progress_done(const Progress& progress, int64_t done) {
    if (progress.slot != nullptr) {
        progress.slot->done.store(done, std::memory_order_release);
    }
}
void progress_end(const Progress& progress);

// For the transaction callbacks: no-fail. The (sub)transaction of this level is rolled back.
void progress_abandon(int level);

// The rows of the view. Ereports if there is no shared memory.
Datum return_progress(FunctionCallInfo fcinfo);

}  // namespace ticketpool
