// Wishes for properties and for very seats: every choice compared with a model that tries all ways
// to give a party its seats.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "train.hpp"

namespace ticketpool {
namespace {

constexpr std::uint32_t kWords = 4;

// A train whose seats have random properties, and a random choice of a party.
struct WishedTrain {
    WishedTrain(std::mt19937_64& random, std::uint32_t seats, int rows)
        : train(seats, 6, rows, random() % 2 == 0 ? "ACDF" : "ABCDF") {
        for (SeatGeometry& seat : train.geometry) {
            seat.properties = static_cast<std::uint16_t>(random() % (1U << kWords));
            if (random() % 8 == 0) seat.flags = kWindow | kAisle;
        }
        for (std::uint32_t set = 0; set < 1U << kWords; ++set) properties[set] = set;
        words.properties = properties;
        for (std::uint32_t k = 0; k < kMaxSeatChoices; ++k) {
            words.seat[k] =
                random() % 8 == 0 ? kNotInMap : static_cast<std::uint32_t>(random() % seats);
        }
    }

    void wish(std::mt19937_64& random, std::uint32_t party) {
        choice = SeatChoice{};
        choice.words = &words;
        choice.is_for_all = random() % 4 == 0;
        for (std::uint32_t i = 0; i < party && i < kMaxSeatChoices; ++i) {
            choice.items[choice.count++] =
                choice.is_for_all && i > 0 ? choice.items[0] : item(random);
        }
    }

    static std::uint8_t item(std::mt19937_64& random) {
        switch (random() % 8) {
            case 0:
                return kNoWish;
            case 1:
                return kWishWindow;
            case 2:
                return kWishAisle;
            case 3:
                return static_cast<std::uint8_t>("ACDF"[random() % 4]);
            case 4:
                return static_cast<std::uint8_t>(kWishSeat + random() % kMaxSeatChoices);
            default:
                return static_cast<std::uint8_t>(kWishProperty + random() % kWords);
        }
    }

    bool honours(std::uint32_t seat, std::uint32_t passenger) const {
        if (passenger >= choice.count && !choice.is_for_all) return false;
        const std::uint8_t item = choice.items[choice.is_for_all ? 0 : passenger];
        const SeatGeometry& at = train.geometry[seat];
        if (item == kNoWish) return false;
        if (item == kWishWindow) return (at.flags & kWindow) != 0;
        if (item == kWishAisle) return (at.flags & kAisle) != 0;
        if (item >= kWishSeat) return words.seat[item - kWishSeat] == seat;
        if (item >= kWishProperty) return (at.properties & 1U << (item - kWishProperty)) != 0;
        return at.letter == item;
    }

    // The most wishes that any way to seat the party on some of these seats honours.
    std::uint32_t most(std::vector<std::uint32_t> seats, std::uint32_t passenger,
                       std::uint32_t party) const {
        if (passenger == party) return 0;
        std::uint32_t best = most(seats, passenger + 1, party);
        for (std::size_t i = 0; i < seats.size(); ++i) {
            if (!honours(seats[i], passenger)) continue;
            std::vector<std::uint32_t> rest = seats;
            rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(i));
            best = std::max(best, 1 + most(rest, passenger + 1, party));
        }
        return best;
    }

    std::uint32_t honoured() const {
        std::uint32_t count = 0;
        for (std::uint32_t i = 0; i < train.claims.size(); ++i) {
            count += honours(train.claims[i].seat, i) ? 1U : 0U;
        }
        return count;
    }

