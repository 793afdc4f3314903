// Routes and layouts as blocks of plain memory, for the unit tests and the fuzzer: what ticket_open
// would write, made from vectors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ticketpool/departure.hpp"
#include "train.hpp"

namespace ticketpool {

// A block of shared memory, with the strings at its end.
class Block {
  public:
    Block(std::size_t bytes, std::size_t strings)
        : lines_((bytes + strings) / sizeof(Line) + 1), end_(static_cast<std::uint32_t>(bytes)) {}

    char* at(std::size_t offset) { return reinterpret_cast<char*>(lines_.data()) + offset; }
    TextRef put(const std::string& text) {
        const TextRef ref{end_, static_cast<std::uint32_t>(text.size())};
        std::memcpy(at(end_), text.data(), text.size());
        end_ += ref.length;
        return ref;
    }

  private:
    std::vector<Line> lines_;
    std::uint32_t end_;
};

using Hash = std::uint32_t (*)(const std::string&);

inline std::uint32_t good_hash(const std::string& text) {
    return static_cast<std::uint32_t>(std::hash<std::string>{}(text));
}
class TestRoute {
  public:
    TestRoute(const std::vector<std::string>& stations, Hash hash)
        : hash_(hash),
          block_(sizeof(Route) + stations.size() * sizeof(Stop), 64 * stations.size()) {
        route = new (block_.at(0)) Route{};
        route->stop_count = static_cast<std::uint32_t>(stations.size());
        for (std::size_t i = 0; i < stations.size(); ++i) {
            new (&route->stops()[i]) Stop{block_.put(stations[i]), hash(stations[i]),
                                          static_cast<std::int32_t>(i + 1), kNoTime, kNoTime};
        }
    }

    std::optional<std::pair<int, int>> trip(const std::string& from, const std::string& to) const {
        Trip trip{-1, -1};
        if (!route->find_trip(hash_(from), from.data(), from.size(), hash_(to), to.data(),
                              to.size(), &trip)) {
            return std::nullopt;
        }
        return std::pair{trip.from, trip.to};
    }
    bool calls_at(const std::string& code) const {
        return route->calls_at(hash_(code), code.data(), code.size());
    }

    Route* route;

  private:
    Hash hash_;
    Block block_;
};

struct CoachPlan {
    std::string name;
    std::string seat_class;
    std::vector<std::string> seats;  // in order of row and letter
    std::uint32_t places;
};

// The block that ticket_open would write for a plan; `wanted` is its model.
class TestLayout {
  public:
    explicit TestLayout(const std::vector<CoachPlan>& plan)
        : wanted(plan), block_(bytes_of(plan), 64 * 2 * plan.size()) {
        for (const CoachPlan& coach : plan) {
            if (class_of(coach.seat_class) < 0) classes.push_back(coach.seat_class);
        }
        layout = new (block_.at(0)) Layout{};
        layout->class_count = static_cast<std::uint32_t>(classes.size());
        layout->coach_count = static_cast<std::uint32_t>(plan.size());
        layout->coaches_offset =
            static_cast<std::uint32_t>(sizeof(Layout) + classes.size() * sizeof(LayoutClass));
        layout->geometry_offset =
            layout->coaches_offset + static_cast<std::uint32_t>(plan.size() * sizeof(LayoutCoach));
        for (std::size_t c = 0; c < classes.size(); ++c) {
            const std::uint32_t first = layout->seat_count;
            for (std::size_t i = 0; i < plan.size(); ++i) {
                if (plan[i].seat_class == classes[c]) add_seats(static_cast<std::uint16_t>(i));
            }
            new (block_.at(sizeof(Layout) + c * sizeof(LayoutClass)))
                LayoutClass{block_.put(classes[c]), first, layout->seat_count - first};
        }
        for (std::size_t i = 0; i < plan.size(); ++i) {
            const std::uint32_t number = plan[i].places > 0 ? layout->place_coaches++ : 0;
            new (block_.at(layout->coaches_offset + i * sizeof(LayoutCoach))) LayoutCoach{
                block_.put(plan[i].name), static_cast<std::uint32_t>(class_of(plan[i].seat_class)),
                plan[i].places, number, 0};
        }
    }

    int class_of(const std::string& name) const {
        const auto found = std::find(classes.begin(), classes.end(), name);
        return found == classes.end() ? -1 : static_cast<int>(found - classes.begin());
    }
    int find_class(const std::string& name) const {
        return layout->find_class(name.data(), name.size());
    }
    std::int64_t find_seat(std::uint32_t c, const std::string& coach, const std::string& label) {
        return layout->find_seat(c, coach.data(), coach.size(), label.data(), label.size());
    }
    int find_place_coach(std::uint32_t c, const std::string& coach) const {
        return layout->find_place_coach(c, coach.data(), coach.size());
    }

    std::vector<CoachPlan> wanted;
    std::vector<std::string> classes;
    Layout* layout;

  private:
    static std::size_t bytes_of(const std::vector<CoachPlan>& plan) {
        std::size_t bytes = sizeof(Layout);
        for (const CoachPlan& coach : plan) {
            bytes += sizeof(LayoutClass) + sizeof(LayoutCoach) +
                     coach.seats.size() * sizeof(SeatGeometry);
        }
        return bytes;
    }
    void add_seats(std::uint16_t coach) {
        for (const std::string& label : wanted[coach].seats) {
            new (block_.at(layout->geometry_offset + layout->seat_count * sizeof(SeatGeometry)))
                SeatGeometry{coach, static_cast<std::uint16_t>(std::stoi(label)),
                             static_cast<std::uint8_t>(label.back()), 0, 0};
            ++layout->seat_count;
        }
    }

    Block block_;
};

}  // namespace ticketpool
