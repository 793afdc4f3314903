// Routes, layouts and departures: trips, classes, coaches, seats, and where each one's counters are
// in memory.
#include "ticketpool/departure.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <string>

#include "blocks.hpp"
#include "train.hpp"

namespace ticketpool {
namespace {

std::uint32_t no_hash(const std::string&) {
    return 7;  // all codes collide
}

using Stops = std::pair<int, int>;

TEST(Route, EachStationOnce) {
    const TestRoute line({"AAA", "BBB", "CCC", "DDD"}, good_hash);
    EXPECT_EQ(line.route->segments(), 3);
    EXPECT_EQ(line.trip("AAA", "DDD"), Stops(0, 3));
    EXPECT_EQ(line.trip("BBB", "CCC"), Stops(1, 2));
    EXPECT_EQ(line.trip("CCC", "BBB"), std::nullopt);
    EXPECT_EQ(line.trip("AAA", "AAA"), std::nullopt);
    EXPECT_EQ(line.trip("AAA", "XXX"), std::nullopt);
    EXPECT_EQ(line.trip("XXX", "DDD"), std::nullopt);
    EXPECT_TRUE(line.calls_at("AAA") && line.calls_at("DDD"));
    EXPECT_FALSE(line.calls_at("AA") || line.calls_at("AAAA") || line.calls_at(""));
}

TEST(Route, StationsCalledAtTwice) {
    // A loop: out of A, around, through A again.
    const TestRoute loop({"A", "B", "C", "A", "D", "B"}, good_hash);
    EXPECT_EQ(loop.trip("A", "D"), Stops(3, 4));  // the later A is nearer
    EXPECT_EQ(loop.trip("A", "C"), Stops(0, 2));
    EXPECT_EQ(loop.trip("A", "B"), Stops(0, 1));  // not 3 to 5
    EXPECT_EQ(loop.trip("B", "A"), Stops(1, 3));
    EXPECT_EQ(loop.trip("C", "B"), Stops(2, 5));
    EXPECT_EQ(loop.trip("D", "A"), std::nullopt);
    for (const char* station : {"A", "B", "C", "D"}) {
        EXPECT_EQ(loop.trip(station, station), std::nullopt) << station;
    }
    // A tie goes to the earlier, a shorter trip to the later.
    EXPECT_EQ(TestRoute({"A", "B", "A", "B"}, good_hash).trip("A", "B"), Stops(0, 1));
    EXPECT_EQ(TestRoute({"A", "X", "B", "A", "B"}, good_hash).trip("A", "B"), Stops(3, 4));
    EXPECT_EQ(TestRoute({"A", "A", "B", "B"}, good_hash).trip("A", "B"), Stops(1, 2));
}

TEST(Route, WhereOneMayBoardAndAlight) {
    const TestRoute loop({"A", "B", "C", "A", "B"}, good_hash);
    EXPECT_EQ(loop.trip("A", "B"), Stops(0, 1));
    loop.route->stops()[1].no_alighting = true;
    EXPECT_EQ(loop.trip("A", "B"), Stops(3, 4));
    EXPECT_EQ(loop.trip("B", "A"), Stops(1, 3));
    loop.route->stops()[3].no_boarding = true;
    EXPECT_EQ(loop.trip("A", "B"), Stops(0, 4));
    loop.route->stops()[0].no_boarding = true;
    EXPECT_EQ(loop.trip("A", "B"), std::nullopt);
    EXPECT_EQ(loop.trip("C", "A"), Stops(2, 3));
}

std::optional<Stops> naive_trip(const TestRoute& line, const std::vector<std::string>& stations,
                                const std::string& from, const std::string& to) {
    const Stop* stops = line.route->stops();
    std::optional<Stops> best;
    for (int i = 0; i < static_cast<int>(stations.size()); ++i) {
        for (int j = i + 1; j < static_cast<int>(stations.size()); ++j) {
            if (stations[i] == from && stations[j] == to && from != to && !stops[i].no_boarding &&
                !stops[j].no_alighting && (!best || j - i < best->second - best->first)) {
                best = Stops(i, j);
            }
        }
    }
    return best;
}

TEST(Route, StopsByTheirNumber) {
    const TestRoute line({"AAA", "BBB", "CCC"}, good_hash);
    const int numbers[] = {10, 20, 30};
    for (int i = 0; i < 3; i++) line.route->stops()[i].stop_no = numbers[i];
    for (int i = 0; i < 3; i++) EXPECT_EQ(line.route->find_stop(numbers[i]), i);
    for (const int none : {0, 9, 15, 31}) EXPECT_EQ(line.route->find_stop(none), -1);
    const std::pair<int, unsigned> from[] = {{-5, 0}, {10, 0}, {11, 1}, {20, 1}, {30, 2}, {31, 3}};
    for (const auto& [number, index] : from) EXPECT_EQ(line.route->stop_from(number), index);
    std::swap(line.route->stops()[0].stop_no, line.route->stops()[2].stop_no);
    EXPECT_EQ(line.route->find_stop(10), 2);  // whatever the order
}

TEST(Route, EveryTripAgreesWithTheModel) {
    std::mt19937_64 random(1);
    const std::vector<std::string> codes = {"A", "B", "AB", "BA", "ABC", "C", ""};
    for (int round = 0; round < 4000; ++round) {
        std::vector<std::string> stations(2 + random() % 11);
        for (std::string& station : stations) station = codes[random() % (codes.size() - 1)];
        const TestRoute line(stations, round % 2 == 0 ? good_hash : no_hash);
        for (std::size_t i = 0; round % 3 == 0 && i < stations.size(); ++i) {
            line.route->stops()[i].no_boarding = random() % 4 == 0;
            line.route->stops()[i].no_alighting = random() % 4 == 0;
        }
        for (const std::string& from : codes) {
            ASSERT_EQ(line.calls_at(from),
                      std::find(stations.begin(), stations.end(), from) != stations.end());
            for (const std::string& to : codes) {
                ASSERT_EQ(line.trip(from, to), naive_trip(line, stations, from, to));
            }
        }
    }
}

std::vector<std::string> rows(int first, int last, const std::string& letters) {
    std::vector<std::string> labels;
    for (int row = first; row <= last; ++row) {
        for (const char letter : letters) labels.push_back(std::to_string(row) + letter);
    }
    return labels;
}

// Coach 03 has two classes, and other classes repeat its names.
const std::vector<CoachPlan>& plan() {
    static const std::vector<CoachPlan> coaches = {
        {"01", "second", rows(1, 12, "ABCDF"), 0},
        {"02", "first", rows(1, 9, "ACDF"), 0},
        {"03", "second", rows(7, 11, "ABCDF"), 0},
        {"03", "first", {"1A", "1F", "3C", "10A", "10B", "9999Z"}, 0},
        {"04", "second", {}, 80},
        {"05", "standing", {}, 7},
        {"05", "second", {}, 40},
        {"06", "box", {"2A"}, 0},
    };
    return coaches;
}

TEST(Layout, FindsClasses) {
    const TestLayout test(plan());
    ASSERT_EQ(test.classes, (std::vector<std::string>{"second", "first", "standing", "box"}));
    for (std::size_t c = 0; c < test.classes.size(); ++c) {
        EXPECT_EQ(test.find_class(test.classes[c]), static_cast<int>(c));
    }
    for (const char* name : {"", "firs", "first ", "First", "third", "secondfirst"}) {
        EXPECT_EQ(test.find_class(name), -1) << name;
    }
}

TEST(Layout, FindsEverySeatAndNoOther) {
    TestLayout test(plan());
    std::vector<std::string> labels = rows(1, 13, "ABCDEFZ");
    for (const char* label :
         {"9999Z", "9999A", "9998Z", "100A", "", "A", "1", "01A", "1a", "1AA"}) {
        labels.push_back(label);
    }
    for (std::uint32_t c = 0; c < test.classes.size(); ++c) {
        for (const std::string coach : {"01", "02", "03", "04", "05", "06", "0", "", "011"}) {
            for (const std::string& label : labels) {
                std::int64_t wanted = -1;
                std::int64_t seat = 0;
                for (const CoachPlan& other : test.wanted) {
                    if (other.seat_class != test.classes[c]) continue;
                    for (const std::string& here : other.seats) {
                        if (other.name == coach && here == label) wanted = seat;
                        ++seat;
                    }
                }
                ASSERT_EQ(test.find_seat(c, coach, label), wanted)
                    << test.classes[c] << ' ' << coach << ' ' << label;
            }
        }
    }
    EXPECT_EQ(test.find_seat(0, "01", "1A"), 0);
    EXPECT_EQ(test.find_seat(0, "03", "11F"), 12 * 5 + 5 * 5 - 1);
    EXPECT_EQ(test.find_seat(1, "03", "1A"), 9 * 4);
}

TEST(Layout, FindsCoachesWithPlaces) {
    const TestLayout test(plan());
    EXPECT_EQ(test.find_place_coach(0, "04"), 4);
    EXPECT_EQ(test.find_place_coach(0, "05"), 6);  // not the other class's coach of this name
    EXPECT_EQ(test.find_place_coach(2, "05"), 5);
    EXPECT_EQ(test.find_place_coach(2, "04"), -1);
    EXPECT_EQ(test.find_place_coach(0, "01"), -1);  // a coach with seats
    EXPECT_EQ(test.find_place_coach(0, "0"), -1);
    EXPECT_EQ(test.find_place_coach(3, "06"), -1);
}

TEST(Layout, CapacityIsSeatsAndPlaces) {
    const TestLayout test(plan());
    EXPECT_EQ(test.layout->capacity(0), 12U * 5 + 5 * 5 + 80 + 40);
    EXPECT_EQ(test.layout->capacity(1), 9U * 4 + 6);
    EXPECT_EQ(test.layout->capacity(2), 7U);
    EXPECT_EQ(test.layout->capacity(3), 1U);
    const TestLayout seats({{"1", "a", {"1A", "1B"}, 0}, {"2", "b", {"1A"}, 0}});
    EXPECT_EQ(seats.layout->capacity(0), 2U);
    EXPECT_EQ(seats.layout->capacity(1), 1U);
}

// A departure in memory that was filled with rubbish, with rubbish behind it.
class TestDeparture {
  public:
    static constexpr char kRubbish = 0x5A;

