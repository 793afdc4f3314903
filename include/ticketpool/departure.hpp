// What is in shared memory: routes, layouts (layout.hpp) and departures. All three are single
// blocks with byte offsets inside, so that a block built in private memory can be copied in as it
// is.
//
// A route is a stop list, a layout the seats of a formation; both are immutable and shared by all
// departures opened with them. A departure is the mutable part: one mask (8, 16, 32 or 1 to 4 x 64
// bits) per seat.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ticketpool/layout.hpp"
#include "ticketpool/place_counter.hpp"
#include "ticketpool/quota.hpp"
#include "ticketpool/seat_map.hpp"
#include "ticketpool/segment_mask.hpp"
#include "ticketpool/shared_part.hpp"
#include "ticketpool/wait_control.hpp"

namespace ticketpool {

struct Stop {
    TextRef station;     // code
    uint32_t code_hash;  // of the code, see Route::find_trip
    int32_t stop_no;
    int64_t arrives;  // microseconds since midnight of the service date; kNoTime: none
    int64_t departs;
    bool no_boarding;  // no trip starts here
    bool no_alighting;
};
inline constexpr int64_t kNoTime = INT64_MIN;

struct Trip {
    int from;  // stop indexes, from < to: segments [from, to)
    int to;
};

struct Route {
    SharedPart head;
    TextRef train;
    uint32_t stop_count;
    uint32_t reserved;
    // Stop[stop_count] and the strings follow

    const Stop* stops() const noexcept { return reinterpret_cast<const Stop*>(this + 1); }
    Stop* stops() noexcept { return reinterpret_cast<Stop*>(this + 1); }
    int segments() const noexcept { return static_cast<int>(stop_count) - 1; }

