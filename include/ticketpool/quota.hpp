// A quota: seats of one class set aside for a channel over a stretch.
//
// In the departure's own seat map, the stretch of each seat of the quota is taken. The quota has a
// seat map of its own, with a mask for each of its seats, in which everything outside the stretch
// is taken and the stretch is free until the channel sells it. So a purchase from the quota is the
// same claim on another map, and the two maps never offer the same bit.
//
// Giving a quota back ("closing" it)
//   the closer    claims what is free in the quota's map (undone by a rollback); at commit it sets
//                 `closed` and releases the same bits in the departure's map
//   a give-back   (rollback or refund of a ticket of the quota) clears its bits in the quota's map
//                 and then looks at `closed`; if that is set, it moves what is free on to the
//                 departure's map
//
// Moving means setting the bits in the quota's map and then releasing, in the departure's map,
// those that were clear. The process that sets a bit moves it, so no bit is moved twice. `closed`
// is stored before the closer's last fetch_or of a word, and a give-back looks at `closed` after
// its fetch_and of that word. One of these two operations on the word is first: either the closer
// finds the bits free, or the give-back acquires what the closer released, `closed` in particular.
#pragma once

#include <boost/interprocess/offset_ptr.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ticketpool/allocation.hpp"
#include "ticketpool/seat_map.hpp"

namespace ticketpool {

struct alignas(64) Quota {
    boost::interprocess::offset_ptr<Quota> next;  // of the same departure; set before it is linked
    int64_t reservation_id;
    std::atomic<uint32_t>
        maker;  // the transaction id of its ticket_reserve until that is settled, or 0
    std::atomic<bool> closed;
    uint32_t class_index;
    uint32_t seats;
    uint16_t from;  // the stretch, in segments
    uint16_t to;
    uint16_t segments;
    uint8_t channel_length;
    uint8_t reserved;
    char channel[64];
    // the words; SeatGeometry[seats]; uint32_t[seats], the numbers of its seats in their class,
    // ascending

    static std::size_t bytes_required(uint32_t seats, int segments) noexcept;
    // An empty quota (nothing sold) over raw memory. The caller fills the other fields, geometry
    // and numbers.
    static Quota* init_in_place(void* memory, uint32_t seats, int from, int to,
                                int segments) noexcept;

    SeatGeometry* geometry() noexcept {
        return reinterpret_cast<SeatGeometry*>(reinterpret_cast<char*>(this + 1) +
                                               seat_map_bytes(seats, segments));
    }
    uint32_t* numbers() noexcept { return reinterpret_cast<uint32_t*>(geometry() + seats); }
    SeatMap seat_map(ClassControl* control) noexcept {
        return seat_map_at(this + 1, control, seats, segments);
    }
    // Index of the quota's seat that has this number in its class, or -1.
    int64_t find(uint32_t number) noexcept;
    // What words mean in this quota, from what they mean in the class.
    WishWords in_own_numbers(const WishWords& words) noexcept;
};

static_assert(std::is_trivially_destructible_v<Quota>);
static_assert(sizeof(Quota) == 128);

// Must be called after each attempt on the quota's map that may have undone pieces of its own
// (try_claim_all, claim_seats), whatever its result: an undoing is not a give-back and does not
// look at `closed`.
void settle_attempt(Quota& quota, SeatMap& own, SeatMap& departure) noexcept;

// Gives `bits` of one of its seats back: to the quota, or, if it is closed, to the departure.
// Cannot fail.
void give_back(Quota& quota, SeatMap& own, SeatMap& departure, uint32_t seat,
               const SegmentMask& bits) noexcept;

// Moves what is free of one seat of a closed quota to the departure's map. Cannot fail.
void move_to_departure(Quota& quota, SeatMap& own, SeatMap& departure, uint32_t seat) noexcept;

}  // namespace ticketpool