    TestDeparture(Route* route, Layout* layout)
        : bytes(Departure::bytes_required(*layout, route->segments())),
          lines_(bytes / sizeof(Line) + 2) {
        std::memset(static_cast<void*>(lines_.data()), kRubbish, lines_.size() * sizeof(Line));
        departure = Departure::init_in_place(lines_.data(), route, layout);
    }

    bool wrote_behind_its_end() const {
        const char* first = lines_.data()->bytes;
        return !std::all_of(first + bytes, first + lines_.size() * sizeof(Line),
                            [](char c) { return c == kRubbish; });
    }

    std::size_t bytes;
    Departure* departure;

  private:
    std::vector<Line> lines_;
};

std::vector<std::string> station_names(int count) {
    std::vector<std::string> stations;
    for (int i = 0; i < count; ++i) stations.push_back("S" + std::to_string(i));
    return stations;
}

// Free seat segments of the classes, then free place segments of the coaches with places.
std::vector<std::uint64_t> free_everywhere(Departure& departure) {
    std::vector<std::uint64_t> free;
    for (std::uint32_t c = 0; c < departure.layout->class_count; ++c) {
        free.push_back(count_free_seat_segments(departure.seat_map(c)));
    }
    for (std::uint32_t i = 0; i < departure.layout->coach_count; ++i) {
        if (departure.layout->coaches()[i].places > 0) {
            free.push_back(count_free_place_segments(departure.place_map(i)));
        }
    }
    return free;
}

TEST(Departure, IsEmptyAndNeedsItsBytes) {
    TestLayout layout(plan());
    for (const int segments : {1, 2, 8, 9, 16, 17, 32, 33, 63, 64, 65, 128, 129, 256}) {
        const TestRoute line(station_names(segments + 1), good_hash);
        TestDeparture test(line.route, layout.layout);
        Departure& departure = *test.departure;
        // Header, two lines of controls, the seats of each class in whole vectors, places; but at
        // least all that scans read.
        std::size_t seat_bytes = 0;
        std::size_t read_bytes = 0;
        for (std::uint32_t c = 0; c < 4; ++c) {
            const SeatMap map = departure.seat_map(c);
            EXPECT_EQ(static_cast<char*>(map.words),
                      reinterpret_cast<char*>(&departure) + 64 + 128 + seat_bytes);
            read_bytes = std::max(read_bytes, seat_bytes + seat_map_bytes(map.seats, segments));
            seat_bytes += seat_map_stride(map.seats, segments);
        }
        EXPECT_EQ(test.bytes, 64U + 128U + std::max(read_bytes, seat_bytes + 3U * segments * 4));
        EXPECT_EQ(departure.bytes, test.bytes);
        EXPECT_EQ(departure.segments, segments);
        EXPECT_EQ(departure.route(), line.route);
        EXPECT_EQ(departure.layout.get(), layout.layout);
        EXPECT_EQ(departure.status.load(), SaleStatus::kOpen);
        EXPECT_EQ(departure.first_quota(), nullptr);
        const std::uint64_t n = segments;
        EXPECT_EQ(free_everywhere(departure),
                  (std::vector<std::uint64_t>{85 * n, 42 * n, 0, n, 80 * n, 7 * n, 40 * n}));
        for (std::uint32_t c = 0; c < 4; ++c) {
            EXPECT_EQ(departure.seat_map(c).control, departure.controls() + c);
            EXPECT_EQ(departure.controls()[c].unfinished.load(), 0U);
            EXPECT_EQ(departure.controls()[c].undone.load(), 0U);
        }
        EXPECT_EQ(departure.place_map(4).control, departure.controls());
        EXPECT_EQ(departure.place_map(5).control, departure.controls() + 2);
        EXPECT_FALSE(test.wrote_behind_its_end());
    }
}

// Classes and coaches with places are filled one by one: each loses what was taken from it, and no
// other does.
TEST(Departure, ItsMapsStayApart) {
    TestLayout layout(plan());
    for (const int segments : {1, 6, 12, 29, 64, 65, 200}) {
        const TestRoute line(station_names(segments + 1), good_hash);
        TestDeparture test(line.route, layout.layout);
        Departure& departure = *test.departure;
        std::vector<std::uint64_t> wanted = free_everywhere(departure);
        for (std::uint32_t c = 0; c < 4; ++c) {
            SeatMap map = departure.seat_map(c);
            EXPECT_EQ(map.seats, layout.layout->classes()[c].seats);
            EXPECT_EQ(reinterpret_cast<std::uintptr_t>(map.words) % kVectorBytes, 0U);
            for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
                ASSERT_TRUE(try_claim(map, seat, all_segments(segments)));
            }
            wanted[c] = 0;
            EXPECT_EQ(free_everywhere(departure), wanted);
        }
        std::size_t number = 4;
        for (const std::uint32_t coach : {4, 5, 6}) {
            PlaceMap map = departure.place_map(coach);
            EXPECT_EQ(map.places, plan()[coach].places);
            for (std::uint32_t place = 0; place < map.places; ++place) {
                ASSERT_TRUE(try_claim_places(map, 0, segments, 1, nullptr));
            }
            ASSERT_FALSE(try_claim_places(map, 0, segments, 1, nullptr));
            wanted[number++] = 0;
            EXPECT_EQ(free_everywhere(departure), wanted);
        }
        EXPECT_FALSE(test.wrote_behind_its_end());
        EXPECT_EQ(departure.bytes, test.bytes);
    }
}

// What a scan reads of the last class, and of the last class with seats, is still within the
// departure: checked by numbers and by the address sanitizer.
TEST(Departure, ScansReadNothingBehindIt) {
    std::vector<CoachPlan> coaches = plan();
    for (const bool places : {true, false}) {
        if (!places) {
            std::erase_if(coaches, [](const CoachPlan& coach) { return coach.places > 0; });
        }
        TestLayout layout(coaches);
        for (const int segments : {1, 3, 8, 12, 29, 64, 65, 129, 200}) {
            const TestRoute line(station_names(segments + 1), good_hash);
            const std::size_t bytes = Departure::bytes_required(*layout.layout, segments);
            const AlignedBytes memory(new (std::align_val_t{kLineBytes}) char[bytes]);
            Departure* departure =
                Departure::init_in_place(memory.get(), line.route, layout.layout);
            for (std::uint32_t c = 0; c < layout.layout->class_count; ++c) {
                const SeatMap map = departure->seat_map(c);
                const char* end =
                    static_cast<char*>(map.words) + seat_map_bytes(map.seats, segments);
                EXPECT_LE(end, memory.get() + bytes);
                EXPECT_EQ(count_free(map, all_segments(segments)), map.seats);
            }
        }
    }
}

// Quotas are found by their distance from the departure, on either side of it.
TEST(Departure, QuotasByOffset) {
    TestLayout layout(plan());
    const TestRoute line(station_names(5), good_hash);
    TestDeparture test(line.route, layout.layout);
    Departure& departure = *test.departure;
    EXPECT_EQ(departure.quota_at(0), nullptr);
    std::array<std::vector<Line>, 2> memory;
    for (std::vector<Line>& lines : memory) {
        lines.resize(Quota::bytes_required(3, 4) / sizeof(Line) + 1);
        Quota* quota = Quota::init_in_place(lines.data(), 3, 1, 3, 4);
        departure.quotas.store(departure.offset_of(quota));
        EXPECT_EQ(departure.first_quota(), quota);
    }
}

}  // namespace
}  // namespace ticketpool