    Train train;
    std::uint32_t properties[1U << kWords];
    WishWords words{};
    SeatChoice choice;
};

// One passenger's wish is met whenever a free seat meets it, by the seat that the policy likes best
// of these; otherwise the passenger gets any seat, or none if only a wished one will do.
TEST(Wishes, OnePassengerGetsTheWishWheneverItCanBeMet) {
    std::mt19937_64 random(61);
    int met = 0;
    int unmet = 0;
    for (int round = 0; round < 6000; ++round) {
        WishedTrain test(random, 3 + static_cast<std::uint32_t>(random() % 40), 3);
        test.train.fill(random, 10 + static_cast<int>(random() % 40));
        test.wish(random, 1);
        const int from = static_cast<int>(random() % 6);
        const int to = from + 1 + static_cast<int>(random() % static_cast<unsigned>(6 - from));
        SeatRequest wanted = test.train.request(from, to, 1, static_cast<Allocation>(random() % 3));
        wanted.seed = random();
        wanted.choice = test.choice;
        wanted.only_wished = random() % 2 == 0 && test.choice.items[0] != kNoWish;
        const NaiveTrain model(test.train.map);
        bool can_be_met = false;
        int best = kMaxSegments;
        for (std::uint32_t seat = 0; seat < test.train.map.seats; ++seat) {
            if (!model.is_free(seat, from, to) || !test.honours(seat, 0)) continue;
            can_be_met = true;
            best = std::min(best, model.run(seat, from, to));
        }
        const bool sold = can_be_met || (model.count(from, to) > 0 && !wanted.only_wished);
        ASSERT_EQ(test.train.claim(wanted), sold ? Status::kOk : Status::kSoldOut);
        if (!sold) continue;
        const std::uint32_t got = test.train.claims[0].seat;
        ASSERT_EQ(test.honours(got, 0), can_be_met);
        if (can_be_met && wanted.policy == Allocation::kBestFit) {
            ASSERT_EQ(model.run(got, from, to), best);
        }
        (can_be_met ? met : unmet)++;
    }
    EXPECT_GT(met, 1000);
    EXPECT_GT(unmet, 200);
}

using Groups = std::map<std::pair<int, int>, std::vector<std::uint32_t>>;

// A party sits in one group if any has room, else in one coach: there it has the most wishes that
// any such place could honour, in a coach on the shortest stretch that can.
TEST(Wishes, APartyGetsTheMostWishesOfThePlacesThatKeepItAsClose) {
    std::mt19937_64 random(62);
    int in_groups = 0;
    int in_coaches = 0;
    for (int round = 0; round < 4000; ++round) {
        WishedTrain test(random, 40, 4);
        Train& train = test.train;
        for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
            if (random() % 100 < (round % 2 == 0 ? 30 : 75)) train.take(seat);
        }
        if (round % 5 == 0) {  // no groups: no two seats are in the same row
            for (SeatGeometry& seat : train.geometry) seat.row = 0;
        }
        const auto party = 2 + static_cast<std::uint32_t>(random() % 3);
        test.wish(random, party);
        SeatRequest wanted = train.request(0, 6, party, static_cast<Allocation>(random() % 3));
        wanted.seed = random();
        wanted.choice = test.choice;
        const NaiveTrain model(train.map);
        Groups groups;
        Groups coaches;
        for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
            if (!model.is_free(seat, 0, 6)) continue;
            const SeatGeometry& at = train.geometry[seat];
            if (at.row != 0) groups[{at.coach, at.row}].push_back(seat);
            coaches[{at.coach, 0}].push_back(seat);
        }
        const Status status = train.claim(wanted);
        if (status != Status::kOk) {
            ASSERT_LT(model.count(0, 6), party);
            continue;
        }
        bool fits_group = false;
        std::uint32_t best = 0;
        for (const auto& [group, seats] : groups) {
            if (seats.size() < party) continue;
            fits_group = true;
            best = std::max(best, test.most(seats, 0, party));
        }
        if (fits_group) {
            ASSERT_EQ(train.geometry[train.claims[0].seat].row,
                      train.geometry[train.claims[1].seat].row);
            ASSERT_EQ(test.honoured(), best) << "round " << round;
            ++in_groups;
            continue;
        }
        bool fits_coach = false;
        std::uint32_t span = UINT32_MAX;
        for (const auto& [coach, seats] : coaches) {
            for (std::size_t i = 0; i + party <= seats.size(); ++i) {
                for (std::size_t j = i + party; j <= seats.size(); ++j) {
                    const std::uint32_t most =
                        test.most({seats.begin() + static_cast<std::ptrdiff_t>(i),
                                   seats.begin() + static_cast<std::ptrdiff_t>(j)},
                                  0, party);
                    if (most > best) span = UINT32_MAX;
                    best = std::max(best, most);
                    if (most == best) span = std::min(span, seats[j - 1] - seats[i]);
                    fits_coach = true;
                }
            }
        }
        if (!fits_coach) continue;
        ASSERT_EQ(test.honoured(), best) << "round " << round;
        std::set<std::uint32_t> got;
        for (const SeatClaim& claim : train.claims) got.insert(claim.seat);
        ASSERT_EQ(train.geometry[*got.begin()].coach, train.geometry[*got.rbegin()].coach);
        ASSERT_EQ(*got.rbegin() - *got.begin(), span) << "round " << round;
        ++in_coaches;
    }
    EXPECT_GT(in_groups, 500);
    EXPECT_GT(in_coaches, 500);
}

// Over several coaches, and with more passengers than wishes are kept: nobody sits twice, and the
// party has its wishes as far as its own seats allow.
TEST(Wishes, LargeParties) {
    std::mt19937_64 random(63);
    for (int round = 0; round < 300; ++round) {
        WishedTrain test(random, 120, 4);
        Train& train = test.train;
        for (std::uint32_t seat = 0; seat < train.map.seats; ++seat) {
            if (random() % 100 < 30) train.take(seat);
        }
        const auto party = 20 + static_cast<std::uint32_t>(random() % 60);
        test.wish(random, party);
        SeatRequest wanted = train.request(0, 6, party);
        wanted.choice = test.choice;
        const std::uint32_t free = NaiveTrain(train.map).count(0, 6);
        if (train.claim(wanted) != Status::kOk) {
            ASSERT_LT(free, party);
            continue;
        }
        std::set<std::uint32_t> seats;
        for (const SeatClaim& claim : train.claims) seats.insert(claim.seat);
        ASSERT_EQ(seats.size(), party);
        if (!test.choice.is_for_all) continue;
        std::uint32_t honouring = 0;
        for (const std::uint32_t seat : seats) honouring += test.honours(seat, 0) ? 1U : 0U;
        ASSERT_EQ(test.honoured(), honouring);
        for (std::uint32_t i = 0; i < honouring; ++i) {
            ASSERT_TRUE(test.honours(train.claims[i].seat, i));
        }
    }
}

// Only one seat is both quiet and at a window. Whoever is asked first, both passengers get what
// they wish for.
TEST(Wishes, APassengerLeavesASeatToTheOneWhoNeedsIt) {
    const std::uint32_t properties[] = {0, 1};
    WishWords words{};
    words.properties = properties;
    for (const bool window_first : {true, false}) {
        Train train(4, 3, 1, "ACDF");
        train.geometry[0].properties = 1;  // quiet, and at a window
        train.take(1);
        SeatRequest wanted = train.request(0, 3, 2);
        wanted.choice.words = &words;
        wanted.choice.count = 2;
        wanted.choice.items[window_first ? 0 : 1] = kWishWindow;
        wanted.choice.items[window_first ? 1 : 0] = kWishProperty;
        ASSERT_EQ(train.claim(wanted), Status::kOk);
        EXPECT_EQ(train.claims[window_first ? 0 : 1].seat, 3U);
        EXPECT_EQ(train.claims[window_first ? 1 : 0].seat, 0U);
    }
}

}  // namespace
}  // namespace ticketpool
