// What a caller looks for in the directory, and the hash chains that lead to it.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// A departure by name or by id, or an item by id.
enum class KeyKind { kName, kId, kItem };
struct Key {
    const Catalog* catalog;
    KeyKind kind;
    Oid relation;
    Text train;
    DateADT date;
    int64_t id;
    uint64_t hash;
    bool now = false;  // a standby loads it again, however new its copy is

    bool by_id() const { return kind != KeyKind::kName; }
};

Key key_of(const Catalog& catalog, Text train, DateADT date);
Key key_of(const Catalog& catalog, int64_t departure_id);
Key key_of_item(const Catalog& catalog, int64_t item_id);
// A key for chain_find() alone, without a catalog. `orders`: ticket_order or item_order.
Key key_of(Oid orders, int64_t id);

// The hash of a departure's name.
uint64_t name_key(Oid orders, Text train, DateADT date);

inline uint32_t low_hash(uint64_t hash) {
    return static_cast<uint32_t>(hash);
}

// Is the slot, ready or loading, the key's?
bool slot_matches(uint32_t index, const Key& key);

// The slot in the key's chain, ready or loading, or kNoSlot. Several slots may have one name: a
// transaction that has not committed has renamed a departure and opened another one under its name.
// Of these it is the slot that is not hidden from this session. The caller holds the directory
// lock.
uint32_t chain_find(const Key& key);

// Finds and announces, without the lock, a slot in the key's chain that is ready and not hidden
// from this session. kNoSlot: nothing is announced, and nothing is known; ask chain_find().
uint32_t chain_announce(const Key& key);

// Puts a slot into its chains, of its id and, unless it has an item, of its name; and takes it out
// again. The caller holds the directory lock exclusively.
void link_slot(uint32_t index, const Key& by_id, const Key& by_name);
void unlink_slot(uint32_t index);
// The same for the chain of the name alone. `hash`: its name_key().
void link_name(uint32_t index, Text train, uint64_t hash);
void unlink_name(uint32_t index);

}  // namespace ticketpool
