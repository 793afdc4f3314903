// A hash table of texts (text_index.hpp).
#include "gtfs/text_index.hpp"

namespace ticketpool {
namespace {

constexpr uint32_t kFirstRoom = 64;

uint32_t slot_of(const TextIndex& index, Text text) {
    uint32_t slot = text_hash(text) & (index.slot_count - 1);
    while (index.slots[slot] != 0 && !same_text(index.texts[index.slots[slot] - 1], text)) {
        slot = (slot + 1) & (index.slot_count - 1);
    }
    return slot;
}

void make_slots(TextIndex* index) {
    index->slot_count = 2 * index->room;
    index->slots = static_cast<uint32_t*>(MemoryContextAllocExtended(
        index->context, index->slot_count * sizeof(uint32_t), MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    for (uint32_t i = 0; i < index->count; i++) {
        index->slots[slot_of(*index, index->texts[i])] = i + 1;
    }
}

}  // namespace

void begin_index(TextIndex* index, MemoryContext context) {
    *index = TextIndex{};
    index->context = context;
    index->room = kFirstRoom;
    index->texts =
        static_cast<Text*>(MemoryContextAlloc(context, kFirstRoom * sizeof *index->texts));
    make_slots(index);
}

uint32_t number_of_text(TextIndex* index, Text text) {
    const int64_t found = find_text(*index, text);
    if (found >= 0) {
        return static_cast<uint32_t>(found);
    }
    if (index->count == index->room) {
        index->room *= 2;
        index->texts =
            static_cast<Text*>(repalloc_huge(index->texts, index->room * sizeof *index->texts));
        pfree(index->slots);
        make_slots(index);
    }
    MemoryContext previous = MemoryContextSwitchTo(index->context);
    index->texts[index->count] = copy_text(text);
    MemoryContextSwitchTo(previous);
    index->slots[slot_of(*index, text)] = index->count + 1;
    return index->count++;
}

int64_t find_text(const TextIndex& index, Text text) {
    return static_cast<int64_t>(index.slots[slot_of(index, text)]) - 1;
}

}  // namespace ticketpool
