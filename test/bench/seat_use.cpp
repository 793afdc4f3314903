// How well seats are used: the seat-segments that each rule of choosing a seat sells, compared with
// the most that was possible with all requests known beforehand (interval_optimum.hpp). Nothing is
// timed, so the figures are the same on every machine.
//
// usage: seat_use DRAWS [small_]SAMPLE_stops.csv... > seat_use.csv
// DRAWS: how often the demand of each train and load is drawn
// *_stops.csv: train_no,seq,station_code,station_name,arrive,depart,day_arr,day_dep,km
//
// The demand for a train is made up here. A passenger's trip is drawn with a probability of
// (trains that call at its first station) * (the same of its last) * exp(-travel time / scale), so
// big stations weigh more, and short trips are more frequent than long ones; scale is a third of
// the train's whole travel time ("gravity"). A second demand is that of the throughput bench: any
// two stops with equal probability ("uniform"). Requests for one seat each are made in random
// order, until the seat-segments asked for are `load` times those that the train has. A request
// that fits is never refused.
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <utility>

#include "interval_optimum.hpp"
#include "ticketpool/allocation.hpp"

namespace ticketpool::bench {
namespace {

constexpr std::uint32_t kSeats = 600;  // of one class: an 8-car set has about as many
constexpr double kLoads[] = {0.5, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0};

struct Call {
    std::string station;
    int minute;  // from midnight of the service date
};

using Trains = std::map<std::string, std::vector<Call>>;

int minute_of(const std::string& clock, const std::string& day) {
    return std::atoi(day.c_str()) * 1440 + std::atoi(clock.c_str()) * 60 +
           std::atoi(clock.c_str() + 3);
}

Trains read_stops(std::istream& file) {
    Trains trains;
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::vector<std::string> field;
        std::stringstream rest(line);
        for (std::string one; std::getline(rest, one, ',');) field.push_back(one);
        if (field.size() < 8) continue;
        const int minute =
            field[5].empty() ? minute_of(field[4], field[6]) : minute_of(field[5], field[7]);
        trains[field[0]].push_back({field[2], minute});
    }
    return trains;
}

// The trips of a train, and how likely each is.
struct Demand {
    std::vector<Trip> trips;
    std::vector<double> weight;
};

Demand gravity_demand(const std::vector<Call>& calls, const std::map<std::string, int>& size) {
    Demand demand;
    const double scale = (calls.back().minute - calls.front().minute) / 3.0 + 1;
    for (std::size_t a = 0; a < calls.size(); ++a) {
        for (std::size_t b = a + 1; b < calls.size(); ++b) {
            demand.trips.push_back({static_cast<int>(a), static_cast<int>(b)});
            demand.weight.push_back(1.0 * size.at(calls[a].station) * size.at(calls[b].station) *
                                    std::exp((calls[a].minute - calls[b].minute) / scale));
        }
    }
    return demand;
}

Demand uniform_demand(const std::vector<Call>& calls, const std::map<std::string, int>& size) {
    Demand demand = gravity_demand(calls, size);
    demand.weight.assign(demand.trips.size(), 1);
    return demand;
}

std::vector<Trip> draw_requests(const Demand& demand, int segments, double load,
                                std::mt19937_64& random) {
    std::discrete_distribution<std::size_t> any(demand.weight.begin(), demand.weight.end());
    std::vector<Trip> requests;
    double left = load * kSeats * segments;
    while (left > 0) {
        requests.push_back(demand.trips[any(random)]);
        left -= requests.back().to - requests.back().from;
    }
    return requests;
}

struct Class {
    explicit Class(int segments)
        : words(seat_map_bytes(kSeats, segments) / kLineBytes),
          map(seat_map_at(words.data(), &control, kSeats, segments)) {}

