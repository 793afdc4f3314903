// Loading departures into memory before somebody asks for them; see preload.cpp.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The departures to load, the earliest day first.
struct PreloadList {
    int64_t* ids;  // in the memory context of the call
    uint64_t count;
    uint64_t next;
    int64_t loaded;  // so far; the others were in memory already
};

// Lists the departures that are on sale: today's, later ones, and those of yesterday, which may
// still be on their way.
void preload_list(const Catalog& catalog, PreloadList* list);

// Loads at most `limit` more of them. False: there are no more, or the memory is nearly full.
// Nothing is evicted to make room for a departure that nobody has asked for.
bool preload_some(const Catalog& catalog, PreloadList* list, uint64_t limit);

}  // namespace ticketpool
