// What users write: seat choices, seat labels, and the names of a formation and of a timetable.
#include <algorithm>
#include <cstring>
#include <set>

#include "../unit/blocks.hpp"
#include "input.hpp"
#include "ticketpool/seat_choice.hpp"

namespace ticketpool::fuzz {

namespace {

std::string written(const SeatChoice& choice, const ChoiceWords& words) {
    std::string text;
    for (int i = 0; i < choice.count; ++i) {
        const std::uint8_t item = choice.items[i];
        text += ",";
        if (item >= kWishSeat) {
            const std::uint32_t seat = words.seat[item - kWishSeat];
            text += seat == 20 ? "a/b/7" : "01/" + std::to_string(seat + 1) + "A";
        } else if (item >= kWishProperty) {
            const WordText word = words.property[item - kWishProperty];
            text.append(word.data, word.length);
        } else if (item >= 'A') {
            text += static_cast<char>(item);
        } else {
            text += item == kWishWindow ? "WINDOW" : item == kWishAisle ? "aisle" : "no/seat";
        }
        if (choice.is_for_all) break;
    }
    return text.empty() ? text : text.substr(1);
}

// Short names of few letters, so that some are equal and some begin like others.
std::string name(Input& input) {
    static const std::string names[] = {"1", "2", "02", "second", "first", "", "1A", "北"};
    const std::uint8_t which = input.byte();
    return which < 200 ? names[which % 8] : input.text(5);
}

std::string label(Input& input) {
    const std::uint8_t form = input.byte() % 8;
    if (form == 0) return input.text(6);
    if (form == 1) return std::to_string(input.between(0, 60));
    if (form == 2) {
        const std::string letter(1, static_cast<char>('A' + input.byte() % 27));
        return letter + std::to_string(input.between(0, 12));
    }
    return std::to_string(input.between(0, input.byte() % 2 == 0 ? 12 : 10'050)) +
           static_cast<char>('A' + input.byte() % 27);
}

std::string group(Input& input) {
    static const std::string groups[] = {"", "", "1", "A", "I", "II", "bay 7"};
    return groups[input.byte() % 7];
}

std::string properties(Input& input) {
    static const std::string sets[] = {"",      "",           "aisle",        "window",
                                       "lower", "quiet wifi", "aisle window", "windowless"};
    return sets[input.byte() % 8];
}

// A formation without faults: coaches of other names or classes, seats in any order, no seat twice.
std::vector<CoachPlan> plan(Input& input) {
    std::vector<CoachPlan> coaches;
    std::set<std::pair<std::string, std::string>> known;
    std::set<std::pair<std::string, std::string>> labels;
    const int count = input.between(1, 8);
    for (int i = 0; i < count; ++i) {
        CoachPlan coach{name(input), name(input), {}, 0};
        if (!known.insert({coach.name, coach.seat_class}).second) continue;
        const bool notes = input.byte() % 2 == 0;
        const int wanted = input.byte() % 4 == 0 ? 0 : input.between(1, 30);
        for (int s = 0; s < wanted; ++s) {
            const std::string seat = label(input);
            if (!is_seat_label(seat) || !labels.insert({coach.name, seat}).second) continue;
            coach.seats.push_back(seat);
            if (notes) {
                SeatDetail detail{};
                detail.x = input.byte();
                detail.known = detail.x != 0 ? kHasX : 0;
                coach.notes.push_back({group(input), properties(input), detail});
            }
        }
        if (coach.seats.empty()) {
            coach.places = static_cast<std::uint32_t>(input.between(1, 1000));
        }
        coaches.push_back(coach);
    }
    return coaches;
}

// What the layout says of the seats of a class.
void compare_class(const TestLayout& test, std::uint32_t class_index) {
    const Layout& layout = *test.layout;
    const std::vector<ModelSeat> model = model_seats(test.wanted, test.classes[class_index]);
    FUZZ_CHECK(layout.classes()[class_index].seats == model.size());
    std::uint32_t seat = layout.classes()[class_index].first_seat;
    for (const ModelSeat& wanted : model) {
        const SeatGeometry& geometry = layout.seats()[seat];
        const SeatDetail detail = layout.detail(seat);
        FUZZ_CHECK(geometry.coach == wanted.coach);
        FUZZ_CHECK(layout.label(seat) == wanted.label);
        FUZZ_CHECK(layout.seat_group(seat) == wanted.group);
        FUZZ_CHECK((geometry.row == 0) == wanted.group.empty());
        FUZZ_CHECK(layout.property_set(geometry.properties) == wanted.note.properties);
        FUZZ_CHECK(detail.x == wanted.note.detail.x && detail.known == wanted.note.detail.known);
        FUZZ_CHECK(layout.listed_seat(layout.coaches()[wanted.coach],
                                      static_cast<std::uint32_t>(wanted.place)) == seat);
        ++seat;
    }
}

void compare_seat(TestLayout& test, std::uint32_t class_index, const std::string& coach,
                  const std::string& wanted) {
    std::int64_t found = -1;
    int with_places = -1;
    const std::vector<ModelSeat> model = model_seats(test.wanted, test.classes[class_index]);
    for (std::size_t i = 0; i < model.size(); ++i) {
        if (test.wanted[model[i].coach].name == coach && model[i].label == wanted) {
            found = static_cast<std::int64_t>(i);
        }
    }
    for (std::size_t i = 0; i < test.wanted.size(); ++i) {
        const CoachPlan& other = test.wanted[i];
        if (other.seat_class != test.classes[class_index]) continue;
        if (other.name == coach && other.places > 0) with_places = static_cast<int>(i);
    }
    FUZZ_CHECK(test.find_seat(class_index, coach, wanted) == found);
    FUZZ_CHECK(found < 0 || test.find_named(coach, wanted) == std::pair(class_index, found));
    FUZZ_CHECK(test.find_place_coach(class_index, coach) == with_places);
}

// A departure with that formation: claims on seats and places of one class do not change those of
// another.
void compare_departure(Input& input, TestLayout& test) {
    std::vector<std::string> stations;
    const int stops = input.between(2, 40);
    for (int i = 0; i < stops; ++i) stations.push_back(name(input));
    const TestRoute line(stations, good_hash);
    std::vector<Line> memory(
        Departure::bytes_required(*test.layout, line.route->segments()) / sizeof(Line) + 1);
    Departure* departure = Departure::init_in_place(memory.data(), line.route, test.layout);
    const SegmentMask all = trip_mask(0, line.route->segments());
    const auto taken_class = input.byte() % test.layout->class_count;
    for (std::uint32_t c = 0; c < test.layout->class_count; ++c) {
        SeatMap map = departure->seat_map(c);
        FUZZ_CHECK(map.seats == test.layout->classes()[c].seats);
        for (std::uint32_t s = 0; s < map.seats && c == taken_class; ++s) {
            FUZZ_CHECK(try_claim(map, s, all));
        }
    }
    for (std::uint32_t c = 0; c < test.layout->class_count; ++c) {
        const SeatMap map = departure->seat_map(c);
        FUZZ_CHECK(count_free(map, all) == (c == taken_class ? 0 : map.seats));
    }
    const std::string from = name(input);
    const std::string to = name(input);
    const auto trip = line.trip(from, to);
    if (!trip) return;
    FUZZ_CHECK(trip->first < trip->second && from != to);
    FUZZ_CHECK(stations[trip->first] == from && stations[trip->second] == to);
}

}  // namespace

void choices(Input input) {
    static const char* const extras[] = {nullptr, "", "GHJ", "z", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"};
    const std::uint8_t kind = input.byte();
    const char* extra = extras[kind % 5];
    const ChoiceVocabulary vocabulary = kind < 64
                                            ? ChoiceVocabulary{extra, nullptr, nullptr, nullptr}
                                            : test_vocabulary(extra, kind % 2 == 0);
    const auto passengers = static_cast<std::uint32_t>(input.number(input.byte() % 3));
    std::string text;
    static const std::string words[] = {"window", "AISLE", ",",      " ",       "a",     "F",
                                        "x",      "\t",    "quiet,", "Window,", "01/3A", "01/4A,",
                                        "a/b/7",  "/",     "lower",  "no/seat"};
    while (!input.empty() && text.size() < 300) {
        const std::uint8_t what = input.byte();
        text += what < 128 ? words[what % 16] : input.text(4);
    }
    // At the end of its memory, so that a read past it is noticed.
    const std::vector<char> exact(text.begin(), text.end());
    SeatChoice choice;
    choice.count = 77;
    ChoiceWords meant;
    const Status status =
        parse_seat_choice(exact.data(), exact.size(), passengers, vocabulary, &choice, &meant);
    FUZZ_CHECK(status == Status::kOk || status == Status::kMalformed);
    FUZZ_CHECK(choice.count <= kMaxSeatChoices && choice.count <= passengers);
    FUZZ_CHECK(status == Status::kOk || choice.count == 0);
    FUZZ_CHECK(meant.properties <= kMaxSeatChoices && meant.seats <= kMaxSeatChoices);
    for (std::uint32_t i = 0; i < kMaxSeatChoices; ++i) {
        const std::uint8_t item = choice.items[i];
        if (i >= choice.count) {
            FUZZ_CHECK(item == kNoWish);
        } else if (item >= kWishSeat) {
            FUZZ_CHECK(item - kWishSeat < static_cast<int>(meant.seats));
        } else if (item >= kWishProperty) {
            FUZZ_CHECK(item - kWishProperty < static_cast<int>(meant.properties));
        } else {
            FUZZ_CHECK(item <= kWishAisle || (item >= 'A' && item <= 'Z'));
        }
        FUZZ_CHECK(!choice.is_for_all || i >= choice.count || item == choice.items[0]);
    }
    if (passengers > kMaxSeatChoices) return;
    // What was understood once is understood again when it is written out in full.
    const std::string again = written(choice, meant);
    SeatChoice twin;
    ChoiceWords meant_again;
    FUZZ_CHECK(parse_seat_choice(again.data(), again.size(), passengers, vocabulary, &twin,
                                 &meant_again) == Status::kOk);
    FUZZ_CHECK(twin.count == choice.count && twin.is_for_all == choice.is_for_all &&
               std::memcmp(twin.items, choice.items, sizeof twin.items) == 0);
}

void labels(Input input) {
    while (!input.empty()) {
        const std::string text = label(input);
        const std::vector<char> exact(text.begin(), text.end());
        const std::string_view view(exact.data(), exact.size());
        const std::string row(row_of_label(view));
        const std::uint8_t letter = letter_of_label(view);
        FUZZ_CHECK(row == model_row(text));
        FUZZ_CHECK(letter == 0 || row + static_cast<char>(letter) == text);
        FUZZ_CHECK(!is_seat_label(view) ||
                   (text.size() <= 31 && text.find_first_of("/\n\x7F") == std::string::npos &&
                    text.front() != ' ' && text.back() != ' '));
    }
}

void layouts(Input input) {
    const std::vector<CoachPlan> coaches = plan(input);
    if (coaches.empty()) return;
    TestLayout test(coaches);
    FUZZ_CHECK(test.status == Status::kOk);
    for (std::size_t c = 0; c < test.classes.size(); ++c) {
        FUZZ_CHECK(test.find_class(test.classes[c]) == static_cast<int>(c));
        std::uint32_t capacity = 0;
        for (const CoachPlan& coach : coaches) {
            if (coach.seat_class != test.classes[c]) continue;
            capacity += coach.places + static_cast<std::uint32_t>(coach.seats.size());
            for (const std::string& seat : coach.seats) {
                compare_seat(test, static_cast<std::uint32_t>(c), coach.name, seat);
            }
        }
        compare_class(test, static_cast<std::uint32_t>(c));
        FUZZ_CHECK(test.layout->capacity(static_cast<std::uint32_t>(c)) == capacity);
    }
    const std::string unknown = name(input);
    FUZZ_CHECK(test.find_class(unknown) == test.class_of(unknown));
    for (int i = 0; i < 10; ++i) {
        compare_seat(test, input.byte() % test.layout->class_count, name(input), label(input));
    }
    compare_departure(input, test);
}

}  // namespace ticketpool::fuzz
