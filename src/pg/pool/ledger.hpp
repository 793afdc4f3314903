// What this transaction has claimed and what it will give back: a log in private memory.
//
//   claim       bits taken in the pool by this transaction     abort: release them
//   release     bits of a refunded ticket                      commit: release them
//   take-over   bits of an own release, bought again           abort: they go back to that release
//   status      a departure's new sale status                  commit: store it
//   sale        its new sale times and status, by hand         commit: store them
//   bar         a departure withdrawn, at once                 commit: it stays so; abort: its
//                                                              status comes back
//   route       another stop list, by ticket_retime or         commit: the departure gets it;
//               ticket_skip_stop                               abort: it is given back
//   quota       a quota that ticket_reserve set up             commit: everybody's; abort: closed
//   closing     a quota that ticket_recycle gives back         commit: closed
//   reform      a departure that gets other seats              commit: it stays barred, and is
//                                                              found no more; abort: it is sold
//                                                              again
//   waiter      somebody who joins the waiting list            commit: what was freed meanwhile is
//                                                              looked at again
//   opened      a departure whose ticket_open is uncommitted   commit: everybody's; abort: it is
//               (or an item whose item_open is)                discarded
//
// What the transaction did to plain quantities is in a second log with the same rules:
// stock_ledger.hpp.
//
// Entries carry the nesting level that wrote them. A subtransaction that commits hands its entries
// to its parent; one that aborts undoes them, last first. The transaction's end settles the whole
// log. None of this can fail or allocates: room is reserved before a claim is taken (undo_log.hpp).
//
// At commit the callback runs when other sessions already see the transaction as committed: a
// refunded seat becomes free a moment later than it is refunded, never sooner. Until then the
// departure stays pinned. Otherwise it could be evicted and loaded again in between, and the late
// release would free a seat that was sold again.
//
// PREPARE TRANSACTION hands the log over to shared memory. The first process that looks after the
// decision settles it there: see prepared.hpp.
#pragma once

#include "pool/announcement.hpp"
#include "pool/ledger_entry.hpp"
#include "pool/reroute.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// Room for so many more entries and one more pin; ereports before anything is claimed.
void ledger_reserve(size_t entries);

// Everything below is no-fail after ledger_reserve.

// After pin_slot.
void ledger_add_claim(const SeatSource& source, uint32_t seat, const SegmentMask& bits);
void ledger_add_release(const SeatSource& source, uint32_t seat, const SegmentMask& bits);
// Call wait_for_sale_turn() (waiting.hpp) before each entry that writes sale words, with nothing in
// between.
void ledger_add_status(uint32_t slot, SaleStatus status);
// What a row says that was changed by hand when ledger_mark() was `since`: a status that was
// entered after that is newer.
void ledger_add_sale(uint32_t slot, const SaleTimes& sale, size_t since);
// How many entries of this transaction write sale words of the departure; is one of them from
// ledger_add_sale()?
uint32_t ledger_sale_writes(uint32_t slot);
bool ledger_has_sale(uint32_t slot);
void ledger_add_opened(uint32_t slot);
// Bars claims on a departure that gets other seats, at once and for everybody (SeatChange).
void ledger_bar_reform(uint32_t slot);
// Has this transaction done so?
bool ledger_is_reforming(uint32_t slot);
// Another route for a departure, from begin_rerouting(); after wait_for_sale_turn(), too.
void ledger_add_route(uint32_t slot, const Rerouting& rerouting);
// A quota that this transaction has set up; one that it closes.
void ledger_add_quota(const SeatSource& source);
void ledger_add_closing(const SeatSource& source);
// Has this transaction recycled the quota? It is open for others until the commit.
bool ledger_is_closing(uint32_t slot, uint64_t quota);
// Withdraws the departure in memory, for everybody and at once; after wait_for_sale_turn(), too.
void ledger_bar(uint32_t slot);
// The same for a departure on sale that moves to another node: kMoving.
void ledger_bar_moving(uint32_t slot);

// Somebody has joined the waiting list of the departure; `seen`: the word of its WaitControl before
// the first look at what is free.
void ledger_add_waiter(uint32_t slot, uint64_t seen);
void ledger_each_waiter(void (*visit)(uint32_t slot, uint64_t seen));

// What this transaction will free in the slot, of the entries from `since` on, in palloc'd memory.
struct Freed {
    SeatSource source;
    uint32_t seat;
    SegmentMask bits;
};
uint32_t ledger_releases(uint32_t slot, size_t since, Freed** freed);

// `bits` of this transaction's pending releases of the seat were bought again. Needs one entry of
// room for each release entry of the seat, at most ledger_release_count().
void ledger_take_over(const SeatSource& source, uint32_t seat, const SegmentMask& bits);
size_t ledger_release_count();

// Undoes what was entered after the mark, which the same function has taken. No-fail.
size_t ledger_mark();
void ledger_undo_to(size_t mark);

// What this transaction's refunds will free, by seat, in palloc'd memory. For this transaction it
// is free already.
uint32_t ledger_own_free(const SeatSource& source, OwnFree** own);
// The same of one seat.
SegmentMask ledger_own_bits(const SeatSource& source, uint32_t seat);
// The same for places: how many on each of the departure's segments; null: none.
uint32_t* ledger_own_places(const SeatSource& source, int segments);

// The route as this transaction sees it, of a departure that it has announced or pinned.
extern constinit size_t ledger_routes;  // changes of routes in the ledger
const Route* ledger_route(uint32_t slot, const Departure* departure);
inline const Route* route_of(const DepartureRef& ref) {
    return likely(ledger_routes == 0) ? ref.departure->route()
                                      : ledger_route(ref.slot, ref.departure);
}

// The sale status as this transaction sees it.
SaleStatus ledger_status(uint32_t slot, const Departure* departure);

// For the transaction callbacks -----------------------------------------------------------------

// Copies the ledger to shared memory, where it outlives this session. May ereport (0A000 if the
// transaction has changed a route); nothing changes hands yet.
void ledger_prepare();

// No-fail, like all that follow. The copy is given up, or owns everything from now on.
void ledger_abandon_prepare();
void ledger_complete_prepare();

void ledger_settle();
void ledger_undo_level(int level);     // entries of that level and deeper
void ledger_promote_level(int level);  // these to the level above it

}  // namespace ticketpool
