// Builds the layout of a formation (layout.hpp) from what its rows say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "ticketpool/layout.hpp"
#include "ticketpool/status.hpp"

namespace ticketpool {

// A seat as its formation describes it.
struct SeatInput {
    std::string_view label;
    std::string_view group;       // empty: the row of its label
    std::string_view properties;  // different words with single blanks between them
    SeatDetail detail;
};

// The seats of one class in a coach, in the order of their list, or its unnumbered places. No other
// coach has the same name and class, and no other seat in coaches of this name the same label.
struct CoachInput {
    std::string_view name;
    std::string_view seat_class;
    const SeatInput* seats;
    std::uint32_t seat_count;
    std::uint32_t places;
};

// The coaches in the order of the train. Their classes are numbered in order of their first coach.
struct LayoutInput {
    const CoachInput* coaches;
    std::uint32_t coach_count;
};

inline constexpr std::uint32_t kMaxSeats = 1000000;            // of one layout
inline constexpr std::uint32_t kMaxCoaches = 4096;             // of one layout
inline constexpr std::uint32_t kMaxGroups = UINT16_MAX;        // of the seats of one coach
inline constexpr std::uint32_t kMaxPropertySets = UINT16_MAX;  // of one layout

// Bytes that building takes, 8-byte aligned: the block has at most this many.
struct LayoutRoom {
    std::size_t block;
    std::size_t scratch;
};
LayoutRoom layout_room(const LayoutInput& input) noexcept;

// Builds the layout in the memory at `block`; head.bytes is its true size, the rest of head is 0.
//
// Seats of a class in which some seat has the property 'window' or 'aisle' are at windows and
// aisles as their properties say. In other classes, the seats with the first and the last letter of
// a coach are at windows, and C and D are at the aisle (A B C | D F, A C | D F).
//
// kMalformed: a seat's label is none, its group has more than kMaxNameBytes, its properties are not
// what they should be, or there are more than kMaxSeats or kMaxCoaches. kNoMemory: more than
// kMaxGroups or kMaxPropertySets.
Status build_layout(const LayoutInput& input, void* block, void* scratch) noexcept;

}  // namespace ticketpool
