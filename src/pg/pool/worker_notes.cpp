// The notes of background workers in shared memory: see worker_notes.hpp.
#include "pool/worker_notes.hpp"

#include <new>

#include "pool/deadlines.hpp"
#include "pool/shared_memory.hpp"

namespace ticketpool {
namespace {

constinit WorkerNote* notes = nullptr;  // the launcher's, then kWorkerKinds for each database
constinit WorkerNote* mine = nullptr;
constinit emit_log_hook_type previous_log_hook = nullptr;
// In the postmaster: how often the memory was made. Every time but the first is after a crash.
constinit int times_made = 0;

constexpr int kNotes = 1 + kMaxDatabases * kWorkerKinds;

void set_error(WorkerFacts* facts, TimestampTz now, int sqlstate, const char* message) {
    facts->errors++;
    facts->last_error_at = now;
    facts->sqlstate = sqlstate;
    facts->has_error = true;
    memcpy(facts->message, message, kNoteBytes);
}

// Cut between two characters, and filled up with zeros.
void clip(char (*clipped)[kNoteBytes], const char* message) {
    memset(*clipped, 0, kNoteBytes);
    const size_t length = strlen(message);
    const int bytes =
        pg_mbcliplen(message, static_cast<int>(length), static_cast<int>(kNoteBytes) - 1);
    memcpy(*clipped, message, static_cast<size_t>(bytes));
}

// An error that ends this process is on its way to the log.
void note_logged(ErrorData* error) {
    if (error->elevel >= ERROR && error->message != nullptr) {
        note_my_error(error->sqlerrcode, error->message);
    }
    if (previous_log_hook != nullptr) {
        previous_log_hook(error);
    }
}

}  // namespace

Size notes_bytes() {
    return kNotes * sizeof(WorkerNote);
}

void notes_attach(char* memory) {
    notes = reinterpret_cast<WorkerNote*>(memory);
    mine = nullptr;  // this runs again after a crash
}

void notes_start() {
    for (int i = 0; i < kNotes; i++) {
        new (&notes[i]) WorkerNote{};
        SpinLockInit(&notes[i].lock);
    }
    if (times_made++ > 0) {
        note_error(launcher_note(), ERRCODE_CRASH_SHUTDOWN,
                   "the server has restarted after one of its processes was killed; the pool was "
                   "made again");
    }
}

WorkerNote* launcher_note() {
    return notes;
}

WorkerNote* worker_note(const DatabaseDue* entry, WorkerKind kind) {
    return entry == nullptr
               ? nullptr
               : &notes[1 + (entry - shared.databases) * kWorkerKinds + static_cast<int>(kind)];
}

WorkerFacts read_note(WorkerNote* note) {
    SpinLockAcquire(&note->lock);
    const WorkerFacts facts = note->facts;
    SpinLockRelease(&note->lock);
    return facts;
}

void clear_notes(const DatabaseDue* entry) {
    const WorkerFacts empty{};
    for (int kind = 0; kind < kWorkerKinds; kind++) {
        WorkerNote* note = worker_note(entry, static_cast<WorkerKind>(kind));
        SpinLockAcquire(&note->lock);
        note->facts = empty;
        SpinLockRelease(&note->lock);
    }
}

void begin_note(WorkerNote* note) {
    if (note == nullptr) {
        return;
    }
    if (mine == nullptr) {
        previous_log_hook = emit_log_hook;
        emit_log_hook = note_logged;
    }
    mine = note;
    const TimestampTz now = GetCurrentTimestamp();
    SpinLockAcquire(&note->lock);
    note->facts.pid = MyProcPid;
    note->facts.started_at = now;
    note->facts.ended_at = 0;
    note->facts.has_error = false;
    SpinLockRelease(&note->lock);
}

void note_my_round(TimestampTz start, int64_t left, bool failed) {
    if (mine == nullptr) {
        return;
    }
    const TimestampTz now = GetCurrentTimestamp();
    SpinLockAcquire(&mine->lock);
    mine->facts.rounds++;
    mine->facts.last_round_at = now;
    mine->facts.last_round_micros = now - start;
    mine->facts.due = left;
    mine->facts.failed = failed;
    SpinLockRelease(&mine->lock);
}

void end_my_note(int code) {
    if (mine == nullptr) {
        return;
    }
    const TimestampTz now = GetCurrentTimestamp();
    char unknown[kNoteBytes];
    clip(&unknown, "it ended by an error that log_min_messages keeps from the log");
    SpinLockAcquire(&mine->lock);
    if (mine->facts.pid == MyProcPid) {
        mine->facts.pid = 0;
        mine->facts.ended_at = now;
        if (code != 0 && !mine->facts.has_error) {
            set_error(&mine->facts, now, ERRCODE_INTERNAL_ERROR, unknown);
        }
        mine->facts.failed = mine->facts.failed || code != 0;
    }
    SpinLockRelease(&mine->lock);
}

void note_error(WorkerNote* note, int sqlstate, const char* message) {
    if (note == nullptr) {
        return;
    }
    const TimestampTz now = GetCurrentTimestamp();
    char clipped[kNoteBytes];
    clip(&clipped, message);
    SpinLockAcquire(&note->lock);
    set_error(&note->facts, now, sqlstate, clipped);
    SpinLockRelease(&note->lock);
}

void note_my_error(int sqlstate, const char* message) {
    note_error(mine, sqlstate, message);
}

void note_full(Oid database) {
    constexpr TimestampTz kAgain = 60 * USECS_PER_SEC;
    const WorkerFacts known = read_note(launcher_note());
    if (known.sqlstate == ERRCODE_CONFIGURATION_LIMIT_EXCEEDED &&
        GetCurrentTimestamp() - known.last_error_at < kAgain) {
        return;
    }
    char message[kNoteBytes];
    snprintf(message, sizeof message,
             "the database with OID %u has no workers: all %d entries for databases are taken",
             database, kMaxDatabases);
    note_error(launcher_note(), ERRCODE_CONFIGURATION_LIMIT_EXCEEDED, message);
}

}  // namespace ticketpool
