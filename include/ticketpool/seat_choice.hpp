// Seat wishes as passengers write them: 'A', 'AF', 'window', 'aisle', 'window,aisle'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ticketpool/status.hpp"

namespace ticketpool {

inline constexpr std::uint32_t kMaxSeatChoices = 32;

// Items of a SeatChoice that are not letters. A letter stands for itself, 'A'..'Z'.
inline constexpr std::uint8_t kNoWish = 0;
inline constexpr std::uint8_t kWishWindow = 1;
inline constexpr std::uint8_t kWishAisle = 2;

// One wish per passenger, in passenger order; passengers from `count` on have none.
struct SeatChoice {
    std::uint8_t count = 0;
    std::uint8_t items[kMaxSeatChoices] = {};
};

static_assert(std::is_trivially_copyable_v<SeatChoice>);

// Reads a seat choice of `len` bytes (need not end in NUL; null is the same as empty).
//
// Words are separated by blanks or one comma; blanks around them do not matter. A word is 'window',
// 'aisle' or a row of letters, one per passenger, in upper or lower case. Letters are A to F and
// those in `extra_letters` (NUL-terminated, may be null). 'window' or 'aisle' alone is the wish of
// all passengers (of the first 32 in a larger party); among other words it is one passenger's. A
// text without any word has no wish: kOk with count 0.
//
// kMalformed, with no wish in *out: any other character or word, an empty place between commas,
// more wishes than passengers, or more than 32.
Status parse_seat_choice(const char* text, std::size_t len, std::uint32_t passengers,
                         const char* extra_letters, SeatChoice* out) noexcept;

}  // namespace ticketpool
