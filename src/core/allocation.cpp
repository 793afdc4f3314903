#include "ticketpool/allocation.hpp"

#include <algorithm>

#include "ticketpool/kernels.hpp"

namespace ticketpool {

namespace {

constexpr int kMaxTries = 64;                   // plans made before kLookAgain
constexpr std::uint32_t kMaxRow = 64;           // seats of a row; more are no row but a stretch
constexpr std::uint32_t kMaxEqualCoaches = 64;  // equally good coaches whose letters are compared

// ---- own bits -------------------------------------------------------------------------------

// Walks the buyer's own bits along with seats in ascending order.
class OwnCursor {
  public:
    OwnCursor(const OwnFree* own, std::uint32_t count) noexcept : next_(own), end_(own + count) {}

    // The buyer's own bits of `seat`. Seats must be asked for in ascending order.
    SegmentMask bits(std::uint32_t seat) noexcept {
        while (next_ != end_ && next_->seat < seat) ++next_;
        return next_ != end_ && next_->seat == seat ? next_->bits : SegmentMask{};
    }

  private:
    const OwnFree* next_;
    const OwnFree* end_;
};

// `trip` on `seat`, split into what the buyer holds already and what the pool has to give.
SeatClaim split_claim(const SeatRequest& request, std::uint32_t seat) noexcept {
    const OwnFree* end = request.own + request.own_count;
    const OwnFree* at = std::lower_bound(
        request.own, end, seat, [](const OwnFree& o, std::uint32_t s) { return o.seat < s; });
    const SegmentMask own = at != end && at->seat == seat ? at->bits : SegmentMask{};
    return {seat, request.trip.and_not(own), request.trip & own};
}

// ---- positions ------------------------------------------------------------------------------

// A position in [0, seats) that differs from seed to seed and from try to try (splitmix64).
std::uint32_t spread(std::uint64_t seed, int attempt, std::uint32_t seats) noexcept {
    std::uint64_t x = seed + (static_cast<std::uint64_t>(attempt) + 1) * 0x9e3779b97f4a7c15U;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    x ^= x >> 31;
    return static_cast<std::uint32_t>(((x >> 32) * seats) >> 32);
}

// Distance from `start` on to `seat` in the cyclic order of seats.
std::uint32_t distance(std::uint32_t start, std::uint32_t seat, std::uint32_t seats) noexcept {
    return seat >= start ? seat - start : seat + (seats - start);
}

// ---- wishes ---------------------------------------------------------------------------------

bool honours(const SeatGeometry& seat, std::uint8_t wish) noexcept {
    if (wish == kWishWindow) return (seat.flags & kWindow) != 0;
    if (wish == kWishAisle) return (seat.flags & kAisle) != 0;
    return wish != kNoWish && seat.letter == wish;
}

constexpr int kLetters = 26;

bool is_letter(std::uint8_t c) noexcept {
    return c >= 'A' && c <= 'Z';
}

// The wishes of a party, counted.
struct Wants {
    std::uint32_t letter[kLetters] = {};
    std::uint32_t window = 0;
    std::uint32_t aisle = 0;
    std::uint32_t total = 0;
};

Wants wants_of(const SeatRequest& request) noexcept {
    Wants wants;
    for (std::uint32_t i = 0; i < request.choice.count && i < request.party; ++i) {
        const std::uint8_t wish = request.choice.items[i];
        if (wish == kWishWindow) {
            ++wants.window;
        } else if (wish == kWishAisle) {
            ++wants.aisle;
        } else if (is_letter(wish)) {
            ++wants.letter[wish - 'A'];
        } else {
            continue;
        }
        ++wants.total;
    }
    return wants;
}

// Seats counted by letter and by window and aisle.
struct Tally {
    std::uint32_t seats[kLetters + 1][4] = {};

    void add(const SeatGeometry& seat) noexcept { ++slot(seat); }
    void remove(const SeatGeometry& seat) noexcept { --slot(seat); }

