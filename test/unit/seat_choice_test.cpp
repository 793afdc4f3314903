// Seat wishes as passengers write them: what is understood, and what is refused.
#include "ticketpool/seat_choice.hpp"

#include <gtest/gtest.h>

#include <string>

namespace ticketpool {
namespace {

constexpr char kBad[] = "malformed";

// The wishes as a string: letters as they are, 'w' for window and 'i' for aisle.
std::string parsed(const std::string& text, std::uint32_t passengers,
                   const char* extra_letters = nullptr) {
    SeatChoice choice;
    choice.count = 9;  // must be overwritten
    const Status status =
        parse_seat_choice(text.data(), text.size(), passengers, extra_letters, &choice);
    if (status == Status::kMalformed) {
        EXPECT_EQ(choice.count, 0) << text;
        return kBad;
    }
    EXPECT_EQ(status, Status::kOk);
    std::string wishes;
    for (int i = 0; i < choice.count; ++i) {
        const std::uint8_t item = choice.items[i];
        wishes += item == kWishWindow ? 'w' : item == kWishAisle ? 'i' : static_cast<char>(item);
    }
    return wishes;
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
        {"window", 1, "w"},
        {"Window", 3, "www"},
        {" AISLE ", 2, "ii"},
        {"window,aisle", 2, "wi"},
        {"window aisle", 3, "wi"},
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
    EXPECT_EQ(parsed("window", 2, "WINDO"), "ww");
}

TEST(SeatChoice, AtMostThirtyTwo) {
    EXPECT_EQ(parsed(std::string(32, 'A'), 40), std::string(32, 'A'));
    EXPECT_EQ(parsed(std::string(33, 'A'), 40), kBad);
    EXPECT_EQ(parsed("window", 40), std::string(32, 'w'));
}

TEST(SeatChoice, NulIsASignLikeAnyOther) {
    EXPECT_EQ(parsed(std::string("A\0", 2), 2), kBad);
    SeatChoice choice;
    EXPECT_EQ(parse_seat_choice(nullptr, 0, 1, nullptr, &choice), Status::kOk);
    EXPECT_EQ(choice.count, 0);
}

}  // namespace
}  // namespace ticketpool
