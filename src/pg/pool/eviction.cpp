// Evicts departures and items that nobody uses, the coldest first, and frees what is no longer
// found: slots, blocks, routes and layouts.
#include "pool/eviction.hpp"

#include "pool/directory_key.hpp"
#include "pool/pool_full.hpp"
#include "pool/reroute.hpp"
#include "pool/wait_list.hpp"

namespace ticketpool {

// ---------------------------------------------------------------------------------------------
// Blocks
// ---------------------------------------------------------------------------------------------

static uint64_t* bytes_of_kind(MemoryKind kind) {
    return &shared.control->kind_bytes[static_cast<int>(kind)];
}

// The same as Arena::allocate(); keeps account of what takes how much, and of how far the arena was
// ever used.
static void* allocate(size_t bytes, MemoryKind kind) {
    const size_t free = shared.arena.free_bytes();
    char* block = static_cast<char*>(shared.arena.allocate(bytes));
    const char* start = reinterpret_cast<const char*>(shared.control);
    if (block != nullptr) {
        *bytes_of_kind(kind) += free - shared.arena.free_bytes();
        const uint64_t end = static_cast<uint64_t>(block - start) + bytes;
        if (end > shared.control->arena_end.load(std::memory_order_relaxed)) {
            shared.control->arena_end.store(end, std::memory_order_relaxed);
        }
    }
    return block;
}

void free_block(void* block, MemoryKind kind) {
    const size_t free = shared.arena.free_bytes();
    shared.arena.deallocate(block);
    *bytes_of_kind(kind) -= shared.arena.free_bytes() - free;
}

// ---------------------------------------------------------------------------------------------
// Shared parts
// ---------------------------------------------------------------------------------------------

SharedPtr<SharedPart>* part_bucket(SharedPtr<SharedPart>* table, Oid database, Oid relation,
                                   int64_t id) {
    const uint64_t hash = hash_bytes_extended(reinterpret_cast<const unsigned char*>(&id),
                                              sizeof id, uint64_t{database} << 32 | relation);
    return &table[hash & (shared.control->bucket_count / 4 - 1)];
}

SharedPart* part_find(SharedPtr<SharedPart>* table, Oid database, Oid relation, int64_t id) {
    SharedPart* part = part_bucket(table, database, relation, id)->get();
    while (part != nullptr &&
           (part->id != id || part->database != database || part->relation != relation)) {
        part = part->next.get();
    }
    return part;
}

static MemoryKind kind_of_parts(const SharedPtr<SharedPart>* table) {
    return table == shared.routes ? MemoryKind::kRoutes : MemoryKind::kLayouts;
}

void part_drop(SharedPtr<SharedPart>* table, SharedPart* part) {
    if (part == nullptr || --part->departures > 0) {
        return;
    }
    SharedPtr<SharedPart>* link = part_bucket(table, part->database, part->relation, part->id);
    while (link->get() != part) {
        link = &(*link)->next;
    }
    *link = part->next;
    free_block(part, kind_of_parts(table));
}

SharedPart* part_use(SharedPtr<SharedPart>* table, const SharedPart* built) {
    SharedPart* part = part_find(table, built->database, built->relation, built->id);
    if (part == nullptr) {
        part = static_cast<SharedPart*>(allocate_or_evict(built->bytes, kind_of_parts(table)));
        if (part == nullptr) {
            return nullptr;
        }
        memcpy(static_cast<void*>(part), static_cast<const void*>(built), built->bytes);
        SharedPtr<SharedPart>* head =
            part_bucket(table, built->database, built->relation, built->id);
        part->departures = 0;
        part->next = *head;
        *head = part;
    }
    part->departures++;
    return part;
}

// ---------------------------------------------------------------------------------------------
// Eviction, under the exclusive lock
// ---------------------------------------------------------------------------------------------

static bool is_announced(uint32_t index) {
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const BackendSlot& backend = shared.backends[i];
        // `reading` first: a pin is set before the reading that it replaces is cleared.
        if (backend.reading.load(std::memory_order_seq_cst) == index + 1) {
            return true;
        }
        for (const auto& pin : backend.pins) {
            if (pin.load(std::memory_order_seq_cst) == index + 1) {
                return true;
            }
        }
    }
    // After all readings, for the same reason.
    return shared.slots[index].shared_pins.load(std::memory_order_seq_cst) > 0;
}

