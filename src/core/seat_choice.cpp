// Reads the seat wishes of passengers: see seat_choice.hpp.
#include "ticketpool/seat_choice.hpp"

#include <cstring>

namespace ticketpool {

namespace {

bool is_blank(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

// ASCII only, whatever the locale.
char upper(char c) noexcept {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

WordText trimmed(const char* begin, const char* end) noexcept {
    while (begin < end && is_blank(*begin)) ++begin;
    while (begin < end && is_blank(end[-1])) --end;
    return {begin, static_cast<std::size_t>(end - begin)};
}

bool word_is(WordText word, const char* name) noexcept {
    std::size_t i = 0;
    for (; i < word.length && name[i] != '\0'; ++i) {
        if (upper(word.data[i]) != name[i]) return false;
    }
    return i == word.length && name[i] == '\0';
}

bool same(WordText a, WordText b) noexcept {
    return a.length == b.length && std::memcmp(a.data, b.data, a.length) == 0;
}

bool is_letter(char c, const char* extra_letters) noexcept {
    if (c >= 'A' && c <= 'F') return true;
    if (c < 'A' || c > 'Z' || extra_letters == nullptr) return false;
    for (const char* p = extra_letters; *p != '\0'; ++p) {
        if (upper(*p) == c) return true;
    }
    return false;
}

// Reads words one after the other. A function returns false if the choice is malformed.
class Reader {
  public:
    Reader(std::uint32_t passengers, const ChoiceVocabulary& vocabulary, SeatChoice* out,
           ChoiceWords* words) noexcept
        : passengers_(passengers), vocabulary_(vocabulary), out_(out), words_(words) {}

    bool add_word(WordText word) noexcept {
        if (word.length == 0) return false;
        if (vocabulary_.has_property != nullptr &&
            vocabulary_.has_property(vocabulary_.context, word)) {
            return add(property_item(word));
        }
        std::size_t slash = word.length;
        while (slash > 0 && word.data[slash - 1] != '/') --slash;
        return slash > 0
                   ? add_seat({word.data, slash - 1}, {word.data + slash, word.length - slash})
                   : add_letters(word);
    }

    // To be called after the last word.
    bool finish() noexcept {
        const bool letters_only = others_ == 0;
        if (!letters_only && wishes_ == 1) {
            out_->is_for_all = true;
            while (out_->count < passengers_ && out_->count < kMaxSeatChoices) {
                out_->items[out_->count++] = out_->items[0];
            }
            return true;
        }
        return letters_only || wishes_ == passengers_;
    }

  private:
    bool add_wish(std::uint8_t item) noexcept {
        if (wishes_ >= passengers_) return false;
        if (wishes_++ < kMaxSeatChoices) out_->items[out_->count++] = item;
        return true;
    }

    // A wish that is not a letter.
    bool add(std::uint8_t item) noexcept {
        ++others_;
        return add_wish(item);
    }

    bool is_kept() const noexcept { return wishes_ < kMaxSeatChoices; }

    std::uint8_t property_item(WordText word) noexcept {
        std::uint32_t k = 0;
        while (k < words_->properties && !same(words_->property[k], word)) ++k;
        if (k == words_->properties) {
            if (!is_kept()) return kNoWish;
            words_->property[words_->properties++] = word;
        }
        return static_cast<std::uint8_t>(kWishProperty + k);
    }

    bool add_seat(WordText coach, WordText label) noexcept {
        if (coach.length == 0 || label.length == 0) return false;
        const std::int64_t seat = vocabulary_.find_seat == nullptr || !is_kept()
                                      ? -1
                                      : vocabulary_.find_seat(vocabulary_.context, coach, label);
        if (seat < 0) return add(kNoWish);
        std::uint32_t k = 0;
        while (k < words_->seats && words_->seat[k] != seat) ++k;
        if (k == words_->seats) words_->seat[words_->seats++] = static_cast<std::uint32_t>(seat);
        return add(static_cast<std::uint8_t>(kWishSeat + k));
    }

    bool add_letters(WordText word) noexcept {
        const char* const end = word.data + word.length;
        const char* next = word.data;
        while (next < end) {
            if (is_blank(*next)) {
                ++next;
                continue;
            }
            const char* const begin = next;
            while (next < end && !is_blank(*next)) ++next;
            if (!add_run({begin, static_cast<std::size_t>(next - begin)})) return false;
        }
        return true;
    }

    // Letters without a blank, or 'window' or 'aisle'.
    bool add_run(WordText run) noexcept {
        if (word_is(run, "WINDOW")) return add(kWishWindow);
        if (word_is(run, "AISLE")) return add(kWishAisle);
        for (std::size_t i = 0; i < run.length; ++i) {
            const char letter = upper(run.data[i]);
            if (!is_letter(letter, vocabulary_.letters)) return false;
            if (!add_wish(static_cast<std::uint8_t>(letter))) return false;
        }
        return true;
    }

    std::uint32_t passengers_;
    const ChoiceVocabulary& vocabulary_;
    SeatChoice* out_;
    ChoiceWords* words_;
    std::uint32_t wishes_ = 0;  // also those that are not kept
    std::uint32_t others_ = 0;  // of these, the ones that are not letters
};

bool parse_words(WordText text, Reader& reader) noexcept {
    const char* const end = text.data + text.length;
    const char* begin = text.data;
    while (true) {
        const char* comma = begin;
        while (comma < end && *comma != ',') ++comma;
        if (!reader.add_word(trimmed(begin, comma))) return false;
        if (comma == end) return reader.finish();
        begin = comma + 1;
    }
}

}  // namespace

Status parse_seat_choice(const char* text, std::size_t len, std::uint32_t passengers,
                         const ChoiceVocabulary& vocabulary, SeatChoice* out,
                         ChoiceWords* words) noexcept {
    *out = SeatChoice{};
    words->properties = 0;
    words->seats = 0;
    if (text == nullptr) return Status::kOk;
    const WordText whole = trimmed(text, text + len);
    if (whole.length == 0) return Status::kOk;
    Reader reader(passengers, vocabulary, out, words);
    if (!parse_words(whole, reader)) {
        *out = SeatChoice{};
        return Status::kMalformed;
    }
    return Status::kOk;
}

SeatChoice SeatChoice::of_part(std::uint32_t part) const noexcept {
    if (count <= part) return *this;
    if (!is_for_all) return SeatChoice{};  // whose wish is whose, is unknown
    SeatChoice of_part = *this;
    of_part.count = static_cast<std::uint8_t>(part);
    return of_part;
}

}  // namespace ticketpool
