// What shared memory knows of the waiting list of one departure: whether anybody may wait for it,
// and whether something may be free in it that a waiter fits. Who waits, and for what, is in the
// tables.
//
// The invariant is that no waiter fits what is on open sale. Whoever frees something serves the
// list before the seats are seen by others: what a waiter gets never becomes free. So a plain
// purchase has nothing to ask. Three things can break the invariant for a moment, and each of them
// marks the departure as unserved first:
//
//   - seats are given back without a transaction of their own (a rolled back claim, a dead session)
//   - two transactions free what a waiter fits only together, or somebody joins the list while
//     another transaction is freeing: neither of the two sees the other
//   - a departure is loaded, and there are waiters: what was unserved when it left memory is not
//     known
//
// As long as a departure is unserved, buyers look into the list and leave alone what a waiter fits,
// and the worker serves the list.
//
// The word
// --------
// One word, changed by read-modify-writes only, so that all changes are in one order:
//
//   listed      somebody waits, or may wait. Set before a new waiter's first look at what is free
//   unserved    see above
//   giving      how many processes are giving bits back at this moment
//   version     counts what may make a waiter fit: every giving back, and every new waiter
//
//   who frees (commit)   looks (v0) before it matches the list with what it will free. Then, after
//                        its commit, begin_giving_back(); if somebody is listed and the version is
//                        not v0, or somebody was giving back at v0, or is joining: mark_unserved().
//                        Clears its bits. end_giving_back()
//   who frees (rollback) the same, but always marks if somebody is listed
//   a new waiter         list(), joining, then looks (v0) at what is free, and is awarded what
//                        fits. Before its commit, and again after it: if the version is not v0, or
//                        somebody was giving back at v0: mark_unserved(). No longer joining
//   a buyer              claims, then loads the word: if it is unserved, it gives back and looks
//                        into the list
//   the worker           looks (v0), serves the list as it is now, then served(v0): takes the mark
//                        off, if the word is still as it was and nobody was giving back at v0
//
// Why nothing is missed. Let bits become free that make a waiter fit, given back by F.
//  (1) F matched the list after the waiter's commit, and at that time all else that the waiter needs
//      was free: the waiter was awarded, or its being passed over is on record.
//  (2) F matched the list after the waiter's commit, and something else that it needs became free
//      later, given back by G. Of the two begin_giving_back(), one is second. Its process sees a
//      version that is not the one that it looked at, unless it looked after the first one had
//      begun. If the first one had not ended then, it was counted as giving, and the second marks.
//      If it had ended, its bits were free at the look, and the second one's match was complete.
//  (3) F matched before the waiter's commit. The waiter was listed before it looked. If F's
//      begin_giving_back() precedes that look, it was still giving, and the waiter marks; or it had
//      ended, and the waiter saw the bits. If it follows the look, the version differs at the
//      waiter's commit, unless that commit comes first: then F sees that somebody is joining, or
//      else the waiter's own new version (note_waiter()), and marks. (Without `joining`, the mark
//      would come only when the waiter, whose row is committed, finds the other version: a newcomer
//      might be quicker.)
//  A mark precedes the clearing of the bits, so a buyer that takes them sees it: its claim reads the
//  cleared word (acquire), which was released after the mark.
//  The worker's served() fails if anything was given back, or anybody joined, since its look.
//
// If a process dies, the server restarts, and every departure with waiters is served once.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

namespace ticketpool {

struct alignas(16) WaitControl {
    std::atomic<uint64_t> word;
    // New waiters whose transaction has not ended, or has not come to note_waiter() yet.
    std::atomic<uint32_t> joining;

    static constexpr uint64_t kListed = 1;
    static constexpr uint64_t kUnserved = 2;
    static constexpr uint64_t kOneGiving = 4;
    static constexpr int kVersionShift = 24;  // so many processes can't give back at once
    static constexpr uint64_t kOneVersion = uint64_t{1} << kVersionShift;

    static constexpr bool is_listed(uint64_t seen) noexcept { return (seen & kListed) != 0; }
    static constexpr bool is_unserved(uint64_t seen) noexcept { return (seen & kUnserved) != 0; }
    static constexpr bool is_giving(uint64_t seen) noexcept {
        return seen % kOneVersion >= kOneGiving;
    }
    static constexpr uint64_t version_of(uint64_t seen) noexcept { return seen >> kVersionShift; }

    uint64_t look() const noexcept { return word.load(std::memory_order_seq_cst); }

    void list() noexcept { word.fetch_or(kListed, std::memory_order_seq_cst); }

    // Before the first bit is cleared. Returns the word as it was.
    uint64_t begin_giving_back() noexcept {
        return word.fetch_add(kOneVersion + kOneGiving, std::memory_order_seq_cst);
    }
    // After the last one.
    void end_giving_back() noexcept { word.fetch_sub(kOneGiving, std::memory_order_seq_cst); }

    // At the commit of a new waiter. Returns the word as it was.
    uint64_t note_waiter() noexcept {
        return word.fetch_add(kOneVersion, std::memory_order_seq_cst);
    }

    // A change of the version comes first: otherwise a worker that is about to take the mark off,
    // and finds the word as it was, would take off this one.
    void mark_unserved() noexcept {
        word.fetch_add(kOneVersion, std::memory_order_seq_cst);
        word.fetch_or(kListed | kUnserved, std::memory_order_seq_cst);
    }

    // The list was served as it was at the look that has `seen` the word; `listed`: somebody waits.
    // False: something has happened since, and it has to be served again.
    bool served(uint64_t seen, bool listed) noexcept {
        if (is_giving(seen)) {
            return false;
        }
        uint64_t expected = seen;
        return word.compare_exchange_strong(
            expected, listed ? (seen | kListed) & ~kUnserved : seen & ~(kListed | kUnserved),
            std::memory_order_seq_cst);
    }
};

static_assert(std::is_standard_layout_v<WaitControl>);
static_assert(std::is_trivially_destructible_v<WaitControl>);
static_assert(std::atomic<uint64_t>::is_always_lock_free);
static_assert(sizeof(WaitControl) == 16);

}  // namespace ticketpool
