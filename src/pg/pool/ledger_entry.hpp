// One thing that a transaction did to the pool, and what the transaction's end makes of it. Entries
// are kept in the backend's ledger (ledger.hpp) and, while their transaction is prepared, in shared
// memory (prepared.hpp).
#pragma once

#include "pool/shared_memory.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Where a claim is: seats of a class, of a quota of it, or places of a coach of it.
struct SeatSource {
    uint32_t slot;
    uint32_t class_index;
    uint64_t quota;       // offset from the departure; 0: the class's own seats
    int32_t place_coach;  // index of the coach; -1: numbered seats. Its "seat" is always 0
};

inline SeatSource seats_of_class(uint32_t slot, uint32_t class_index) {
    return {slot, class_index, 0, -1};
}

inline bool same_source(const SeatSource& a, const SeatSource& b) {
    return a.slot == b.slot && a.class_index == b.class_index && a.quota == b.quota &&
           a.place_coach == b.place_coach;
}

enum class Kind : uint8_t {
    kClaim,
    kRelease,
    kTakeOver,
    kStatus,
    kSale,
    kBar,
    kRoute,
    kOpened,
    kQuota,
    kClosing,
    kReform,
    kWaiter
};

struct Entry {
    Kind kind;
    int level;  // transaction nesting level
    SeatSource source;
    uint32_t seat;
    size_t release;  // take-over: index of the release entry
    SaleStatus status;
    SegmentMask bits;  // kSale: opens_at, closes_at and the margin are in its first three words;
                       // kBar: kMovingBar in the first one, if the departure moves to another node;
                       // kRoute: what its Rerouting has, as addresses; kWaiter: the word of the
                       // WaitControl when it was listed
};

inline constexpr uint64_t kMovingBar = 1;
// What a bar has stored.
inline SaleStatus barred_status(const Entry& entry) {
    return entry.bits.w[0] == kMovingBar ? SaleStatus::kMoving : SaleStatus::kWithdrawn;
}

// Does it write sale words, or the route? Then it has a turn (see SaleStatus in departure.hpp)
// until it is settled or undone.
inline bool writes_sale(const Entry& entry) {
    return entry.kind == Kind::kStatus || entry.kind == Kind::kSale || entry.kind == Kind::kBar ||
           entry.kind == Kind::kRoute;
}

// Does the entry have a say in how the transaction ends? A take-over has none: it has taken its
// bits out of a release, which is left with the rest.
inline bool is_final(const Entry& entry) {
    return entry.kind != Kind::kTakeOver && (entry.kind != Kind::kRelease || entry.bits.any());
}

// Whose entry it is: this transaction's, or one of a prepared transaction that was decided.
enum class EntryOf { kOwn, kPrepared };

// What rollback and commit do to the pool for one entry; a rollback takes a transaction's entries
// last first. No-fail. The caller removes an opened departure from the directory in a rollback.
void undo_entry(const Entry& entry);
void settle_entry(const Entry& entry, EntryOf of);

}  // namespace ticketpool
