// Builds the layout of a formation: see layout_builder.hpp.
#include "ticketpool/layout_builder.hpp"

#include <algorithm>
#include <cstring>
#include <new>

#include "layout_index.hpp"

namespace ticketpool {

namespace {

constexpr std::size_t kPad = 8;  // behind the labels, see layout.hpp

// The words of a seat.
struct WordsOfSeat {
    std::string_view words;
    std::uint32_t seat;  // over the whole layout
};

constexpr std::size_t align8(std::size_t bytes) noexcept {
    return (bytes + 7) & ~std::size_t{7};
}

struct Builder {
    const LayoutInput& input;
    Layout* layout;
    std::uint32_t end;        // of what is written, in bytes from the block's start
    std::uint32_t seat;       // seats written
    std::uint32_t* first_of;  // scratch, an entry a seat of the coach, in the order of its list
    std::uint32_t* order;     // the same
    WordsOfSeat* words;       // scratch, an entry a seat with properties
    std::uint32_t word_count;

    char* at(std::uint32_t offset) const noexcept {
        return reinterpret_cast<char*>(layout) + offset;
    }
    LayoutClass* classes() const noexcept { return const_cast<LayoutClass*>(layout->classes()); }
    LayoutCoach* coaches() const noexcept { return const_cast<LayoutCoach*>(layout->coaches()); }
    SeatGeometry* seats() const noexcept { return const_cast<SeatGeometry*>(layout->seats()); }
    // Room for so many bytes, zeroed.
    std::uint32_t put(std::size_t bytes) noexcept {
        const std::uint32_t offset = end;
        std::memset(at(offset), 0, bytes);
        end += static_cast<std::uint32_t>(bytes);
        return offset;
    }
    std::uint32_t put_aligned(std::size_t bytes) noexcept {
        put(align8(end) - end);
        return put(bytes);
    }
    TextRef put_text(std::string_view text) noexcept {
        const TextRef ref{end, static_cast<std::uint32_t>(text.size())};
        if (!text.empty()) std::memcpy(at(end), text.data(), text.size());
        end += ref.length;
        return ref;
    }
    // Stores `order` of the coach's seats.
    std::uint32_t put_order(std::uint32_t count) noexcept {
        const bool wide = has_wide_entries(count);
        const std::uint32_t offset =
            put_aligned(count * (wide ? sizeof(std::uint32_t) : sizeof(std::uint16_t)));
        for (std::uint32_t i = 0; i < count; ++i) {
            if (wide) {
                reinterpret_cast<std::uint32_t*>(at(offset))[i] = order[i];
            } else {
                reinterpret_cast<std::uint16_t*>(at(offset))[i] =
                    static_cast<std::uint16_t>(order[i]);
            }
        }
        return offset;
    }
};

std::string_view group_of(const SeatInput& seat) noexcept {
    return seat.group.empty() ? row_of_label(seat.label) : seat.group;
}

// Shorter texts come first: the numbers of rows are then in order.
bool comes_before(std::string_view a, std::string_view b) noexcept {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
}

// Sets first_of of each seat: the place in the list of the first seat of its group; its own if it
// has no group.
void find_groups(const CoachInput& coach, Builder& builder) noexcept {
    std::uint32_t* first_of = builder.first_of;
    std::string_view last;
    std::uint32_t first = 0;
    bool rising = true;  // each group follows the one before it, so none is met again
    for (std::uint32_t i = 0; i < coach.seat_count && rising; ++i) {
        const std::string_view group = group_of(coach.seats[i]);
        if (!group.empty() && group != last) {
            rising = last.empty() || comes_before(last, group);
            last = group;
            first = i;
        }
        first_of[i] = group.empty() ? i : first;
    }
    if (rising) return;
    std::uint32_t* order = builder.order;
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) order[i] = i;
    std::sort(order, order + coach.seat_count, [&](std::uint32_t a, std::uint32_t b) noexcept {
        const std::string_view left = group_of(coach.seats[a]);
        const std::string_view right = group_of(coach.seats[b]);
        return left != right ? comes_before(left, right) : a < b;
    });
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) {
        const std::string_view group = group_of(coach.seats[order[i]]);
        const bool again = i > 0 && !group.empty() && group == group_of(coach.seats[order[i - 1]]);
        first_of[order[i]] = again ? first_of[order[i - 1]] : order[i];
    }
}