    // Index of the stop with this stop_no; -1: none. Looks at all, in whatever order a row by hand
    // has them.
    int find_stop(int32_t stop_no) const noexcept;
    // Index of the first stop with this stop_no or a larger one, of stops in rising order;
    // stop_count: none.
    uint32_t stop_from(int32_t stop_no) const noexcept;
    // Does the train call at the station with this code?
    bool calls_at(uint32_t hash, const char* code, std::size_t length) const noexcept;
    // The trip between two station codes, from a call where passengers may board to one where they
    // may alight: the one with fewest stops, on a tie the earlier one. False if there is none.
    bool find_trip(uint32_t from_hash, const char* from, std::size_t from_length, uint32_t to_hash,
                   const char* to, std::size_t to_length, Trip* trip) const noexcept;
};

// When a departure is on sale: its "sale words" in memory are opens_at, closes_at and status.
//
// The departure's row is authoritative. The words say what its last committed version says or,
// while a withdrawal is under way, kWithdrawn.
//
// Who writes them when:
//   the loader       all three, before any other session can find the departure
//   ticket_close     notes its status; the end of its transaction stores it
//   by hand          the same with all three, noted just before the commit (commit_marks.hpp)
//   a bar            stores kWithdrawn at once, for everybody: ticket_withdraw, and a hand-written
//                    statement that deletes the row or gives it other seats. Its rollback stores
//                    what was there before. ticket_move_out stores kMoving in the same way, over
//                    kOpen only: nothing is sold, and counts stay as they are
//
// There is one writer at a time. Every writer has changed the departure's row first, so it holds
// the row's lock, and no other session gets that lock before the writer's transaction has ended.
// But other sessions see that end a moment before the transaction's callback has stored anything
// (for a prepared transaction, the gap lasts until a session resolves it). So `sale_writers` counts
// the writes that were noted and are not yet settled or undone. A writer first waits until only its
// own are left, then counts itself, and uncounts itself after its last store. The wait is short
// because the transaction waited for has ended: its callback waits for nobody, and the waiter
// itself resolves a prepared one. Thus the words are stored in the order in which the row was
// changed, and what a bar found is what its rollback has to put back.
//
// A writer has the departure pinned from before it counts itself until after its last store. A
// writer that did not find the departure in memory before its commit, but finds it there
// afterwards, has no turn and stores nothing: it marks the slot stale, and the next session that
// uses the departure loads the row again.
//
// Who reads them: any session that sells or counts, without a lock. It reads status first. If that
// is kOpen, the times it reads next belong to that status or are later ones, because set_sale()
// stores kOpen last and any other status first. A bar's store is seq_cst, and so is the reader's
// load of status after the reader has announced itself: one of the two sees the other (see
// shared_memory.hpp and ticket_withdraw).
//
// If a process dies: a backend that exits runs its callbacks first. When a backend is killed, all
// of this memory is lost with it, and the rows are loaded again.
enum class SaleStatus : uint8_t { kOpen, kClosed, kWithdrawn, kMoving };

inline constexpr int32_t kNoMargin = -1;

struct SaleTimes {
    int64_t opens_at;   // server time stamps, microseconds
    int64_t closes_at;  // kNoTime: until closed
    SaleStatus status;
    int32_t margin = kNoMargin;  // see Departure::sale_margin
};

// Which stop list a departure has: its "route" in memory. ticket_retime and ticket_skip_stop give
// it another one with the same stops, and different times or flags.
//
// The row's route_id is authoritative. The pointer says what its last committed version says, a
// moment later; the session that changes the row sees the new route at once, by its ledger.
//
// Who writes it when:
//   the loader       before any other session can find the departure
//   a change         has the row locked and updated, and the departure pinned. It finds the new
//                    route in the pool or copies it there, counts itself as a user of it and
//                    allocates an OldRoute: all that may fail. Then it takes its turn among the
//                    sale writers (below) and is entered in the ledger. Its commit swaps the
//                    pointer under the directory lock and puts the old route, with the departure's
//                    count as a user of it, into the OldRoute, which joins the slot's chain. A
//                    rollback, also to a savepoint, gives the new route and the OldRoute back
//
// Who reads it: a session that has announced or pinned the departure, without a lock. What it has
// read stays valid until it ends the announcement, also if the pointer changes meanwhile, because
// routes never change, and an old one is freed only with the departure's slot, which nobody then
// has announced. A session that reads the pointer twice may get two routes; both have the same stop
// numbers and stations, so only times and flags may differ. A buyer who has read the old one just
// before the swap buys by it: nobody waits for buyers.
//
// Two changes are stored in the order of their row versions: that is what turns are for. If a
// change swaps to a route that is in the chain already, the chain does not grow.
//
// The departure cannot be evicted between the commit of the row and the swap, because the change
// has it pinned; a session that loads it afterwards finds the new row. A change by hand of route_id
// is refused while there are live orders, and otherwise has the departure loaded again
// (by_hand_tables.cpp). PREPARE is refused after a change. On a standby, what was loaded before is
// loaded again. If a process is killed, all of this memory is lost with it.

// Whether a departure is getting other seats (ticket_reform). The departure in memory never gets
// them itself: the next session that looks for it after the commit loads it again.
//
//   kNone      as ever
//   kBarred    stored (seq_cst) by the session that has locked the departure's row: who announces
//              the departure from now on claims nothing new. That session waits for all who have
//              announced or pinned it before, and then for the locks of its live rows
//   kUnderWay  stored when it has all these locks: a session that has locked a live row and reads
//              this meets a reform that has committed (or rolled back), and whose callback is
//              about to take the departure out of the directory (or to store kNone)
//
// A rollback stores kNone. After a commit it stays kUnderWay: nobody finds the departure any more.
// src/pg/amend/reform.cpp has the protocol, src/pg/load/reforming.hpp what others do meanwhile.
enum class SeatChange : uint8_t { kNone, kBarred, kUnderWay };

struct alignas(64) Departure {
    int64_t departure_id;
    std::atomic<int64_t> opens_at;  // the sale words, see SaleStatus
    std::atomic<int64_t> closes_at;
    std::atomic<SaleStatus> status;
    std::atomic<SeatChange> seat_change;
    uint16_t service_date;  // days since 2000-01-01
    // Seconds before the train leaves the boarding stop that the sale of a trip ends; kNoMargin:
    // the sale ends with closes_at. One of the sale words.
    std::atomic<int32_t> sale_margin;
    uint32_t bytes;
    uint16_t segments;
    std::atomic<uint16_t> sale_writers;
    std::atomic<int64_t> route_at;  // the Route, in bytes from here
    SharedPtr<Layout> layout;
    std::atomic<uint64_t> quotas;  // the first Quota, in bytes from here; 0: none
    // The WaitControl and ClassControl[class_count] in whole cache lines, then the words of all
    // seats, class by class in whole vectors, then the counters of the coaches with places,
    // uint32_t[segments] each. The block extends at least as far as a scan of the last class may
    // read

