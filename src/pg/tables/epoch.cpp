// From which state of the tables a departure was loaded: see epoch.hpp.
#include "tables/epoch.hpp"

#include "pool/pins.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

namespace {

// The triggers of ticket_departure and ticket_reservation; void once one of the tables or the
// catalog has changed.
struct TableTriggers {
    uint64_t catalog;  // generations; 0: void
    uint64_t departures;
    TriggerIdentity departure;
    TriggerIdentity reservation;
};
constinit TableTriggers triggers{};

// The triggers of item_order and item_inventory; void once the catalog has changed.
struct ItemTriggers {
    uint64_t catalog;  // generation; 0: void
    TriggerIdentity order;
    TriggerIdentity inventory;
    uint32_t epoch;
};
constinit ItemTriggers item_triggers{};

constinit LocalTransactionId truncated_in = InvalidLocalTransactionId;

bool triggers_are_known() {
    return triggers.catalog == catalog_generation && triggers.departures == departure_generation;
}

void read_triggers(const Catalog& catalog) {
    while (!triggers_are_known()) {
        // An invalidation during the look makes them void again.
        triggers.catalog = catalog_generation;
        triggers.departures = departure_generation;
        const TriggerIdentity departure = trigger_identity(catalog.departure);
        triggers.reservation = trigger_identity(catalog.reservation);
        triggers.departure = departure;
    }
}

uint32_t mix(const TriggerIdentity& trigger) {
    const uint64_t both = uint64_t{trigger.oid} << 32 | trigger.written_by;
    return static_cast<uint32_t>((both * 0x9E3779B97F4A7C15u) >> 32);
}

uint32_t epoch_from(const OrderLeaf& leaf) {
    const uint32_t both = (mix(leaf.trigger) ^ leaf.relation * 0x85EBCA6Bu) +
                          mix(triggers.departure) * 3 + mix(triggers.reservation) * 5;
    return (both & ~(kStale | kNoPartition)) | (OidIsValid(leaf.relation) ? 0 : kNoPartition);
}

bool is_own(const TriggerIdentity& trigger) {
    return TransactionIdIsNormal(trigger.written_by) &&
           TransactionIdIsCurrentTransactionId(trigger.written_by);
}

}  // namespace

bool epoch_is_known(DateADT date, uint32_t* epoch) {
    const OrderLeaf* leaf = known_order_partition(date);
    if (leaf == nullptr || !triggers_are_known()) {
        return false;
    }
    *epoch = epoch_from(*leaf);
    return true;
}

uint32_t epoch_of(const Catalog& catalog, DateADT date) {
    uint32_t epoch;
    while (!epoch_is_known(date, &epoch)) {
        read_triggers(catalog);
        look_up_order_partition(catalog, date);
    }
    return epoch;
}

bool epoch_is_own(DateADT date) {
    const OrderLeaf* leaf = known_order_partition(date);
    return has_truncated() || (leaf != nullptr && is_own(leaf->trigger)) ||
           is_own(triggers.departure) || is_own(triggers.reservation);
}

bool item_epoch_is_known(uint32_t* epoch) {
    *epoch = item_triggers.epoch;
    return item_triggers.catalog == catalog_generation;
}

uint32_t item_epoch_of(const Catalog& catalog) {
    uint32_t epoch;
    while (!item_epoch_is_known(&epoch)) {
        // An invalidation during the look makes them void again.
        item_triggers.catalog = catalog_generation;
        item_triggers.order = trigger_identity(catalog.item_order);
        item_triggers.inventory = trigger_identity(catalog.inventory);
        item_triggers.epoch =
            (mix(item_triggers.order) + mix(item_triggers.inventory) * 3) & ~kStale;
    }
    return epoch;
}

bool item_epoch_is_own() {
    return has_truncated() || is_own(item_triggers.order) || is_own(item_triggers.inventory);
}

void note_truncate() {
    truncated_in = my_local_transaction();
}

bool has_truncated() {
    return truncated_in == my_local_transaction() && truncated_in != InvalidLocalTransactionId;
}

namespace {

// How many pins of this transaction were found to be of this epoch. Pins are only appended to their
// list until the transaction ends, and what is pinned is not loaded again.
struct CheckedPins {
    LocalTransactionId transaction;
    Oid relation;
    DateADT date;
    uint32_t epoch;
    size_t count;
};
constinit CheckedPins checked{};

// How many of these pins need no look any more.
size_t count_checked(const CheckedPins& asked) {
    const bool same = checked.transaction == asked.transaction &&
                      checked.relation == asked.relation && checked.date == asked.date &&
                      checked.epoch == asked.epoch && checked.count <= asked.count;
    return same ? checked.count : 0;
}

bool has_other_epoch(const DirectorySlot& slot, Oid relation, DateADT date, uint32_t epoch) {
    return slot.relation == relation && slot.service_date == date &&
           (slot.epoch.load(std::memory_order_acquire) & ~kStale) != epoch;
}

}  // namespace

DirectorySlot* pinned_of_other_epoch(Oid relation, DateADT date, uint32_t epoch) {
    constexpr size_t kFewPins = 8;  // are looked at each time
    const CheckedPins asked{my_local_transaction(), relation, date, epoch, my_pins.count};
    const bool many = asked.count > kFewPins;
    for (size_t i = many ? count_checked(asked) : 0; i < asked.count; i++) {
        DirectorySlot& slot = shared.slots[my_pins.slots[i]];
        if (has_other_epoch(slot, relation, date, epoch)) {
            return &slot;
        }
    }
    if (many) {
        checked = asked;
    }
    return nullptr;
}

}  // namespace ticketpool
