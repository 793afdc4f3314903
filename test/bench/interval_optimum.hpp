// The most that a train could have sold if every request were known beforehand: of all requests for
// trips on one class of k seats, those with the largest total length that fit on k seats.
//
// This is interval scheduling on k identical machines with weights. A set of trips fits on k seats
// exactly if no segment is asked for more than k times (interval graphs are perfect), so seats need
// not be told apart. The best set is a minimum-cost flow of k units from the first stop to the
// last, with an arc from each stop to the next for a seat that stays empty (cost 0), and an arc a
// -> b for each request (capacity 1, cost minus its weight). All costs and capacities are integers,
// so the optimum is one, too.
//   E. M. Arkin, E. B. Silverberg: Scheduling jobs with fixed start and end times.
//     Discrete Applied Mathematics 18 (1987), 1-8.
//   M. C. Carlisle, E. L. Lloyd: On the k-coloring of intervals.
//     Discrete Applied Mathematics 59 (1995), 225-235.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

namespace ticketpool::bench {

// A trip from stop `from` to stop `to`. Stops are counted from 0.
struct Trip {
    int from;
    int to;
};

// Successive shortest paths with potentials. There are few nodes and many arcs, so Dijkstra's
// algorithm needs no heap.
class TripFlow {
  public:
    explicit TripFlow(int stops) : out_(static_cast<std::size_t>(stops)), potential_(out_.size()) {}

    void add_arc(int from, int to, std::int64_t capacity, std::int64_t cost) {
        out_[at(from)].push_back(static_cast<int>(arcs_.size()));
        arcs_.push_back({to, capacity, cost});
        out_[at(to)].push_back(static_cast<int>(arcs_.size()));
        arcs_.push_back({from, 0, -cost});
    }

    // Least cost of `units` from the first stop to the last.
    std::int64_t cost(std::int64_t units) {
        start_potentials();
        std::int64_t total = 0;
        while (units > 0) {
            shortest_paths();
            const int last = static_cast<int>(out_.size()) - 1;
            std::int64_t pushed = units;
            for (int stop = last; stop != 0; stop = arcs_[at(reached_by_[at(stop)] ^ 1)].to) {
                pushed = std::min(pushed, arcs_[at(reached_by_[at(stop)])].capacity);
            }
            for (int stop = last; stop != 0; stop = arcs_[at(reached_by_[at(stop)] ^ 1)].to) {
                const int arc = reached_by_[at(stop)];
                arcs_[at(arc)].capacity -= pushed;
                arcs_[at(arc ^ 1)].capacity += pushed;
                total += pushed * arcs_[at(arc)].cost;
            }
            units -= pushed;
        }
        return total;
    }

  private:
    struct Arc {
        int to;
        std::int64_t capacity;
        std::int64_t cost;
    };

    static std::size_t at(int index) { return static_cast<std::size_t>(index); }

    // At first all arcs lead forward along the line, so one pass finds the distances, negative or
    // not.
    void start_potentials() {
        for (std::size_t stop = 1; stop < out_.size(); ++stop) potential_[stop] = kFar;
        for (std::size_t stop = 0; stop < out_.size(); ++stop) {
            for (const int i : out_[stop]) {
                const Arc& arc = arcs_[at(i)];
                if (arc.capacity == 0) continue;
                potential_[at(arc.to)] =
                    std::min(potential_[at(arc.to)], potential_[stop] + arc.cost);
            }
        }
    }

    void shortest_paths() {
        std::vector<std::int64_t> distance(out_.size(), kFar);
        std::vector<bool> done(out_.size());
        reached_by_.assign(out_.size(), -1);
        distance[0] = 0;
        for (std::size_t round = 0; round < out_.size(); ++round) {
            std::size_t nearest = out_.size();
            for (std::size_t stop = 0; stop < out_.size(); ++stop) {
                if (!done[stop] && (nearest == out_.size() || distance[stop] < distance[nearest])) {
                    nearest = stop;
                }
            }
            done[nearest] = true;
            for (const int i : out_[nearest]) {
                const Arc& arc = arcs_[at(i)];
                if (arc.capacity == 0) continue;
                const std::int64_t there =
                    distance[nearest] + arc.cost + potential_[nearest] - potential_[at(arc.to)];
                if (there >= distance[at(arc.to)]) continue;
                distance[at(arc.to)] = there;
                reached_by_[at(arc.to)] = i;
            }
        }
        for (std::size_t stop = 0; stop < out_.size(); ++stop) potential_[stop] += distance[stop];
    }

    static constexpr std::int64_t kFar = std::numeric_limits<std::int64_t>::max() / 4;

    std::vector<Arc> arcs_;  // 2i and 2i + 1 are each other's reverse
    std::vector<std::vector<int>> out_;
    std::vector<std::int64_t> potential_;
    std::vector<int> reached_by_;
};

// Largest total length, in seat-segments, of requests that fit on `seats` seats of a train with
// `stops` stops. Requests for the same trip share an arc.
inline std::int64_t interval_optimum(const std::vector<Trip>& requests, int stops,
                                     std::int64_t seats) {
    const auto width = static_cast<std::size_t>(stops);
    std::vector<std::int64_t> wanted(width * width);
    for (const Trip& trip : requests) {
        ++wanted[static_cast<std::size_t>(trip.from) * width + static_cast<std::size_t>(trip.to)];
    }
    TripFlow flow(stops);
    for (int a = 0; a < stops; ++a) {
        if (a + 1 < stops) flow.add_arc(a, a + 1, seats, 0);
        for (int b = a + 1; b < stops; ++b) {
            const std::int64_t count =
                wanted[static_cast<std::size_t>(a) * width + static_cast<std::size_t>(b)];
            if (count > 0) flow.add_arc(a, b, count, a - b);
        }
    }
    return -flow.cost(seats);
}

// The same, found by trying all subsets: for at most 20 requests.
inline std::int64_t optimum_by_trying(const std::vector<Trip>& requests, int stops, int seats) {
    std::int64_t best = 0;
    for (std::uint32_t chosen = 0; chosen < (1U << requests.size()); ++chosen) {
        std::vector<int> load(static_cast<std::size_t>(stops));
        std::int64_t length = 0;
        bool fits = true;
        for (std::size_t i = 0; i < requests.size(); ++i) {
            if ((chosen >> i & 1) == 0) continue;
            length += requests[i].to - requests[i].from;
            for (int s = requests[i].from; s < requests[i].to; ++s) {
                fits = fits && ++load[static_cast<std::size_t>(s)] <= seats;
            }
        }
        if (fits) best = std::max(best, length);
    }
    return best;
}

// Does the flow find what trying all subsets finds, on small random trains?
inline bool optimum_is_right() {
    std::mt19937 random(1);
    for (int round = 0; round < 500; ++round) {
        const int stops = 2 + static_cast<int>(random() % 6);
        const int seats = 1 + static_cast<int>(random() % 3);
        std::vector<Trip> requests(random() % 11);
        for (Trip& trip : requests) {
            trip.from = static_cast<int>(random() % static_cast<unsigned>(stops - 1));
            trip.to = trip.from + 1 +
                      static_cast<int>(random() % static_cast<unsigned>(stops - 1 - trip.from));
        }
        if (interval_optimum(requests, stops, seats) != optimum_by_trying(requests, stops, seats)) {
            return false;
        }
    }
    return true;
}

}  // namespace ticketpool::bench
