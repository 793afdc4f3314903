// The cashier takes the requests that have queued, carries them out in one transaction, and
// answers.
//
// A group, step by step; the protocol of the queue is in pool/sale_queue.hpp:
//
//   1. takes the whole queue: those are the group, in the order in which they came
//   2. locks the tables, without waiting: somebody who alters a table must not hold up the group
//   3. for each request: announces the departure, looks at its sale, locks the request_id and the
//      people, without waiting, asks the rules, claims, builds the rows
//   4. inserts all rows at once, and commits as durably as the strictest of the group asks for
//   5. answers: SOLD to those that were sold; REFUSED to all others, which then sell by themselves
//
// Whatever does not go smoothly is refused: the caller then takes the ordinary way, where it waits,
// fails or is sold out as without a cashier, with its own error. So the cashier has no error to
// report to anybody. An error while a request is carried out is blamed on it: the transaction is
// rolled back, the request is refused, and the group goes on without it. An error that cannot be
// blamed on one refuses all.
//
// A cashier that has to stop (SIGTERM) in the middle of a group rolls it back, and refuses all. One
// that has committed and not yet answered answers on its way out. With a lock on the whole database
// in its way, it leaves as the sweeper does, within a second of silence.
#include "worker/cashier.hpp"

#include "items/item_group.hpp"
#include "pool/deadlines.hpp"
#include "pool/sale_queue.hpp"
#include "pool/shared_memory.hpp"
#include "pool/worker_notes.hpp"
#include "server/catalog.hpp"
#include "server/settings.hpp"
#include "server/stop_point.hpp"
#include "tickets/ticket_group.hpp"
#include "worker/worker.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xlog.h"
#include "commands/dbcommands.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/wait_event.h"
}

extern "C" {
PGDLLEXPORT void ticketpool_cashier_main(Datum argument);
}