// Sets `order` to the places in the list of the coach's seats, in their order in the pool. False:
// that is the order of the list.
bool order_seats(const CoachInput& coach, Builder& builder) noexcept {
    const std::uint32_t* first_of = builder.first_of;
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) builder.order[i] = i;
    if (std::is_sorted(first_of, first_of + coach.seat_count)) return false;
    std::sort(builder.order, builder.order + coach.seat_count,
              [=](std::uint32_t a, std::uint32_t b) noexcept {
                  return first_of[a] != first_of[b] ? first_of[a] < first_of[b] : a < b;
              });
    return true;
}

// Writes the geometry of the coach's seats, except properties and flags, and remembers their words.
// Returns how many groups they have; more than kMaxGroups are not numbered.
std::uint32_t put_seats(const CoachInput& coach, std::uint16_t index, Builder& builder) noexcept {
    std::uint32_t groups = 0;
    std::uint32_t first_of_last = UINT32_MAX;
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) {
        const std::uint32_t place = builder.order[i];
        const SeatInput& input = coach.seats[place];
        SeatGeometry* seat = &builder.seats()[builder.seat + i];
        *seat = SeatGeometry{index, 0, letter_of_label(input.label), 0, 0};
        if (!group_of(input).empty()) {
            groups += builder.first_of[place] != first_of_last ? 1 : 0;
            first_of_last = builder.first_of[place];
            seat->row = static_cast<std::uint16_t>(groups);
        }
        if (!input.properties.empty()) {
            builder.words[builder.word_count++] = {input.properties, builder.seat + i};
        }
    }
    return groups;
}

// Writes the labels in the order of the pool. False: they are not in order of label.
bool put_labels(const CoachInput& coach, LayoutCoach& written, Builder& builder) noexcept {
    std::size_t width = 0;
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) {
        width = std::max(width, coach.seats[i].label.size());
    }
    written.label_bytes = static_cast<std::uint32_t>(width);
    written.labels = builder.put(width * coach.seat_count);
    bool sorted = true;
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) {
        const std::string_view label = coach.seats[builder.order[i]].label;
        char* to = builder.at(written.labels) + i * width;
        std::memcpy(to + (width - label.size()), label.data(), label.size());
        sorted = sorted && (i == 0 || std::memcmp(to - width, to, width) < 0);
    }
    return sorted;
}

std::uint32_t put_label_order(const LayoutCoach& written, Builder& builder) noexcept {
    const Layout& layout = *builder.layout;
    for (std::uint32_t i = 0; i < written.seats; ++i) builder.order[i] = i;
    std::sort(builder.order, builder.order + written.seats,
              [&](std::uint32_t a, std::uint32_t b) noexcept {
                  return std::memcmp(label_at(layout, written, a), label_at(layout, written, b),
                                     written.label_bytes) < 0;
              });
    return builder.put_order(written.seats);
}

// `order` is still that of the pool.
std::uint32_t put_details(const CoachInput& coach, Builder& builder) noexcept {
    const std::uint32_t offset = builder.put_aligned(coach.seat_count * sizeof(SeatDetail));
    auto* detail = reinterpret_cast<SeatDetail*>(builder.at(offset));
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) {
        detail[i] = coach.seats[builder.order[i]].detail;
    }
    return offset;
}

std::uint32_t put_groups(const CoachInput& coach, std::uint32_t groups, Builder& builder) noexcept {
    const std::uint32_t offset = builder.put_aligned(groups * sizeof(TextRef));
    std::uint32_t next = 0;
    for (std::uint32_t i = 0; i < coach.seat_count; ++i) {
        const std::uint32_t place = builder.order[i];
        const std::string_view group = group_of(coach.seats[place]);
        if (group.empty() || builder.first_of[place] != place) continue;
        const TextRef name = builder.put_text(group);
        reinterpret_cast<TextRef*>(builder.at(offset))[next++] = name;
    }
    return offset;
}