void free_departure(Departure* departure) {
    Quota* quota = departure->first_quota();
    while (quota != nullptr) {
        Quota* next = quota->next.get();
        free_block(quota, MemoryKind::kDepartures);
        quota = next;
    }
    free_block(departure, MemoryKind::kDepartures);
}

void free_item(Item* item) {
    Stock* stock = item->after(item->root());
    while (stock != nullptr) {
        Stock* next = item->after(stock);
        free_block(stock, MemoryKind::kItems);
        stock = next;
    }
    free_block(item, MemoryKind::kItems);
}

// Frees a slot that is out of its chains, and what it has.
static void clear_slot(uint32_t index, uint64_t version) {
    DirectorySlot& slot = shared.slots[index];
    if (slot.block && slot.has_item()) {
        free_item(slot.item());
    } else if (slot.block) {
        Departure* departure = slot.departure();
        forget_waited(
            slot.database, departure,
            departure->seat_change.load(std::memory_order_relaxed) == SeatChange::kUnderWay);
        part_drop(shared.routes, part_of(departure->route()));
        drop_old_routes(index);
        part_drop(shared.layouts, &departure->layout->head);
        free_departure(departure);
    }
    slot.block = nullptr;
    slot.maker.store(0, std::memory_order_relaxed);
    slot.version.store(next_version(version, SlotState::kFree), std::memory_order_release);
    slot.next_by_name.store(shared.control->free_slots, std::memory_order_relaxed);
    shared.control->free_slots = index;
}

void free_slot(uint32_t index, uint64_t version) {
    unlink_slot(index);
    clear_slot(index, version);
}

void free_retired() {
    uint32_t kept = kNoSlot;
    for (uint32_t index = shared.control->retired; index != kNoSlot;) {
        DirectorySlot& slot = shared.slots[index];
        const uint32_t next = slot.next_by_name.load(std::memory_order_relaxed);
        if (is_announced(index)) {
            slot.next_by_name.store(kept, std::memory_order_relaxed);
            kept = index;
        } else {
            clear_slot(index, slot.version.load(std::memory_order_relaxed));
        }
        index = next;
    }
    shared.control->retired = kept;
}

void retire_slot(uint32_t index) {
    DirectorySlot& slot = shared.slots[index];
    // From here on nobody new gets in; free_retired() sees each process that announced it before.
    const uint64_t version = slot.version.load(std::memory_order_relaxed);
    slot.version.store(next_version(version, SlotState::kLoading), std::memory_order_seq_cst);
    unlink_slot(index);
    slot.next_by_name.store(shared.control->retired, std::memory_order_relaxed);
    shared.control->retired = index;
    free_retired();
}

bool try_evict(uint32_t index) {
    DirectorySlot& slot = shared.slots[index];
    const uint64_t version = slot.version.load(std::memory_order_acquire);
    if (state_of(version) != SlotState::kReady || is_announced(index)) {
        return false;
    }
    // From here on nobody new gets in; each process that announced it before is seen now.
    const uint64_t leaving = next_version(version, SlotState::kLoading);
    slot.version.store(leaving, std::memory_order_seq_cst);
    if (is_announced(index)) {
        slot.version.store(next_version(leaving, SlotState::kReady), std::memory_order_seq_cst);
        return false;
    }
    free_slot(index, leaving);
    count(shared.mine->counters.evictions);
    return true;
}

namespace {

// One search for a slot to evict: how far it has come in the order of (last use, slot).
struct Search {
    int32_t last_use = INT32_MIN;
    uint32_t slot = 0;
};

// Looks at all slots for the READY ones that come next in the search. False: there is none.
bool find_coldest(Search* search) {
    Coldest& coldest = shared.control->coldest;
    coldest.count = coldest.next = 0;
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        const DirectorySlot& slot = shared.slots[i];
        const uint64_t version = slot.version.load(std::memory_order_relaxed);
        const int32_t use = slot.last_use.load(std::memory_order_relaxed);
        if (state_of(version) != SlotState::kReady || use < search->last_use ||
            (use == search->last_use && i <= search->slot)) {
            continue;
        }
        uint32_t place = coldest.count;
        if (place < Coldest::kMost) {
            coldest.count++;
        } else if (use < coldest.entry[--place].last_use) {
            // the warmest of them is dropped
        } else {
            continue;
        }
        for (; place > 0 && coldest.entry[place - 1].last_use > use; place--) {
            coldest.entry[place] = coldest.entry[place - 1];
        }
        coldest.entry[place] = {version, i, use};
    }
    if (coldest.count > 0) {
        search->last_use = coldest.entry[coldest.count - 1].last_use;
        search->slot = coldest.entry[coldest.count - 1].slot;
    }
    return coldest.count > 0;
}

