// Labels, groups and properties of seats: layouts as ticket_open keeps them, against a model.
#include "ticketpool/layout.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>

#include "blocks.hpp"
#include "ticketpool/layout_builder.hpp"

namespace ticketpool {
namespace {

TEST(SeatLabel, AnyTextWithoutSlashesControlsAndOuterBlanks) {
    for (const char* label : {"1A", "12F", "F12", "37", "12下", "Cabin 7", "a,b", "#1", "é",
                              "1234567890123456789012345678901", "-", "A  B", "\xFF"}) {
        EXPECT_TRUE(is_seat_label(label)) << label;
    }
    for (const char* label : {"", " 1A", "1A ", " ", "1/A", "/", "1\tA", "1\nA", "1\x7F", "\x1F",
                              "12345678901234567890123456789012"}) {
        EXPECT_FALSE(is_seat_label(label)) << label;
    }
    EXPECT_FALSE(is_seat_label(std::string_view("1\0A", 3)));
    EXPECT_TRUE(is_seat_label(std::string_view("12F/", 3)));  // what follows is not read
}

TEST(SeatLabel, RowAndLetterOfTheTwoForms) {
    struct Case {
        const char* label;
        const char* row;
        char letter;
    };
    const Case cases[] = {
        {"1A", "1", 'A'},       {"12F", "12", 'F'},
        {"9999Z", "9999", 'Z'}, {"123456789A", "123456789", 'A'},
        {"01A", "01", 'A'},  // as written
        {"0A", "0", 'A'},       {"F12", "F", 0},
        {"AA1", "AA", 0},       {"f1", "f", 0},
        {"L4", "L", 0},         {"37", "", 0},
        {"1a", "", 0},          {"1AB", "", 0},
        {"A", "", 0},           {"AB", "", 0},
        {"A1B", "", 0},         {"1A1", "", 0},
        {"A1 ", "", 0},         {"1 A", "", 0},
        {"12下", "", 0},        {"下12", "", 0},
        {"Cabin 7", "", 0},     {"A-1", "", 0},
        {"1@", "", 0},          {"1[", "", 0},
        {"@1", "", 0},          {"1\xC3\x84", "", 0},
    };
    for (const Case& test : cases) {
        EXPECT_EQ(row_of_label(test.label), test.row) << test.label;
        EXPECT_EQ(letter_of_label(test.label), test.letter) << test.label;
        EXPECT_EQ(model_row(test.label), test.row) << test.label;
    }
    EXPECT_EQ(row_of_label(std::string_view("12F4", 3)), "12");
    EXPECT_EQ(row_of_label(std::string_view()), "");
    EXPECT_EQ(letter_of_label(std::string_view()), 0);
}

TEST(Properties, WholeWordsOnly) {
    EXPECT_TRUE(has_property("aisle", "aisle"));
    EXPECT_TRUE(has_property("aisle lower quiet", "aisle"));
    EXPECT_TRUE(has_property("aisle lower quiet", "lower"));
    EXPECT_TRUE(has_property("aisle lower quiet", "quiet"));
    for (const char* word : {"ai", "aisle lower", "low", "ower", "uiet", "quiet ", "", "window"}) {
        EXPECT_FALSE(has_property("aisle lower quiet", word)) << word;
    }
    EXPECT_FALSE(has_property("", "aisle"));
}

// Everything that the layout says of its seats, against the model.
void expect_as_wanted(TestLayout& test) {
    ASSERT_EQ(test.status, Status::kOk);
    const Layout& layout = *test.layout;
    ASSERT_EQ(layout.class_count, test.classes.size());
    std::uint32_t seat = 0;
    std::map<std::uint16_t, std::string> sets;
    for (std::uint32_t c = 0; c < layout.class_count; ++c) {
        const std::vector<ModelSeat> model = model_seats(test.wanted, test.classes[c]);
        ASSERT_EQ(layout.classes()[c].seats, model.size());
        ASSERT_EQ(layout.classes()[c].first_seat, seat);
        bool by_property = false;
        std::map<std::pair<std::size_t, std::string>, std::uint16_t> numbers;
        std::set<std::pair<std::size_t, std::uint16_t>> groups;
        for (const ModelSeat& wanted : model) {
            const std::string words = " " + wanted.note.properties + " ";
            by_property = by_property || words.find(" window ") != std::string::npos ||
                          words.find(" aisle ") != std::string::npos;
        }
        for (std::size_t i = 0; i < model.size(); ++i, ++seat) {
            const ModelSeat& wanted = model[i];
            const SeatGeometry& geometry = layout.geometry(c)[i];
            ASSERT_EQ(geometry.coach, wanted.coach);
            ASSERT_EQ(layout.label(seat), wanted.label);
            ASSERT_EQ(layout.seat_group(seat), wanted.group) << wanted.label;
            ASSERT_EQ(layout.property_set(geometry.properties), wanted.note.properties);
            ASSERT_EQ(geometry.properties == 0, wanted.note.properties.empty());
            ASSERT_LE(geometry.properties, layout.property_sets);
            ASSERT_EQ(sets.emplace(geometry.properties, wanted.note.properties).first->second,
                      wanted.note.properties);
            const SeatDetail detail = layout.detail(seat);
            ASSERT_EQ(std::memcmp(&detail, &wanted.note.detail, sizeof detail), 0);
            ASSERT_EQ(geometry.row == 0, wanted.group.empty());
            if (geometry.row != 0) {
                const auto known =
                    numbers.emplace(std::pair{wanted.coach, wanted.group}, geometry.row);
                ASSERT_EQ(known.first->second, geometry.row);
                ASSERT_EQ(groups.insert({wanted.coach, geometry.row}).second, known.second);
            }
            const std::string words = " " + wanted.note.properties + " ";
            if (by_property) {
                ASSERT_EQ((geometry.flags & kWindow) != 0,
                          words.find(" window ") != std::string::npos);
                ASSERT_EQ((geometry.flags & kAisle) != 0,
                          words.find(" aisle ") != std::string::npos);
            }
            ASSERT_EQ(geometry.letter, letter_of_label(wanted.label));
            const CoachPlan& coach = test.wanted[wanted.coach];
            ASSERT_EQ(test.find_seat(c, coach.name, wanted.label), static_cast<std::int64_t>(i));
            ASSERT_EQ(test.find_named(coach.name, wanted.label),
                      (std::pair{c, static_cast<std::int64_t>(i)}));
            ASSERT_EQ(layout.listed_seat(layout.coaches()[wanted.coach],
                                         static_cast<std::uint32_t>(wanted.place)),
                      seat);
        }
    }
    ASSERT_EQ(layout.seat_count, seat);
}

SeatNote in_group(const std::string& group, const std::string& properties = "") {
    return {group, properties, {}};
}

SeatDetail at(std::int32_t x, std::int32_t y) {
    return {x, y, 0, kHasX | kHasY, {}};
}

TEST(Layout, KeepsCoachesAsTheyAre) {
    const std::vector<std::vector<CoachPlan>> plans = {
        // Rows and letters, the usual way; in the order of columns; from the back.
        {{"01", "second", {"1A", "1B", "2A", "2B", "10A", "10B"}, 0}},
        {{"01", "second", {"1A", "2A", "10A", "1B", "2B", "10B"}, 0}},
        {{"01", "second", {"10B", "10A", "2B", "2A", "1B", "1A"}, 0}},
        // A bus, a cinema, a ferry; all of it in one coach.
        {{"", "bus", {"1", "2", "3", "9", "10", "11", "49"}, 0}},
        {{"hall", "stalls", {"A1", "A2", "A10", "B1", "F12", "AA1"}, 0}},
        {{"deck 5", "cabin", {"Cabin 7", "Cabin 70", "Cabin 8", "Owner's suite"}, 0}},
        {{"1", "x", {"12下", "F12", "12F", "37", "Cabin 7", "a,b", "é"}, 0}},
        // Sleepers: compartments of their own; one berth in none; a group that is called as a row.
        {{"08",
          "soft",
          {"1上", "1下", "2上", "2下", "staff", "3A"},
          0,
          {in_group("I"), in_group("I"), in_group("II"), in_group("II"), {}, in_group("I")}}},
        {{"08", "soft", {"1A", "x", "1B"}, 0, {{}, in_group("1"), {}}}},
        // A seat without a group stands at its place, also amid a group.
        {{"1", "x", {"1A", "x", "1B", "y", "2A", "1C"}, 0}},
        // Two classes in one coach, places, one more coach.
        {{"1", "a", {"1A", "3A"}, 0},
         {"1", "b", {"2A", "4"}, 0},
         {"2", "b", {}, 40},
         {"3", "a", {"1A"}, 0, {{"", "aisle quiet", at(-1, 7)}}}},
        // Properties: one set twice; words that only look like others.
        {{"1",
          "a",
          {"1A", "1B", "1C", "1D"},
          0,
          {in_group("", "lower window"),
           in_group("", "windowless"),
           {},
           in_group("", "lower window")}},
         {"2", "b", {"1A", "1B"}, 0, {in_group("", "windowless"), {}}}},
    };
    for (const std::vector<CoachPlan>& plan : plans) {
        TestLayout test(plan);
        expect_as_wanted(test);
        EXPECT_EQ(test.find_named("1", "nobody"), std::nullopt);
        EXPECT_EQ(test.find_named("nowhere", "1A"), std::nullopt);
    }
}

TEST(Layout, WindowsAndAislesByLetterUnlessSomeSeatHasThem) {
    const auto flags = [](const TestLayout& test) {
        std::vector<int> flags;
        for (std::uint32_t i = 0; i < test.layout->seat_count; ++i) {
            flags.push_back(test.layout->seats()[i].flags);
        }
        return flags;
    };
    EXPECT_EQ(flags(TestLayout({{"1", "a", {"1A", "1B", "1C", "1D", "1F"}, 0}})),
              (std::vector<int>{kWindow, 0, kAisle, kAisle, kWindow}));
    // Labels without a letter do not count.
    EXPECT_EQ(flags(TestLayout({{"1", "a", {"1A", "1C", "C", "F12", "Z1"}, 0}})),
              (std::vector<int>{kWindow, kWindow | kAisle, 0, 0, 0}));
    // Letters of the coach, not of the class.
    EXPECT_EQ(flags(TestLayout({{"1", "a", {"1A", "1F"}, 0}, {"2", "a", {"1B", "1C"}, 0}})),
              (std::vector<int>{kWindow, kWindow, kWindow, kWindow | kAisle}));
    // One property, and the whole class goes by properties; the other class does not.
    EXPECT_EQ(flags(TestLayout({{"1", "a", {"1A", "1F"}, 0},
                                {"2", "a", {"1B", "1C"}, 0, {{}, in_group("", "aisle")}},
                                {"3", "b", {"1A", "1F"}, 0, {{}, in_group("", "windowless")}}})),
              (std::vector<int>{0, 0, 0, kAisle, kWindow, kWindow}));
}

TEST(Layout, FindsNoLabelThatOnlyLooksAlike) {
    TestLayout test({{"1", "a", {"1A", "A", "12345678", "1234567"}, 0},
                     {"2", "a", {"123456789", "12345678", "B"}, 0}});
    expect_as_wanted(test);
    for (const char* coach : {"1", "2"}) {
        for (const std::string& label :
             {std::string(), std::string("a"), std::string("\0A", 2), std::string("A\0", 2),
              std::string("\0", 1), std::string("23456789"), std::string("1234567890"),
              std::string(31, '1'), std::string(32, '1'), std::string(5000, 'A')}) {
            EXPECT_EQ(test.find_named(coach, label), std::nullopt) << label;
        }
    }
    EXPECT_EQ(test.find_named("2", "A"), std::nullopt);
    EXPECT_EQ(test.find_named("1", "B"), std::nullopt);
}

// What a layout takes: 8 bytes and the label for each seat of a train, and a little for each coach.
TEST(Layout, GrowsByItsLabels) {
    std::vector<std::string> labels;
    for (int row = 1; row <= 20; ++row) {
        for (const char letter : std::string("ABCDF")) {
            labels.push_back(std::to_string(row) + letter);
        }
    }
    std::vector<CoachPlan> plan;
    for (int i = 1; i <= 16; ++i) plan.push_back({std::to_string(i), "second", labels, 0});
    const TestLayout test(plan);
    EXPECT_LE(test.layout->head.bytes, 16 * 100 * (8 + 3) + 16 * 48 + 128U);
}

TEST(Layout, RefusesWhatCannotBeKept) {
    EXPECT_EQ(TestLayout({{"1", "a", {"1A", ""}, 0}}).status, Status::kMalformed);
    EXPECT_EQ(TestLayout({{"1", "a", {"1/A"}, 0}}).status, Status::kMalformed);
    EXPECT_EQ(TestLayout({{"1", "a", {std::string(32, 'x')}, 0}}).status, Status::kMalformed);
    const auto status_with = [](const std::string& group, const std::string& properties) {
        return TestLayout({{"1", "a", {"1A"}, 0, {{group, properties, {}}}}}).status;
    };
    EXPECT_EQ(status_with(std::string(63, 'g'), {}), Status::kOk);
    EXPECT_EQ(status_with(std::string(64, 'g'), {}), Status::kMalformed);
    std::string words = "p1";
    for (int i = 2; i <= 16; ++i) words += " p" + std::to_string(i);
    EXPECT_EQ(status_with({}, words), Status::kOk);
    EXPECT_EQ(status_with({}, words + " p17"), Status::kMalformed);
    EXPECT_EQ(status_with({}, std::string(31, 'p')), Status::kOk);
    for (const std::string& bad : {std::string(32, 'p'), std::string(" p"), std::string("p "),
                                   std::string("p  q"), std::string(" ")}) {
        EXPECT_EQ(status_with({}, bad), Status::kMalformed) << bad;
    }
    std::vector<std::string> rows;
    for (std::uint32_t i = 1; i <= kMaxGroups; ++i) rows.push_back(std::to_string(i) + "A");
    TestLayout most({{"1", "a", rows, 0}});
    expect_as_wanted(most);
    rows.push_back("0A");
    EXPECT_EQ(TestLayout({{"1", "a", rows, 0}}).status, Status::kNoMemory);
    rows.back() = "65535B";
    TestLayout wide({{"1", "a", rows, 0}});  // more seats than an entry of two bytes can count
    expect_as_wanted(wide);
    std::swap(wide.wanted[0].seats[0], wide.wanted[0].seats[60000]);
    std::swap(wide.wanted[0].seats[1], wide.wanted[0].seats.back());
    TestLayout mixed(wide.wanted);
    expect_as_wanted(mixed);

    std::vector<CoachPlan> sets(2, {"1", "a", {}, 0});
    for (std::uint32_t i = 0; i <= kMaxPropertySets; ++i) {
        CoachPlan& coach = sets[i % 2];
        coach.seats.push_back(std::to_string(i));
        coach.notes.push_back(in_group("", "p" + std::to_string(i)));
    }
    sets[1].name = "2";
    EXPECT_EQ(TestLayout(sets).status, Status::kNoMemory);
    sets[0].notes[1].properties = "p0";
    EXPECT_EQ(TestLayout(sets).status, Status::kOk);
}

TEST(Layout, RandomPlansAgreeWithTheModel) {
    std::mt19937_64 random(7);
    const auto one_of = [&](const std::vector<std::string>& texts) {
        return texts[random() % texts.size()];
    };
    const std::vector<std::string> groups = {"", "", "I", "II", "1", "A", "bay 1"};
    const std::vector<std::string> words = {"",      "",           "aisle",       "window",
                                            "lower", "quiet wifi", "aisle window"};
    for (int round = 0; round < 3000; ++round) {
        std::vector<CoachPlan> plan;
        std::set<std::pair<std::string, std::string>> coaches;
        std::set<std::pair<std::string, std::string>> labels;
        for (int i = 0; i < 1 + static_cast<int>(random() % 5); ++i) {
            CoachPlan coach{one_of({"1", "2", "a/b"}), one_of({"x", "y"}), {}, 0};
            if (!coaches.insert({coach.name, coach.seat_class}).second) continue;
            const bool notes = random() % 2 == 0;
            for (int s = 0; s < 1 + static_cast<int>(random() % 20); ++s) {
                const std::string number = std::to_string(random() % 12);
                const std::string letter(1, static_cast<char>('A' + random() % 5));
                const std::string label = one_of({number + letter, letter + number, number, letter,
                                                  number + "上", "Cabin " + number});
                if (!labels.insert({coach.name, label}).second) continue;
                coach.seats.push_back(label);
                if (!notes) continue;
                const bool known = random() % 2 == 0;
                coach.notes.push_back(
                    {one_of(groups), one_of(words),
                     known ? at(static_cast<std::int32_t>(random() % 9), s) : SeatDetail{}});
            }
            if (coach.seats.empty()) coach.places = 7;
            plan.push_back(coach);
        }
        TestLayout test(plan);
        expect_as_wanted(test);
        if (HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace ticketpool
