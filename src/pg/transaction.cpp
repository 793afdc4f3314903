// The transaction callbacks of the whole extension, in one order. The server calls callbacks in the
// reverse order of their registration, so several of them would depend on the order of lines in
// module.cpp. No other file registers any (test/checks.sh).
//
// Before the end (errors are still possible):
//   1. wanted checks     first: a check may claim seats, which go into the ledger
//   2. marks             new sale times are entered in the ledger, after all that a check may have
//                        written; PREPARE is refused if rows were changed by hand
//   3. new waiters       departures in which something was freed since they looked are marked, so
//                        that buyers keep their hands off from the commit on
//   4. the ledger        copied to shared memory for PREPARE, last: it is complete, and no error of
//                        ours can follow
//
// At commit (others see the rows as committed by now; nothing can fail):
//   1. marks             departures get new names, in the turn that the ledger ends after that;
//                        what the pool does not follow step by step is marked for loading again
//   2. the ledgers       of seats and of units: releases, sale times, quotas, what was opened
//   3. pins              only after 1 and 2: a session that waits for the pins of others, as
//                        ticket_withdraw does, must find in memory all that their transactions did;
//                        and nobody may load a departure between the commit and its late releases
//   4. the deadline      the worker is told when everything else is in place
//   5. private notes     forgotten; nobody else sees them
//
// At rollback:
//   1. a load in progress, and the copy that a failed PREPARE left, before the entries they use
//   2. the ledger of units, then that of seats, each last entry first: what the transaction opened
//      is discarded with the first entries of the seats' ledger, so the rest must be undone by then
//   3. pins, for the reason above; 4. the deadline; 5. private notes, marks among them
//   6. the row of ticket_progress, which nothing here depends on
#include "transaction.hpp"

#include "follow/commit_marks.hpp"
#include "follow/wanted.hpp"
#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/sale_queue.hpp"
#include "pool/stock_ledger.hpp"
#include "pool/unfinished_load.hpp"
#include "pool/wait_list.hpp"
#include "server/progress.hpp"
#include "server/stop_point.hpp"
#include "tables/arrival_locks.hpp"

namespace ticketpool {
namespace {

// A session that has not used the pool has nothing to end there.
bool uses_pool() {
    return shared.control != nullptr && shared.mine != nullptr;
}

void forget_notes() {
    marks_forget();
    forget_wanted();
    forget_missing();
    forget_served();
}

void before_prepare() {
    settle_wanted(-1);
    marks_refuse_prepare();
    ledger_prepare();
}

void at_commit() {
    if (uses_pool()) {
        marks_apply();
        ledger_settle();
        stock_settle();
        unpin_all();
        announce_deadline();
        leave_sale_at_commit();
    }
    forget_notes();
}

void at_abort() {
    ledger_abandon_prepare();
    if (uses_pool()) {
        loading_abandon();
        stock_undo_level(0);
        ledger_undo_level(0);
        unpin_all();
        forget_deadline();
        leave_sale_at_abort();
    }
    forget_notes();
    progress_abandon(0);
}

// The prepared ledger, in shared memory, has everything from here on.
void at_prepare() {
    ledger_complete_prepare();
    if (uses_pool()) {
        loading_abandon();
        stock_forget();
        unpin_all();
        forget_deadline();
    }
    forget_notes();
}

void on_transaction_event(XactEvent event, void*) {
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
            settle_wanted(-1);
            if (uses_pool()) {
                marks_enter();
                warn_of_waiters();
            }
            break;
        case XACT_EVENT_PRE_PREPARE:
            before_prepare();
            break;
        case XACT_EVENT_COMMIT:
            TICKETPOOL_STOP_POINT("committed");
            at_commit();
            break;
        case XACT_EVENT_ABORT:
            TICKETPOOL_STOP_POINT("rolled-back");
            at_abort();
            break;
        case XACT_EVENT_PREPARE:
            at_prepare();
            break;
        default:
            break;
    }
}

void at_subcommit(int level) {
    if (uses_pool()) {
        ledger_promote_level(level);
        stock_promote_level(level);
    }
    marks_promote_level(level);
    promote_wanted(level);
}

// In the order of a rollback.
void at_subabort(int level) {
    progress_abandon(level);
    if (uses_pool()) {
        loading_abandon();
        stock_undo_level(level);
        ledger_undo_level(level);
    }
    void_served();
    marks_forget_level(level);
    forget_wanted_of(level);
    // The locks that these notes rely on may go with the subtransaction.
    forget_missing();
}

void on_subtransaction_event(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
    if (event == SUBXACT_EVENT_COMMIT_SUB) {
        at_subcommit(GetCurrentTransactionNestLevel());
    } else if (event == SUBXACT_EVENT_ABORT_SUB) {
        at_subabort(GetCurrentTransactionNestLevel());
    }
}

}  // namespace

void install_transaction_callbacks() {
    RegisterXactCallback(on_transaction_event, nullptr);
    RegisterSubXactCallback(on_subtransaction_event, nullptr);
}

}  // namespace ticketpool
