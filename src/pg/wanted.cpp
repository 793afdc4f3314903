#include "wanted.hpp"

#include "own_writes.hpp"

extern "C" {
#include "executor/executor.h"
}

namespace ticketpool {
namespace {

struct Wanted {
    int level;  // transaction nesting level
    int depth;  // trigger depth of the event
    Settle settle;
    size_t bytes;
    alignas(8) char what[kWantedBytes];
};
struct WantedList {
    Wanted* entries;
    size_t count;
    size_t room;
};
constinit WantedList wanted{};

constinit ExecutorFinish_hook_type previous_finish = nullptr;

void finish_executor(QueryDesc* query) {
    if (previous_finish != nullptr) {
        previous_finish(query);
    } else {
        standard_ExecutorFinish(query);
    }
    if (unlikely(wanted.count > 0)) {
        settle_wanted(trigger_depth());
    }
}

void on_transaction_event(XactEvent event, void*) {
    switch (event) {
        case XACT_EVENT_PRE_COMMIT:
        case XACT_EVENT_PRE_PREPARE:
            settle_wanted(-1);
            break;
        case XACT_EVENT_COMMIT:
        case XACT_EVENT_ABORT:
        case XACT_EVENT_PREPARE:
            wanted.count = 0;
            break;
        default:
            break;
    }
}

void on_subtransaction_event(SubXactEvent event, SubTransactionId, SubTransactionId, void*) {
    const int level = GetCurrentTransactionNestLevel();
    if (event == SUBXACT_EVENT_ABORT_SUB) {
        while (wanted.count > 0 && wanted.entries[wanted.count - 1].level >= level) {
            wanted.count--;
        }
    } else if (event == SUBXACT_EVENT_COMMIT_SUB) {
        for (size_t i = wanted.count; i > 0 && wanted.entries[i - 1].level >= level; i--) {
            wanted.entries[i - 1].level = level - 1;
        }
    }
}

}  // namespace

void want_bytes(Settle settle, const void* what, size_t bytes, bool once) {
    const int depth = trigger_depth();
    const int level = GetCurrentTransactionNestLevel();
    if (once && wanted.count > 0) {
        const Wanted& last = wanted.entries[wanted.count - 1];
        if (last.settle == settle && last.depth == depth && last.level <= level &&
            last.bytes == bytes && memcmp(last.what, what, bytes) == 0) {
            return;
        }
    }
    if (wanted.count == wanted.room) {
        const size_t room = Max(wanted.room * 2, static_cast<size_t>(64));
        wanted.entries = static_cast<Wanted*>(
            wanted.entries == nullptr
                ? MemoryContextAllocHuge(TopMemoryContext, room * sizeof(Wanted))
                : repalloc_huge(wanted.entries, room * sizeof(Wanted)));
        wanted.room = room;
    }
    Wanted* entry = &wanted.entries[wanted.count++];
    *entry = Wanted{level, depth, settle, bytes, {}};
    memcpy(entry->what, what, bytes);
}

void settle_wanted(int depth) {
    // Deeper ones came later and were settled sooner: those in question are the last.
    size_t first = wanted.count;
    while (first > 0 && wanted.entries[first - 1].depth > depth) {
        first--;
    }
    for (size_t i = first; i < wanted.count; i++) {
        const Wanted entry = wanted.entries[i];
        entry.settle(entry.what);
    }
    wanted.count = first;
}

void install_wanted() {
    previous_finish = ExecutorFinish_hook;
    ExecutorFinish_hook = finish_executor;
    RegisterXactCallback(on_transaction_event, nullptr);
    RegisterSubXactCallback(on_subtransaction_event, nullptr);
}

}  // namespace ticketpool
