// Which status of a ticket may follow which, and how statuses are read and written.
#include "ticketpool/order_status.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

namespace ticketpool {
namespace {

TEST(OrderStatus, ExactlyTheLegalTransitions) {
    using enum OrderStatus;
    const std::set<std::pair<OrderStatus, OrderStatus>> legal = {
        {kHeld, kSold},     {kHeld, kCancelled}, {kHeld, kExpired},
        {kSold, kRefunded}, {kSold, kChanged},   {kExpired, kSold},
    };
    int transitions = 0;
    for (int from = 0; from < kOrderStatuses; ++from) {
        for (int to = 0; to < kOrderStatuses; ++to) {
            const auto a = static_cast<OrderStatus>(from);
            const auto b = static_cast<OrderStatus>(to);
            EXPECT_EQ(may_become(a, b), legal.contains({a, b}))
                << status_name(a) << " -> " << status_name(b);
            transitions += may_become(a, b);
        }
    }
    EXPECT_EQ(transitions, 6);
}

// A ticket without a seat becomes live again only by being paid; a ticket with a seat loses it for
// good or goes from held to sold.
TEST(OrderStatus, OnlyHeldAndSoldHaveASeat) {
    for (int i = 0; i < kOrderStatuses; ++i) {
        const auto status = static_cast<OrderStatus>(i);
        EXPECT_EQ(is_live(status), status == OrderStatus::kHeld || status == OrderStatus::kSold);
        EXPECT_FALSE(may_become(status, OrderStatus::kHeld));
    }
}

TEST(OrderStatus, NamesAreParsed) {
    const char* names[] = {"held", "sold", "refunded", "cancelled", "expired", "changed"};
    for (int i = 0; i < kOrderStatuses; ++i) {
        const std::string name = names[i];
        auto status = static_cast<OrderStatus>((i + 1) % kOrderStatuses);
        ASSERT_TRUE(parse_order_status(name.data(), name.size(), &status)) << name;
        EXPECT_EQ(static_cast<int>(status), i);
        EXPECT_EQ(status_name(status), name);
    }
}

TEST(OrderStatus, NothingElseIsParsed) {
    using namespace std::string_literals;
    for (const std::string& text : {""s, "hel"s, "heldx"s, "held "s, " held"s, "Held"s, "SOLD"s,
                                    "refund"s, "expired\0"s, "sold\0held"s, "paid"s}) {
        auto status = OrderStatus::kChanged;
        EXPECT_FALSE(parse_order_status(text.data(), text.size(), &status)) << text;
        EXPECT_EQ(status, OrderStatus::kChanged);
    }
    // The text is not terminated: what follows it must not be read.
    OrderStatus status;
    ASSERT_TRUE(parse_order_status("soldier", 4, &status));
    EXPECT_EQ(status, OrderStatus::kSold);
}

}  // namespace
}  // namespace ticketpool
