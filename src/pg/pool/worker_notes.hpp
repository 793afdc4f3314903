// What the background workers write down of themselves, for ticket_worker_status: the last round,
// the last error, how much was left undone. It outlives the worker, so one that has ended by an
// error shows.
//
// One note for the launcher, and one for each database (its DatabaseDue) and kind of worker. So
// their number is bounded by kMaxDatabases. A database that finds no entry there has no worker and
// no note; the launcher's note says so (note_full()). When a database is gone, its entry and its
// notes are made empty.
//
// Who writes: a worker its own note; the launcher a note of a worker that could not be started.
// Both take the note's spinlock, and so does who reads. Under it are loads, stores and copies of
// fixed size. If a process is killed outright, the server restarts, and all notes are made again.
// Then the launcher's note says that this has happened: the postmaster remembers it.
//
// An error is noted where it is reported: by a worker that leaves one thing undone and goes on
// (note_my_error()), and by a hook on the log, which sees the error that ends a process. If the
// server's log_min_messages keeps that one from the log, the note says only that there was one.
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "storage/spin.h"
}

namespace ticketpool {

struct DatabaseDue;

enum class WorkerKind : uint8_t { kSweeper, kCashier, kPreloader };
inline constexpr int kWorkerKinds = 3;

inline constexpr size_t kNoteBytes = 168;

// What a note says; copied by readers.
struct WorkerFacts {
    int64_t started_at;     // of the last process; 0: there was none
    int64_t ended_at;       // 0: it is at work
    int64_t last_round_at;  // its end; 0: none
    int64_t last_round_micros;
    int64_t rounds;
    int64_t errors;
    int64_t last_error_at;  // 0: none
    int64_t due;            // left undone by the last round
    int32_t pid;            // of the process at work; 0: none
    int32_t sqlstate;       // of the last error, as the server packs it
    bool failed;            // something in the last round, or the end of the last process
    bool has_error;         // noted by the process at work
    char message[kNoteBytes];
};

struct alignas(128) WorkerNote {
    slock_t lock;
    WorkerFacts facts;
};
static_assert(std::is_standard_layout_v<WorkerNote> &&
              std::is_trivially_destructible_v<WorkerNote>);
static_assert(sizeof(WorkerNote) == 256);

// The piece of shared memory; called by pool_layout.cpp.
Size notes_bytes();
void notes_attach(char* memory);
void notes_start();

WorkerNote* launcher_note();
// The note of a database's worker; null: the database has no entry. begin_note() and note_error()
// do nothing with null. All of the following are no-fail.
WorkerNote* worker_note(const DatabaseDue* entry, WorkerKind kind);

WorkerFacts read_note(WorkerNote* note);
// The entry's notes are made empty.
void clear_notes(const DatabaseDue* entry);

// This process is the worker whose note this is, from now to its exit. Its last error is noted by
// itself.
void begin_note(WorkerNote* note);
// For this process, if it is a worker. A round that began at `start` is over; `left` things were
// left undone, some of them because of an error if `failed`.
void note_my_round(TimestampTz start, int64_t left, bool failed);
void note_my_error(int sqlstate, const char* message);
// On the way out. code: that of the exit.
void end_my_note(int code);

// An error of a worker that cannot say so itself, or has none at work.
void note_error(WorkerNote* note, int sqlstate, const char* message);
// All entries for databases are taken. Noted once a minute.
void note_full(Oid database);

}  // namespace ticketpool
