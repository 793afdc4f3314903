// Makes the keys of departures and items, and keeps the hash chains of the directory.
#include "pool/directory_key.hpp"

#include "pool/announcement.hpp"
#include "pool/maker.hpp"
#include "pool/shared_memory.hpp"

namespace ticketpool {

namespace {

// The head of a hash chain of slots.
SlotLink* bucket_of(SlotLink* table, uint32_t hash) {
    return &table[hash & (shared.control->bucket_count - 1)];
}

SlotLink* bucket_of(const Key& key) {
    return bucket_of(key.by_id() ? shared.by_id : shared.by_name, low_hash(key.hash));
}

SlotLink* link_by_name(uint32_t index) {
    return &shared.slots[index].next_by_name;
}

SlotLink* link_by_id(uint32_t index) {
    return &shared.slots[index].next_by_id;
}

uint64_t id_key(Oid relation, int64_t id) {
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&id), sizeof id, relation) |
           1;
}

}  // namespace

uint64_t name_key(Oid orders, Text train, DateADT date) {
    const uint64_t seed = uint64_t{orders} << 32 | static_cast<uint32_t>(date);
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(train.data),
                               static_cast<int>(train.length), seed) |
           1;
}

Key key_of(const Catalog& catalog, Text train, DateADT date) {
    return Key{&catalog,
               KeyKind::kName,
               catalog.order,
               train,
               date,
               0,
               name_key(catalog.order, train, date)};
}

Key key_of(const Catalog& catalog, int64_t departure_id) {
    return Key{&catalog,
               KeyKind::kId,
               catalog.order,
               {nullptr, 0},
               0,
               departure_id,
               id_key(catalog.order, departure_id)};
}

Key key_of_item(const Catalog& catalog, int64_t item_id) {
    return Key{&catalog,
               KeyKind::kItem,
               catalog.item_order,
               {nullptr, 0},
               kItemDate,
               item_id,
               id_key(catalog.item_order, item_id)};
}

Key key_of(Oid orders, int64_t id) {
    return Key{nullptr, KeyKind::kId, orders, {nullptr, 0}, 0, id, id_key(orders, id)};
}

// Compares the hash values of names first: if these are the same, the trains rarely differ.
bool slot_matches(uint32_t index, const Key& key) {
    const DirectorySlot& slot = shared.slots[index];
    if (slot.database != MyDatabaseId || slot.relation != key.relation) {
        return false;
    }
    if (key.by_id()) {
        return slot.id.load(std::memory_order_relaxed) == key.id;
    }
    if (slot.service_date != key.date ||
        slot.name_hash.load(std::memory_order_relaxed) != low_hash(key.hash)) {
        return false;
    }
    return same_text({slot.train.name, slot.train.length}, key.train);
}

namespace {

// A walk without the lock: see slot_chain.hpp.
struct Walk {
    const Key& key;

    SlotLink* next(uint32_t index) const {
        return key.by_id() ? link_by_id(index) : link_by_name(index);
    }
    bool may_match(uint32_t index) const {
        const DirectorySlot& slot = shared.slots[index];
        pages_touch(&slot);
        return key.by_id() ? slot.id.load(std::memory_order_relaxed) == key.id
                           : slot.name_hash.load(std::memory_order_relaxed) == low_hash(key.hash);
    }
    bool announce(uint32_t index) const {
        shared.mine->reading.store(index + 1, std::memory_order_seq_cst);
        return state_of(shared.slots[index].version.load(std::memory_order_seq_cst)) ==
               SlotState::kReady;
    }
    // A slot of the name may be hidden, and another one behind it may not be: see chain_find().
    bool matches(uint32_t index) const {
        return slot_matches(index, key) && is_made(shared.slots[index].maker);
    }
};

}  // namespace

uint32_t chain_announce(const Key& key) {
    const SlotLink* bucket = bucket_of(key);
    pages_touch(bucket);
    const uint32_t index = find_unlocked(bucket, Walk{key});
    if (unlikely(index == kNoSlot)) {
        end_announcement();
    }
    return index;
}

uint32_t chain_find(const Key& key) {
    uint32_t index = bucket_of(key)->load(std::memory_order_relaxed);
    uint32_t hidden = kNoSlot;
    while (index != kNoSlot) {
        const DirectorySlot& slot = shared.slots[index];
        if (slot_matches(index, key)) {
            if (key.by_id() || is_made(slot.maker)) {
                return index;
            }
            hidden = index;
        }
        index = (key.by_id() ? slot.next_by_id : slot.next_by_name).load(std::memory_order_relaxed);
    }
    return hidden;
}

void link_name(uint32_t index, Text train, uint64_t hash) {
    DirectorySlot& slot = shared.slots[index];
    SlotTrain* name = &slot.train;
    Assert(train.length <= sizeof name->name);
    memcpy(name->name, train.data, train.length);
    name->length = static_cast<uint8_t>(train.length);
    slot.name_hash.store(low_hash(hash), std::memory_order_relaxed);
    chain_push(bucket_of(shared.by_name, low_hash(hash)), &slot.next_by_name, index);
}

void unlink_name(uint32_t index) {
    const uint32_t hash = shared.slots[index].name_hash.load(std::memory_order_relaxed);
    chain_remove(bucket_of(shared.by_name, hash), index, link_by_name);
}

void link_slot(uint32_t index, const Key& by_id, const Key& by_name) {
    DirectorySlot& slot = shared.slots[index];
    if (!slot.has_item()) {
        link_name(index, by_name.train, by_name.hash);
    }
    chain_push(bucket_of(shared.by_id, low_hash(by_id.hash)), &slot.next_by_id, index);
}

void unlink_slot(uint32_t index) {
    const DirectorySlot& slot = shared.slots[index];
    if (!slot.has_item()) {
        unlink_name(index);
    }
    const uint64_t hash = id_key(slot.relation, slot.id.load(std::memory_order_relaxed));
    chain_remove(bucket_of(shared.by_id, low_hash(hash)), index, link_by_id);
}

}  // namespace ticketpool
