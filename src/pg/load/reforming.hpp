// What others do while a departure gets other seats (ticket_reform, amend/reform.cpp) or is deleted
// by hand (follow/by_hand_tables.cpp): who waits, and for how long. And the steps of those who do
// this.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"

namespace ticketpool {

// For those who find a departure to claim on it. They wait, announcing nothing, until it has got
// its seats, but at most kReformWaitMillis; is_barred() then says that it still has not. Not at all
// if this transaction has the departure pinned: the reform is this transaction's own, or waits for
// it.
inline constexpr int kReformWaitMillis = 1000;
DepartureRef find_unbarred(const Catalog& catalog, Text train, DateADT date);
DepartureRef find_unbarred(const Catalog& catalog, int64_t departure_id);

// Is the departure, announced or pinned, getting other seats? Then nothing new may be claimed on
// it. If not, none gets any before this session has given up the announcement or pin.
inline bool is_barred(const DepartureRef& ref) {
    return unlikely(ref.departure->seat_change.load(std::memory_order_seq_cst) !=
                    SeatChange::kNone);
}

// TK003: it is being changed.
[[noreturn]] void report_barred(const DepartureRef& ref);

// For those who have locked what a reform locks, too: the departure's row, or a live ticket's, or
// an open reservation's. A reform that they meet has ended, or has to wait for them; if it has
// ended, they wait the moment until its departure in memory is replaced.
DepartureRef find_settled(const Catalog& catalog, int64_t departure_id);
// The same for a departure that this transaction has pinned, with directory_pin_if_ready(): has it
// been replaced, or is it about to be? Then look again.
bool is_replaced(uint32_t slot);

// For the session that changes the departure's seats or deletes it -------------------------------

// The departure, for a session that has locked its row. A transaction that barred it before has
// ended; if the state in memory does not say so yet, this waits that moment.
DepartureRef find_at_rest(const Catalog& catalog, int64_t departure_id);
// Bars claims of others on the pinned departure from now on (a rollback undoes it), and waits,
// interruptibly, for the transactions that used it before. Prepared ones: 55006.
void bar_claims(uint32_t slot);

// What a reform has locked.
struct LiveRowCounts {
    uint64 tickets;  // live ones
    uint64 quotas;   // open ones
};
// Locks what others could still change in the barred departure. From here to the end of the
// transaction the rows say all there is (SeatChange::kUnderWay). Inside SPI and owner_begin(); the
// partition is locked.
LiveRowCounts lock_live_rows(const Catalog& catalog, const OrderLeaf& leaf, uint32_t slot);
// Locks a departure's rows in a table; how many.
uint64 lock_rows_of(Oid table, int64_t departure_id, DateADT date, const char* rest);

}  // namespace ticketpool
