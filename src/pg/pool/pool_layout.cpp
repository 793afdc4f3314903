// The pieces of the pool in one block of shared memory: how large each is, where it is, and how it
// is initialized. Request and start-up walk the same table, so they cannot disagree.
#include "pool/pool_layout.hpp"

#include <new>

#include "pool/deadlines.hpp"
#include "pool/pages.hpp"
#include "pool/pins.hpp"
#include "pool/prepared.hpp"
#include "pool/sale_queue.hpp"
#include "pool/shared_memory.hpp"
#include "pool/standby.hpp"
#include "pool/worker_notes.hpp"
#include "server/pg.hpp"
#include "server/progress.hpp"
#include "server/settings.hpp"

namespace ticketpool {

namespace {

constinit shmem_request_hook_type previous_request_hook = nullptr;
constinit shmem_startup_hook_type previous_startup_hook = nullptr;

constexpr const char* kTranche = "ticketpool";
constexpr Size kAlignment = 128;  // of a piece

struct PoolSize {
    Size memory;  // ticketpool.memory, in bytes: the pool with its directory
    uint32_t slots;
    uint32_t buckets;  // a power of two
    uint32_t backends;
};

PoolSize size_of_pool() {
    PoolSize size{};
    size.memory = mul_size(static_cast<Size>(setting_memory_kb), 1024);
    // A slot for every 2 kB: a departure with 600 seats takes 1 kB with up to 8 segments and 3 kB
    // with up to 32. With names and hash buckets that is less than 10 % of the memory.
    size.slots = static_cast<uint32_t>(Min(size.memory / 2048, static_cast<Size>(1) << 26));
    size.buckets = 256;
    while (size.buckets < size.slots) {
        size.buckets *= 2;
    }
    size.backends = static_cast<uint32_t>(MaxBackends);
    return size;
}

// Constructs an array of T in the block.
template <typename T>
void start_all(T* array, Size count) {
    for (Size i = 0; i < count; i++) {
        new (&array[i]) T{};
    }
}

struct Piece {
    const char* name;  // in ticket_memory
    Size (*bytes)(const PoolSize& size);
    void (*attach)(char* memory);         // in each process
    void (*start)(const PoolSize& size);  // once, after all are attached
    // Not a part of ticketpool.memory, but added to it: its size depends on max_connections, or is
    // the same on every server.
    bool is_added = false;
};

// Sets the pointer to a piece of the block.
template <auto Member>
void attach_to(char* memory) {
    using Pointer = std::remove_reference_t<decltype(shared.*Member)>;
    shared.*Member = reinterpret_cast<Pointer>(memory);
}

void start_control(const PoolSize& size) {
    Control* control = shared.control;
    control->lock = &GetNamedLWLockTranche(kTranche)->lock;
    ConditionVariableInit(&control->loaded);
    control->slot_count = size.slots;
    control->bucket_count = size.buckets;
    control->backend_count = size.backends;
    memset(control->kind_bytes, 0, sizeof control->kind_bytes);
    control->coldest = Coldest{};
    control->free_slots = 0;
    control->retired = kNoSlot;
    new (&control->prepared) SharedPtr<PreparedLedger>(nullptr);
    control->attention.store(0, std::memory_order_relaxed);
    new (&control->launcher) std::atomic<int32_t>(0);
    new (&control->launcher_missed) std::atomic<int64_t>(0);
    new (&control->launcher_told) std::atomic<int64_t>(0);
    SpinLockInit(&control->databases_lock);
}

void start_buckets(SlotLink* buckets, const PoolSize& size) {
    for (uint32_t i = 0; i < size.buckets; i++) {
        new (&buckets[i]) SlotLink(kNoSlot);
    }
}

// All slots are in the free list.
void start_slots(const PoolSize& size) {
    start_all(shared.slots, size.slots);
    for (uint32_t i = 0; i < size.slots; i++) {
        shared.slots[i].next_by_name.store(i + 1 < size.slots ? i + 1 : kNoSlot,
                                           std::memory_order_relaxed);
    }
}

void start_databases(const PoolSize&) {
    start_all(shared.databases, kMaxDatabases);
    for (int i = 0; i < kMaxDatabases; i++) {
        shared.databases[i].next_due.store(INT64_MAX, std::memory_order_relaxed);
        shared.databases[i].working_on.store(INT64_MAX, std::memory_order_relaxed);
        shared.databases[i].left.store(INT64_MAX, std::memory_order_relaxed);
    }
}

Size bytes_of_parts(const PoolSize& size) {
    return size.buckets / 4 * sizeof(SharedPtr<SharedPart>);
}

// The block's pieces, in the order of their addresses; the arena follows.
constexpr Piece kPieces[] = {
    {"control", [](const PoolSize&) { return sizeof(Control); }, attach_to<&Shared::control>,
     start_control},
    {"hash chains", [](const PoolSize& size) { return size.buckets * sizeof(SlotLink); },
     attach_to<&Shared::by_name>,
     [](const PoolSize& size) { start_buckets(shared.by_name, size); }},
    {"hash chains", [](const PoolSize& size) { return size.buckets * sizeof(SlotLink); },
     attach_to<&Shared::by_id>, [](const PoolSize& size) { start_buckets(shared.by_id, size); }},
    {"hash chains", bytes_of_parts, attach_to<&Shared::routes>,
     [](const PoolSize& size) { start_all(shared.routes, size.buckets / 4); }},
    {"hash chains", bytes_of_parts, attach_to<&Shared::layouts>,
     [](const PoolSize& size) { start_all(shared.layouts, size.buckets / 4); }},
    {"directory", [](const PoolSize& size) { return size.slots * sizeof(DirectorySlot); },
     attach_to<&Shared::slots>, start_slots},
    {"deadlines", [](const PoolSize&) { return kMaxDatabases * sizeof(DatabaseDue); },
     attach_to<&Shared::databases>, start_databases},
    {"directory", [](const PoolSize& size) { return size.slots * sizeof(StandbyLoad); },
     attach_to<&Shared::standby>,
     [](const PoolSize& size) { start_all(shared.standby, size.slots); }},
    {"directory", [](const PoolSize& size) { return size.slots * sizeof(SharedPtr<OldRoute>); },
     attach_to<&Shared::old_routes>,
     [](const PoolSize& size) { start_all(shared.old_routes, size.slots); }},
    {"sessions", [](const PoolSize& size) { return size.backends * sizeof(BackendSlot); },
     attach_to<&Shared::backends>,
     [](const PoolSize& size) { start_all(shared.backends, size.backends); }, true},
    {"group sale", [](const PoolSize& size) { return size.backends * sizeof(SaleSlot); },
     attach_to<&Shared::sales>,
     [](const PoolSize& size) { start_all(shared.sales, size.backends); }, true},
    {"group sale", [](const PoolSize&) { return kMaxDesks * sizeof(SaleDesk); },
     attach_to<&Shared::desks>, [](const PoolSize&) { start_all(shared.desks, kMaxDesks); }, true},
    {"progress", [](const PoolSize& size) { return progress_bytes(size.backends); },
     progress_attach, [](const PoolSize& size) { progress_start(size.backends); }, true},
    {"workers", [](const PoolSize&) { return notes_bytes(); }, notes_attach,
     [](const PoolSize&) { notes_start(); }, true},
};

struct Plan {
    Size at[lengthof(kPieces)];
    Size arena_at;
    Size arena_bytes;
    Size total;
};

Plan plan_memory(const PoolSize& size) {
    Plan plan{};
    Size end = 0;
    Size added = 0;
    for (int i = 0; i < static_cast<int>(lengthof(kPieces)); i++) {
        const Size bytes = kPieces[i].bytes(size);
        plan.at[i] = TYPEALIGN(kAlignment, end);
        end = add_size(plan.at[i], bytes);
        added += kPieces[i].is_added ? bytes : 0;
    }
    plan.arena_at = TYPEALIGN(kAlignment, end);
    plan.arena_bytes = size.memory - (end - added);
    plan.total = add_size(plan.arena_at, plan.arena_bytes) + pages_alignment(size.memory);
    return plan;
}

void request() {
    if (previous_request_hook != nullptr) {
        previous_request_hook();
    }
    RequestAddinShmemSpace(plan_memory(size_of_pool()).total);
    RequestNamedLWLockTranche(kTranche, 1);
}

void startup() {
    if (previous_startup_hook != nullptr) {
        previous_startup_hook();
    }
    shared = Shared{};  // this runs again after a crash
    const PoolSize size = size_of_pool();
    const Plan plan = plan_memory(size);
    bool found = false;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    char* block = static_cast<char*>(ShmemInitStruct("ticketpool", plan.total, &found));
    const Size alignment = pages_alignment(size.memory);
    char* base = reinterpret_cast<char*>(TYPEALIGN(alignment, block));
    const Size bytes = plan.arena_at + plan.arena_bytes;
    for (int i = 0; i < static_cast<int>(lengthof(kPieces)); i++) {
        kPieces[i].attach(base + plan.at[i]);
    }
    bool usable = true;
    if (!found) {
        pages_advise(base, bytes);
        for (const Piece& piece : kPieces) {
            piece.start(size);
        }
        shared.control->arena_bytes = plan.arena_bytes;
        usable = shared.arena.create(base + plan.arena_at, plan.arena_bytes);
        shared.control->arena_end.store(plan.arena_at, std::memory_order_relaxed);
    }
    LWLockRelease(AddinShmemInitLock);
    if (!found) {
        pages_start(base, bytes);
        pins_start();
    }
    if (!usable) {
        ereport(FATAL, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                        errmsg("\"ticketpool.memory\" is too small"),
                        errhint("Set \"ticketpool.memory\" to 2MB or more.")));
    }
}

}  // namespace

void each_piece(void (*found)(void* context, const PieceSize& piece), void* context) {
    const PoolSize size = size_of_pool();
    Size left = size.memory - shared.control->arena_bytes;
    for (const Piece& piece : kPieces) {
        const PieceSize one{piece.name, piece.bytes(size), piece.is_added};
        left -= piece.is_added ? 0 : one.bytes;
        found(context, one);
    }
    found(context, {"alignment", left, false});
}

void install_shared_memory_hooks() {
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = request;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = startup;
}

}  // namespace ticketpool
