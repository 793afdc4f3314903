// The hash chains of the directory: changed under a lock, read with or without it.
//
// A bucket holds the first slot of its chain, and each slot has a word with the next one. A slot
// out of all chains may use that word for another list, such as that of free slots.
//
// Who writes which word when:
//
//   bucket, next      the holder of the exclusive lock, with chain_push() and chain_remove()
//   key of a slot     the same, while the slot is in no chain: nobody has announced it then
//   version           the same (FREE or READY to LOADING, LOADING to FREE); to READY by the loader
//                     of the slot, without a lock, after all of what the slot leads to
//   an announcement   its reader alone, in a word of the reader's own
//
// A reader without the lock walks the chain, and asks of each slot in it
//
//   1. may_match()    from words that may change at any time: could this be it?
//   2. announce()     stores the announcement, then loads the version, both seq_cst. Is it READY?
//   3. matches()      compares the key in full
//
// What it finds is right, however it came there: an evictor first moves the version on and then
// looks at the announcements, both seq_cst. So either the reader has seen that the slot is not
// READY, or the evictor sees the announcement and leaves the slot alone. From step 2 on key and
// block therefore stay as they are, and step 3 compares what will be used.
//
// What it does not find may be there: the slot on which it stands may leave the chain, and its word
// then leads into another chain or list, in the worst case round and round (the walk ends after
// kMostLinks). "Nothing" is therefore never an answer: the caller looks again under the lock. That
// costs little, because it happens only when a slot of the same bucket comes or goes at this very
// moment, when a chain is longer than that, and before a load.
//
// Words of slots are never freed, and the links are always numbers of slots or kNoSlot, so a walk
// that has gone astray reads nothing that is not a slot.
//
// If a process dies here: a reader has written nothing but its announcement; that of a process that
// is gone keeps a slot in memory until the next process uses the same word. A writer that is killed
// inside the lock takes all of the memory with it.
#pragma once

#include <atomic>
#include <cstdint>

namespace ticketpool {

inline constexpr std::uint32_t kNoSlot = UINT32_MAX;
inline constexpr int kMostLinks = 16;  // of a walk without the lock; a chain has one or two slots

using SlotLink = std::atomic<std::uint32_t>;

// Puts a slot in front of the chain. `next`: the slot's own link. Under the exclusive lock.
inline void chain_push(SlotLink* bucket, SlotLink* next, std::uint32_t slot) noexcept {
    next->store(bucket->load(std::memory_order_relaxed), std::memory_order_relaxed);
    // Release: who meets the slot here also sees its key.
    bucket->store(slot, std::memory_order_release);
}

// Takes a slot that is in the chain out of it. next(slot): that slot's link. Under the exclusive
// lock.
template <typename Next>
void chain_remove(SlotLink* bucket, std::uint32_t slot, Next next) noexcept {
    SlotLink* link = bucket;
    for (std::uint32_t at = link->load(std::memory_order_relaxed); at != slot;
         at = link->load(std::memory_order_relaxed)) {
        link = next(at);
    }
    link->store(next(slot)->load(std::memory_order_relaxed), std::memory_order_release);
}

// Finds and announces a slot without the lock. kNoSlot: look again under the lock; a slot that is
// not the one may be announced. `View` has next(slot), may_match(slot), announce(slot) and
// matches(slot) as above.
template <typename View>
std::uint32_t find_unlocked(const SlotLink* bucket, View&& view) noexcept {
    std::uint32_t slot = bucket->load(std::memory_order_acquire);
    for (int links = 0; slot != kNoSlot && links < kMostLinks; ++links) {
        if (view.may_match(slot) && view.announce(slot) && view.matches(slot)) {
            return slot;
        }
        slot = view.next(slot)->load(std::memory_order_acquire);
    }
    return kNoSlot;
}

}  // namespace ticketpool
