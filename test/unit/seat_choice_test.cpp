// Seat wishes as passengers write them: what is understood, and what is refused.
#include "ticketpool/seat_choice.hpp"

#include <gtest/gtest.h>

#include <string>

#include "train.hpp"

namespace ticketpool {
namespace {

constexpr char kBad[] = "malformed";

// The wishes as a string: letters as they are, 'w' for window, 'i' for aisle, '-' for none, (word)
// and <number of the seat>; a '*' before the wish of all.
std::string parsed(const std::string& text, std::uint32_t passengers,
                   const ChoiceVocabulary& vocabulary) {
    SeatChoice choice;
    choice.count = 9;  // must be overwritten
    ChoiceWords words;
    const Status status =
        parse_seat_choice(text.data(), text.size(), passengers, vocabulary, &choice, &words);
    if (status == Status::kMalformed) {
        EXPECT_EQ(choice.count, 0) << text;
        return kBad;
    }
    EXPECT_EQ(status, Status::kOk);
    std::string wishes = choice.is_for_all ? "*" : "";
    for (int i = 0; i < choice.count; ++i) {
        const std::uint8_t item = choice.items[i];
        if (item >= kWishSeat) {
            EXPECT_LT(item - kWishSeat, static_cast<int>(words.seats));
            wishes += "<" + std::to_string(words.seat[item - kWishSeat]) + ">";
        } else if (item >= kWishProperty) {
            EXPECT_LT(item - kWishProperty, static_cast<int>(words.properties));
            const WordText word = words.property[item - kWishProperty];
            wishes += "(" + std::string(word.data, word.length) + ")";
        } else {
            wishes += item == kWishWindow  ? 'w'
                      : item == kWishAisle ? 'i'
                      : item == kNoWish    ? '-'
                                           : static_cast<char>(item);
        }
    }
    return wishes;
}

std::string parsed(const std::string& text, std::uint32_t passengers,
                   const char* extra_letters = nullptr) {
    return parsed(text, passengers, ChoiceVocabulary{extra_letters, nullptr, nullptr, nullptr});
}

TEST(SeatChoice, Table) {
    const struct {
        const char* text;
        std::uint32_t passengers;
        const char* wishes;
    } rows[] = {
        {"", 1, ""},
        {" \t ", 2, ""},
        {"A", 1, "A"},
        {"a", 1, "A"},
        {"  F ", 1, "F"},
        {"AB", 2, "AB"},
        {"aF", 3, "AF"},
        {"AA", 2, "AA"},
        {"AB", 1, kBad},
        {"A,B,C", 2, kBad},
        {"window", 1, "*w"},
        {"Window", 3, "*www"},
        {" AISLE ", 2, "*ii"},
        {"window,aisle", 2, "wi"},
        {"window aisle", 2, "wi"},
        {"window aisle", 3, kBad},
        {"window,aisle", 3, kBad},
        {"window,aisle", 1, kBad},
        {"A,F", 2, "AF"},
        {"A , F", 2, "AF"},
        {"A F window", 3, "AFw"},
        {"AF,aisle", 3, "AFi"},
        {"window,", 2, kBad},
        {",A", 2, kBad},
        {"A,,F", 2, kBad},
        {",", 2, kBad},
        {"G", 1, kBad},
        {"AZ", 2, kBad},
        {"windows", 1, kBad},
        {"windo", 1, kBad},
        {"aisleA", 2, kBad},
        {"1", 1, kBad},
        {"01/1A", 1, "*-"},
        {"quiet", 1, kBad},
        {"A1", 2, kBad},
        {"A;B", 2, kBad},
        {"\xc3\x81", 2, kBad},
        {"A", 0, kBad},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(parsed(row.text, row.passengers), row.wishes)
            << "'" << row.text << "' for " << row.passengers;
    }
}

TEST(SeatChoice, ExtraLetters) {
    EXPECT_EQ(parsed("H", 1, "GH"), "H");
    EXPECT_EQ(parsed("h", 1, "gh"), "H");
    EXPECT_EQ(parsed("A", 1, "GH"), "A");
    EXPECT_EQ(parsed("K", 1, "GH"), kBad);
    EXPECT_EQ(parsed("K", 1, ""), kBad);
    EXPECT_EQ(parsed("window", 2, "WINDO"), "*ww");
}

TEST(SeatChoice, WordsOfTheClass) {
    const struct {
        const char* text;
        std::uint32_t passengers;
        const char* wishes;
    } rows[] = {
        {"quiet", 1, "*(quiet)"},
        {" quiet ", 3, "*(quiet)(quiet)(quiet)"},
        {"quiet,lower", 2, "(quiet)(lower)"},
        {"quiet , quiet,lower", 3, "(quiet)(quiet)(lower)"},
        {"quiet,lower", 3, kBad},
        {"quiet,lower", 1, kBad},
        {"quiet lower", 2, kBad},
        {"Quiet", 1, kBad},
        {"quie", 1, kBad},
        {"quiets", 1, kBad},
        {"quiet,", 2, kBad},
        {",quiet", 2, kBad},
        {"quiet,,lower", 2, kBad},
        // A property goes before a letter.
        {"x", 2, "*(x)(x)"},
        {"X", 2, kBad},
        {"quiet,window,F", 3, "(quiet)wF"},
        {"quiet,AF", 3, "(quiet)AF"},
        {"quiet,A F", 3, "(quiet)AF"},
        {"quiet,AF", 4, kBad},
        // The very seat, divided at the last slash; one that does not exist is a wish, too.
        {"01/1A", 1, "*<0>"},
        {"01/3A", 2, "*<2><2>"},
        {"01/3A , 01/1A", 2, "<2><0>"},
        {"01/3A,01/3A,quiet", 3, "<2><2>(quiet)"},
        {"a/b/7", 1, "*<20>"},
        {"01/3F", 1, "*-"},
        {"02/1A,quiet", 2, "-(quiet)"},
        {"Coach 1/Cabin 7", 1, "*-"},
        {"/1A", 1, kBad},
        {"01/", 1, kBad},
        {"/", 1, kBad},
    };
    for (const auto& row : rows) {
        EXPECT_EQ(parsed(row.text, row.passengers, test_vocabulary()), row.wishes)
            << "'" << row.text << "' for " << row.passengers;
    }
    // 'window' as a property of the class; in upper case it is the word that always was.
    EXPECT_EQ(parsed("window", 1, test_vocabulary(nullptr, true)), "*(window)");
    EXPECT_EQ(parsed("WINDOW", 1, test_vocabulary(nullptr, true)), "*w");
    EXPECT_EQ(parsed("window", 1, test_vocabulary()), "*w");
}

// Wishes of passengers beyond the thirty-second are checked and not kept.
TEST(SeatChoice, ThirtyTwoAreKept) {
    EXPECT_EQ(parsed(std::string(32, 'A'), 40), std::string(32, 'A'));
    EXPECT_EQ(parsed(std::string(33, 'A'), 40), std::string(32, 'A'));
    EXPECT_EQ(parsed(std::string(41, 'A'), 40), kBad);
    std::string last_is_wrong(32, 'A');
    last_is_wrong.push_back('1');
    EXPECT_EQ(parsed(last_is_wrong, 40), kBad);
    EXPECT_EQ(parsed("window", 40), "*" + std::string(32, 'w'));
    std::string many;
    std::string seats;
    std::string wanted;
    for (int i = 0; i < 40; ++i) {
        many += (i == 0 ? "" : ",") + std::string(i % 2 == 0 ? "quiet" : "lower");
        seats += (i == 0 ? "" : ",") + std::string("01/") + std::to_string(i % 9 + 1) + "A";
        if (i < 32) wanted += i % 2 == 0 ? "(quiet)" : "(lower)";
    }
    EXPECT_EQ(parsed(many, 40, test_vocabulary()), wanted);
    EXPECT_EQ(parsed(many, 39, test_vocabulary()), kBad);
    EXPECT_EQ(parsed(many, 41, test_vocabulary()), kBad);
    EXPECT_NE(parsed(seats, 40, test_vocabulary()), kBad);
}

TEST(SeatChoice, NulIsASignLikeAnyOther) {
    EXPECT_EQ(parsed(std::string("A\0", 2), 2), kBad);
    SeatChoice choice;
    ChoiceWords words;
    EXPECT_EQ(parse_seat_choice(nullptr, 0, 1, ChoiceVocabulary{}, &choice, &words), Status::kOk);
    EXPECT_EQ(choice.count, 0);
}

}  // namespace
}  // namespace ticketpool