// The coach's places in the list, in its order, as seats of the pool; `order` is that of the pool.
std::uint32_t put_listed(std::uint32_t count, Builder& builder) noexcept {
    std::uint32_t* listed = builder.first_of;  // no longer needed for groups
    for (std::uint32_t i = 0; i < count; ++i) listed[builder.order[i]] = i;
    std::swap(builder.order, builder.first_of);
    return builder.put_order(count);
}

// The flags of a coach whose class goes by letters.
void flag_by_letter(SeatGeometry* seats, std::uint32_t count) noexcept {
    std::uint8_t first = 'Z';
    std::uint8_t last = 'A';
    for (std::uint32_t i = 0; i < count; ++i) {
        if (seats[i].letter == 0) continue;
        first = std::min(first, seats[i].letter);
        last = std::max(last, seats[i].letter);
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint8_t letter = seats[i].letter;
        if (letter == 0) continue;
        seats[i].flags =
            static_cast<std::uint8_t>((letter == first || letter == last ? kWindow : 0) |
                                      (letter == 'C' || letter == 'D' ? kAisle : 0));
    }
}

// Writes one coach's seats. Returns how many groups they have.
std::uint32_t put_coach(const CoachInput& coach, std::uint16_t index, LayoutCoach& written,
                        Builder& builder) noexcept {
    written.first_seat = builder.seat;
    written.seats = coach.seat_count;
    if (coach.seat_count == 0) return 0;
    find_groups(coach, builder);
    const bool as_listed = !order_seats(coach, builder);
    const std::uint32_t groups = put_seats(coach, index, builder);
    const bool by_label = put_labels(coach, written, builder);
    const SeatInput* const end = coach.seats + coach.seat_count;
    const bool has_details = std::any_of(
        coach.seats, end, [](const SeatInput& s) noexcept { return s.detail.known != 0; });
    const bool has_groups =
        std::any_of(coach.seats, end, [](const SeatInput& s) noexcept { return !s.group.empty(); });
    builder.seat += coach.seat_count;
    if ((as_listed && by_label && !has_details && !has_groups) || groups > kMaxGroups)
        return groups;
    written.extras = builder.put_aligned(sizeof(CoachExtras));
    auto* extras = reinterpret_cast<CoachExtras*>(builder.at(written.extras));
    if (has_details) extras->details = put_details(coach, builder);
    if (has_groups) extras->groups = put_groups(coach, groups, builder);
    if (!as_listed) extras->as_listed = put_listed(coach.seat_count, builder);
    if (!by_label) extras->by_label = put_label_order(written, builder);
    return groups;
}

// Numbers the sets of words, in their order, and tells each seat its set. False: too many.
bool put_property_sets(Builder& builder) noexcept {
    WordsOfSeat* words = builder.words;
    std::sort(words, words + builder.word_count,
              [](const WordsOfSeat& a, const WordsOfSeat& b) noexcept {
                  return a.words != b.words ? a.words < b.words : a.seat < b.seat;
              });
    std::uint32_t sets = 0;
    for (std::uint32_t i = 0; i < builder.word_count; ++i) {
        sets += i == 0 || words[i].words != words[i - 1].words ? 1 : 0;
        builder.seats()[words[i].seat].properties = static_cast<std::uint16_t>(sets);
    }
    if (sets > kMaxPropertySets) return false;
    builder.layout->property_sets = sets;
    builder.layout->properties_offset = builder.put_aligned(sets * sizeof(TextRef));
    std::uint32_t next = 0;
    for (std::uint32_t i = 0; i < builder.word_count; ++i) {
        if (i > 0 && words[i].words == words[i - 1].words) continue;
        const TextRef text = builder.put_text(words[i].words);
        reinterpret_cast<TextRef*>(builder.at(builder.layout->properties_offset))[next++] = text;
    }
    return true;
}

