// The queue of group sale: sessions hand purchases to their database's cashier, a worker that
// carries out those of several sessions in one transaction (worker/cashier.cpp).
//
// In shared memory: a SaleSlot for each backend, which has its request and the answer, and a
// SaleDesk for each database, which has the head of the queue.
//
// Who owns a slot follows from its state, an atomic word; only the owner touches the rest of it.
//
//   state      owner       goes on to
//   FREE       its backend QUEUED, by the backend, once the request is written
//   QUEUED     the queue   TAKEN, by the cashier (compare-and-swap);
//                          WITHDRAWN, by the backend (the same), which then knows for sure that
//                          nothing is sold
//   TAKEN      the cashier SOLD or REFUSED, by the cashier; ORPHANED, by the backend, which is about
//                          to exit
//   SOLD       its backend FREE; the cashier's transaction has committed and is visible
//   REFUSED    its backend FREE; nothing is sold, and the backend sells by itself
//   WITHDRAWN  the queue   FREE, by the cashier that finds it in the queue
//   ORPHANED   the cashier FREE, by the cashier, instead of an answer
//
// So a slot is in the queue if and only if it is QUEUED or WITHDRAWN, and a backend that finds its
// slot in any state but FREE sells by itself. That also holds for a backend that gets the number,
// and with it the slot, of one that has exited.
//
// The queue is a list, linked through the slots. Backends push at its head (compare-and-swap,
// seq_cst). The cashier takes the whole list (exchange, seq_cst) and turns it round: first in,
// first served. Nobody else takes anything out, so no slot can leave and come back between a look
// and a compare-and-swap that would not notice (ABA).
//
// Arrival and departure of a cashier: the desk has its process number. A backend pushes and then
// looks whether there is a cashier (both seq_cst); a cashier that leaves takes its number away and
// then takes the list once more, and refuses what is in it. One of the two sees the other: no
// request waits for a cashier that is gone.
//
// If a process ends right here:
//   backend, QUEUED      its rollback withdraws the slot: nothing is sold
//   backend, TAKEN       its rollback leaves the slot ORPHANED. The group goes on: sold and
//                        committed, or not, as with any COMMIT whose answer is lost
//   backend, SOLD        the same
//   cashier, in a group  its transaction is rolled back, which gives back all claims; then its exit
//                        looks at the slots that it had TAKEN. Each has the group's transaction id,
//                        so it is known whether the group was committed: SOLD, or else REFUSED
//   killed outright      the server restarts; all of this memory is made again, empty. The rows of
//                        committed groups are there, no others
//
// What may be seen: `in_sale`, `rush` and `apart_until` are hints for the choice between the two
// ways; whichever way a session takes is right. The counters are the cashier's alone.
#pragma once

#include "server/pg.hpp"

namespace ticketpool {

enum class SaleState : uint32_t { kFree, kQueued, kTaken, kSold, kRefused, kWithdrawn, kOrphaned };

enum class SaleKind : uint8_t { kTickets, kItem };

inline constexpr size_t kSaleRequestBytes = 512;
inline constexpr size_t kSaleAnswerBytes = 192;

struct alignas(128) SaleSlot {
    std::atomic<uint32_t> state;  // a SaleState: the word that its backend sleeps on
    std::atomic<uint32_t> next;   // in the queue: slot number + 1; 0: the last
    std::atomic<uint32_t> xid;    // of the cashier's transaction, once it has one; written before
                                  // the commit. 0: none
    SaleKind kind;
    int8_t durability;    // synchronous_commit of the caller
    uint64_t commit_end;  // in the WAL, of a SOLD one
    alignas(16) std::byte request[kSaleRequestBytes];
    alignas(16) std::byte answer[kSaleAnswerBytes];

    SaleState now() const { return static_cast<SaleState>(state.load(std::memory_order_acquire)); }
};
static_assert(std::is_standard_layout_v<SaleSlot> && std::is_trivially_destructible_v<SaleSlot>);
static_assert(std::atomic<uint32_t>::is_always_lock_free);

inline constexpr int kMaxDesks = 64;

struct alignas(128) SaleDesk {
    std::atomic<uint32_t> database;  // InvalidOid: unused. Set once by a session of the database,
                                     // and reset by the launcher when the database is gone
    std::atomic<uint32_t> head;      // of the queue: slot number + 1; 0: empty
    std::atomic<int32_t> cashier;    // its process number + 1; 0: none
    std::atomic<int32_t> pid;        // of the cashier
    std::atomic<bool> rush;          // more than one is buying at a time; by the cashier
    std::atomic<bool> wanted;        // somebody would have queued, by that session; the launcher
                                     // sets it back when it has started a cashier
    std::atomic<bool> came;  // a cashier has come since the launcher last started one; by the
                             // cashier, and set back by the launcher
    // Until when it is not worth while to queue, by the cashier; by is_flushed().
    std::atomic<int64_t> apart_until[2];
    std::atomic<uint64_t> groups;              // committed
    std::atomic<uint64_t> sales;               // in these
    alignas(64) std::atomic<int32_t> in_sale;  // sessions between their call and their commit
};

// Does a commit with this synchronous_commit wait for the WAL to be flushed?
inline int is_flushed(int durability) {
    return durability == SYNCHRONOUS_COMMIT_OFF ? 0 : 1;
}

// The session's side -----------------------------------------------------------------------------

// The desk of this database, which gets one; null: all are taken.
SaleDesk* my_desk();
SaleSlot* my_sale_slot();

// Counts this session among those that are buying, until its transaction ends. Returns how many
// others there are.
int enter_sale(SaleDesk* desk);

// Puts the slot, which has its request, into the queue and waits. True: SOLD; the caller reads the
// answer and calls end_sale_request(). From then on the transaction may not fail: a cancel is held
// back until it has ended, and an error ends the connection. False: it is for the caller to sell;
// the slot is free, or will be.
// Ereports if it is cancelled before the cashier took it.
//
// If the cashier does not come to it for a while (the group before waits for a standby, say),
// is_sold_out(purchase) is asked now and then: who gets nothing need not wait. True withdraws it.
bool wait_for_sale(SaleDesk* desk, bool (*is_sold_out)(const void* purchase), const void* purchase);
void end_sale_request();

// For the transaction callbacks: no-fail.
void leave_sale_at_commit();
void leave_sale_at_abort();

// The cashier's side -----------------------------------------------------------------------------

// Becomes the desk's cashier. False: there is one.
bool begin_serving(SaleDesk* desk);
// Leaves the desk; whoever has queued is refused.
void end_serving(SaleDesk* desk);
// Takes the queue, first come first. The slots are TAKEN. Returns how many; there is room for one
// of each backend.
int take_queue(SaleDesk* desk, SaleSlot** taken);
// Answers a slot that is TAKEN and wakes its backend.
void answer_sale(SaleSlot* slot, SaleState answer);

// For the views: how many have queued. The queue changes meanwhile.
int count_queued(const SaleDesk& desk);

// The launcher's side ----------------------------------------------------------------------------

// The database's desk; null: it has none.
SaleDesk* find_desk(Oid database);
// The database is gone, and with it all sessions that could use the desk.
void free_desk(SaleDesk* desk);

}  // namespace ticketpool