// The next slot to try: first those that earlier searches found and did not need, then all slots in
// order of last use. kNoSlot: all were tried. (A slot that is used meanwhile is tried later.)
uint32_t next_coldest(Search* search) {
    Coldest& coldest = shared.control->coldest;
    do {
        while (coldest.next < coldest.count) {
            const Coldest::Entry& entry = coldest.entry[coldest.next++];
            const DirectorySlot& slot = shared.slots[entry.slot];
            // Acquire: the caller that evicts it looks at its block.
            if (slot.version.load(std::memory_order_acquire) == entry.version &&
                slot.last_use.load(std::memory_order_relaxed) == entry.last_use) {
                return entry.slot;
            }
        }
    } while (find_coldest(search));
    return kNoSlot;
}

// The READY slot whose block lies nearest to `address`, above or below it, or kNoSlot.
uint32_t nearest_block(uintptr_t address, bool above) {
    uint32_t best = kNoSlot;
    uintptr_t best_distance = UINTPTR_MAX;
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        const DirectorySlot& slot = shared.slots[i];
        // Acquire: a loader stores the block before READY, and holds no lock then.
        if (state_of(slot.version.load(std::memory_order_acquire)) != SlotState::kReady) {
            continue;
        }
        const uintptr_t block = reinterpret_cast<uintptr_t>(slot.block.get());
        const bool on_side = above ? block > address : block < address;
        const uintptr_t distance = above ? block - address : address - block;
        if (on_side && distance < best_distance) {
            best = i;
            best_distance = distance;
        }
    }
    return best;
}

// Makes a hole of `bytes` by evicting the neighbours of a block that was just freed. Freeing the
// coldest blocks wherever they are may leave plenty of memory and no hole that is large enough.
void* widen_hole(uintptr_t freed, size_t bytes, MemoryKind kind) {
    for (const bool above : {true, false}) {
        uintptr_t edge = freed;
        while (edge + Arena::footprint(bytes) > freed && edge < freed + Arena::footprint(bytes)) {
            const uint32_t neighbour = nearest_block(edge, above);
            if (neighbour == kNoSlot) {
                break;
            }
            edge = reinterpret_cast<uintptr_t>(shared.slots[neighbour].block.get());
            if (!try_evict(neighbour)) {
                break;
            }
            if (void* block = allocate(bytes, kind)) {
                return block;
            }
        }
    }
    return nullptr;
}

}  // namespace

void* allocate_or_evict(size_t bytes, MemoryKind kind) {
    void* block = allocate(bytes, kind);
    if (block == nullptr && shared.control->retired != kNoSlot) {
        free_retired();
        block = allocate(bytes, kind);
    }
    Search search;
    while (block == nullptr) {
        const uint32_t victim = next_coldest(&search);
        if (victim == kNoSlot) {
            break;
        }
        const uintptr_t address = reinterpret_cast<uintptr_t>(shared.slots[victim].block.get());
        if (try_evict(victim)) {
            block = allocate(bytes, kind);
            if (block == nullptr) {
                block = widen_hole(address, bytes, kind);
            }
        }
    }
    return block;
}

uint32_t take_slot() {
    Search search;
    free_retired();
    while (shared.control->free_slots == kNoSlot) {
        const uint32_t victim = next_coldest(&search);
        if (victim == kNoSlot) {
            return kNoSlot;
        }
        try_evict(victim);
    }
    const uint32_t index = shared.control->free_slots;
    shared.control->free_slots = shared.slots[index].next_by_name.load(std::memory_order_relaxed);
    return index;
}

void* require_memory(size_t bytes, MemoryKind kind) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    void* block = allocate_or_evict(bytes, kind);
    LWLockRelease(shared.control->lock);
    if (block == nullptr) {
        report_pool_full(bytes);
    }
    return block;
}

void discard_slot(uint32_t index) {
    LWLockAcquire(shared.control->lock, LW_EXCLUSIVE);
    retire_slot(index);
    LWLockRelease(shared.control->lock);
}

}  // namespace ticketpool
