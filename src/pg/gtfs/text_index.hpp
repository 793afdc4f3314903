// Numbers for texts, from 0 in the order in which they are first seen: codes of stations, services,
// formations.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

struct TextIndex {
    MemoryContext context;  // of all that follows
    Text* texts;            // by number
    uint32_t count;
    uint32_t room;        // for texts
    uint32_t* slots;      // number + 1, by hash; 0: free
    uint32_t slot_count;  // a power of two, at least twice `room`
};

void begin_index(TextIndex* index, MemoryContext context);

// The number of the text, which is copied if it is new.
uint32_t number_of_text(TextIndex* index, Text text);

// -1: the text is not there.
int64_t find_text(const TextIndex& index, Text text);

}  // namespace ticketpool
