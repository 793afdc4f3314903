// Names the transactions and the departures that keep the pool full (pool_full.hpp).
//
// What is looked at is copied under the shared directory lock, where nothing is palloc'd; nothing
// in memory is freed meanwhile. Pins come and go, so the numbers may be a moment old, and a
// departure that nobody keeps any more may be named.
#include "pool/pool_full.hpp"

#include "pool/prepared.hpp"
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"

extern "C" {
#include "commands/dbcommands.h"
}

namespace ticketpool {

namespace {

constexpr int kShown = 3;  // of each list: the largest

// A transaction that keeps departures or items in memory.
struct Holder {
    int32_t pid;  // 0: prepared
    uint32_t xid;
    uint64_t kept;
    uint64_t claims;
    int64_t since;
};

// A departure or item that is kept. `pid` is one of those that keep it; 0: a transaction with more
// pins than its BackendSlot shows, or a prepared one.
struct Kept {
    uint32_t slot;
    int32_t pid;
    uint32_t claims;  // of that process
    uint32_t database;
    int32_t service_date;
    int64_t id;
    uint64_t bytes;
    SlotTrain train;
};

struct Report {
    uint64_t holder_count;
    int holders_shown;
    Holder holders[kShown];
    int kept_shown;
    Kept kept[kShown];
    size_t free_bytes;
};

// The place for something of this size in a list of the largest, or -1.
template <typename Entry>
int make_place(Entry* entries, int* shown, uint64_t Entry::*size, uint64_t value) {
    int place = *shown;
    if (place < kShown) {
        (*shown)++;
    } else if (entries[--place].*size >= value) {
        return -1;
    }
    for (; place > 0 && entries[place - 1].*size < value; place--) {
        entries[place] = entries[place - 1];
    }
    return place;
}

void add_holder(Report* report, const Holder& holder) {
    report->holder_count++;
    const int place =
        make_place(report->holders, &report->holders_shown, &Holder::kept, holder.kept);
    if (place >= 0) {
        report->holders[place] = holder;
    }
}

void add_kept(Report* report, uint32_t index, int32_t pid, uint32_t claims) {
    const DirectorySlot& slot = shared.slots[index];
    // Acquire: a loader stores the block before READY, and holds no lock then.
    if (state_of(slot.version.load(std::memory_order_acquire)) != SlotState::kReady) {
        return;
    }
    for (int i = 0; i < report->kept_shown; i++) {
        if (report->kept[i].slot == index) {
            return;
        }
    }
    const uint64_t bytes = slot.has_item() ? slot.item()->bytes.load(std::memory_order_relaxed)
                                           : slot.departure()->bytes;
    const int place = make_place(report->kept, &report->kept_shown, &Kept::bytes, bytes);
    if (place >= 0) {
        report->kept[place] = Kept{index,
                                   pid,
                                   claims,
                                   slot.database,
                                   slot.service_date,
                                   slot.id.load(std::memory_order_relaxed),
                                   bytes,
                                   slot.train};
    }
}

void look_at_backends(Report* report) {
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const BackendSlot& backend = shared.backends[i];
        const uint32_t kept = backend.pin_count.load(std::memory_order_acquire);
        const int32_t pid = backend.pid.load(std::memory_order_relaxed);
        if (kept == 0) {
            continue;
        }
        add_holder(report, Holder{pid, 0, kept, backend.claims.load(std::memory_order_relaxed),
                                  backend.since.load(std::memory_order_relaxed)});
        for (int p = 0; p < kBackendPins; p++) {
            const uint32_t pin = backend.pins[p].load(std::memory_order_acquire);
            if (pin != 0) {
                add_kept(report, pin - 1, pid,
                         backend.pin_claims[p].load(std::memory_order_relaxed));
            }
        }
    }
}

Report look() {
    Report report{};
    LWLockAcquire(shared.control->lock, LW_SHARED);
    look_at_backends(&report);
    for (PreparedLedger* block = shared.control->prepared.get(); block != nullptr;
         block = block->next.get()) {
        if (block->prepared && block->slot_count > 0) {
            add_holder(&report, Holder{0, block->xid, block->slot_count, 0, 0});
        }
    }
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        if (shared.slots[i].shared_pins.load(std::memory_order_acquire) > 0) {
            add_kept(&report, i, 0, 0);
        }
    }
    report.free_bytes = shared.arena.free_bytes();
    LWLockRelease(shared.control->lock);
    return report;
}

