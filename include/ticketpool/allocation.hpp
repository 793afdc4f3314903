// Chooses seats (best fit, first fit, random; parties and seat wishes) and claims them in one step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ticketpool/seat_choice.hpp"
#include "ticketpool/seat_map.hpp"
#include "ticketpool/segment_mask.hpp"
#include "ticketpool/status.hpp"

namespace ticketpool {

enum class Allocation : int {
    kBestFit,   // the seat whose free run around the trip is shortest
    kFirstFit,  // the lowest seat number
    kRandom,    // the first free seat from a random position on
};

inline constexpr std::uint8_t kWindow = 1;  // SeatGeometry::flags: the seat is at a window
inline constexpr std::uint8_t kAisle = 2;   // SeatGeometry::flags: the seat is at an aisle

// Where a seat is, and what is known of it. The seats of a class are ordered by coach, and those of
// a group follow each other.
struct SeatGeometry {
    std::uint16_t coach;
    std::uint16_t row;         // number of its group in its coach; 0: the seat is in no group
    std::uint8_t letter;       // of a label like "12F"; 0: none
    std::uint8_t flags;        // kWindow | kAisle
    std::uint16_t properties;  // number of its set of properties in the layout; 0: none
};

static_assert(sizeof(SeatGeometry) == 8);
static_assert(std::is_standard_layout_v<SeatGeometry> &&
              std::is_trivially_destructible_v<SeatGeometry>);

// Bits of a seat that the buyer's own refunds still hold in the pool: taken for everyone else, free
// for the buyer. Arrays of these are sorted by seat, each seat once.
struct OwnFree {
    std::uint32_t seat;
    SegmentMask bits;
};

struct SeatRequest {
    SegmentMask trip;  // trip_mask(from, to)
    int from = 0;      // segments; 0 <= from < to <= map.segments
    int to = 0;
    std::uint32_t party = 1;  // seats wanted, all or none
    Allocation policy = Allocation::kBestFit;
    std::uint64_t seed = 0;  // spreads concurrent buyers; any value, ideally a new one each call
    SeatChoice choice;
    bool apart = false;        // each seat chosen by itself, wherever the others are
    bool only_wished = false;  // a single seat: one that honours the wish, or none
    const OwnFree* own = nullptr;
    std::uint32_t own_count = 0;
};

// Bytes of scratch, 8-byte aligned, that claim_seats needs; 0 for a single seat. words_per_seat
// makes no difference at present.
std::size_t scratch_bytes(std::uint32_t seats, std::uint32_t party, int words_per_seat) noexcept;

// Chooses request.party seats and claims them, all or none.
//
// A single seat follows the policy; if it has a wish, seats that honour it come first. A party gets
// one group of seats (a row, a bay) if any has room, else one coach, else few coaches. Among groups
// the one that honours most wishes wins. In one coach, wishes for properties and very seats come
// first, also those for windows and aisles if no seat is in a row; then the tightest stretch of
// seat order; then the other wishes. Then the policy decides: the smallest sum of free runs, the
// first, or the first from a random start. A party that stays `apart` gets the seats that its
// passengers would get one by one.
//
// `geometry` has map.seats entries; null means one coach without rows. Rows of more than 64 seats
// are treated as a stretch of their coach. `out` has room for request.party entries: out[i] is
// passenger i's seat.
//
// kOk: `out` is filled and from_pool of each entry is the caller's. Otherwise nothing is held and
// `out` is unspecified: kSoldOut (certain, by the careful look, or party > seats), kLookAgain (met
// an unfinished attempt, or lost a bounded number of races), kMalformed (from, to or party).
// Lost races are added to *lost_races if it is not null.
Status claim_seats(SeatMap& map, const SeatGeometry* geometry, const SeatRequest& request,
                   void* scratch, SeatClaim* out, std::uint32_t* lost_races = nullptr) noexcept;

// count_free for a buyer whose own refunds hold `own`: their bits count as free.
std::uint32_t count_free_with_own(const SeatMap& map, const SegmentMask& trip, const OwnFree* own,
                                  std::uint32_t own_count) noexcept;
// The same with relaxed loads, many seats at a time, for those who only count: see count_free().
// Each seat is in `own` at most once.
std::uint32_t estimate_free_with_own(const SeatMap& map, const SegmentMask& trip,
                                     const OwnFree* own, std::uint32_t own_count) noexcept;

// Sets free[s] for each seat s that such a buyer could have over the trip. `numbers`: the places in
// `free` of the map's seats; null: as they are. The other entries of `free` are left as they are.
void mark_free(const SeatMap& map, const SegmentMask& trip, const OwnFree* own,
               std::uint32_t own_count, const std::uint32_t* numbers, bool* free) noexcept;

}  // namespace ticketpool
