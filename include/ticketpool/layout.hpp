// The seats of a formation in shared memory: one immutable block, shared by all departures that
// were opened with it. What builds it is in layout_builder.hpp.
//
// Seats have two numbers: one over the whole layout, and one in their class, which is how the pool
// counts them. The seats of a class are in order of their coaches, and those of a coach in order of
// their groups (rows, bays, compartments): a group stands where its first seat is in the coach's
// list of seats, and within a group seats follow each other as in that list. A seat without a group
// stands at its own place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "ticketpool/allocation.hpp"
#include "ticketpool/shared_part.hpp"

namespace ticketpool {

inline constexpr std::size_t kMaxLabelBytes = 31;
inline constexpr std::size_t kMaxPropertyBytes = 31;
inline constexpr std::size_t kMaxProperties = 16;  // words a seat

// ---- labels ---------------------------------------------------------------------------------

// May a seat be called this? Any text of 1 to 31 bytes without a slash, control characters, and
// blanks at its ends.
bool is_seat_label(std::string_view label) noexcept;

// The row that a label names: the digits of "12F", the letters of "F12"; empty for other labels.
std::string_view row_of_label(std::string_view label) noexcept;

// The letter of a label like "12F"; 0 for other labels.
std::uint8_t letter_of_label(std::string_view label) noexcept;

// Is `word` one of these words, which have single blanks between them?
bool has_property(std::string_view words, std::string_view word) noexcept;

// ---- the block ------------------------------------------------------------------------------

struct LayoutClass {
    TextRef name;
    std::uint32_t first_seat;  // over the whole layout
    std::uint32_t seats;
};

// What pictures need to know of a seat.
struct SeatDetail {
    std::int32_t x;
    std::int32_t y;
    std::int32_t deck;
    std::uint8_t known;  // kHasX | kHasY | kHasDeck
    std::uint8_t reserved[3];
};
inline constexpr std::uint8_t kHasX = 1;
inline constexpr std::uint8_t kHasY = 2;
inline constexpr std::uint8_t kHasDeck = 4;

// The seats of one class in a coach, or its unnumbered places. Offsets are from the block's start.
struct LayoutCoach {
    TextRef name;
    std::uint32_t class_index;
    std::uint32_t places;        // unnumbered; 0: a coach with seats
    std::uint32_t place_number;  // which of the coaches with places it is
    std::uint32_t first_seat;    // over the whole layout
    std::uint32_t seats;
    std::uint32_t label_bytes;  // of its longest label
    std::uint32_t labels;  // label_bytes a seat: its label, with NULs before it if it is shorter
    std::uint32_t extras;  // a CoachExtras, if the coach needs one; 0: none
};

// What only some coaches need. Offsets; 0: none.
struct CoachExtras {
    std::uint32_t by_label;   // seats in order of label; 0: they are in that order
    std::uint32_t as_listed;  // seats in order of the coach's list; 0: they are in that order
    std::uint32_t details;    // SeatDetail[seats]
    std::uint32_t groups;     // TextRef[] of the groups' names, from group 1; 0: rows of labels
};

struct Layout {
    SharedPart head;
    std::uint32_t class_count;
    std::uint32_t coach_count;
    std::uint32_t seat_count;
    std::uint32_t coaches_offset;
    std::uint32_t geometry_offset;
    std::uint32_t place_coaches;      // coaches with places
    std::uint32_t property_sets;      // different sets of words that seats have
    std::uint32_t properties_offset;  // TextRef[property_sets]
    // LayoutClass[class_count], LayoutCoach[coach_count], SeatGeometry[seat_count] and the rest
    // follow. The block ends 8 bytes or more after the last label.

    const LayoutClass* classes() const noexcept {
        return reinterpret_cast<const LayoutClass*>(this + 1);
    }
    const LayoutCoach* coaches() const noexcept {
        return reinterpret_cast<const LayoutCoach*>(head.at(coaches_offset));
    }
    // Of all seats of the layout.
    const SeatGeometry* seats() const noexcept {
        return reinterpret_cast<const SeatGeometry*>(head.at(geometry_offset));
    }
    const SeatGeometry* geometry(std::uint32_t class_index) const noexcept {
        return seats() + classes()[class_index].first_seat;
    }
    const LayoutCoach& coach_of(std::uint32_t seat) const noexcept {
        return coaches()[seats()[seat].coach];
    }

    // Index of the class, or -1.
    int find_class(const char* name, std::size_t length) const noexcept;
    // Index of the class's coach with places of this name, or -1.
    int find_place_coach(std::uint32_t class_index, const char* coach,
                         std::size_t length) const noexcept;
    // Seats and places of a class.
    std::uint32_t capacity(std::uint32_t class_index) const noexcept;
    // The seat's number in its class, or -1.
    std::int64_t find_seat(std::uint32_t class_index, const char* coach, std::size_t coach_length,
                           const char* label, std::size_t label_length) const noexcept;
    // The same for a seat of any class: sets *class_index if it is found.
    std::int64_t find_named_seat(const char* coach, std::size_t coach_length, const char* label,
                                 std::size_t label_length,
                                 std::uint32_t* class_index) const noexcept;

    // Of the seat with this number over the whole layout:
    std::string_view label(std::uint32_t seat) const noexcept;
    // its row, bay or compartment; empty: none
    std::string_view seat_group(std::uint32_t seat) const noexcept;
    SeatDetail detail(std::uint32_t seat) const noexcept;

    // The words of a set of properties (SeatGeometry::properties), with blanks between
    // them. Set 0 has none.
    std::string_view property_set(std::uint32_t number) const noexcept;

    // The coach's seat that is at this place (from 0) of its list in ticket_formation: its number
    // over the whole layout.
    std::uint32_t listed_seat(const LayoutCoach& coach, std::uint32_t place) const noexcept;
};

static_assert(std::is_standard_layout_v<Layout> && std::is_trivially_destructible_v<Layout>);
static_assert(sizeof(Layout) % alignof(LayoutClass) == 0);
static_assert(sizeof(SeatDetail) == 16 && sizeof(LayoutCoach) == 40);

}  // namespace ticketpool
