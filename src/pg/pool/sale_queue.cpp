// Queueing a purchase, and waiting for its answer: see sale_queue.hpp.
#include "pool/sale_queue.hpp"

#include "pool/deadlines.hpp"
#include "pool/shared_memory.hpp"
#include "pool/worker_notes.hpp"
#include "server/stop_point.hpp"
#include "server/word_wait.hpp"

extern "C" {
#include "access/transam.h"
#include "access/xlog.h"
#include "replication/syncrep.h"
#include "storage/latch.h"
#include "storage/procarray.h"
#include "utils/timeout.h"
}

namespace ticketpool {
namespace {

constexpr long kLookMs = 100;  // a signal between the look and the sleep goes unnoticed so long

// The desk at which this session is counted; null: none.
constinit SaleDesk* counted_at = nullptr;
// Its request is in the slot, and no answer has been read.
constinit bool has_request = false;
// Cancels are held back until the transaction, whose sale is committed, has ended.
constinit bool holds_cancels = false;
// So is every error: see forbid_errors().
constinit bool forbids_errors = false;
constinit bool exits_on_errors = false;  // the user's setting exit_on_error

uint32_t word(SaleState state) {
    return static_cast<uint32_t>(state);
}

bool move_on(SaleSlot* slot, SaleState from, SaleState to) {
    uint32_t expected = word(from);
    return slot->state.compare_exchange_strong(expected, word(to), std::memory_order_seq_cst);
}

void wake_cashier(const SaleDesk* desk) {
    const int32_t number = desk->cashier.load(std::memory_order_seq_cst);
    if (number != 0) {
        SetLatch(&ProcGlobal->allProcs[number - 1].procLatch);
    }
}

void push(SaleDesk* desk, SaleSlot* slot) {
    const uint32_t number = static_cast<uint32_t>(slot - shared.sales) + 1;
    uint32_t head = desk->head.load(std::memory_order_relaxed);
    do {
        slot->next.store(head, std::memory_order_relaxed);
    } while (!desk->head.compare_exchange_weak(head, number, std::memory_order_seq_cst));
    if (head == 0) {
        wake_cashier(desk);
    }
}

void resume_cancels() {
    // After an error the server has set the count back already.
    if (holds_cancels && QueryCancelHoldoffCount > 0) {
        RESUME_CANCEL_INTERRUPTS();
    }
    holds_cancels = false;
}

// What a client is told to have failed may not be sold. So from here to the end of the transaction
// the server turns an error into the end of the connection, of whose COMMIT nobody knows anything.
void forbid_errors() {
    if (!forbids_errors) {
        exits_on_errors = ExitOnAnyError;
        ExitOnAnyError = true;
        forbids_errors = true;
    }
}

void allow_errors() {
    if (forbids_errors) {
        ExitOnAnyError = exits_on_errors;
        forbids_errors = false;
    }
}

// A cancel, or a time-out, that came too late; the server would take the next cancel for one of its
// time-outs otherwise.
void forget_cancel() {
    QueryCancelPending = false;
    (void)get_timeout_indicator(STATEMENT_TIMEOUT, true);
    (void)get_timeout_indicator(LOCK_TIMEOUT, true);
}

// The request is not in the queue any more, or will leave it unsold.
void forget_request() {
    has_request = false;
    resume_cancels();
    allow_errors();
}

// Gives up a request that no cashier has taken. False: one has.
bool withdraw(SaleSlot* slot) {
    if (!move_on(slot, SaleState::kQueued, SaleState::kWithdrawn)) {
        return false;
    }
    forget_request();
    return true;
}

bool is_answer(SaleState state) {
    return state == SaleState::kSold || state == SaleState::kRefused;
}

// The group's rows are committed, and its cashier waits for a standby, for which this session is
// not going to wait. The cashier gives up that wait; whoever else is in the group goes on with it
// (settle_durability()).
void hurry_cashier(const SaleDesk* desk, const SaleSlot* slot) {
    const TransactionId xid = slot->xid.load(std::memory_order_acquire);
    const int32_t pid = desk->pid.load(std::memory_order_acquire);
    if (TransactionIdIsValid(xid) && pid != 0 && TransactionIdDidCommit(xid)) {
        kill(pid, SIGINT);
    }
}

// Returns if the wait has to go on. A cancel withdraws the request first: nothing may be sold once
// the error is on its way.
bool leaves_on_interrupt(const SaleDesk* desk, SaleSlot* slot) {
    if ((QueryCancelPending || ProcDiePending) && withdraw(slot)) {
        CHECK_FOR_INTERRUPTS();
        return true;
    }
    forbid_errors();         // somebody is selling, or has sold
    CHECK_FOR_INTERRUPTS();  // all but a cancel; if it ends this process, see leave_sale_at_abort()
    if (QueryCancelPending) {
        hurry_cashier(desk, slot);
    }
    return false;
}

// The cashier may take the request while this is found out, so an error may not be told.
bool gets_nothing(bool (*is_sold_out)(const void* purchase), const void* purchase) {
    forbid_errors();
    const bool nothing = is_sold_out(purchase);
    allow_errors();
    return nothing;
}

// The commit of the group waited for the standbys that the strictest of its callers asks for. That
// wait may have been cut short; then it goes on here, where this session can be cancelled as ever.
void settle_durability(const SaleSlot* slot) {
    if (synchronous_commit > SYNCHRONOUS_COMMIT_LOCAL_FLUSH) {
        HOLD_INTERRUPTS();
        SyncRepWaitForLSN(slot->commit_end, true);  // looks after cancels itself
        RESUME_INTERRUPTS();
    }
}

}  // namespace

SaleDesk* find_desk(Oid database) {
    for (int i = 0; i < kMaxDesks; i++) {
        if (shared.desks[i].database.load(std::memory_order_acquire) == database) {
            return &shared.desks[i];
        }
    }
    return nullptr;
}

// Once a session: it sells by itself.
static void note_no_desk() {
    static bool noted = false;
    if (!noted) {
        noted = true;
        note_error(worker_note(enter_database(MyDatabaseId), WorkerKind::kCashier),
                   ERRCODE_CONFIGURATION_LIMIT_EXCEEDED,
                   "other databases have all desks of group sale: sessions sell by themselves");
    }
}

SaleDesk* my_desk() {
    static SaleDesk* mine = nullptr;  // while a session is connected, its database stays
    if (likely(mine != nullptr)) {
        return mine;
    }
    SpinLockAcquire(&shared.control->databases_lock);
    mine = find_desk(MyDatabaseId);
    SaleDesk* unused = mine == nullptr ? find_desk(InvalidOid) : nullptr;
    if (unused != nullptr) {
        unused->database.store(MyDatabaseId, std::memory_order_release);
        mine = unused;
    }
    SpinLockRelease(&shared.control->databases_lock);
    if (mine == nullptr) {
        note_no_desk();
    }
    return mine;
}

int count_queued(const SaleDesk& desk) {
    uint32_t number = desk.head.load(std::memory_order_acquire);
    int count = 0;
    for (uint32_t i = 0; number != 0 && i < shared.control->backend_count; i++) {
        const SaleSlot& slot = shared.sales[number - 1];
        count += slot.now() == SaleState::kQueued ? 1 : 0;
        number = slot.next.load(std::memory_order_relaxed);
    }
    return count;
}

SaleSlot* my_sale_slot() {
    return &shared.sales[my_backend_number()];
}

int enter_sale(SaleDesk* desk) {
    if (counted_at != nullptr) {
        return desk->in_sale.load(std::memory_order_relaxed) - 1;
    }
    counted_at = desk;
    return desk->in_sale.fetch_add(1, std::memory_order_relaxed);
}

bool wait_for_sale(SaleDesk* desk, bool (*is_sold_out)(const void* purchase),
                   const void* purchase) {
    SaleSlot* slot = my_sale_slot();
    slot->durability = static_cast<int8_t>(synchronous_commit);
    slot->xid.store(InvalidTransactionId, std::memory_order_relaxed);
    HOLD_CANCEL_INTERRUPTS();
    holds_cancels = true;
    has_request = true;
    slot->state.store(word(SaleState::kQueued), std::memory_order_release);
    push(desk, slot);
    TICKETPOOL_STOP_POINT("sale-queued");
    if (desk->cashier.load(std::memory_order_seq_cst) == 0 && withdraw(slot)) {
        return false;
    }
    SaleState now = slot->now();
    while (!is_answer(now)) {
        if (InterruptPending && leaves_on_interrupt(desk, slot)) {
            return false;
        }
        wait_while(&slot->state, word(now), kLookMs, WordWait::kSale);
        now = slot->now();
        if (now == SaleState::kQueued && gets_nothing(is_sold_out, purchase) && withdraw(slot)) {
            return false;
        }
    }
    if (now == SaleState::kSold) {
        forbid_errors();
        TICKETPOOL_STOP_POINT("sale-answered");
        settle_durability(slot);
        return true;
    }
    allow_errors();
    TICKETPOOL_STOP_POINT("sale-answered");
    end_sale_request();
    resume_cancels();
    return false;
}

void end_sale_request() {
    has_request = false;
    my_sale_slot()->state.store(word(SaleState::kFree), std::memory_order_release);
}

static void uncount() {
    if (counted_at != nullptr) {
        counted_at->in_sale.fetch_sub(1, std::memory_order_relaxed);
        counted_at = nullptr;
    }
}

void leave_sale_at_commit() {
    uncount();
    if (unlikely(holds_cancels)) {
        forget_cancel();
        resume_cancels();
        allow_errors();
    }
}

void leave_sale_at_abort() {
    uncount();
    allow_errors();
    if (likely(!has_request)) {
        holds_cancels = false;
        return;
    }
    SaleSlot* slot = my_sale_slot();
    if (!move_on(slot, SaleState::kQueued, SaleState::kWithdrawn) &&
        !move_on(slot, SaleState::kTaken, SaleState::kOrphaned)) {
        slot->state.store(word(SaleState::kFree), std::memory_order_release);  // it was answered
    }
    has_request = false;
    holds_cancels = false;
}

// Refuses what is in the queue of a desk without a cashier, and gives back withdrawn slots.
static void empty_queue(SaleDesk* desk) {
    uint32_t number = desk->head.exchange(0, std::memory_order_seq_cst);
    while (number != 0) {
        SaleSlot* slot = &shared.sales[number - 1];
        number = slot->next.load(std::memory_order_relaxed);  // before the slot is given back
        if (move_on(slot, SaleState::kQueued, SaleState::kRefused)) {
            wake(&slot->state);
        } else {
            slot->state.store(word(SaleState::kFree), std::memory_order_release);
        }
    }
}

void free_desk(SaleDesk* desk) {
    empty_queue(desk);
    SpinLockAcquire(&shared.control->databases_lock);
    desk->in_sale.store(0, std::memory_order_relaxed);
    desk->wanted.store(false, std::memory_order_relaxed);
    desk->database.store(InvalidOid, std::memory_order_release);
    SpinLockRelease(&shared.control->databases_lock);
}

bool begin_serving(SaleDesk* desk) {
    int32_t none = 0;
    if (!desk->cashier.compare_exchange_strong(none, my_backend_number() + 1,
                                               std::memory_order_seq_cst)) {
        return false;
    }
    desk->pid.store(MyProcPid, std::memory_order_release);
    desk->came.store(true, std::memory_order_release);
    return true;
}

void end_serving(SaleDesk* desk) {
    desk->pid.store(0, std::memory_order_release);
    desk->cashier.store(0, std::memory_order_seq_cst);
    desk->rush.store(false, std::memory_order_relaxed);
    empty_queue(desk);
}

int take_queue(SaleDesk* desk, SaleSlot** taken) {
    int count = 0;
    uint32_t number = desk->head.exchange(0, std::memory_order_seq_cst);
    while (number != 0) {
        SaleSlot* slot = &shared.sales[number - 1];
        number = slot->next.load(std::memory_order_relaxed);
        if (move_on(slot, SaleState::kQueued, SaleState::kTaken)) {
            taken[count++] = slot;
        } else {
            slot->state.store(word(SaleState::kFree), std::memory_order_release);
        }
    }
    for (int i = 0; i < count / 2; i++) {
        SaleSlot* last = taken[count - 1 - i];
        taken[count - 1 - i] = taken[i];
        taken[i] = last;
    }
    return count;
}

void answer_sale(SaleSlot* slot, SaleState answer) {
    if (move_on(slot, SaleState::kTaken, answer)) {
        wake(&slot->state);
    } else {
        slot->state.store(word(SaleState::kFree), std::memory_order_release);
    }
}

}  // namespace ticketpool
