// Logs of this transaction, in private memory.
//
// LevelLog: an array whose entries carry the nesting level that wrote them. Room is reserved before
// anything is done; only that can fail. A subtransaction that commits hands its entries to its
// parent. An Entry is plain data and has `int level`.
//
// UndoLog: a LevelLog of what the transaction did to the pool. It is the engine of the ledger
// (ledger.hpp), which logs seats, and of the stock log (stock_ledger.hpp), which logs units. A
// subtransaction that aborts undoes its entries, last first. An Entry also has `kind`, an enum
// whose last value is LastKind, and is_final(entry) says whether the entry has a say in how the
// transaction ends: what PREPARE TRANSACTION keeps.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

// Grows an array in the session's memory; ereports.
inline void* grow_kept(void* memory, size_t room, size_t size) {
    return memory == nullptr ? MemoryContextAllocHuge(TopMemoryContext, room * size)
                             : repalloc_huge(memory, room * size);
}

// A caller has forgotten to reserve or to pin. A restart, which is safe, is better than a damaged
// log.
[[noreturn]] inline void report_no_room() {
    elog(PANIC, "ticketpool ledger has no room");
}

template <typename Entry>
struct LevelLog {
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

    // Where the entries of that level and deeper begin.
    size_t first_of_level(int level) const {
        size_t first = count;
        while (first > 0 && entries[first - 1].level >= level) {
            first--;
        }
        return first;
    }

    // Hands the entries of that level and deeper to the level above it.
    void promote(int level) {
        for (size_t i = first_of_level(level); i < count; i++) {
            entries[i].level = level - 1;
        }
    }

    // Only with no entry left: gives back what is more than room for `kept` entries.
    void give_room_back(size_t kept) {
        if (room > kept) {
            pfree(entries);
            entries = nullptr;
            room = 0;
        }
    }
};

template <typename Entry, auto LastKind>
struct UndoLog : LevelLog<Entry> {
    using Kind = decltype(LastKind);
    using LevelLog<Entry>::entries;
    using LevelLog<Entry>::count;
    static constexpr size_t kKeptEntries = 4096;

    size_t counts[static_cast<size_t>(LastKind) + 1];  // entries of each kind

    size_t& count_of(Kind kind) { return counts[static_cast<size_t>(kind)]; }

    Entry* append(const Entry& entry) {
        count_of(entry.kind)++;
        return LevelLog<Entry>::append(entry);
    }

    size_t index_of(const Entry& entry) const { return static_cast<size_t>(&entry - entries); }

    // Calls is_it() with the entries of one kind, first to last, until it returns true. Returns
    // whether it did. is_it() may append entries of other kinds.
    template <typename IsIt>
    bool find(Kind kind, IsIt is_it) {
        size_t left = count_of(kind);
        for (size_t i = 0; left > 0; i++) {
            if (entries[i].kind == kind) {
                left--;
                if (is_it(entries[i])) {
                    return true;
                }
            }
        }
        return false;
    }

    template <typename Visit>
    void for_each(Kind kind, Visit visit) {
        find(kind, [&](const Entry& entry) {
            visit(entry);
            return false;
        });
    }

    template <typename IsIt>
    uint32_t count_if(IsIt is_it) const {
        uint32_t found = 0;
        for (size_t i = 0; i < count; i++) {
            found += is_it(entries[i]) ? 1 : 0;
        }
        return found;
    }

    // Takes the entries from the end down to `first` out of the log and calls undo() with each.
    template <typename Undo>
    void undo_to(size_t first, Undo undo) {
        while (count > first) {
            const Entry& entry = entries[--count];
            undo(entry);
            count_of(entry.kind)--;
        }
    }

    // The same for the entries of that level and deeper.
    template <typename Undo>
    void undo_level(int level, Undo undo) {
        undo_to(this->first_of_level(level), undo);
        if (count == 0) {
            this->give_room_back(kKeptEntries);
        }
    }

    uint32_t final_count() const {
        return count_if([](const Entry& entry) { return is_final(entry); });
    }

    void copy_final(Entry* copy) const {
        for (size_t i = 0; i < count; i++) {
            if (is_final(entries[i])) {
                *copy++ = entries[i];
            }
        }
    }

    // The transaction's end: calls settle_one() with each entry, first to last, and forgets all.
    template <typename Settle>
    void settle(Settle settle_one) {
        for (size_t i = 0; i < count; i++) {
            settle_one(entries[i]);
        }
        forget();
    }

    void forget() {
        if (count > 0) {
            count = 0;
            memset(counts, 0, sizeof counts);
        }
        this->give_room_back(kKeptEntries);
    }
};

}  // namespace ticketpool
