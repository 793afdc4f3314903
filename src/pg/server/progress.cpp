// Progress of long calls in shared memory, and the rows of ticket_progress: see progress.hpp.
#include "server/progress.hpp"

#include <new>

#include "server/errors.hpp"
#include "server/not_preloaded.hpp"

extern "C" {
#include "commands/dbcommands.h"
}

namespace ticketpool {
namespace {

struct ProgressArray {
    ProgressSlot* slots;
    uint32_t count;
};
constinit ProgressArray all{};  // without the preload: empty

// The row of this process.
constinit bool is_shown = false;
constinit int shown_level = 0;  // nesting level of the transaction in which the call began
constinit bool has_exit_callback = false;

constexpr const char* kCommands[] = {
    "",
    "ticket_preload",
    "ticket_verify",
    "item_verify",
    "ticket_import_gtfs",
    "ticket_reform",
    "ticket_withdraw",
    "ticket_move_out",
    "ticket_move_back",
    "ticket_move_in",
    "router_move",
    "ticket_sweep",
};
static_assert(lengthof(kCommands) == static_cast<size_t>(ProgressCommand::kSweep) + 1);

constexpr const char* kPhases[] = {
    "listing",          "loading departures",
    "comparing",        "waiting for another import",
    "reading the feed", "adding stations",
    "opening runs",     "waiting for claims",
    "waiting for rows", "planning seats",
    "writing rows",     "serving the waiting list",
    "refunding",        "packing",
    "unpacking",        "finding the departure",
    "copying parts",    "handing over",
    "bringing in",      "writing routes",
    "expiring holds",   "returning quotas",
    "ending waits",
};
static_assert(lengthof(kPhases) == static_cast<size_t>(ProgressPhase::kWaits) + 1);

constexpr size_t kObjectBytes = ProgressSlot::kObjectWords * sizeof(uint64_t);

void begin_write(ProgressSlot* slot) {
    slot->version.store(slot->version.load(std::memory_order_relaxed) + 1,
                        std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
}

void end_write(ProgressSlot* slot) {
    slot->version.store(slot->version.load(std::memory_order_relaxed) + 1,
                        std::memory_order_release);
}

// A text that is cut between two characters.
struct ObjectText {
    uint64_t words[ProgressSlot::kObjectWords];
};

ObjectText object_text(Text object) {
    ObjectText text{};
    if (object.data != nullptr) {
        const int length = pg_mbcliplen(object.data, static_cast<int>(object.length),
                                        static_cast<int>(kObjectBytes) - 1);
        memcpy(text.words, object.data, static_cast<size_t>(length));
    }
    return text;
}

void store_object(ProgressSlot* slot, const ObjectText& text) {
    for (int i = 0; i < ProgressSlot::kObjectWords; i++) {
        slot->object[i].store(text.words[i], std::memory_order_relaxed);
    }
}

void hide() {
    if (is_shown) {
        ProgressSlot* slot = &all.slots[my_backend_number()];
        begin_write(slot);
        slot->command.store(static_cast<uint32_t>(ProgressCommand::kNone),
                            std::memory_order_relaxed);
        end_write(slot);
        is_shown = false;
    }
}

void at_exit(int, Datum) {
    hide();
}

}  // namespace

Size progress_bytes(uint32_t backends) {
    return backends * sizeof(ProgressSlot);
}

void progress_attach(char* memory) {
    all.slots = reinterpret_cast<ProgressSlot*>(memory);
    all.count = static_cast<uint32_t>(MaxBackends);
    is_shown = false;  // this runs again after a crash
}

void progress_start(uint32_t backends) {
    for (uint32_t i = 0; i < backends; i++) {
        new (&all.slots[i]) ProgressSlot{};
    }
}

Progress progress_begin(ProgressCommand command, ProgressPhase phase, Text object) {
    if (all.slots == nullptr || is_shown) {
        return {nullptr};
    }
    if (!has_exit_callback) {
        before_shmem_exit(at_exit, 0);
        has_exit_callback = true;
    }
    ProgressSlot* slot = &all.slots[my_backend_number()];
    const ObjectText text = object_text(object);
    const TimestampTz now = GetCurrentTimestamp();
    begin_write(slot);
    slot->command.store(static_cast<uint32_t>(command), std::memory_order_relaxed);
    slot->phase.store(static_cast<uint32_t>(phase), std::memory_order_relaxed);
    slot->database.store(MyDatabaseId, std::memory_order_relaxed);
    slot->pid.store(MyProcPid, std::memory_order_relaxed);
    slot->started_at.store(now, std::memory_order_relaxed);
    slot->done.store(0, std::memory_order_relaxed);
    slot->total.store(kNoTotal, std::memory_order_relaxed);
    store_object(slot, text);
    end_write(slot);
    is_shown = true;
    shown_level = GetCurrentTransactionNestLevel();
    return {slot};
}

void progress_phase(const Progress& progress, ProgressPhase phase, int64_t total) {
    ProgressSlot* slot = progress.slot;
    if (slot != nullptr) {
        begin_write(slot);
        slot->phase.store(static_cast<uint32_t>(phase), std::memory_order_relaxed);
        slot->done.store(0, std::memory_order_relaxed);
        slot->total.store(total, std::memory_order_relaxed);
        end_write(slot);
    }
}

void progress_object(const Progress& progress, Text object) {
    if (progress.slot != nullptr) {
        const ObjectText text = object_text(object);
        begin_write(progress.slot);
        store_object(progress.slot, text);
        end_write(progress.slot);
    }
}

Text train_and_day(Text train, DateADT date) {
    const char* text = psprintf("%s %s", printable(train), date_text(date));
    return {text, strlen(text)};
}

void progress_departure(const Progress& progress, int64_t departure_id) {
    if (progress.slot != nullptr) {
        char text[32];
        const int length = snprintf(text, sizeof text, INT64_FORMAT, departure_id);
        progress_object(progress, {text, static_cast<size_t>(length)});
    }
}

void progress_end(const Progress& progress) {
    if (progress.slot != nullptr) {
        hide();
    }
}

void progress_abandon(int level) {
    if (unlikely(is_shown) && shown_level >= level) {
        hide();
    }
}

// ---------------------------------------------------------------------------------------------
// Rows
// ---------------------------------------------------------------------------------------------

namespace {

struct ProgressRow {
    uint32_t command;
    uint32_t phase;
    Oid database;
    int32_t pid;
    TimestampTz started_at;
    int64_t done;
    int64_t total;
    ObjectText object;
};

ProgressRow read_words(const ProgressSlot& slot) {
    ProgressRow row{
        slot.command.load(std::memory_order_relaxed),    slot.phase.load(std::memory_order_relaxed),
        slot.database.load(std::memory_order_relaxed),   slot.pid.load(std::memory_order_relaxed),
        slot.started_at.load(std::memory_order_relaxed), slot.done.load(std::memory_order_relaxed),
        slot.total.load(std::memory_order_relaxed),      {}};
    for (int i = 0; i < ProgressSlot::kObjectWords; i++) {
        row.object.words[i] = slot.object[i].load(std::memory_order_relaxed);
    }
    return row;
}

ProgressRow read_slot(const ProgressSlot& slot) {
    constexpr int kMostReads = 1000;
    ProgressRow row{};
    for (int i = 0; i < kMostReads; i++) {
        const uint32_t version = slot.version.load(std::memory_order_acquire);
        row = read_words(slot);
        std::atomic_thread_fence(std::memory_order_acquire);
        if (version % 2 == 0 && version == slot.version.load(std::memory_order_relaxed)) {
            break;
        }
        CHECK_FOR_INTERRUPTS();
        pg_usleep(10);
    }
    return row;
}

void return_row(const ProgressRow& row, ReturnSetInfo* result) {
    const char* name = get_database_name(row.database);
    char object[kObjectBytes];
    memcpy(object, row.object.words, kObjectBytes);
    object[kObjectBytes - 1] = '\0';
    make_readable(object, row.database);
    Datum values[] = {
        Int32GetDatum(row.pid),
        ObjectIdGetDatum(row.database),
        name == nullptr ? 0 : CStringGetTextDatum(name),
        CStringGetTextDatum(kCommands[row.command % lengthof(kCommands)]),
        CStringGetTextDatum(kPhases[row.phase % lengthof(kPhases)]),
        CStringGetTextDatum(object),
        Int64GetDatum(row.done),
        Int64GetDatum(row.total),
        TimestampTzGetDatum(row.started_at),
    };
    bool nulls[lengthof(values)] = {};
    nulls[2] = name == nullptr;
    nulls[5] = object[0] == '\0';
    nulls[7] = row.total == kNoTotal;
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

}  // namespace

Datum return_progress(FunctionCallInfo fcinfo) {
    if (all.slots == nullptr) {
        report_not_preloaded();
    }
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    for (uint32_t i = 0; i < all.count; i++) {
        const ProgressRow row = read_slot(all.slots[i]);
        if (row.command != static_cast<uint32_t>(ProgressCommand::kNone)) {
            return_row(row, result);
        }
    }
    return 0;
}

}  // namespace ticketpool
