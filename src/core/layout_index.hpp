// How a coach of a layout keeps its labels and the orders of its seats: for what builds them and
// what looks them up.
#pragma once

#include <cstdint>

#include "ticketpool/layout.hpp"

namespace ticketpool {

// An order of a coach's seats has entries of 2 bytes, or of 4 if the coach has more seats than
// that.
inline bool has_wide_entries(std::uint32_t seats) noexcept {
    return seats > UINT16_MAX;
}

// Entry `at` of the order at this offset: a seat of the coach, from 0.
inline std::uint32_t entry_at(const Layout& layout, const LayoutCoach& coach, std::uint32_t offset,
                              std::uint32_t at) noexcept {
    const char* order = layout.head.at(offset);
    return has_wide_entries(coach.seats) ? reinterpret_cast<const std::uint32_t*>(order)[at]
                                         : reinterpret_cast<const std::uint16_t*>(order)[at];
}

inline const CoachExtras* extras_of(const Layout& layout, const LayoutCoach& coach) noexcept {
    return coach.extras == 0 ? nullptr
                             : reinterpret_cast<const CoachExtras*>(layout.head.at(coach.extras));
}

// The padded label of the coach's seat `seat`, from 0. Padded labels of a coach compare bytewise:
// shorter labels come first.
inline const char* label_at(const Layout& layout, const LayoutCoach& coach,
                            std::uint32_t seat) noexcept {
    return layout.head.at(coach.labels) + std::size_t{seat} * coach.label_bytes;
}

// The coach's seat that is at this place in order of label.
inline std::uint32_t seat_by_label(const Layout& layout, const LayoutCoach& coach,
                                   std::uint32_t at) noexcept {
    const CoachExtras* extras = extras_of(layout, coach);
    return extras == nullptr || extras->by_label == 0
               ? at
               : entry_at(layout, coach, extras->by_label, at);
}

}  // namespace ticketpool