  private:
    std::uint32_t& slot(const SeatGeometry& seat) noexcept {
        const int letter = is_letter(seat.letter) ? seat.letter - 'A' : kLetters;
        return seats[letter][seat.flags & (kWindow | kAisle)];
    }
};

// How many of the wishes the seats of the tally can honour at once. Letters first, each by the
// seats that windows and aisles miss least; then the rest for windows and aisles.
std::uint32_t honoured(const Wants& wants, const Tally& tally) noexcept {
    std::uint32_t count = 0;
    std::uint32_t left[4] = {};
    for (int letter = 0; letter <= kLetters; ++letter) {
        std::uint32_t need = letter < kLetters ? wants.letter[letter] : 0;
        for (int kind = 0; kind < 4; ++kind) {
            const std::uint32_t have = tally.seats[letter][kind];
            const std::uint32_t used = std::min(need, have);
            need -= used;
            count += used;
            left[kind] += have - used;
        }
    }
    const std::uint32_t window = std::min(wants.window, left[kWindow]);
    const std::uint32_t aisle = std::min(wants.aisle, left[kAisle]);
    const std::uint32_t unmet = (wants.window - window) + (wants.aisle - aisle);
    return count + window + aisle + std::min(unmet, left[kWindow | kAisle]);
}

// Passengers choose in this order: letters have the least choice, then windows and aisles take
// seats that are only that, and last seats that are both.
constexpr int kRounds = 3;

bool suits_round(const SeatGeometry& seat, std::uint8_t wish, int round) noexcept {
    if (!honours(seat, wish)) return false;
    const bool both = (seat.flags & (kWindow | kAisle)) == (kWindow | kAisle);
    return (round == 0) == is_letter(wish) && (round == 0 || both == (round == 2));
}

// Hands the claimed seats out: brings to out[i] a seat that honours passenger i's wish, as far as
// the seats allow.
void seat_passengers(const SeatGeometry* geometry, const SeatRequest& request,
                     SeatClaim* out) noexcept {
    const std::uint32_t wishes = std::min<std::uint32_t>(request.choice.count, request.party);
    std::uint32_t seated = 0;  // passengers who have their wish, one bit each (kMaxSeatChoices)
    for (int round = 0; round < kRounds; ++round) {
        for (std::uint32_t i = 0; i < wishes; ++i) {
            const std::uint8_t wish = request.choice.items[i];
            if ((seated >> i & 1U) != 0 || wish == kNoWish) continue;
            for (std::uint32_t j = 0; j < request.party; ++j) {
                if (j < kMaxSeatChoices && (seated >> j & 1U) != 0) continue;
                if (!suits_round(geometry[out[j].seat], wish, round)) continue;
                std::swap(out[i], out[j]);
                seated |= 1U << i;
                break;
            }
        }
    }
}

static_assert(kMaxSeatChoices <= 32);

// ---- one seat -------------------------------------------------------------------------------

// Best seat so far in a scan; a smaller rank wins, the first of equals stays.
struct BestSingle {
    std::uint32_t seat = kNoSeat;
    std::uint32_t rank = UINT32_MAX;
};

// The rank has the wish above the free run: a seat that honours it beats any that does not. True
// if it met a seat that cannot be bettered.
template <typename Bits>
bool scan_single(const SeatWords<Bits>& seats, int segments, const SeatGeometry* geometry,
                 const SeatRequest& request, std::uint32_t begin, std::uint32_t end,
                 BestSingle& best) noexcept {
    const bool best_fit = request.policy == Allocation::kBestFit;
    const std::uint8_t wish =
        geometry != nullptr && request.choice.count > 0 ? request.choice.items[0] : kNoWish;
    const auto exact = static_cast<std::uint32_t>(request.to - request.from);
    OwnCursor own(request.own, request.own_count);
    for (std::uint32_t seat = begin; seat < end; ++seat) {
        const SegmentMask taken = seats.load(seat).and_not(own.bits(seat));
        if ((taken & request.trip).any()) continue;
        std::uint32_t rank = exact;
        if (best_fit) {
            rank = static_cast<std::uint32_t>(free_run(taken, request.from, request.to, segments));
        }
        if (wish != kNoWish && !honours(geometry[seat], wish)) rank += 2 * kMaxSegments;
        if (rank < best.rank) best = {seat, rank};
        if (rank == exact) return true;
    }
    return false;
}

template <typename Bits>
std::uint32_t first_free(const SeatWords<Bits>& seats, const SegmentMask& trip, std::uint32_t begin,
                         std::uint32_t end) noexcept {
    for (std::uint32_t seat = begin; seat < end; ++seat) {
        if (seats.is_free(seat, trip)) return seat;
    }
    return kNoSeat;
}

std::uint32_t choose_single(const SeatMap& map, const SeatGeometry* geometry,
                            const SeatRequest& request, int attempt) noexcept {
    const std::uint32_t start =
        request.policy == Allocation::kFirstFit ? 0 : spread(request.seed, attempt, map.seats);
    if (request.own_count > 0 || request.choice.count > 0) {
        return with_words(map, [&](const auto& seats) noexcept {
            BestSingle best;
            if (!scan_single(seats, map.segments, geometry, request, start, map.seats, best)) {
                scan_single(seats, map.segments, geometry, request, 0, start, best);
            }
            return best.seat;
        });
    }
    if (request.policy == Allocation::kBestFit) {
        const TripScan scan{request.trip, request.from, request.to, map.segments};
        return kernels().best_fit[map.shape()](map.words, map.seats, scan, start);
    }
    return with_words(map, [&](const auto& seats) noexcept {
        const std::uint32_t seat = first_free(seats, request.trip, start, map.seats);
        return seat != kNoSeat ? seat : first_free(seats, request.trip, 0, start);
    });
}

// ---- a party --------------------------------------------------------------------------------

// The seats [begin, end) of one coach, and how many of them are free and not yet planned.
struct Coach {
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t free;
};

struct Plan {
    const SeatMap& map;
    const SeatGeometry* geometry;
    const SeatRequest& request;
    Wants wants;
    std::uint32_t start;    // where the cyclic order of seats begins
    std::uint32_t coaches;  // entries of coach
    std::uint32_t* chosen;  // planned seats, request.party entries
    Coach* coach;           // coaches with a free seat
    std::uint16_t* run;     // free run of each seat, 0 if the seat is not free

