// Makes the keys of departures and items, and follows the hash chains of the directory.
#include "pool/directory_key.hpp"

#include "pool/eviction.hpp"
#include "pool/maker.hpp"

namespace ticketpool {

namespace {

uint64_t name_key(const Catalog& catalog, Text train, DateADT date) {
    const uint64_t seed = uint64_t{catalog.order} << 32 | static_cast<uint32_t>(date);
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(train.data),
                               static_cast<int>(train.length), seed) |
           1;
}

uint64_t id_key(Oid relation, int64_t id) {
    return hash_bytes_extended(reinterpret_cast<const unsigned char*>(&id), sizeof id, relation) |
           1;
}

}  // namespace

Key key_of(const Catalog& catalog, Text train, DateADT date) {
    return Key{
        &catalog, KeyKind::kName, catalog.order, train, date, 0, name_key(catalog, train, date)};
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
    uint32_t index =
        *directory_bucket(key.by_id() ? shared.by_id : shared.by_name, low_hash(key.hash));
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

}  // namespace ticketpool
