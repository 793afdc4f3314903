// The shared memory of the extension and its lock protocol.
//
// Reserved at start (pool_layout.cpp):
//
//   Control         one struct: the directory lock, hash buckets, free list
//   DirectorySlot[] one for each departure or item in memory (see directory.hpp)
//   BackendSlot[]   one for each backend: what it reads and pins right now, and its counters
//   StandbyLoad[]   one for each slot: what a standby has loaded (see standby.hpp)
//   OldRoute*[]     one for each slot: the routes that its departure had before (see reroute.hpp)
//   DatabaseDue[]   one for each database: when the worker is due there (see deadlines.hpp)
//   SaleSlot[]      one for each backend: what it has handed to a cashier (see sale_queue.hpp)
//   SaleDesk[]      one for each database that sells in groups
//   arena           all the rest of ticketpool.memory: routes, layouts, departures, items
//
// Who may touch what:
//
//   directory lock, shared       walk a hash chain, and rely on not finding what is not there
//   databases_lock, a spinlock   take a free DatabaseDue
//   directory lock, exclusive    change a chain, the free list, the arena, the `departures` of a
//                                SharedPart; take a slot from FREE to LOADING, from READY to FREE
//   no lock                      walk a hash chain to something READY (slot_chain.hpp); read and
//                                claim in a departure that the backend has announced
//
// Announcing (the hot path writes no cache line that another backend writes): a backend stores
// the slot's number in its own BackendSlot (`reading`, or an entry of `pins`), seq_cst, then checks
// that the slot is READY, seq_cst, and then that it has the key looked for. An evictor, under the
// exclusive lock, first moves the version on, seq_cst, and then looks at all BackendSlots; if one
// announces the slot, it puts back a READY version and picks another victim. One of the two always
// sees the other (both store, then load, in one total order), so memory is never freed under a
// reader.
//
// `reading` protects a call that only looks; a pin lasts to the end of the transaction and is set
// before the first claim or release is recorded in the ledger. A pinned departure is in memory
// from before its first uncommitted order row until after that transaction's end is visible to
// every new snapshot and its claims and releases are settled. Therefore a loader, which only runs
// for a departure that nobody has pinned, finds all there is in one fresh snapshot.
//
// Death: a backend that exits runs its transaction callbacks first, which settle the ledger and
// drop pins. If a process is killed outright, the server restarts and all of this memory is made
// again, empty; the tables are the truth.
#pragma once

#include "pool/pages.hpp"
#include "server/pg.hpp"
#include "ticketpool/slot_chain.hpp"
#include "ticketpool/stock.hpp"

extern "C" {
#include "storage/spin.h"
}

namespace ticketpool {

inline constexpr int kBackendPins = 24;  // more departures in a transaction use shared_pins

enum class SlotState : uint64_t { kFree = 0, kLoading = 1, kReady = 2 };

inline constexpr int32_t kItemDate = INT32_MIN;  // service_date of a slot that has an item

// The train that the departure of a slot is sold as. It is the one in ticket_departure, which may
// differ from the train whose stop list the departure was opened with. It is kept in the slot, so
// that it is there while the departure is being loaded.
//
// Who writes it, with DirectorySlot::name_hash and the chain of names: the loader that enters the
// slot, and the commit of a transaction that has renamed the departure, both under the exclusive
// directory lock. A process that reads it without the lock has announced the departure, may meet a
// rename, and may then read a mixture of two names. If it looks for a name, the mixture is not that
// name, so it looks again under the lock. If it asks what the name is, it compares the name with
// the hash (directory_train).
struct SlotTrain {
    uint8_t length;
    char name[kMaxNameBytes];
};
static_assert(sizeof(SlotTrain) == 64);

// An entry in the directory: a departure, or an item, which has no name and is found by id only.
// What is said of departures in the directory is true of items, too. Two cache lines that lie in
// one page: what every call reads, and the name, which a call by name compares.
struct alignas(128) DirectorySlot {
    std::atomic<uint64_t> version;  // counts changes; its low two bits are the SlotState
    std::atomic<int64_t> id;        // of the departure or item: key, with database and relation
    SharedPtr<void> block;          // the Departure or Item; valid while READY
    uint32_t database;
    uint32_t relation;     // oid of ticket_order or item_order: differs after re-creation
    int32_t service_date;  // key by name, with train; kItemDate: an item
    std::atomic<uint32_t> name_hash;  // of train and service date
    SlotLink next_by_name;            // hash chains, or the free list
    SlotLink next_by_id;
    std::atomic<int32_t> last_use;      // seconds since 2000-01-01; written once a second at most.
                                        // LOADING: pid of a loader that waits for locks, else 0
    std::atomic<uint32_t> shared_pins;  // pins that did not fit into their BackendSlot
    std::atomic<uint32_t> maker;        // transaction id of its making until that is settled, or 0
    std::atomic<uint32_t> epoch;        // of the tables that it was loaded from: see epoch.hpp
    SlotTrain train;