    bool best_fit() const noexcept { return request.policy == Allocation::kBestFit; }
};

// How good a group of seats is: smaller is better, compared from the first field on.
struct Rank {
    std::uint32_t span = UINT32_MAX;      // stretch of seat order
    std::uint32_t unhonoured = 0;         // wishes that stay open
    std::uint64_t runs = 0;               // sum of free runs, under best fit
    std::uint32_t distance = UINT32_MAX;  // from the start of the cyclic order

    bool better_than(const Rank& other) const noexcept {
        if (span != other.span) return span < other.span;
        if (unhonoured != other.unhonoured) return unhonoured < other.unhonoured;
        if (runs != other.runs) return runs < other.runs;
        return distance < other.distance;
    }
};

constexpr std::size_t align8(std::size_t bytes) noexcept {
    return (bytes + 7) & ~std::size_t{7};
}

// Fills run and coach; returns the number of free seats.
template <typename Bits>
std::uint32_t survey_words(Plan& plan, const SeatWords<Bits>& seats) noexcept {
    const SeatMap& map = plan.map;
    const SeatRequest& request = plan.request;
    OwnCursor own(request.own, request.own_count);
    std::uint32_t free = 0;
    plan.coaches = 0;
    Coach coach{0, 0, 0};
    for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
        const SegmentMask taken = seats.load(seat).and_not(own.bits(seat));
        const bool is_free = (taken & request.trip).none();
        plan.run[seat] = is_free ? static_cast<std::uint16_t>(
                                       free_run(taken, request.from, request.to, map.segments))
                                 : std::uint16_t{0};
        coach.free += is_free ? 1U : 0U;
        const bool last =
            seat + 1 == map.seats || (plan.geometry != nullptr &&
                                      plan.geometry[seat + 1].coach != plan.geometry[seat].coach);
        if (last) {
            coach.end = seat + 1;
            if (coach.free > 0) plan.coach[plan.coaches++] = coach;
            free += coach.free;
            coach = {seat + 1, 0, 0};
        }
    }
    return free;
}

std::uint32_t survey(Plan& plan) noexcept {
    return with_words(plan.map,
                      [&](const auto& seats) noexcept { return survey_words(plan, seats); });
}

// The free seats of one row, which begins at seat `begin`, and which of them are picked.
struct Row {
    std::uint32_t begin = 0;
    std::uint32_t seat[kMaxRow];  // the first `free` entries count; setting all to 0 costs time
    std::uint32_t free = 0;
    std::uint64_t picked = 0;
    std::uint32_t picks = 0;
};

// Picks one more seat among those `suits` accepts: the one with the shortest run under best fit,
// else the first. False if there is none.
template <typename Suits>
bool pick_in_row(const Plan& plan, Row& row, Suits suits) noexcept {
    std::uint32_t at = kMaxRow;
    for (std::uint32_t i = 0; i < row.free; ++i) {
        if ((row.picked >> i & 1U) != 0 || !suits(row.seat[i])) continue;
        if (at == kMaxRow || (plan.best_fit() && plan.run[row.seat[i]] < plan.run[row.seat[at]])) {
            at = i;
        }
    }
    if (at == kMaxRow) return false;
    row.picked |= std::uint64_t{1} << at;
    ++row.picks;
    return true;
}

// Picks the party's seats in a row that has room for it: wishes first, then the policy.
Rank pick_row(const Plan& plan, Row& row) noexcept {
    const SeatRequest& request = plan.request;
    std::uint32_t wished = 0;  // passengers whose wish is honoured, one bit each
    if (plan.wants.total > 0) {
        const std::uint32_t wishes = std::min<std::uint32_t>(request.choice.count, request.party);
        for (int round = 0; round < kRounds; ++round) {
            for (std::uint32_t i = 0; i < wishes; ++i) {
                if ((wished >> i & 1U) != 0) continue;
                const std::uint8_t wish = request.choice.items[i];
                const bool found = pick_in_row(plan, row, [&](std::uint32_t seat) noexcept {
                    return suits_round(plan.geometry[seat], wish, round);
                });
                if (found) wished |= 1U << i;
            }
        }
    }
    Rank rank;
    rank.span = 0;
    rank.unhonoured = plan.wants.total - row.picks;
    while (row.picks < request.party) {
        pick_in_row(plan, row, [](std::uint32_t) noexcept { return true; });
    }
    for (std::uint32_t i = 0; i < row.free && plan.best_fit(); ++i) {
        if ((row.picked >> i & 1U) != 0) rank.runs += plan.run[row.seat[i]];
    }
    rank.distance = distance(plan.start, row.begin, plan.map.seats);
    return rank;
}

// The whole party in one row. False if no row has room.
bool plan_row(Plan& plan) noexcept {
    const SeatGeometry* geometry = plan.geometry;
    const std::uint32_t seats = plan.map.seats;
    if (geometry == nullptr || plan.request.party > kMaxRow) return false;
    Rank best;
    std::uint32_t end = 0;
    for (std::uint32_t begin = 0; begin < seats; begin = end) {
        Row row;
        row.begin = begin;
        for (end = begin; end < seats && geometry[end].coach == geometry[begin].coach &&
                          geometry[end].row == geometry[begin].row;
             ++end) {
            if (plan.run[end] != 0 && row.free < kMaxRow) row.seat[row.free++] = end;
        }
        if (end - begin > kMaxRow || row.free < plan.request.party) continue;
        const Rank rank = pick_row(plan, row);
        if (!rank.better_than(best)) continue;
        best = rank;
        std::uint32_t n = 0;
        for (std::uint32_t i = 0; i < row.free; ++i) {
            if ((row.picked >> i & 1U) != 0) plan.chosen[n++] = row.seat[i];
        }
    }
    return best.span == 0;
}

// `size` free seats that follow each other in one coach, from seat `first` on.
struct Stretch {
    Rank rank;
    std::uint32_t coach = UINT32_MAX;
    std::uint32_t first = 0;
};

// Slides a window of `size` free seats along one coach and keeps the best. `tally` holds the seats
// planned elsewhere, and is left as it was found.
void slide_over_coach(const Plan& plan, std::uint32_t index, std::uint32_t size, Tally& tally,
                      Stretch& best) noexcept {
    const Coach& coach = plan.coach[index];
    const bool wishes = plan.wants.total > 0;
    std::uint32_t first = coach.begin;
    std::uint32_t inside = 0;
    std::uint64_t runs = 0;
    for (std::uint32_t last = coach.begin; last < coach.end; ++last) {
        if (plan.run[last] == 0) continue;
        if (inside == 0) first = last;
        runs += plan.run[last];
        if (wishes) tally.add(plan.geometry[last]);
        if (++inside < size) continue;
        Rank rank;
        rank.span = last - first;
        rank.runs = plan.best_fit() ? runs : 0;
        rank.distance = distance(plan.start, first, plan.map.seats);
        if (rank.span <= best.rank.span) {
            if (wishes) rank.unhonoured = plan.wants.total - honoured(plan.wants, tally);
            if (rank.better_than(best.rank)) best = {rank, index, first};
        }
        runs -= plan.run[first];
        if (wishes) tally.remove(plan.geometry[first]);
        --inside;
        ++first;
        while (first < last && plan.run[first] == 0) ++first;
    }
    for (; wishes && inside > 0; ++first) {
        if (plan.run[first] == 0) continue;
        tally.remove(plan.geometry[first]);
        --inside;
    }
}

// The tightest stretch of `size` free seats in any one coach.
Stretch find_stretch(const Plan& plan, std::uint32_t size, Tally& tally) noexcept {
    Stretch best;
    for (std::uint32_t i = 0; i < plan.coaches; ++i) {
        if (plan.coach[i].free >= size) slide_over_coach(plan, i, size, tally, best);
    }
    return best;
}

void take_stretch(Plan& plan, std::uint32_t first, std::uint32_t size, std::uint32_t& planned,
                  Tally& tally) noexcept {
    for (std::uint32_t seat = first; size > 0; ++seat) {
        if (plan.run[seat] == 0) continue;
        plan.chosen[planned++] = seat;
        if (plan.wants.total > 0) tally.add(plan.geometry[seat]);
        --size;
    }
}

// Of the coaches from `at` on that have as many free seats as coach `at`, the one that honours most
// wishes next to what is planned already.
std::uint32_t most_honoured_coach(const Plan& plan, std::uint32_t at, const Tally& tally) noexcept {
    std::uint32_t best = at;
    std::uint32_t best_honoured = honoured(plan.wants, tally);
    if (best_honoured == plan.wants.total) return at;
    const std::uint32_t end = std::min(plan.coaches, at + kMaxEqualCoaches);
    for (std::uint32_t i = at; i < end && plan.coach[i].free == plan.coach[at].free; ++i) {
        Tally with = tally;
        for (std::uint32_t seat = plan.coach[i].begin; seat < plan.coach[i].end; ++seat) {
            if (plan.run[seat] != 0) with.add(plan.geometry[seat]);
        }
        const std::uint32_t count = honoured(plan.wants, with);
        if (count > best_honoured) {
            best = i;
            best_honoured = count;
        }
    }
    return best;
}

// In few coaches: whole coaches, the emptiest first, until one coach holds the rest.
void plan_anywhere(Plan& plan, Tally& tally) noexcept {
    const std::uint32_t seats = plan.map.seats;
    std::sort(plan.coach, plan.coach + plan.coaches, [&](const Coach& a, const Coach& b) noexcept {
        if (a.free != b.free) return a.free > b.free;
        return distance(plan.start, a.begin, seats) < distance(plan.start, b.begin, seats);
    });
    std::uint32_t planned = 0;
    for (std::uint32_t at = 0; at < plan.coaches && planned < plan.request.party; ++at) {
        const std::uint32_t need = plan.request.party - planned;
        if (plan.coach[at].free >= need) {
            const Stretch rest = find_stretch(plan, need, tally);
            take_stretch(plan, rest.first, need, planned, tally);
            break;
        }
        if (plan.wants.total > 0) {
            std::swap(plan.coach[at], plan.coach[most_honoured_coach(plan, at, tally)]);
        }
        take_stretch(plan, plan.coach[at].begin, plan.coach[at].free, planned, tally);
        plan.coach[at].free = 0;
    }
    std::sort(plan.chosen, plan.chosen + planned);
}

// Chooses the party's seats in ascending order; false if too few are free.
bool plan_party(Plan& plan) noexcept {
    const std::uint32_t party = plan.request.party;
    if (survey(plan) < party) return false;
    if (plan_row(plan)) return true;
    Tally tally;
    const Stretch stretch = find_stretch(plan, party, tally);
    if (stretch.coach == UINT32_MAX) {
        plan_anywhere(plan, tally);
    } else {
        std::uint32_t planned = 0;
        take_stretch(plan, stretch.first, party, planned, tally);
    }
    return true;
}

// Chooses the seats that the policy gives to one passenger after the other, in ascending order;
// false if too few are free.
bool plan_apart(Plan& plan) noexcept {
    const std::uint32_t party = plan.request.party;
    if (survey(plan) < party) return false;
    std::uint32_t with_run[kMaxSegments + 1] = {};  // free seats with a free run of this length
    for (std::uint32_t seat = 0; plan.best_fit() && seat < plan.map.seats; ++seat) {
        ++with_run[plan.run[seat]];
    }
    // All seats whose run is shorter than `longest` are chosen, and `rest` of those with it.
    int longest = kMaxSegments + 1;
    std::uint32_t rest = party;
    if (plan.best_fit()) {
        for (longest = 1; with_run[longest] < rest; ++longest) rest -= with_run[longest];
    }
    std::uint32_t planned = 0;
    for (std::uint32_t i = 0; i < plan.map.seats; ++i) {
        const std::uint32_t past_start = plan.start + i;
        const std::uint32_t seat =
            past_start < plan.map.seats ? past_start : past_start - plan.map.seats;
        if (plan.run[seat] == 0 || plan.run[seat] > longest) continue;
        if (!plan.best_fit() || plan.run[seat] == longest) {
            if (rest == 0) continue;
            --rest;
        }
        plan.chosen[planned++] = seat;
    }
    std::sort(plan.chosen, plan.chosen + planned);
    return true;
}

// ---- choose and claim -----------------------------------------------------------------------

// Fills `out`, sorted by seat, with what it would claim; false if too few seats are free, by loads
// that suit a careful look.
bool choose(const SeatMap& map, const SeatGeometry* geometry, const SeatRequest& request,
            int attempt, void* scratch, SeatClaim* out) noexcept {
    if (request.party == 1) {
        const std::uint32_t seat = choose_single(map, geometry, request, attempt);
        if (seat == kNoSeat) return false;
        out[0] = split_claim(request, seat);
        return true;
    }
    auto* at = static_cast<unsigned char*>(scratch);
    auto* chosen = reinterpret_cast<std::uint32_t*>(at);
    at += align8(std::size_t{request.party} * sizeof(std::uint32_t));
    auto* coach = reinterpret_cast<Coach*>(at);
    at += align8(std::size_t{map.seats} * sizeof(Coach));
    auto* run = reinterpret_cast<std::uint16_t*>(at);
    const std::uint32_t start =
        request.policy == Allocation::kFirstFit ? 0 : spread(request.seed, attempt, map.seats);
    Plan plan{map,   geometry, request, geometry != nullptr ? wants_of(request) : Wants{},
              start, 0,        chosen,  coach,
              run};
    if (!(request.apart ? plan_apart(plan) : plan_party(plan))) return false;
    for (std::uint32_t i = 0; i < request.party; ++i) out[i] = split_claim(request, chosen[i]);
    return true;
}

bool is_malformed(const SeatMap& map, const SeatRequest& request) noexcept {
    return request.party == 0 || request.from < 0 || request.from >= request.to ||
           request.to > map.segments || request.choice.count > kMaxSeatChoices;
}

}  // namespace

