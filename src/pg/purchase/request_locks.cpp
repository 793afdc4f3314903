// The advisory locks that purchases take: one key, or many in order of key.
#include "purchase/request_locks.hpp"

namespace ticketpool {

static void lock_key(AdvisoryLock what, uint64_t key) {
    const LOCKTAG tag =
        advisory_tag(what, static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(key));
    LockAcquire(&tag, ExclusiveLock, false, false);
}

static bool try_lock_key(AdvisoryLock what, uint64_t key) {
    const LOCKTAG tag =
        advisory_tag(what, static_cast<uint32_t>(key >> 32), static_cast<uint32_t>(key));
    return LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_OK;
}

bool try_lock_request(uint64_t key) {
    return try_lock_key(AdvisoryLock::kRequest, key);
}

void lock_request(uint64_t key) {
    lock_key(AdvisoryLock::kRequest, key);
}

void require_visible_first_call(TableReader* reader) {
    if (IsolationUsesXactSnapshot() &&
        !table_tuple_satisfies_snapshot(reader->heap, reader->row, GetTransactionSnapshot())) {
        ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                        errmsg("could not serialize access due to a concurrent purchase with "
                               "the same request_id"),
                        errdetail("It committed after this transaction's snapshot was taken."),
                        errhint("Retry the transaction.")));
    }
}

static int compare_keys(const void* a, const void* b) {
    const uint64_t left = *static_cast<const uint64_t*>(a);
    const uint64_t right = *static_cast<const uint64_t*>(b);
    return left < right ? -1 : static_cast<int>(left > right);
}

bool lock_keys(AdvisoryLock what, uint64_t* keys, size_t count) {
    qsort(keys, count, sizeof(uint64_t), compare_keys);
    bool has_twins = false;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && keys[i] == keys[i - 1]) {
            has_twins = true;
        } else {
            lock_key(what, keys[i]);
        }
    }
    return has_twins;
}

bool try_lock_keys(AdvisoryLock what, uint64_t* keys, size_t count) {
    qsort(keys, count, sizeof(uint64_t), compare_keys);
    bool locked = true;
    for (size_t i = 0; locked && i < count; i++) {
        locked = (i > 0 && keys[i] == keys[i - 1]) || try_lock_key(what, keys[i]);
    }
    return locked;
}

}  // namespace ticketpool