    bool has_item() const { return service_date == kItemDate; }
    Departure* departure() const { return static_cast<Departure*>(block.get()); }
    Item* item() const { return static_cast<Item*>(block.get()); }
};
static_assert(sizeof(DirectorySlot) == 128);

struct Counters {
    std::atomic<uint64_t> buys;  // tickets claimed
    std::atomic<uint64_t> refunds;
    std::atomic<uint64_t> sold_outs;
    std::atomic<uint64_t> lost_races;
    std::atomic<uint64_t> rebuilds;
    std::atomic<uint64_t> evictions;
};

// Written by its backend alone; read by evictors and the views. The counters go on when the next
// backend takes the slot over.
struct alignas(128) BackendSlot {
    std::atomic<uint32_t> reading;             // directory slot + 1, or 0
    std::atomic<int32_t> pid;                  // of the backend that last used the slot
    std::atomic<uint32_t> pin_count;           // departures pinned; more than fit are shared pins
    std::atomic<uint32_t> claims;              // in the running transaction
    std::atomic<int64_t> since;                // when the first of them was taken
    std::atomic<uint32_t> pins[kBackendPins];  // directory slot + 1
    std::atomic<uint32_t> pin_claims[kBackendPins];
    Counters counters;
};

// What a block of the arena is for, in ticket_memory.
enum class MemoryKind : uint8_t { kDepartures, kItems, kRoutes, kLayouts, kPrepared };
inline constexpr int kMemoryKinds = 5;

// The coldest departures that one look at all slots has found, coldest first. One look serves as
// many evictions; otherwise a large pool would be searched from end to end for each. Used under the
// exclusive lock. An entry is valid while its slot's version and last use are the same.
struct Coldest {
    static constexpr uint32_t kMost = 64;
    struct Entry {
        uint64_t version;
        uint32_t slot;
        int32_t last_use;
    };
    uint32_t count;
    uint32_t next;  // the entries before it were tried
    Entry entry[kMost];
};

struct PreparedLedger;  // prepared.hpp
struct OldRoute;        // reroute.hpp
struct DatabaseDue;     // deadlines.hpp
struct StandbyLoad;     // standby.hpp
struct SaleSlot;        // sale_queue.hpp
struct SaleDesk;        // sale_queue.hpp

// Of Control::attention: a departure in memory was loaded in recovery.
inline constexpr uint32_t kLoadedInRecovery = 1u << 31;

struct Control {
    LWLock* lock;              // the directory lock
    ConditionVariable loaded;  // a LOADING slot became READY or FREE
    uint32_t slot_count;
    uint32_t bucket_count;  // a power of two; three arrays of this size
    uint32_t free_slots;    // head of the free list
    uint32_t retired;       // out of the directory, but still read: a list like the free list
    uint32_t backend_count;
    uint64_t arena_bytes;
    // How the pool is mapped, and up to where anything in it was ever used, in bytes from here: see
    // pages.hpp.
    PageKind pages;
    uint64_t page_bytes;
    std::atomic<uint64_t> arena_end;
    uint64_t kind_bytes[kMemoryKinds];  // of the arena, in blocks of a MemoryKind; changed under
                                        // the exclusive lock
    Coldest coldest;
    SharedPtr<PreparedLedger> prepared;  // see prepared.hpp
    // Why a departure that was found may need a second look; nearly always 0. The number of
    // prepared ledgers, and kLoadedInRecovery. Written under the directory lock.
    std::atomic<uint32_t> attention;
    // The launcher's pid, which the launcher writes; 0 when it has ended or never started.
    std::atomic<int32_t> launcher;
    // Written by sessions that make deadlines while there is no launcher, and set back by the
    // launcher: since when, and when the log last said so; 0: not.
    std::atomic<int64_t> launcher_missed;
    std::atomic<int64_t> launcher_told;
    slock_t databases_lock;
};

// The shared structures as this process sees them; `control` is null without the preload.
struct Shared {
    Control* control;
    SlotLink* by_name;  // buckets -> first slot of the chain
    SlotLink* by_id;
    SharedPtr<SharedPart>* routes;
    SharedPtr<SharedPart>* layouts;
    DirectorySlot* slots;
    BackendSlot* backends;
    DatabaseDue* databases;           // kMaxDatabases
    StandbyLoad* standby;             // slot_count
    SharedPtr<OldRoute>* old_routes;  // slot_count: chains; changed under the directory lock
    SaleSlot* sales;                  // one for each backend
    SaleDesk* desks;                  // kMaxDesks
    BackendSlot* mine;                // this backend's, once used
    Arena arena;
};
extern constinit Shared shared;

// Ereports if the library was not preloaded, or in a parallel operation. Every SQL function calls
// it first.
void require_shared_memory();

inline SlotState state_of(uint64_t version) {
    return static_cast<SlotState>(version & 3);
}
inline uint64_t next_version(uint64_t version, SlotState state) {
    return ((version >> 2) + 1) << 2 | static_cast<uint64_t>(state);
}

// Adds to a counter that only this backend writes.
inline void count(std::atomic<uint64_t>& counter, uint64_t by = 1) {
    counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}

}  // namespace ticketpool
