// The list of what is to be done when a statement has ended, see wanted.hpp.
#include "follow/wanted.hpp"

#include "follow/notes.hpp"
#include "pool/wait_list.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "common/hashfn.h"
#include "executor/executor.h"
}

namespace ticketpool {
namespace {

struct Wanted {
    int level;  // transaction nesting level
    int depth;  // trigger depth of the event
    Settle settle;
    size_t bytes;
    bool once;
    alignas(8) char what[kWantedBytes];
};
constinit Notes<Wanted> wanted{};

// Hash index of the looks that are wanted once: number of the entry plus one, or 0 if the place is
// empty. Places of entries that are gone stay until the index is built again.
struct LookIndex {
    uint32_t* places;
    size_t size;  // a power of two, or 0
    size_t used;
};
constinit LookIndex looks{};

uint32_t* place_of(const Wanted& look) {
    size_t at =
        hash_bytes(reinterpret_cast<const unsigned char*>(look.what), static_cast<int>(look.bytes));
    for (;; at++) {
        uint32_t* place = &looks.places[at & (looks.size - 1)];
        if (*place == 0) {
            return place;
        }
        if (*place > wanted.count) {
            continue;
        }
        const Wanted& other = wanted.entries[*place - 1];
        if (other.once && other.settle == look.settle && other.depth == look.depth &&
            other.level <= look.level && other.bytes == look.bytes &&
            memcmp(other.what, look.what, look.bytes) == 0) {
            return place;
        }
    }
}

// Room for one more look. Half of the index is empty.
void reserve_look() {
    if (looks.used * 2 < looks.size) {
        return;
    }
    size_t size = 128;
    while (size < wanted.count * 4) {
        size *= 2;
    }
    uint32_t* places = static_cast<uint32_t*>(MemoryContextAllocExtended(
        TopMemoryContext, size * sizeof(uint32_t), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    if (looks.places != nullptr) {
        pfree(looks.places);
    }
    looks = LookIndex{places, size, 0};
    for (size_t i = 0; i < wanted.count; i++) {
        if (wanted.entries[i].once) {
            *place_of(wanted.entries[i]) = static_cast<uint32_t>(i + 1);
            looks.used++;
        }
    }
}

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
    end_of_statement(trigger_depth());
}

}  // namespace

void want_bytes(Settle settle, const void* what, size_t bytes, bool once) {
    Wanted entry{GetCurrentTransactionNestLevel(), trigger_depth(), settle, bytes, once, {}};
    memcpy(entry.what, what, bytes);
    uint32_t* place = nullptr;
    if (once) {
        reserve_look();
        place = place_of(entry);
        if (*place != 0) {
            return;
        }
    }
    wanted.add(entry);
    if (once) {
        *place = static_cast<uint32_t>(wanted.count);
        looks.used++;
    }
}

void settle_wanted(int depth) {
    // Entries of deeper statements are newer and were settled earlier, so those in question are the
    // last.
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

void forget_wanted() {
    wanted.forget();
    if (looks.places != nullptr) {
        pfree(looks.places);
        looks = LookIndex{};
    }
}

void forget_wanted_of(int level) {
    wanted.forget_level(level);
}

void promote_wanted(int level) {
    wanted.promote(level);
}

void install_wanted_hook() {
    previous_finish = ExecutorFinish_hook;
    ExecutorFinish_hook = finish_executor;
}

}  // namespace ticketpool
