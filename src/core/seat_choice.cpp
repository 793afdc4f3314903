// Reads the seat wishes of passengers: see seat_choice.hpp.
#include "ticketpool/seat_choice.hpp"

namespace ticketpool {

namespace {

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// ASCII only, whatever the locale.
char upper(char c) noexcept {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

bool word_is(const char* text, std::size_t len, const char* name) noexcept {
    std::size_t i = 0;
    for (; i < len && name[i] != '\0'; ++i) {
        if (upper(text[i]) != name[i]) return false;
    }
    return i == len && name[i] == '\0';
}

bool is_letter(char c, const char* extra_letters) noexcept {
    if (c >= 'A' && c <= 'F') return true;
    if (c < 'A' || c > 'Z' || extra_letters == nullptr) return false;
    for (const char* p = extra_letters; *p != '\0'; ++p) {
        if (upper(*p) == c) return true;
    }
    return false;
}

bool add_wish(SeatChoice* out, std::uint32_t passengers, std::uint8_t item) noexcept {
    if (out->count >= passengers || out->count >= kMaxSeatChoices) return false;
    out->items[out->count++] = item;
    return true;
}

// Adds the wishes of one word that is not empty.
bool add_word(const char* word, std::size_t len, std::uint32_t passengers,
              const char* extra_letters, SeatChoice* out) noexcept {
    if (word_is(word, len, "WINDOW")) return add_wish(out, passengers, kWishWindow);
    if (word_is(word, len, "AISLE")) return add_wish(out, passengers, kWishAisle);
    for (std::size_t i = 0; i < len; ++i) {
        const char letter = upper(word[i]);
        if (!is_letter(letter, extra_letters)) return false;
        if (!add_wish(out, passengers, static_cast<std::uint8_t>(letter))) return false;
    }
    return true;
}

// 'window' or 'aisle' as the only word is the wish of every passenger.
void spread_single_word(SeatChoice* out, std::uint32_t passengers) noexcept {
    const std::uint8_t item = out->items[0];
    if (out->count != 1 || (item != kWishWindow && item != kWishAisle)) return;
    while (out->count < passengers && out->count < kMaxSeatChoices) out->items[out->count++] = item;
}

bool parse_words(const char* text, std::size_t len, std::uint32_t passengers,
                 const char* extra_letters, SeatChoice* out) noexcept {
    std::size_t pos = 0;
    std::size_t words = 0;
    bool word_due = false;  // a comma must be followed by a word
    while (true) {
        while (pos < len && is_blank(text[pos])) ++pos;
        if (pos == len) return !word_due;
        if (text[pos] == ',') {
            if (words == 0 || word_due) return false;
            word_due = true;
            ++pos;
            continue;
        }
        const std::size_t begin = pos;
        while (pos < len && text[pos] != ',' && !is_blank(text[pos])) ++pos;
        if (!add_word(text + begin, pos - begin, passengers, extra_letters, out)) return false;
        ++words;
        word_due = false;
    }
}

}  // namespace

Status parse_seat_choice(const char* text, std::size_t len, std::uint32_t passengers,
                         const char* extra_letters, SeatChoice* out) noexcept {
    *out = SeatChoice{};
    if (text == nullptr) return Status::kOk;
    if (!parse_words(text, len, passengers, extra_letters, out)) {
        *out = SeatChoice{};
        return Status::kMalformed;
    }
    spread_single_word(out, passengers);
    return Status::kOk;
}

}  // namespace ticketpool