// Which seats of the class are at windows and at aisles.
void flag_class(const LayoutClass& seat_class, std::uint32_t class_index,
                const Builder& builder) noexcept {
    const Layout& layout = *builder.layout;
    SeatGeometry* seats = builder.seats() + seat_class.first_seat;
    std::uint8_t met = 0;
    std::uint32_t last = 0;  // the set that was looked at last
    std::uint8_t flags = 0;
    for (std::uint32_t i = 0; i < seat_class.seats; ++i) {
        if (seats[i].properties != last) {
            last = seats[i].properties;
            const std::string_view words = layout.property_set(last);
            flags = static_cast<std::uint8_t>((has_property(words, "window") ? kWindow : 0) |
                                              (has_property(words, "aisle") ? kAisle : 0));
        }
        seats[i].flags = flags;
        met |= flags;
    }
    if (met != 0) return;
    for (std::uint32_t i = 0; i < layout.coach_count; ++i) {
        const LayoutCoach& coach = layout.coaches()[i];
        if (coach.class_index != class_index) continue;
        flag_by_letter(builder.seats() + coach.first_seat, coach.seats);
    }
}

// The first coach of the same class.
std::uint32_t first_of_class(const LayoutInput& input, std::uint32_t coach) noexcept {
    std::uint32_t first = 0;
    while (input.coaches[first].seat_class != input.coaches[coach].seat_class) ++first;
    return first;
}

std::uint32_t count_classes(const LayoutInput& input) noexcept {
    std::uint32_t classes = 0;
    for (std::uint32_t i = 0; i < input.coach_count; ++i) {
        classes += first_of_class(input, i) == i ? 1 : 0;
    }
    return classes;
}

void number_classes(const LayoutInput& input, LayoutCoach* coaches) noexcept {
    std::uint32_t classes = 0;
    for (std::uint32_t i = 0; i < input.coach_count; ++i) {
        const std::uint32_t first = first_of_class(input, i);
        coaches[i].class_index = first == i ? classes++ : coaches[first].class_index;
    }
}

// At most kMaxProperties words of a fitting length, with single blanks between them?
bool are_properties(std::string_view words) noexcept {
    std::size_t count = words.empty() ? 0 : 1;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= words.size() && !words.empty(); ++i) {
        if (i < words.size() && words[i] != ' ') continue;
        if (i == begin || i - begin > kMaxPropertyBytes) return false;
        count += i < words.size() ? 1 : 0;
        begin = i + 1;
    }
    return count <= kMaxProperties;
}

bool is_seat(const SeatInput& seat) noexcept {
    return is_seat_label(seat.label) && seat.group.size() <= kMaxNameBytes &&
           are_properties(seat.properties);
}

// Can all of it be kept, and what is kept be shown in buffers of a fixed size?
bool is_well_formed(const LayoutInput& input) noexcept {
    std::uint64_t seats = 0;
    for (std::uint32_t i = 0; i < input.coach_count; ++i) seats += input.coaches[i].seat_count;
    if (seats > kMaxSeats || input.coach_count > kMaxCoaches) return false;
    return std::all_of(input.coaches, input.coaches + input.coach_count,
                       [](const CoachInput& coach) noexcept {
                           return std::all_of(coach.seats, coach.seats + coach.seat_count, is_seat);
                       });
}

// Numbers of seats.
struct Counts {
    std::uint32_t seats;
    std::uint32_t in_coach;  // of the coach with most
    std::uint32_t with_words;

    std::size_t word_bytes() const noexcept { return with_words * sizeof(WordsOfSeat); }
    std::size_t number_bytes() const noexcept { return align8(in_coach * sizeof(std::uint32_t)); }
};

