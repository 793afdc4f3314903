// Seat wishes as passengers write them: 'A', 'AF', 'window', 'quiet,lower', '03/12F'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ticketpool/status.hpp"

namespace ticketpool {

inline constexpr std::uint32_t kMaxSeatChoices = 32;

// Items of a SeatChoice. A letter stands for itself, 'A'..'Z'.
inline constexpr std::uint8_t kNoWish = 0;  // also a seat that the class does not have
inline constexpr std::uint8_t kWishWindow = 1;
inline constexpr std::uint8_t kWishAisle = 2;
inline constexpr std::uint8_t kWishProperty = 128;  // + k: word k of the choice
inline constexpr std::uint8_t kWishSeat = 160;      // + k: very seat k of the choice

// What the items of a choice with words or very seats mean in one seat map.
struct WishWords {
    // For each property set of the layout, by its number: which words are in it, bit k for word k.
    const std::uint32_t* properties;  // may be null if there are no words
    std::uint32_t
        seat[kMaxSeatChoices];  // number of very seat k in the map; kNotInMap: it has none
};
inline constexpr std::uint32_t kNotInMap = UINT32_MAX;

// One wish per passenger, in passenger order; passengers from `count` on have none.
struct SeatChoice {
    std::uint8_t count = 0;
    bool is_for_all = false;  // every passenger, also one from `count` on, has the wish items[0]
    std::uint8_t items[kMaxSeatChoices] = {};
    const WishWords* words = nullptr;  // with an item from kWishProperty on; never null then

    // The wishes of so many of the party, whichever passengers these are.
    SeatChoice of_part(std::uint32_t part) const noexcept;
};

static_assert(std::is_trivially_copyable_v<SeatChoice>);

struct WordText {
    const char* data;
    std::size_t length;
};

// What words can mean in the class that the seats are wished in.
struct ChoiceVocabulary {
    const char* letters;  // of its seats, beyond A to F; NUL-terminated, may be null
    const void* context;  // of the functions
    // Does some seat have this property? Null: none has any.
    bool (*has_property)(const void* context, WordText word) noexcept;
    // The seat's number in the class, or -1. Null: no seat can be wished for.
    std::int64_t (*find_seat)(const void* context, WordText coach, WordText label) noexcept;
};

// The words and very seats of a choice, each once, in the order of their numbers.
struct ChoiceWords {
    std::uint32_t properties = 0;
    std::uint32_t seats = 0;
    WordText property[kMaxSeatChoices];
    std::uint32_t seat[kMaxSeatChoices];  // number in the class
};

// Reads a seat choice of `len` bytes (need not end in NUL; null is the same as empty).
//
// Words are separated by commas; blanks around them do not matter. A word is, in this order, a
// property of the class; 'window' or 'aisle'; coach/seat, divided at its last '/', which is the
// wish for that very seat, and kNoWish if the class does not have it; or letters, one for each
// passenger, with or without blanks between them. Letters are A to F and those of the vocabulary.
// They, 'window' and 'aisle' may be written in upper or lower case; among letters, blanks separate
// 'window' and 'aisle' as commas do.
//
// A single word that is not of letters is the wish of all passengers. Otherwise there is one wish
// for each passenger; if all are letters, there may be fewer. A text without any word has no wish:
// kOk with count 0. Wishes of passengers beyond kMaxSeatChoices are checked and not kept, unless
// they are for all.
//
// kMalformed, with no wish in *out: any other character or word, an empty place between commas, or
// another number of wishes. out->words is for the caller to set, from *words, whose texts point
// into `text`.
Status parse_seat_choice(const char* text, std::size_t len, std::uint32_t passengers,
                         const ChoiceVocabulary& vocabulary, SeatChoice* out,
                         ChoiceWords* words) noexcept;

}  // namespace ticketpool
