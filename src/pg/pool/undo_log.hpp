// A log of what this transaction did to the pool, in private memory: the engine of the ledger
// (ledger.hpp), which logs seats, and of the stock log (stock_entries.hpp), which logs units.
//
// Room is reserved before anything is claimed; only that can fail. Entries carry the nesting level
// that wrote them. A subtransaction that commits hands its entries to its parent; one that aborts
// undoes them, last first.
//
// An Entry is plain data and has `int level`. is_final(entry) says whether the entry has a say in
// how the transaction ends: what PREPARE TRANSACTION keeps.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Grows an array in the session's memory; ereports.
inline void* grow_kept(void* memory, size_t room, size_t size) {
    return memory == nullptr ? MemoryContextAllocHuge(TopMemoryContext, room * size)
                             : repalloc_huge(memory, room * size);
}

// A caller forgot to reserve or to pin: a restart, which is safe, is better than a damaged log.
[[noreturn]] inline void report_no_room() {
    elog(PANIC, "ticketpool ledger has no room");
}

template <typename Entry>
struct UndoLog {
    static constexpr size_t kKeptEntries = 4096;  // more room than this is given back

    Entry* entries;
    size_t count;
    size_t room;

    // Room for so many more entries; ereports.
    void reserve(size_t more) {
        const size_t wanted = count + more;
        if (wanted > room) {
            const size_t grown = Max(wanted, Max(room * 2, static_cast<size_t>(64)));
            entries = static_cast<Entry*>(grow_kept(entries, grown, sizeof(Entry)));
            room = grown;
        }
    }

    Entry* append(const Entry& entry) {
        if (unlikely(count >= room)) {
            report_no_room();
        }
        entries[count] = entry;
        return &entries[count++];
    }

    // Takes the entries from the end down to `first` out of the log and calls undo() with each.
    template <typename Undo>
    void undo_to(size_t first, Undo undo) {
        while (count > first) {
            undo(entries[--count]);
        }
    }

    // Where the entries of that level and deeper begin.
    size_t first_of_level(int level) const {
        size_t first = count;
        while (first > 0 && entries[first - 1].level >= level) {
            first--;
        }
        return first;
    }

    // Hands them to the level above.
    void promote(int level) {
        for (size_t i = first_of_level(level); i < count; i++) {
            entries[i].level = level - 1;
        }
    }

    uint32_t final_count() const {
        uint32_t finals = 0;
        for (size_t i = 0; i < count; i++) {
            finals += is_final(entries[i]) ? 1 : 0;
        }
        return finals;
    }

    void copy_final(Entry* copy) const {
        for (size_t i = 0; i < count; i++) {
            if (is_final(entries[i])) {
                *copy++ = entries[i];
            }
        }
    }

    // At the transaction's end, with no entry left.
    void give_room_back() {
        if (room > kKeptEntries) {
            pfree(entries);
            entries = nullptr;
            room = 0;
        }
    }
};

}  // namespace ticketpool