Counts count_seats(const LayoutInput& input) noexcept {
    Counts counts{};
    for (std::uint32_t i = 0; i < input.coach_count; ++i) {
        const CoachInput& coach = input.coaches[i];
        counts.seats += coach.seat_count;
        counts.in_coach = std::max(counts.in_coach, coach.seat_count);
        for (std::uint32_t j = 0; j < coach.seat_count; ++j) {
            counts.with_words += coach.seats[j].properties.empty() ? 0 : 1;
        }
    }
    return counts;
}

}  // namespace

LayoutRoom layout_room(const LayoutInput& input) noexcept {
    // What each seat needs at most: its place in two orders, its details, the name of its group and
    // a set of properties.
    constexpr std::size_t kSeat =
        sizeof(SeatGeometry) + 2 * sizeof(std::uint32_t) + sizeof(SeatDetail) + 2 * sizeof(TextRef);
    constexpr std::size_t kAligned = 8 * 6;  // lost before each part of a coach
    std::size_t block = sizeof(Layout) + kAligned + kPad;
    for (std::uint32_t i = 0; i < input.coach_count; ++i) {
        const CoachInput& coach = input.coaches[i];
        block += sizeof(LayoutClass) + sizeof(LayoutCoach) + sizeof(CoachExtras) + kAligned +
                 coach.name.size() + coach.seat_class.size();
        std::size_t width = 0;
        for (std::uint32_t j = 0; j < coach.seat_count; ++j) {
            const SeatInput& seat = coach.seats[j];
            width = std::max(width, seat.label.size());
            block += group_of(seat).size() + seat.properties.size();
        }
        block += coach.seat_count * (kSeat + width);
    }
    const Counts counts = count_seats(input);
    return {align8(block), counts.word_bytes() + 2 * counts.number_bytes()};
}

Status build_layout(const LayoutInput& input, void* block, void* scratch) noexcept {
    if (!is_well_formed(input)) return Status::kMalformed;
    const Counts counts = count_seats(input);
    auto* const after_words = static_cast<char*>(scratch) + counts.word_bytes();
    Builder builder{input,
                    new (block) Layout{},
                    sizeof(Layout),
                    0,
                    reinterpret_cast<std::uint32_t*>(after_words),
                    reinterpret_cast<std::uint32_t*>(after_words + counts.number_bytes()),
                    static_cast<WordsOfSeat*>(scratch),
                    0};
    Layout* layout = builder.layout;
    layout->class_count = count_classes(input);
    layout->coach_count = input.coach_count;
    layout->seat_count = counts.seats;
    builder.put(layout->class_count * sizeof(LayoutClass));
    layout->coaches_offset = builder.put(layout->coach_count * sizeof(LayoutCoach));
    layout->geometry_offset = builder.put_aligned(counts.seats * sizeof(SeatGeometry));
    number_classes(input, builder.coaches());
    for (std::uint32_t c = 0; c < layout->class_count; ++c) {
        LayoutClass& seat_class = builder.classes()[c];
        seat_class.first_seat = builder.seat;
        for (std::uint32_t i = 0; i < input.coach_count; ++i) {
            LayoutCoach& coach = builder.coaches()[i];
            if (coach.class_index != c) continue;
            if (seat_class.name.length == 0) {
                seat_class.name = builder.put_text(input.coaches[i].seat_class);
            }
            if (put_coach(input.coaches[i], static_cast<std::uint16_t>(i), coach, builder) >
                kMaxGroups) {
                return Status::kNoMemory;
            }
        }
        seat_class.seats = builder.seat - seat_class.first_seat;
    }
    for (std::uint32_t i = 0; i < input.coach_count; ++i) {
        LayoutCoach& coach = builder.coaches()[i];
        coach.name = builder.put_text(input.coaches[i].name);
        coach.places = input.coaches[i].places;
        coach.place_number = coach.places > 0 ? layout->place_coaches++ : 0;
    }
    if (!put_property_sets(builder)) return Status::kNoMemory;
    for (std::uint32_t c = 0; c < layout->class_count; ++c) {
        flag_class(layout->classes()[c], c, builder);
    }
    builder.put_aligned(kPad);
    layout->head.bytes = builder.end;
    return Status::kOk;
}

}  // namespace ticketpool