    static std::size_t bytes_required(const Layout& layout, int segments) noexcept;
    // Writes an empty departure (every seat free) over raw memory of bytes_required().
    static Departure* init_in_place(void* memory, const Route* route, Layout* layout) noexcept;

    const Route* route() const noexcept {
        return reinterpret_cast<const Route*>(reinterpret_cast<const char*>(this) +
                                              route_at.load(std::memory_order_acquire));
    }
    // Only the loader and a change call this.
    void set_route(const Route* route) noexcept {
        route_at.store(reinterpret_cast<const char*>(route) - reinterpret_cast<const char*>(this),
                       std::memory_order_release);
    }

    // Only the writer whose turn it is calls this.
    void set_sale(const SaleTimes& sale) noexcept {
        if (sale.status != SaleStatus::kOpen) {
            status.store(sale.status, std::memory_order_seq_cst);
        }
        opens_at.store(sale.opens_at, std::memory_order_relaxed);
        closes_at.store(sale.closes_at, std::memory_order_relaxed);
        sale_margin.store(sale.margin, std::memory_order_relaxed);
        if (sale.status == SaleStatus::kOpen) {
            status.store(sale.status, std::memory_order_seq_cst);
        }
    }

    WaitControl* waits() noexcept { return reinterpret_cast<WaitControl*>(this + 1); }
    ClassControl* controls() noexcept { return reinterpret_cast<ClassControl*>(waits() + 1); }
    SeatMap seat_map(uint32_t class_index) noexcept;
    PlaceMap place_map(uint32_t coach_index) noexcept;
    std::atomic<uint32_t>* place_counters() noexcept;  // of the first coach with places
    Quota* quota_at(uint64_t offset) noexcept {
        return offset == 0 ? nullptr
                           : reinterpret_cast<Quota*>(reinterpret_cast<char*>(this) + offset);
    }
    Quota* first_quota() noexcept { return quota_at(quotas.load(std::memory_order_acquire)); }
    uint64_t offset_of(const Quota* quota) const noexcept {
        return static_cast<uint64_t>(reinterpret_cast<const char*>(quota) -
                                     reinterpret_cast<const char*>(this));
    }
};

static_assert(std::is_standard_layout_v<Route> && std::is_trivially_destructible_v<Route>);
static_assert(std::is_standard_layout_v<Departure> && std::is_trivially_destructible_v<Departure>);
static_assert(std::atomic<SaleStatus>::is_always_lock_free);
static_assert(std::atomic<SeatChange>::is_always_lock_free);
static_assert(std::atomic<int64_t>::is_always_lock_free && sizeof(std::atomic<int64_t>) == 8);
static_assert(std::atomic<uint16_t>::is_always_lock_free);
static_assert(sizeof(Departure) == 64);
static_assert(alignof(Departure) == 64);
static_assert(sizeof(Route) % alignof(Stop) == 0);

}  // namespace ticketpool