namespace ticketpool {
namespace {

// ---------------------------------------------------------------------------------------------
// A group
// ---------------------------------------------------------------------------------------------

constexpr int kMostInGroup = 128;

struct Group {
    SaleSlot* slot[kMostInGroup];
    bool sold[kMostInGroup];
    int count;
};
// What this process has TAKEN and not answered yet. Its exit looks here.
constinit Group group{};
constinit SaleSlot** queue = nullptr;  // taken, and not in the group yet: from queue_next on
constinit int queue_next = 0;
constinit int queue_count = 0;

void answer_all(bool committed) {
    for (int i = 0; i < group.count; i++) {
        answer_sale(group.slot[i],
                    committed && group.sold[i] ? SaleState::kSold : SaleState::kRefused);
    }
    group.count = 0;
}

// Takes one request out of the group and refuses it.
void refuse_one(int at) {
    answer_sale(group.slot[at], SaleState::kRefused);
    group.count--;
    for (int i = at; i < group.count; i++) {
        group.slot[i] = group.slot[i + 1];
    }
}

const char* const kDurabilities[] = {"off", "local", "remote_write", "on", "remote_apply"};
static_assert(SYNCHRONOUS_COMMIT_OFF == 0 && SYNCHRONOUS_COMMIT_REMOTE_APPLY == 4);

// Outside of a transaction, so that it lasts.
void be_as_durable_as_the_strictest() {
    int strictest = SYNCHRONOUS_COMMIT_OFF;
    for (int i = 0; i < group.count; i++) {
        strictest = Max(strictest, group.slot[i]->durability);
    }
    if (synchronous_commit != strictest) {
        SetConfigOption("synchronous_commit", kDurabilities[strictest], PGC_USERSET, PGC_S_SESSION);
    }
}

Oid schema_of(const SaleSlot& slot) {
    return slot.kind == SaleKind::kTickets ? schema_of_tickets(slot) : schema_of_item(slot);
}

// Carries out the requests of one kind. *at: the place in the group of the one at work, or -1.
void carry_out_kind(const Catalog& catalog, SaleKind kind, volatile int* at) {
    SaleSlot* slots[kMostInGroup];
    bool sold[kMostInGroup] = {};
    int place[kMostInGroup];
    int count = 0;
    for (int i = 0; i < group.count; i++) {
        if (group.slot[i]->kind == kind) {
            slots[count] = group.slot[i];
            place[count++] = i;
        }
    }
    if (count == 0) {
        return;
    }
    if (kind == SaleKind::kTickets) {
        carry_out_tickets(catalog, slots, place, count, sold, at);
    } else {
        carry_out_items(catalog, slots, place, count, sold, at);
    }
    for (int i = 0; i < count; i++) {
        group.sold[place[i]] = sold[i];
    }
}

void carry_out_group(volatile int* at) {
    const Catalog& catalog = catalog_in(schema_of(*group.slot[0]));
    memset(group.sold, 0, sizeof group.sold);
    PushActiveSnapshot(GetTransactionSnapshot());
    carry_out_kind(catalog, SaleKind::kTickets, at);
    carry_out_kind(catalog, SaleKind::kItem, at);
    PopActiveSnapshot();
    const TransactionId xid = GetTopTransactionIdIfAny();
    for (int i = 0; i < group.count; i++) {
        group.slot[i]->xid.store(xid, std::memory_order_release);
    }
}

// Was the transaction of the group, which is over, committed?
bool is_committed() {
    const TransactionId xid = group.count == 0 ? InvalidTransactionId
                                               : group.slot[0]->xid.load(std::memory_order_relaxed);
    return TransactionIdIsValid(xid) && TransactionIdDidCommit(xid);
}

// True: the group has been committed. False: an error; *at is whom to blame.
bool try_group(volatile int* at) {
    MemoryContext outer = CurrentMemoryContext;
    volatile bool done = false;
    PG_TRY();
    {
        SetCurrentStatementStartTimestamp();
        StartTransactionCommand();
        TICKETPOOL_STOP_POINT("cashier-taken");
        carry_out_group(at);
        TICKETPOOL_STOP_POINT("cashier-written");
        CommitTransactionCommand();
        done = true;
    }
    PG_CATCH();
    {
        MemoryContextSwitchTo(outer);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        AbortCurrentTransaction();
        const char* text =
            psprintf(_("a group sale goes on without one of its callers: %s"), error->message);
        note_my_error(error->sqlerrcode, text);
        ereport(LOG,
                (errcode(error->sqlerrcode), errmsg_internal("%s", text),
                 errdetail("The caller, or each if the error is nobody's own, sells by itself.")));
        FreeErrorData(error);
    }
    PG_END_TRY();
    MemoryContextSwitchTo(outer);
    return done || is_committed();  // an error may have come after the commit
}

void count_group(SaleDesk* desk) {
    uint64_t sales = 0;
    for (int i = 0; i < group.count; i++) {
        sales += group.sold[i] ? 1 : 0;
    }
    if (sales > 0) {
        count(desk->groups);
        count(desk->sales, sales);
    }
}

void answer_committed(SaleDesk* desk) {
    count_group(desk);
    const uint64_t end = XactLastCommitEnd;
    for (int i = 0; i < group.count; i++) {
        group.slot[i]->commit_end = end;
    }
    answer_all(true);
}

void serve_group(SaleDesk* desk) {
    while (group.count > 0) {
        volatile int at = -1;
        QueryCancelPending = false;  // meant for the wait of the group before
        be_as_durable_as_the_strictest();
        if (try_group(&at)) {
            TICKETPOOL_STOP_POINT("cashier-committed");
            answer_committed(desk);
        } else if (at >= 0) {
            refuse_one(at);
        } else {
            answer_all(false);
        }
    }
}

// ---------------------------------------------------------------------------------------------
// The worker
// ---------------------------------------------------------------------------------------------

// After so many groups of one, nobody needs to queue: the next caller sells for itself.
constexpr int kLonely = 3;
constinit int lonely = 0;

void note_size(SaleDesk* desk, int size) {
    lonely = size > 1 ? 0 : lonely + 1;
    const bool rush = size > 1 || (desk->rush.load(std::memory_order_relaxed) && lonely < kLonely);
    if (desk->rush.load(std::memory_order_relaxed) != rush) {
        desk->rush.store(rush, std::memory_order_relaxed);
    }
}

// The last groups, apart by whether their commit was flushed.
struct Watched {
    int groups;
    int callers;
};
constinit Watched watched[2]{};

// Below these means, a group costs its callers more than it saves them.
constexpr int kWatch = 256;
constexpr int kFewCallers[2] = {4 * kWatch, 3 * kWatch / 2};
constexpr TimestampTz kApart = USECS_PER_SEC;

void watch_worth(SaleDesk* desk, int size) {
    const int flushed = is_flushed(synchronous_commit);
    Watched* last = &watched[flushed];
    last->groups++;
    last->callers += size;
    if (last->groups == kWatch) {
        if (last->callers < kFewCallers[flushed]) {
            desk->apart_until[flushed].store(GetCurrentTimestamp() + kApart,
                                             std::memory_order_relaxed);
        }
        *last = Watched{};
    }
}

// A cancel is for a group that waits for a standby (hurry_cashier()); between groups it is void.
void look_after_interrupts() {
    QueryCancelPending = false;
    HOLD_CANCEL_INTERRUPTS();
    CHECK_FOR_INTERRUPTS();
    RESUME_CANCEL_INTERRUPTS();
}

// Serves whoever has queued. False: nobody has.
bool serve_queue(SaleDesk* desk) {
    queue_next = 0;
    queue_count = take_queue(desk, queue);
    if (queue_count == 0) {
        return false;
    }
    const TimestampTz start = GetCurrentTimestamp();
    note_size(desk, queue_count);
    while (queue_next < queue_count) {
        group.count = Min(queue_count - queue_next, kMostInGroup);
        memcpy(group.slot, &queue[queue_next], static_cast<size_t>(group.count) * sizeof *queue);
        queue_next += group.count;
        const int size = group.count;
        serve_group(desk);
        watch_worth(desk, size);
        pgstat_report_stat(false);  // not more often than others do; autovacuum goes by it
        look_after_interrupts();
    }
    note_my_round(start, 0, false);
    return true;
}

uint32 wait_event() {
#if PG_VERSION_NUM >= 170000
    static uint32 event = 0;
    if (event == 0) {
        event = WaitEventExtensionNew("TicketpoolCashier");
    }
    return event;
#else
    return PG_WAIT_EXTENSION;
#endif
}

void look_after_settings() {
    if (ConfigReloadPending) {
        ConfigReloadPending = false;
        ProcessConfigFile(PGC_SIGHUP);
    }
}

// Serves until nobody has queued for a while, or somebody wants the database.
void serve(SaleDesk* desk) {
    constexpr long kLookMs = 1000;
    TimestampTz last = GetCurrentTimestamp();
    bool busy = false;
    for (;;) {
        ResetLatch(MyLatch);
        look_after_interrupts();
        look_after_settings();
        if (serve_queue(desk)) {
            if (!busy) {
                pgstat_report_activity(STATE_RUNNING, "group sale");
            }
            busy = true;
            continue;
        }
        if (busy) {
            busy = false;
            last = GetCurrentTimestamp();
            pgstat_report_activity(STATE_IDLE, nullptr);
        }
        const int got = WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, kLookMs,
                                  wait_event());
        if ((got & WL_TIMEOUT) != 0) {
            desk->rush.store(false, std::memory_order_relaxed);
            pgstat_report_stat(true);
            if (GetCurrentTimestamp() - last > setting_cashier_idle * USECS_PER_SEC ||
                is_wanted_by_others()) {
                return;
            }
        }
    }
}

// After the server has rolled back an open transaction. A transaction that was committed is known
// by its id, which the slots have.
void at_cashier_exit(int code, Datum database) {
    end_my_note(code);
    SaleDesk* desk = find_desk(DatumGetObjectId(database));
    if (desk == nullptr ||
        desk->cashier.load(std::memory_order_relaxed) != my_backend_number() + 1) {
        return;
    }
    if (is_committed()) {
        answer_committed(desk);
    } else {
        answer_all(false);
    }
    for (; queue_next < queue_count; queue_next++) {
        answer_sale(queue[queue_next], SaleState::kRefused);
    }
    end_serving(desk);
}

// ---------------------------------------------------------------------------------------------
// In the launcher
// ---------------------------------------------------------------------------------------------

constexpr TimestampTz kPause = 5 * USECS_PER_SEC;  // before the next try, where one failed

struct Start {
    Oid database;
    TimestampTz at;  // of the last one; a cashier that has not come by kPause later is lost
    bool told;
};
constinit Start starts[kMaxDesks]{};

void report_no_slot(Oid database, Start* start) {
    if (!start->told) {
        start->told = true;
        note_error(worker_note(enter_database(database), WorkerKind::kCashier),
                   ERRCODE_INSUFFICIENT_RESOURCES,
                   _("it could not be started: raise \"max_worker_processes\""));
        ereport(WARNING, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
                          errmsg("ticketpool could not start a cashier"),
                          errdetail("All background workers are in use. Sessions with "
                                    "ticketpool.group_sale sell for themselves meanwhile."),
                          errhint("Raise \"max_worker_processes\".")));
    }
}

