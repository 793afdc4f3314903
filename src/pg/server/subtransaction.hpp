// A part of a transaction that can be undone alone.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "utils/resowner.h"
}

namespace ticketpool {

// A function of its own: compilers warn of the variables of what they inline into a function that
// calls sigsetjmp, although none of these is used after a longjmp.
template <typename Work>
[[gnu::noinline]] bool call_work(Work& work) {
    return work();
}

// Runs work() in a subtransaction. The subtransaction is kept if work() returns true, and undone if
// work() returns false or an error is raised. Returns that error, palloc'd in the caller's memory
// context, for the caller to raise again or to report; null: there was none.
template <typename Work>
[[nodiscard]] ErrorData* in_subtransaction(Work work) {
    MemoryContext context = CurrentMemoryContext;
    ResourceOwner owner = CurrentResourceOwner;
    ErrorData* volatile error = nullptr;
    BeginInternalSubTransaction(nullptr);
    MemoryContextSwitchTo(context);
    PG_TRY();
    {
        if (call_work(work)) {
            ReleaseCurrentSubTransaction();
        } else {
            RollbackAndReleaseCurrentSubTransaction();
        }
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(context);
        error = CopyErrorData();
        FlushErrorState();
        RollbackAndReleaseCurrentSubTransaction();
    }
    PG_END_TRY();
    MemoryContextSwitchTo(context);
    CurrentResourceOwner = owner;
    return error;
}

// Raises such an error again if it is a cancel or the end of the session: these are meant for the
// whole statement, not for the part that was undone.
inline void rethrow_cancel(ErrorData* error) {
    if (error->sqlerrcode == ERRCODE_QUERY_CANCELED ||
        error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN) {
        ReThrowError(error);
    }
}

}  // namespace ticketpool
