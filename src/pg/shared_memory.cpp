#include "shared_memory.hpp"

#include <new>

#include "prepared.hpp"
#include "settings.hpp"

namespace ticketpool {

constinit Shared shared{};

namespace {

constinit shmem_request_hook_type previous_request_hook = nullptr;
constinit shmem_startup_hook_type previous_startup_hook = nullptr;

constexpr const char* kTranche = "ticketpool";

// Where each piece lies in the one block of shared memory. Request and start-up both use this.
struct Plan {
    uint32_t slots;
    uint32_t buckets;
    uint32_t backends;
    Size names_at, ids_at, routes_at, layouts_at, slots_at, databases_at, standby_at, trains_at,
        backends_at, arena_at;
    Size arena_bytes;
    Size total;
};

Size place(Size* end, Size bytes) {
    const Size start = TYPEALIGN(128, *end);
    *end = add_size(start, bytes);
    return start;
}

Plan plan_memory() {
    const Size memory = mul_size(static_cast<Size>(setting_memory_kb), 1024);
    Plan plan{};
    // A slot for every 2 kB: a departure with 600 seats takes 1 kB with up to 8 segments and 3 kB
    // with up to 32. With names and hash buckets that is less than 10 % of the memory.
    plan.slots = static_cast<uint32_t>(Min(memory / 2048, static_cast<Size>(1) << 26));
    plan.buckets = 256;
    while (plan.buckets < plan.slots) {
        plan.buckets *= 2;
    }
    plan.backends = static_cast<uint32_t>(MaxBackends);
    Size end = sizeof(Control);
    plan.names_at = place(&end, plan.buckets * sizeof(uint32_t));
    plan.ids_at = place(&end, plan.buckets * sizeof(uint32_t));
    plan.routes_at = place(&end, plan.buckets / 4 * sizeof(SharedPtr<SharedPart>));
    plan.layouts_at = place(&end, plan.buckets / 4 * sizeof(SharedPtr<SharedPart>));
    plan.slots_at = place(&end, plan.slots * sizeof(DirectorySlot));
    plan.databases_at = place(&end, kMaxDatabases * sizeof(DatabaseDue));
    plan.standby_at = place(&end, plan.slots * sizeof(StandbyLoad));
    plan.trains_at = place(&end, plan.slots * sizeof(SlotTrain));
    plan.backends_at = place(&end, plan.backends * sizeof(BackendSlot));
    // ticketpool.memory is the pool with its directory; the backends' slots come on top.
    const Size overhead = end - plan.backends * sizeof(BackendSlot);
    plan.arena_bytes = memory - overhead;
    plan.arena_at = place(&end, plan.arena_bytes);
    plan.total = end + 128;  // to align the block itself
    return plan;
}

void request() {
    if (previous_request_hook != nullptr) {
        previous_request_hook();
    }
    RequestAddinShmemSpace(plan_memory().total);
    RequestNamedLWLockTranche(kTranche, 1);
}

void initialize(const Plan& plan) {
    Control* control = shared.control;
    control->lock = &GetNamedLWLockTranche(kTranche)->lock;
    ConditionVariableInit(&control->loaded);
    control->slot_count = plan.slots;
    control->bucket_count = plan.buckets;
    control->backend_count = plan.backends;
    control->arena_bytes = plan.arena_bytes;
    control->coldest = Coldest{};
    for (uint32_t i = 0; i < plan.buckets; i++) {
        shared.by_name[i] = kNoSlot;
        shared.by_id[i] = kNoSlot;
    }
    for (uint32_t i = 0; i < plan.buckets / 4; i++) {
        new (&shared.routes[i]) SharedPtr<SharedPart>(nullptr);
        new (&shared.layouts[i]) SharedPtr<SharedPart>(nullptr);
    }
    for (uint32_t i = 0; i < plan.slots; i++) {
        DirectorySlot* slot = new (&shared.slots[i]) DirectorySlot{};
        slot->next_by_name = i + 1 < plan.slots ? i + 1 : kNoSlot;
        new (&shared.standby[i]) StandbyLoad{};
        new (&shared.trains[i]) SlotTrain{};
    }
    control->free_slots = 0;
    control->retired = kNoSlot;
    new (&control->prepared) SharedPtr<PreparedLedger>(nullptr);
    control->attention.store(0, std::memory_order_relaxed);
    new (&control->launcher) std::atomic<int32_t>(0);
    new (&control->launcher_missed) std::atomic<int64_t>(0);
    new (&control->launcher_told) std::atomic<int64_t>(0);
    SpinLockInit(&control->databases_lock);
    for (int i = 0; i < kMaxDatabases; i++) {
        DatabaseDue* database = new (&shared.databases[i]) DatabaseDue{};
        database->next_due.store(INT64_MAX, std::memory_order_relaxed);
        database->working_on.store(INT64_MAX, std::memory_order_relaxed);
        database->left.store(INT64_MAX, std::memory_order_relaxed);
    }
    for (uint32_t i = 0; i < plan.backends; i++) {
        new (&shared.backends[i]) BackendSlot{};
    }
}

void startup() {
    if (previous_startup_hook != nullptr) {
        previous_startup_hook();
    }
    shared = Shared{};  // this runs again after a crash
    const Plan plan = plan_memory();
    bool found = false;
    LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
    char* block = static_cast<char*>(ShmemInitStruct("ticketpool", plan.total, &found));
    char* base = reinterpret_cast<char*>(TYPEALIGN(128, block));
    shared.control = reinterpret_cast<Control*>(base);
    shared.by_name = reinterpret_cast<uint32_t*>(base + plan.names_at);
    shared.by_id = reinterpret_cast<uint32_t*>(base + plan.ids_at);
    shared.routes = reinterpret_cast<SharedPtr<SharedPart>*>(base + plan.routes_at);
    shared.layouts = reinterpret_cast<SharedPtr<SharedPart>*>(base + plan.layouts_at);
    shared.slots = reinterpret_cast<DirectorySlot*>(base + plan.slots_at);
    shared.databases = reinterpret_cast<DatabaseDue*>(base + plan.databases_at);
    shared.standby = reinterpret_cast<StandbyLoad*>(base + plan.standby_at);
    shared.trains = reinterpret_cast<SlotTrain*>(base + plan.trains_at);
    shared.backends = reinterpret_cast<BackendSlot*>(base + plan.backends_at);
    bool usable = true;
    if (!found) {
        initialize(plan);
        usable = shared.arena.create(base + plan.arena_at, plan.arena_bytes);
    }
    LWLockRelease(AddinShmemInitLock);
    if (!usable) {
        ereport(FATAL, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
                        errmsg("\"ticketpool.memory\" is too small"),
                        errhint("Set \"ticketpool.memory\" to 2MB or more.")));
    }
}

}  // namespace

void install_shared_memory_hooks() {
    previous_request_hook = shmem_request_hook;
    shmem_request_hook = request;
    previous_startup_hook = shmem_startup_hook;
    shmem_startup_hook = startup;
}

void require_shared_memory() {
    if (shared.control == nullptr) {
        ereport(
            ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("ticketpool must be loaded via \"shared_preload_libraries\""),
             errdetail("The seat pool lives in shared memory that the server reserves at start."),
             errhint("Add ticketpool to \"shared_preload_libraries\" and restart the server.")));
    }
    if (IsInParallelMode()) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
                        errmsg("the seat pool cannot be used in a parallel operation"),
                        errdetail("The functions of ticketpool are parallel unsafe."),
                        errhint("Declare functions that call them PARALLEL UNSAFE.")));
    }
    if (shared.mine == nullptr) {
        shared.mine = &shared.backends[my_backend_number()];
        shared.mine->pid.store(MyProcPid, std::memory_order_relaxed);
    }
}

}  // namespace ticketpool
