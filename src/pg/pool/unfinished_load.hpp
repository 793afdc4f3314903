// A load in progress: what this backend has taken for it so far.
#pragma once

#include "pool/prepared.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Void after every load and every abort.
struct Loading {
    bool active;
    uint32_t slot;
    uint64_t version;  // if the slot has another one, the load was taken over (load_by_key.cpp)
    void* block;       // the Departure or Item
    SharedPart* route;
    SharedPart* layout;
    PreparedLedger* prepared;  // a chain: the blocks of prepared transactions that it found
};
extern constinit Loading loading;

// The shared part with this id, or null. It counts as used by the departure that is being loaded.
SharedPart* loading_find_route(const Catalog& catalog, int64_t route_id);
SharedPart* loading_find_layout(const Catalog& catalog, int64_t layout_id);
// Copies a part into shared memory unless another backend was quicker. It counts as used, too.
SharedPart* loading_add_route(const SharedPart* part);
SharedPart* loading_add_layout(const SharedPart* part);

// The memory of the departure or item that is being loaded: freed if the load fails.
void loading_set_block(void* block);

// What the load found of a prepared transaction. It is entered together with the departure.
void loading_add_prepared(PreparedLedger* block);

// Gives up a load in progress and the announcement.
void loading_abandon();

}  // namespace ticketpool