std::size_t scratch_bytes(std::uint32_t seats, std::uint32_t party, int) noexcept {
    if (party <= 1 || party > seats) return 0;
    return align8(std::size_t{party} * sizeof(std::uint32_t)) +
           align8(std::size_t{seats} * sizeof(Coach)) +
           align8(std::size_t{seats} * sizeof(std::uint16_t));
}

Status claim_seats(SeatMap& map, const SeatGeometry* geometry, const SeatRequest& request,
                   void* scratch, SeatClaim* out, std::uint32_t* lost_races) noexcept {
    if (is_malformed(map, request)) return Status::kMalformed;
    if (request.party > map.seats) return Status::kSoldOut;
    for (int attempt = 0; attempt < kMaxTries; ++attempt) {
        // The scan that chooses is the scan of the careful look: whoever hears "sold out", most of
        // all callers on a busy day, pays for one scan and not for a second one to make sure.
        const Status look = look_carefully(*map.control, [&]() noexcept {
            return choose(map, geometry, request, attempt, scratch, out);
        });
        if (look != Status::kOk) return look;
        if (try_claim_all(map, out, request.party)) {
            if (geometry != nullptr) seat_passengers(geometry, request, out);
            return Status::kOk;
        }
        if (lost_races != nullptr) ++*lost_races;
    }
    return Status::kLookAgain;
}

std::uint32_t count_free_with_own(const SeatMap& map, const SegmentMask& trip, const OwnFree* own,
                                  std::uint32_t own_count) noexcept {
    return with_words(map, [&](const auto& seats) noexcept {
        std::uint32_t free = 0;
        OwnCursor cursor(own, own_count);
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            free += seats.is_free(seat, trip.and_not(cursor.bits(seat))) ? 1U : 0U;
        }
        return free;
    });
}

}  // namespace ticketpool