    struct alignas(kLineBytes) Line {
        char bytes[kLineBytes];
    };
    std::vector<Line> words;
    ClassControl control{};
    SeatMap map;
};

// What a seat that is free over a trip looks like: the free segments left and right of the trip,
// and how likely a future trip is to fit there, before and after the sale.
struct Fit {
    int left;
    int trip;
    int right;
    const std::vector<double>* fits;  // [from * stops + to]: weight of the trips within a run
    int from;
    int stops;
};

double wanted(const Fit& fit, int begin, int end) {
    return (*fit.fits)[static_cast<std::size_t>(begin * fit.stops + end)];
}

// The rules that are not the core's: the seat with the least score is taken; if several have it,
// the first one from a random start.
double worst_fit(const Fit& fit) {
    return -(fit.left + fit.right);
}
double least_demand_lost(const Fit& fit) {
    const int begin = fit.from - fit.left;
    const int to = fit.from + fit.trip;
    return wanted(fit, begin, to + fit.right) - wanted(fit, begin, fit.from) -
           wanted(fit, to, to + fit.right);
}

struct Rule {
    const char* name;
    Allocation policy;
    double (*score)(const Fit&);  // null: the core's own policy
    bool late;  // no seat is chosen: each segment sells as often as there are seats
};

constexpr Rule kRules[] = {
    {"best_fit", Allocation::kBestFit, nullptr, false},
    {"first_fit", Allocation::kFirstFit, nullptr, false},
    {"random", Allocation::kRandom, nullptr, false},
    {"worst_fit", Allocation::kBestFit, worst_fit, false},
    {"least_demand_lost", Allocation::kBestFit, least_demand_lost, false},
    {"bound_late", Allocation::kBestFit, nullptr, true},
};

bool take_by_score(Class& seats, const Rule& rule, Fit fit, std::uint64_t start) {
    const int to = fit.from + fit.trip;
    const SegmentMask trip = trip_mask(fit.from, to);
    std::uint32_t best = kSeats;
    double least = 0;
    for (std::uint32_t i = 0; i < kSeats; ++i) {
        const auto seat = static_cast<std::uint32_t>((start + i) % kSeats);
        const SegmentMask taken = load_seat(seats.map, seat);
        if ((taken & trip).any()) continue;
        fit.left = fit.from - run_begin(taken, fit.from);
        fit.right = run_end(taken, to, seats.map.segments) - to;
        const double score = rule.score(fit);
        if (best < kSeats && score >= least) continue;
        best = seat;
        least = score;
    }
    return best < kSeats && try_claim(seats.map, best, trip);
}

bool take_by_policy(Class& seats, const Rule& rule, const Trip& trip, std::uint64_t seed) {
    SeatRequest request;
    request.trip = trip_mask(trip.from, trip.to);
    request.from = trip.from;
    request.to = trip.to;
    request.policy = rule.policy;
    request.seed = seed;
    SeatClaim claim;
    return claim_seats(seats.map, nullptr, request, nullptr, &claim) == Status::kOk;
}

bool has_room(const std::vector<std::uint32_t>& sold, const Trip& trip) {
    return std::all_of(sold.begin() + trip.from, sold.begin() + trip.to,
                       [](std::uint32_t count) { return count < kSeats; });
}

// How many seat-segments are sold if the requests are made in this order.
std::int64_t sell(const Rule& rule, const std::vector<Trip>& requests,
                  const std::vector<double>& fits, int segments, std::mt19937_64& random) {
    Class seats(segments);
    std::vector<std::uint32_t> count(static_cast<std::size_t>(segments));
    std::int64_t sold = 0;
    for (const Trip& trip : requests) {
        const int length = trip.to - trip.from;
        if (!has_room(count, trip)) continue;
        const std::uint64_t seed = random();
        const Fit fit{0, length, 0, &fits, trip.from, segments + 1};
        const bool taken = rule.late               ? true
                           : rule.score == nullptr ? take_by_policy(seats, rule, trip, seed)
                                                   : take_by_score(seats, rule, fit, seed % kSeats);
        if (!taken) continue;
        sold += length;
        for (int s = trip.from; s < trip.to; ++s) ++count[static_cast<std::size_t>(s)];
    }
    const std::int64_t all = std::int64_t{kSeats} * segments;
    const auto free = static_cast<std::int64_t>(count_free_seat_segments(seats.map));
    if (!rule.late && sold != all - free) std::abort();
    return sold;
}

// For each run of stops: the weight of all trips within it.
std::vector<double> weight_within(const Demand& demand, int stops) {
    std::vector<double> within(static_cast<std::size_t>(stops) * static_cast<std::size_t>(stops));
    const auto cell = [stops](int a, int b) { return static_cast<std::size_t>(a * stops + b); };
    for (std::size_t i = 0; i < demand.trips.size(); ++i) {
        within[cell(demand.trips[i].from, demand.trips[i].to)] = demand.weight[i];
    }
    for (int length = 2; length < stops; ++length) {
        for (int a = 0; a + length < stops; ++a) {
            const int b = a + length;
            within[cell(a, b)] += within[cell(a, b - 1)] + within[cell(a + 1, b)] -
                                  (length > 2 ? within[cell(a + 1, b - 1)] : 0);
        }
    }
    return within;
}

struct Totals {
    std::int64_t sold = 0;
    std::int64_t optimum = 0;
    std::int64_t seat_segments = 0;
    double worst = 1;  // least share of the optimum on any train
};

using Results = std::map<std::pair<double, std::size_t>, Totals>;  // by load and rule

void measure_train(const Demand& demand, int stops, int draws, Results& results,
                   std::mt19937_64& random) {
    const std::vector<double> fits = weight_within(demand, stops);
    for (const double load : kLoads) {
        for (int draw = 0; draw < draws; ++draw) {
            const auto requests = draw_requests(demand, stops - 1, load, random);
            const std::int64_t optimum = interval_optimum(requests, stops, kSeats);
            for (std::size_t rule = 0; rule < std::size(kRules); ++rule) {
                const auto sold = sell(kRules[rule], requests, fits, stops - 1, random);
                if (sold > optimum) std::abort();
                Totals& total = results[{load, rule}];
                total.sold += sold;
                total.optimum += optimum;
                total.seat_segments += std::int64_t{kSeats} * (stops - 1);
                total.worst =
                    std::min(total.worst, static_cast<double>(sold) / static_cast<double>(optimum));
            }
        }
    }
}

void print(const std::string& sample, const char* demand, const Results& results) {
    for (const auto& [key, total] : results) {
        const auto sold = static_cast<double>(total.sold);
        std::printf("%s,%s,%.2f,%s,%.4f,%.4f,%.4f,%.4f\n", sample.c_str(), demand, key.first,
                    kRules[key.second].name, sold / static_cast<double>(total.optimum), total.worst,
                    sold / static_cast<double>(total.seat_segments),
                    static_cast<double>(total.optimum) / static_cast<double>(total.seat_segments));
    }
}

// "dir/small_jinghu_stops.csv" is jinghu.
std::string sample_name(std::string file) {
    file.erase(0, file.find_last_of('/') + 1);
    if (file.starts_with("small_")) file.erase(0, 6);
    return file.substr(0, file.find("_stops"));
}

bool measure_sample(const std::string& name, int draws) {
    std::ifstream file(name);
    const Trains trains = read_stops(file);
    std::map<std::string, int> size;
    for (const auto& train : trains) {
        std::set<std::string> stations;
        for (const Call& call : train.second) stations.insert(call.station);
        for (const std::string& station : stations) ++size[station];
    }
    std::mt19937_64 random(1);
    Results gravity;
    Results uniform;
    for (const auto& [train, calls] : trains) {
        const int stops = static_cast<int>(calls.size());
        if (stops < 4) continue;  // with two segments there is little to choose
        measure_train(gravity_demand(calls, size), stops, draws, gravity, random);
        measure_train(uniform_demand(calls, size), stops, draws, uniform, random);
    }
    print(sample_name(name), "gravity", gravity);
    print(sample_name(name), "uniform", uniform);
    return !gravity.empty();
}

int run(int files, char** names) {
    if (!optimum_is_right()) {
        std::fprintf(stderr, "the flow and the search through all subsets differ\n");
        return 1;
    }
    std::printf("sample,demand,load,rule,of_optimum,of_optimum_worst_train,sold,optimum\n");
    const int draws = files > 1 ? std::atoi(names[1]) : 1;
    for (int i = 2; i < files; ++i) {
        if (!measure_sample(names[i], draws)) {
            std::fprintf(stderr, "no trains in %s\n", names[i]);
            return 1;
        }
    }
    return 0;
}

}  // namespace
}  // namespace ticketpool::bench

int main(int argc, char** argv) {
    return ticketpool::bench::run(argc, argv);
}
