// Look-ups in the seats of a formation: see layout.hpp.
#include "ticketpool/layout.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "layout_index.hpp"

namespace ticketpool {

namespace {

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_capital(char c) noexcept {
    return c >= 'A' && c <= 'Z';
}

bool is_letter(char c) noexcept {
    return is_capital(c) || (c >= 'a' && c <= 'z');
}

// How many bytes at the start of the text are such bytes.
template <typename Is>
std::size_t leading(std::string_view text, Is is) noexcept {
    return static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is) - text.begin());
}

}  // namespace

bool is_seat_label(std::string_view label) noexcept {
    if (label.empty() || label.size() > kMaxLabelBytes || label.front() == ' ' ||
        label.back() == ' ') {
        return false;
    }
    return std::none_of(label.begin(), label.end(), [](char c) noexcept {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7F || byte == '/';
    });
}

std::string_view row_of_label(std::string_view label) noexcept {
    const std::size_t digits = leading(label, is_digit);
    if (digits > 0) {
        const bool is_row = digits + 1 == label.size() && is_capital(label.back());
        return {label.data(), is_row ? digits : 0};
    }
    const std::size_t letters = leading(label, is_letter);
    const std::string_view rest{label.data() + letters, label.size() - letters};
    const bool is_row = !rest.empty() && leading(rest, is_digit) == rest.size();
    return {label.data(), is_row ? letters : 0};
}

std::uint8_t letter_of_label(std::string_view label) noexcept {
    const std::size_t digits = leading(label, is_digit);
    return digits > 0 && digits + 1 == label.size() && is_capital(label.back())
               ? static_cast<std::uint8_t>(label.back())
               : std::uint8_t{0};
}

bool has_property(std::string_view words, std::string_view word) noexcept {
    while (!words.empty()) {
        const std::size_t end = leading(words, [](char c) noexcept { return c != ' '; });
        if (std::string_view{words.data(), end} == word) return true;
        words.remove_prefix(std::min(end + 1, words.size()));
    }
    return false;
}

