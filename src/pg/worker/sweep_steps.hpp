// What the parts of a sweep share (sweep.cpp, sweep_waits.cpp): each thing that is due is done in a
// subtransaction of its own, and what fails is left for the next round.
#pragma once

#include "pool/worker_notes.hpp"
#include "server/owner_scope.hpp"
#include "server/subtransaction.hpp"
#include "worker/sweep.hpp"

namespace ticketpool {

enum class Outcome { kDone, kBusy, kFailed };

// A transaction that takes this long (in slow triggers, say) commits what it has done so far.
inline constexpr TimestampTz kMostTime = USECS_PER_SEC;

// Does one thing in a subtransaction of its own. If it fails (a trigger refuses, say), that is
// reported with the text that tell() makes, in the log and in ticket_worker_status; the thing is
// left for the next round, and the rest goes on.
template <typename Work>
Outcome guarded(Work work, const char* (*tell)(int64_t id, const ErrorData& error), int64_t id) {
    ErrorData* error = in_subtransaction([&] {
        work();
        return true;
    });
    if (error == nullptr) {
        return Outcome::kDone;
    }
    rethrow_cancel(error);
    // Another session has a lock: not worth a line, unless it lasts (see ticket_sweep_status).
    const Outcome outcome =
        error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ? Outcome::kBusy : Outcome::kFailed;
    if (outcome == Outcome::kFailed) {
        const char* text = tell(id, *error);
        ereport(WARNING, (errcode(error->sqlerrcode), errmsg_internal("%s", text)));
        note_my_error(error->sqlerrcode, text);
    }
    FreeErrorData(error);
    return outcome;
}

void note_left(Sweep* sweep, Outcome outcome, TimestampTz deadline);

// Around a sweep's statements: they run as the owner, whatever the policies on its tables are.
void scope_begin(const Catalog& catalog, OwnerScope* scope);
void scope_end(const OwnerScope& scope);

}  // namespace ticketpool
