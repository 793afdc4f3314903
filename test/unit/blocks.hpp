// Routes and layouts as blocks of plain memory, for the unit tests and the fuzzer: what ticket_open
// would write, made from vectors.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ticketpool/departure.hpp"
#include "ticketpool/layout_builder.hpp"
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
            new (&route->stops()[i]) Stop{block_.put(stations[i]),
                                          hash(stations[i]),
                                          static_cast<std::int32_t>(i + 1),
                                          kNoTime,
                                          kNoTime,
                                          false,
                                          false};
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

// What is known of a seat besides its label.
struct SeatNote {
    std::string group = {};
    std::string properties = {};
    SeatDetail detail = {};
};

struct CoachPlan {
    std::string name;
    std::string seat_class;
    std::vector<std::string> seats;
    std::uint32_t places = 0;
    std::vector<SeatNote> notes = {};  // of its seats; or empty

    SeatNote note(std::size_t seat) const { return notes.empty() ? SeatNote{} : notes[seat]; }
};

// The block that ticket_open would write for a plan; `wanted` is its model.
class TestLayout {
  public:
    explicit TestLayout(const std::vector<CoachPlan>& plan) : wanted(plan) {
        std::vector<std::vector<SeatInput>> seats;
        std::vector<CoachInput> coaches;
        for (const CoachPlan& coach : wanted) {
            if (class_of(coach.seat_class) < 0) classes.push_back(coach.seat_class);
            seats.emplace_back();
            for (std::size_t i = 0; i < coach.seats.size(); ++i) {
                SeatInput seat{coach.seats[i], {}, {}, {}};
                if (!coach.notes.empty()) {
                    seat.group = coach.notes[i].group;
                    seat.properties = coach.notes[i].properties;
                    seat.detail = coach.notes[i].detail;
                }
                seats.back().push_back(seat);
            }
            coaches.push_back({coach.name, coach.seat_class, seats.back().data(),
                               static_cast<std::uint32_t>(coach.seats.size()), coach.places});
        }
        const LayoutInput input{coaches.data(), static_cast<std::uint32_t>(coaches.size())};
        const LayoutRoom room = layout_room(input);
        // Blocks of their exact size, so that the address sanitizer sees what is written behind.
        const AlignedBytes block(new (std::align_val_t{kLineBytes}) char[room.block]);
        const AlignedBytes scratch(new (std::align_val_t{kLineBytes}) char[room.scratch + 1]);
        std::memset(block.get(), 0x5A, room.block);
        status = build_layout(input, block.get(), scratch.get());
        if (status != Status::kOk) return;
        const std::uint32_t bytes = reinterpret_cast<Layout*>(block.get())->head.bytes;
        memory_.reset(new (std::align_val_t{kLineBytes}) char[bytes]);
        std::memcpy(memory_.get(), block.get(), bytes);
        layout = reinterpret_cast<Layout*>(memory_.get());
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
    // Class and number.
    std::optional<std::pair<std::uint32_t, std::int64_t>> find_named(const std::string& coach,
                                                                     const std::string& label) {
        std::uint32_t class_index = 0;
        const std::int64_t seat = layout->find_named_seat(coach.data(), coach.size(), label.data(),
                                                          label.size(), &class_index);
        if (seat < 0) return std::nullopt;
        return std::pair{class_index, seat};
    }
    int find_place_coach(std::uint32_t c, const std::string& coach) const {
        return layout->find_place_coach(c, coach.data(), coach.size());
    }

    std::vector<CoachPlan> wanted;
    std::vector<std::string> classes;
    Status status;
    Layout* layout = nullptr;

  private:
    AlignedBytes memory_;
};

// A seat as a layout should have it.
struct ModelSeat {
    std::size_t coach;
    std::size_t place;  // in the coach's list
    std::string label;
    std::string group;
    SeatNote note;
};

inline std::string model_row(const std::string& label) {
    const auto run = [&](std::size_t from, auto is) {
        std::size_t to = from;
        while (to < label.size() && is(label[to])) ++to;
        return to;
    };
    const auto digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto letter = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'); };
    const std::size_t digits = run(0, digit);
    if (digits > 0) {
        const bool row = digits + 1 == label.size() && label.back() >= 'A' && label.back() <= 'Z';
        return row ? label.substr(0, digits) : "";
    }
    const std::size_t letters = run(0, letter);
    return letters > 0 && letters < label.size() && run(letters, digit) == label.size()
               ? label.substr(0, letters)
               : "";
}

// The seats of a class in the order of the pool.
inline std::vector<ModelSeat> model_seats(const std::vector<CoachPlan>& plan,
                                          const std::string& seat_class) {
    std::vector<ModelSeat> seats;
    for (std::size_t c = 0; c < plan.size(); ++c) {
        if (plan[c].seat_class != seat_class) continue;
        std::vector<std::vector<ModelSeat>> groups;
        std::map<std::string, std::size_t> known;
        for (std::size_t i = 0; i < plan[c].seats.size(); ++i) {
            const SeatNote note = plan[c].note(i);
            const std::string& label = plan[c].seats[i];
            const ModelSeat seat{c, i, label, note.group.empty() ? model_row(label) : note.group,
                                 note};
            if (!seat.group.empty() && known.emplace(seat.group, groups.size()).second == false) {
                groups[known[seat.group]].push_back(seat);
            } else {
                groups.push_back({seat});
            }
        }
        for (const auto& group : groups) seats.insert(seats.end(), group.begin(), group.end());
    }
    return seats;
}

}  // namespace ticketpool