int Layout::find_class(const char* name, std::size_t length) const noexcept {
    for (std::uint32_t i = 0; i < class_count; i++) {
        if (head.equals(classes()[i].name, name, length)) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

int Layout::find_place_coach(std::uint32_t class_index, const char* coach,
                             std::size_t length) const noexcept {
    for (std::uint32_t i = 0; i < coach_count; i++) {
        if (coaches()[i].class_index == class_index && coaches()[i].places > 0 &&
            head.equals(coaches()[i].name, coach, length)) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

std::uint32_t Layout::capacity(std::uint32_t class_index) const noexcept {
    std::uint32_t capacity = classes()[class_index].seats;
    for (std::uint32_t i = 0; place_coaches > 0 && i < coach_count; i++) {
        capacity += coaches()[i].class_index == class_index ? coaches()[i].places : 0;
    }
    return capacity;
}

namespace {

// Labels that are compared as numbers have at most this many bytes.
constexpr std::size_t kShortLabel = 8;

// The first `length` (1 to 8) of the 8 bytes at `bytes` as a number that compares as they do.
std::uint64_t short_key(const char* bytes, std::size_t length) noexcept {
    std::uint64_t key;
    std::memcpy(&key, bytes, sizeof key);
    if constexpr (std::endian::native == std::endian::little) key = __builtin_bswap64(key);
    return key >> (8 * (kShortLabel - length));
}

// Of the coach's seats in order of label, the first one that is not `before` the label wanted.
template <typename Before>
std::uint32_t first_not_before(const Layout& layout, const LayoutCoach& coach,
                               Before before) noexcept {
    std::uint32_t low = 0;
    std::uint32_t high = coach.seats;
    while (low < high) {
        const std::uint32_t middle = low + (high - low) / 2;
        if (before(label_at(layout, coach, seat_by_label(layout, coach, middle)))) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

// The place of the label among the coach's seats, or -1.
std::int64_t find_in_coach(const Layout& layout, const LayoutCoach& coach, const char* label,
                           std::size_t length) noexcept {
    const std::size_t width = coach.label_bytes;
    if (length == 0 || length > width || label[0] == '\0') return -1;
    char wanted[kMaxLabelBytes + 1] = {};
    std::memcpy(wanted + (width - length), label, length);
    std::uint32_t at;
    if (width <= kShortLabel) {
        const std::uint64_t key = short_key(wanted, width);
        at = first_not_before(layout, coach, [=](const char* other) noexcept {
            return short_key(other, width) < key;
        });
    } else {
        at = first_not_before(layout, coach, [&](const char* other) noexcept {
            return std::memcmp(other, wanted, width) < 0;
        });
    }
    if (at == coach.seats) return -1;
    const std::uint32_t seat = seat_by_label(layout, coach, at);
    return std::memcmp(label_at(layout, coach, seat), wanted, width) == 0 ? std::int64_t{seat} : -1;
}

}  // namespace

std::int64_t Layout::find_seat(std::uint32_t class_index, const char* coach,
                               std::size_t coach_length, const char* label,
                               std::size_t label_length) const noexcept {
    for (std::uint32_t i = 0; i < coach_count; i++) {
        const LayoutCoach& here = coaches()[i];
        if (here.class_index == class_index && head.equals(here.name, coach, coach_length)) {
            const std::int64_t seat = find_in_coach(*this, here, label, label_length);
            return seat < 0 ? -1 : seat + here.first_seat - classes()[class_index].first_seat;
        }
    }
    return -1;
}

std::int64_t Layout::find_named_seat(const char* coach, std::size_t coach_length, const char* label,
                                     std::size_t label_length,
                                     std::uint32_t* class_index) const noexcept {
    for (std::uint32_t i = 0; i < coach_count; i++) {
        const LayoutCoach& here = coaches()[i];
        if (!head.equals(here.name, coach, coach_length)) continue;
        const std::int64_t seat = find_in_coach(*this, here, label, label_length);
        if (seat < 0) continue;
        *class_index = here.class_index;
        return seat + here.first_seat - classes()[here.class_index].first_seat;
    }
    return -1;
}

std::string_view Layout::label(std::uint32_t seat) const noexcept {
    const LayoutCoach& coach = coach_of(seat);
    const char* begin = label_at(*this, coach, seat - coach.first_seat);
    const char* end = begin + coach.label_bytes;
    while (*begin == '\0') begin++;
    return {begin, static_cast<std::size_t>(end - begin)};
}

std::string_view Layout::seat_group(std::uint32_t seat) const noexcept {
    const LayoutCoach& coach = coach_of(seat);
    const std::uint16_t group = seats()[seat].row;
    if (group == 0) return {};
    const CoachExtras* extras = extras_of(*this, coach);
    if (extras == nullptr || extras->groups == 0) return row_of_label(label(seat));
    return head.text(reinterpret_cast<const TextRef*>(head.at(extras->groups))[group - 1]);
}

SeatDetail Layout::detail(std::uint32_t seat) const noexcept {
    const LayoutCoach& coach = coach_of(seat);
    const CoachExtras* extras = extras_of(*this, coach);
    if (extras == nullptr || extras->details == 0) return SeatDetail{};
    return reinterpret_cast<const SeatDetail*>(head.at(extras->details))[seat - coach.first_seat];
}

std::string_view Layout::property_set(std::uint32_t number) const noexcept {
    if (number == 0) return {};
    return head.text(reinterpret_cast<const TextRef*>(head.at(properties_offset))[number - 1]);
}

std::uint32_t Layout::listed_seat(const LayoutCoach& coach, std::uint32_t place) const noexcept {
    const CoachExtras* extras = extras_of(*this, coach);
    const std::uint32_t seat = extras == nullptr || extras->as_listed == 0
                                   ? place
                                   : entry_at(*this, coach, extras->as_listed, place);
    return coach.first_seat + seat;
}

}  // namespace ticketpool
