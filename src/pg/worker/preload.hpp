// Loading departures into memory before somebody asks for them; see preload.cpp.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "server/progress.hpp"

namespace ticketpool {

// The departures to load, the earliest day first.
struct PreloadList {
    int64_t* ids;  // in the memory context of the call
    uint64_t count;
    uint64_t next;
    int64_t loaded;  // so far; the others were in memory already
    Progress progress;
};

// How many of them were not looked at.
inline int64_t preload_left(const PreloadList& list) {
    return static_cast<int64_t>(list.count - list.next);
}
// Why, in words.
const char* text_of_full_pool(const PreloadList& list);

// Lists the departures that are on sale: today's, later ones, and those of yesterday, which may
// still be on their way.
void preload_list(const Catalog& catalog, PreloadList* list);

// Loads at most `limit` more of them. False: there are no more, or the memory is nearly full.
// Nothing is evicted to make room for a departure that nobody has asked for.
bool preload_some(const Catalog& catalog, PreloadList* list, uint64_t limit);

}  // namespace ticketpool