// Each line is a sentence by itself.
void describe_holder(StringInfo text, const Holder& holder) {
    appendStringInfoChar(text, '\n');
    if (holder.pid == 0) {
        appendStringInfo(text,
                         ngettext("Prepared transaction %u keeps " UINT64_FORMAT
                                  " departure or item in memory: see pg_prepared_xacts.",
                                  "Prepared transaction %u keeps " UINT64_FORMAT
                                  " departures or items in memory: see pg_prepared_xacts.",
                                  holder.kept),
                         holder.xid, holder.kept);
    } else if (holder.claims == 0) {
        appendStringInfo(
            text,
            ngettext("Process %d keeps " UINT64_FORMAT
                     " departure or item in memory, which its transaction has changed.",
                     "Process %d keeps " UINT64_FORMAT
                     " departures or items in memory, which its transaction has changed.",
                     holder.kept),
            holder.pid, holder.kept);
    } else {
        appendStringInfo(
            text,
            holder.pid == MyProcPid
                ? ngettext("Process %d, this session, keeps " UINT64_FORMAT
                           " departure or item in memory (claims: " UINT64_FORMAT ", since %s).",
                           "Process %d, this session, keeps " UINT64_FORMAT
                           " departures or items in memory (claims: " UINT64_FORMAT ", since %s).",
                           holder.kept)
                : ngettext("Process %d keeps " UINT64_FORMAT
                           " departure or item in memory (claims: " UINT64_FORMAT ", since %s).",
                           "Process %d keeps " UINT64_FORMAT
                           " departures or items in memory (claims: " UINT64_FORMAT ", since %s).",
                           holder.kept),
            holder.pid, holder.kept, holder.claims, timestamptz_to_str(holder.since));
    }
}

const char* name_of(const Kept& kept) {
    if (kept.database != MyDatabaseId) {
        const char* database = get_database_name(kept.database);
        return psprintf(_("A departure or item of database \"%s\""),
                        database == nullptr ? "?" : database);
    }
    return kept.service_date == kItemDate
               ? psprintf(_("Item " INT64_FORMAT), kept.id)
               : psprintf(_("Train \"%s\" of %s"),
                          printable(Text{kept.train.name, kept.train.length}),
                          date_text(kept.service_date));
}

void describe_kept(StringInfo text, const Kept& kept) {
    appendStringInfoChar(text, '\n');
    if (kept.pid == 0) {
        appendStringInfo(text, _("%s has " UINT64_FORMAT " bytes."), name_of(kept), kept.bytes);
    } else if (kept.claims == 0) {
        appendStringInfo(text,
                         _("%s has " UINT64_FORMAT " bytes, and has been changed by process %d."),
                         name_of(kept), kept.bytes, kept.pid);
    } else {
        appendStringInfo(
            text,
            ngettext("%s has " UINT64_FORMAT " bytes, and %u claim in flight of process %d.",
                     "%s has " UINT64_FORMAT " bytes, and %u claims in flight of process %d.",
                     kept.claims),
            name_of(kept), kept.bytes, kept.claims, kept.pid);
    }
}

const char* describe(const Report& report) {
    StringInfoData text;
    initStringInfo(&text);
    for (int i = 0; i < report.holders_shown; i++) {
        describe_holder(&text, report.holders[i]);
    }
    for (int i = 0; i < report.kept_shown; i++) {
        describe_kept(&text, report.kept[i]);
    }
    return text.data;
}

int hint_of(const Report& report) {
    const char* memory = GetConfigOptionByName("ticketpool.memory", nullptr, false);
    return report.holder_count == 0
               ? errhint("Raise \"ticketpool.memory\", which is %s, and restart the server.",
                         memory)
               : errhint(
                     "Raise \"ticketpool.memory\", which is %s, and restart the server, or end "
                     "these transactions (see ticket_inflight).",
                     memory);
}

}  // namespace

void report_pool_full(size_t bytes) {
    const Report report = look();
    ereport(ERROR,
            (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("the seat pool is full"),
             errdetail("%zu bytes in one piece are needed, and %zu are free. Transactions that "
                       "keep departures or items in memory: " UINT64_FORMAT ".%s",
                       bytes, report.free_bytes, report.holder_count, describe(report)),
             hint_of(report)));
}

void report_no_slot() {
    const Report report = look();
    ereport(ERROR,
            (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("the seat pool is full"),
             errdetail("It has room for %u departures and items. Transactions that keep them in "
                       "memory: " UINT64_FORMAT ".%s",
                       shared.control->slot_count, report.holder_count, describe(report)),
             hint_of(report)));
}

}  // namespace ticketpool
