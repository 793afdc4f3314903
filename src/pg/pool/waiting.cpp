// Waits for other sessions, through the server's locks where it can, so that deadlocks are found.
#include "pool/waiting.hpp"

#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/prepared.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_ledger.hpp"
#include "server/table_scan.hpp"

extern "C" {
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/fmgrprotos.h"
}

namespace ticketpool {
namespace {

bool has_pinned(const BackendSlot& backend, uint32_t slot) {
    for (const auto& pin : backend.pins) {
        if (pin.load(std::memory_order_seq_cst) == slot + 1) {
            return true;
        }
    }
    return false;
}

// Are there backends that have used the departure, in a call or in a transaction, ever since the
// wait began? passed[i]: backend i has been seen not to. What it does afterwards it has begun
// afterwards, so it need not be waited for, and those who only look at the departure, one after
// another, don't keep anybody waiting. If one has pinned it to the end of its transaction (or may
// have, as it has more pins than its slot shows), sets *pinner to that backend; else *pinner is
// negative.
bool others_use(uint32_t slot, bool* passed, int* pinner) {
    bool own_is_shared = is_pinned(slot);
    bool used = false;
    int overflown = -1;
    *pinner = -1;
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const BackendSlot& backend = shared.backends[i];
        if (&backend == shared.mine) {
            own_is_shared = own_is_shared && !has_pinned(backend, slot);
            continue;
        }
        if (backend.pin_count.load(std::memory_order_acquire) > kBackendPins) {
            overflown = static_cast<int>(i);
        }
        if (passed[i]) {
            continue;
        }
        // First the reading: a pin is set before the reading that it replaces is cleared.
        const bool reads = backend.reading.load(std::memory_order_seq_cst) == slot + 1;
        const bool pins = has_pinned(backend, slot);
        *pinner = pins ? static_cast<int>(i) : *pinner;
        passed[i] = !reads && !pins;
        used = used || !passed[i];
    }
    // After all readings. These pins are counted, so nobody knows whose they are.
    if (!used && shared.slots[slot].shared_pins.load(std::memory_order_seq_cst) >
                     (own_is_shared ? 1u : 0u)) {
        *pinner = overflown;
        return true;
    }
    return used;
}

// Waits for the end of another backend's transaction as for a lock: the server's deadlock detector
// finds a circle of such waits.
void wait_for_transaction(int backend) {
    VirtualTransactionId transaction;
    GET_VXID_FROM_PGPROC(transaction, ProcGlobal->allProcs[backend]);
    if (VirtualTransactionIdIsValid(transaction)) {
        VirtualXactLock(transaction, true);
    }
}

[[noreturn]] void report_prepared(TransactionId xid, bool has_changed_row) {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_IN_USE),
             errmsg("the departure is in use by a prepared transaction"),
             has_changed_row
                 ? errdetail("Transaction %u has changed its row and is not decided.", xid)
                 : errdetail("Transaction %u has claims or refunds on it and is not decided.", xid),
             errhint("Find it in pg_prepared_xacts; COMMIT PREPARED or ROLLBACK PREPARED "
                     "it, and try again.")));
}

void require_none_prepared(uint32_t slot) {
    const TransactionId xid = prepared_transaction_on(slot);
    if (TransactionIdIsValid(xid)) {
        report_prepared(xid, false);
    }
}

constexpr long kLongestPauseMicros = 10000;

void wait_for_writers(const std::atomic<uint16_t>& writers, uint32_t own, uint32_t slot) {
    long pause = 10;
    while (writers.load(std::memory_order_acquire) != own) {
        CHECK_FOR_INTERRUPTS();
        prepared_resolve(slot);
        pg_usleep(pause);
        pause = Min(pause * 2, kLongestPauseMicros);
    }
}

}  // namespace

bool waits_for_me(int pid) {
    constexpr int kMost = 64;
    int pids[kMost] = {pid};
    int count = 1;
    for (int i = 0; i < count; i++) {
        ArrayType* blockers =
            DatumGetArrayTypeP(DirectFunctionCall1(pg_blocking_pids, Int32GetDatum(pids[i])));
        const int found = ArrayGetNItems(ARR_NDIM(blockers), ARR_DIMS(blockers));
        const int32_t* blocker = reinterpret_cast<const int32_t*>(ARR_DATA_PTR(blockers));
        for (int b = 0; b < found && count < kMost; b++) {
            if (blocker[b] == MyProcPid) {
                return true;
            }
            pids[count++] = blocker[b];
        }
    }
    return false;
}

void refuse_prepared_change(const Catalog& catalog, int64_t departure_id) {
    TableReader reader;
    TransactionId xid = InvalidTransactionId;
    reader_open(&reader, catalog.departure, catalog.departure_pkey, SnapshotAny);
    reader_key_int64(&reader, departure_id);
    while (reader_next(&reader)) {
        const TransactionId deleter = fate_of_version(reader).deleter;
        // Without a process, and (asked afterwards) not ended: prepared.
        if (TransactionIdIsValid(deleter) && BackendXidGetPid(deleter) == 0 &&
            TransactionIdIsInProgress(deleter)) {
            xid = deleter;
        }
    }
    reader_close(&reader);
    if (TransactionIdIsValid(xid)) {
        report_prepared(xid, true);
    }
}

// `until` 0: without end.
static bool wait_while_used(uint32_t slot, OfPrepared of_prepared, TimestampTz until) {
    long pause = 100;
    int pinner = -1;
    bool* passed = static_cast<bool*>(palloc0(shared.control->backend_count * sizeof(bool)));
    bool is_over = true;
    const uint64_t version = shared.slots[slot].version.load(std::memory_order_acquire);
    while (shared.slots[slot].version.load(std::memory_order_acquire) == version &&
           others_use(slot, passed, &pinner)) {
        CHECK_FOR_INTERRUPTS();
        prepared_resolve(slot);
        if (of_prepared == OfPrepared::kRefuse) {
            require_none_prepared(slot);
        }
        if (until != 0 && GetCurrentTimestamp() >= until) {
            is_over = false;
            break;
        }
        if (pinner >= 0 && until == 0) {
            wait_for_transaction(pinner);
        }
        pg_usleep(pause);  // pins go a moment after the end of their transaction is visible
        pause = Min(pause * 2, kLongestPauseMicros);
    }
    pfree(passed);
    return is_over;
}

void wait_for_others(uint32_t slot, OfPrepared of_prepared) {
    (void)wait_while_used(slot, of_prepared, 0);
}

bool wait_for_others_until(uint32_t slot, OfPrepared of_prepared, TimestampTz until) {
    return wait_while_used(slot, of_prepared, until);
}

void wait_for_sale_turn(uint32_t slot) {
    const Departure* departure = shared.slots[slot].departure();
    if (departure->sale_writers.load(std::memory_order_acquire) != 0) {
        wait_for_writers(departure->sale_writers, ledger_sale_writes(slot), slot);
    }
}

void wait_for_stock_turn(const StockRef& ref) {
    const Stock* stock = shared.slots[ref.slot].item()->stock_at(ref.offset);
    if (stock->sale_writers.load(std::memory_order_acquire) != 0) {
        wait_for_writers(stock->sale_writers, stock_sale_writes(ref), ref.slot);
    }
}

}  // namespace ticketpool
