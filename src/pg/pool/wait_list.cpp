// What this transaction has freed in departures with waiters: see wait_list.hpp.
#include "pool/wait_list.hpp"

#include "pool/deadlines.hpp"
#include "pool/ledger.hpp"
#include "pool/undo_log.hpp"

namespace ticketpool {

constinit WaitHooks wait_hooks{};
constinit bool wait_releases_pending = false;
constinit bool wait_after_statement = false;

namespace {

struct ServedUpTo {
    uint32_t slot;
    bool holds;
    uint64_t version;  // of the WaitControl, as this transaction knows it
    size_t until;      // the length of the ledger
};

struct ServedList {
    ServedUpTo* entries;
    size_t count;
    size_t room;
};
constinit ServedList served_list{};

ServedUpTo* find_served(uint32_t slot) {
    for (size_t i = 0; i < served_list.count; i++) {
        if (served_list.entries[i].slot == slot) {
            return &served_list.entries[i];
        }
    }
    return nullptr;
}

WaitControl* waits_of(uint32_t slot) {
    return shared.slots[slot].departure()->waits();
}

void mark(uint32_t slot) {
    waits_of(slot)->mark_unserved();
    lower_served_due(shared.slots[slot].database, GetCurrentTimestamp());
}

// Has anything happened since a look that has `seen` the word, up to a moment when it was `now`?
bool has_changed(uint64_t seen, uint64_t now) {
    return WaitControl::version_of(seen) != WaitControl::version_of(now) ||
           WaitControl::is_giving(seen);
}

}  // namespace

size_t unserved_since(uint32_t slot, uint64_t seen) {
    const ServedUpTo* served = find_served(slot);
    return served != nullptr && served->holds && served->version == WaitControl::version_of(seen)
               ? Min(served->until, ledger_mark())
               : 0;
}

void note_served(uint32_t slot, uint64_t seen, bool whole) {
    ServedUpTo* served = find_served(slot);
    if (served == nullptr) {
        if (served_list.count == served_list.room) {
            served_list.room = Max(served_list.room * 2, size_t{16});
            served_list.entries = static_cast<ServedUpTo*>(
                grow_kept(served_list.entries, served_list.room, sizeof(ServedUpTo)));
        }
        served = &served_list.entries[served_list.count++];
    }
    *served = ServedUpTo{slot, whole && !WaitControl::is_giving(seen),
                         WaitControl::version_of(seen), ledger_mark()};
}

void list_waiter(uint32_t slot) {
    ledger_reserve(1);
    waits_of(slot)->list();
    waits_of(slot)->joining.fetch_add(1, std::memory_order_seq_cst);
    ledger_add_waiter(slot, waits_of(slot)->look());
}

void mark_loaded(Departure* departure) {
    departure->waits()->mark_unserved();
    lower_served_due(MyDatabaseId, GetCurrentTimestamp());
}

void forget_waited(Oid database, Departure* departure, bool changes) {
    const uint64_t seen = departure->waits()->look();
    if (WaitControl::is_unserved(seen) || (changes && WaitControl::is_listed(seen))) {
        DatabaseDue* entry = enter_database(database);
        if (entry != nullptr) {
            entry->waits_left.fetch_add(1, std::memory_order_acq_rel);
        }
        lower_served_due(database, GetCurrentTimestamp());
    }
}

void begin_giving_back(uint32_t slot, GivenBack how) {
    const uint64_t before = waits_of(slot)->begin_giving_back();
    if (likely(!WaitControl::is_listed(before))) {
        return;
    }
    ServedUpTo* served = how == GivenBack::kServed ? find_served(slot) : nullptr;
    // Who is joining may have committed since the list was read, and not come to say so.
    const bool joining = waits_of(slot)->joining.load(std::memory_order_seq_cst) > 0;
    if (served != nullptr && served->holds && !joining &&
        served->version == WaitControl::version_of(before)) {
        served->version++;  // its own next entry finds the word as this one leaves it
        return;
    }
    mark(slot);
}

void enter_waiter(uint32_t slot, uint64_t seen) {
    waits_of(slot)->list();
    const uint64_t before = waits_of(slot)->note_waiter();
    if (has_changed(seen, before)) {
        mark(slot);
    }
    leave_waiter(slot);
}

void leave_waiter(uint32_t slot) {
    waits_of(slot)->joining.fetch_sub(1, std::memory_order_release);
}

void warn_of_waiters() {
    ledger_each_waiter([](uint32_t slot, uint64_t seen) {
        if (has_changed(seen, waits_of(slot)->look())) {
            mark(slot);
        }
    });
}

void void_served() {
    for (size_t i = 0; i < served_list.count; i++) {
        served_list.entries[i].holds = false;
    }
}

void forget_served() {
    served_list.count = 0;
    wait_releases_pending = false;
    wait_after_statement = false;
}

}  // namespace ticketpool