// The one that was started last has written down its begin, unless it ended before its first step.
void note_if_lost(Oid database, const Start& start) {
    WorkerNote* note = worker_note(enter_database(database), WorkerKind::kCashier);
    if (start.database == database && start.at != 0 && !start.told && note != nullptr &&
        read_note(note).started_at < start.at) {
        note_error(note, ERRCODE_INTERNAL_ERROR,
                   _("it ended before its first step: the log says why"));
    }
}

void start_cashier(Oid database, Start* start) {
    BackgroundWorker worker;
    fill_worker(&worker, "ticketpool cashier", "ticketpool_cashier_main");
    worker.bgw_main_arg = ObjectIdGetDatum(database);
    start->database = database;
    start->at = GetCurrentTimestamp();
    if (RegisterDynamicBackgroundWorker(&worker, nullptr)) {
        start->told = false;
    } else {
        report_no_slot(database, start);
    }
}

}  // namespace

void start_wanted_cashiers(bool (*can_connect)(Oid database)) {
    for (int i = 0; i < kMaxDesks; i++) {
        SaleDesk* desk = &shared.desks[i];
        const Oid database = desk->database.load(std::memory_order_acquire);
        if (database == InvalidOid || !desk->wanted.load(std::memory_order_relaxed)) {
            continue;
        }
        if (desk->cashier.load(std::memory_order_acquire) != 0) {
            desk->wanted.store(false, std::memory_order_seq_cst);
        } else if ((desk->came.exchange(false, std::memory_order_acquire) ||
                    GetCurrentTimestamp() - starts[i].at > kPause) &&
                   can_connect(database)) {
            note_if_lost(database, starts[i]);
            start_cashier(database, &starts[i]);
        }
    }
}

}  // namespace ticketpool

void ticketpool_cashier_main(Datum argument) {
    using namespace ticketpool;
    const Oid database = DatumGetObjectId(argument);
    // Before the server's own callback is registered, so that it is called after that one has
    // rolled back what is open.
    before_shmem_exit(at_cashier_exit, argument);
    begin_note(worker_note(enter_database(database), WorkerKind::kCashier));
    pqsignal(SIGHUP, SignalHandlerForConfigReload);
    connect_worker(database);
    SaleDesk* desk = my_desk();
    if (desk == nullptr || !begin_serving(desk)) {
        return;
    }
    desk->wanted.store(false, std::memory_order_seq_cst);
    queue = static_cast<SaleSlot**>(
        MemoryContextAlloc(TopMemoryContext, shared.control->backend_count * sizeof(SaleSlot*)));
    pgstat_report_activity(STATE_IDLE, nullptr);
    serve(desk);
}
