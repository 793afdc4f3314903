// Whether what a transaction has made is there for others yet (maker.hpp).
#include "pool/maker.hpp"

extern "C" {
#include "access/transam.h"
#include "storage/procarray.h"
}

namespace ticketpool {

bool is_made(const std::atomic<uint32_t>& maker) {
    const TransactionId xid = maker.load(std::memory_order_acquire);
    if (likely(xid == InvalidTransactionId) || xid == GetTopTransactionIdIfAny()) {
        return true;
    }
    // In this order: a transaction is in progress until its commit shows in new snapshots.
    return !TransactionIdIsInProgress(xid) && TransactionIdDidCommit(xid);
}

}  // namespace ticketpool
