// Makes the keys of departures and items, and keeps the hash chains of the directory.
#include "pool/directory_key.hpp"

#include "pool/maker.hpp"
#include "pool/shared_memory.hpp"

namespace ticketpool {

namespace {

// The head of a hash chain of slots.
uint32_t* bucket_of(uint32_t* table, uint32_t hash) {
    return &table[hash & (shared.control->bucket_count - 1)];
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
        return slot.id == key.id;
    }
    if (slot.service_date != key.date || slot.name_hash != low_hash(key.hash)) {
        return false;
    }
    const SlotTrain& train = shared.trains[index];
    return same_text({train.name, train.length}, key.train);
}

uint32_t chain_find(const Key& key) {
    uint32_t index = *bucket_of(key.by_id() ? shared.by_id : shared.by_name, low_hash(key.hash));
    uint32_t hidden = kNoSlot;
    while (index != kNoSlot) {
        const DirectorySlot& slot = shared.slots[index];
        if (slot_matches(index, key)) {
            if (key.by_id() || is_made(slot.maker)) {
                return index;
            }
            hidden = index;
        }
        index = key.by_id() ? slot.next_by_id : slot.next_by_name;
    }
    return hidden;
}

void link_name(uint32_t index, Text train, uint64_t hash) {
    DirectorySlot& slot = shared.slots[index];
    SlotTrain* name = &shared.trains[index];
    Assert(train.length <= sizeof name->name);
    memcpy(name->name, train.data, train.length);
    name->length = static_cast<uint8_t>(train.length);
    slot.name_hash = low_hash(hash);
    uint32_t* bucket = bucket_of(shared.by_name, slot.name_hash);
    slot.next_by_name = *bucket;
    *bucket = index;
}

void unlink_name(uint32_t index) {
    const DirectorySlot& slot = shared.slots[index];
    uint32_t* link = bucket_of(shared.by_name, slot.name_hash);
    while (*link != index) {
        link = &shared.slots[*link].next_by_name;
    }
    *link = slot.next_by_name;
}

void link_slot(uint32_t index, const Key& by_id, const Key& by_name) {
    DirectorySlot& slot = shared.slots[index];
    if (!slot.has_item()) {
        link_name(index, by_name.train, by_name.hash);
    }
    uint32_t* bucket = bucket_of(shared.by_id, low_hash(by_id.hash));
    slot.next_by_id = *bucket;
    *bucket = index;
}

void unlink_slot(uint32_t index) {
    const DirectorySlot& slot = shared.slots[index];
    if (!slot.has_item()) {
        unlink_name(index);
    }
    uint32_t* link = bucket_of(shared.by_id, low_hash(id_key(slot.relation, slot.id)));
    while (*link != index) {
        link = &shared.slots[*link].next_by_id;
    }
    *link = slot.next_by_id;
}

}  // namespace ticketpool
