// Chooses seats for a party: in one row, else in one coach, else in few coaches; see claim_seats().
// In a coach, wishes for properties and very seats go before neighbouring seats. Letters, windows
// and aisles come after them, unless no seat is in a row: then nobody knows which seats are
// neighbours.
#include "party.hpp"

#include <algorithm>
#include <utility>

#include "choice.hpp"

namespace ticketpool {

namespace {

constexpr std::uint32_t kMaxRow = 64;           // seats of a row; a longer one counts as a stretch
constexpr std::uint32_t kMaxEqualCoaches = 64;  // equally good coaches whose letters are compared

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
    std::uint32_t unhonoured = 0;         // wishes not honoured
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

// Picks the seats of a row that honour wishes, as many as possible.
void pick_wished(const Plan& plan, const LetterWishes&, Row& row) noexcept {
    const SeatRequest& request = plan.request;
    std::uint32_t wished = 0;  // passengers whose wish is honoured, one bit each
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

void pick_wished(const Plan& plan, const SameWish& wish, Row& row) noexcept {
    while (
        row.picks < plan.request.party &&
        pick_in_row(plan, row, [&](std::uint32_t seat) noexcept { return wish.honours(seat); })) {
    }
}

void pick_wished(const Plan& plan, const AnyWishes& wishes, Row& row) noexcept {
    Matching matching;
    std::uint64_t looked_at = 0;
    for (std::uint32_t n = 0; n < row.free; ++n) {
        std::uint32_t next = kMaxRow;
        for (std::uint32_t i = 0; i < row.free; ++i) {
            if ((looked_at >> i & 1U) != 0) continue;
            if (next == kMaxRow ||
                (plan.best_fit() && plan.run[row.seat[i]] < plan.run[row.seat[next]])) {
                next = i;
            }
        }
        looked_at |= std::uint64_t{1} << next;
        if (matching.add(next,
                         [&](std::uint32_t i) noexcept { return wishes.suits(row.seat[i]); })) {
            row.picked |= std::uint64_t{1} << next;
            ++row.picks;
        }
    }
}

// Picks the party's seats in a row that has room for it: wishes first, then the policy.
template <typename Wishes>
Rank pick_row(const Plan& plan, const Wishes& wishes, Row& row) noexcept {
    const SeatRequest& request = plan.request;
    if (wishes.total() > 0) pick_wished(plan, wishes, row);
    Rank rank;
    rank.span = 0;
    rank.unhonoured = wishes.total() - row.picks;
    while (row.picks < request.party) {
        pick_in_row(plan, row, [](std::uint32_t) noexcept { return true; });
    }
    for (std::uint32_t i = 0; i < row.free && plan.best_fit(); ++i) {
        if ((row.picked >> i & 1U) != 0) rank.runs += plan.run[row.seat[i]];
    }
    rank.distance = distance(plan.start, row.begin, plan.map.seats);
    return rank;
}

// The whole party in one row. False if no row has room. Seats of row 0 are in no row.
template <typename Wishes>
bool plan_row(Plan& plan, const Wishes& wishes) noexcept {
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
        if (geometry[begin].row == 0) continue;  // in no group
        const Rank rank = pick_row(plan, wishes, row);
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
template <typename Wishes>
void slide_over_coach(const Plan& plan, const Wishes& wishes, std::uint32_t index,
                      std::uint32_t size, typename Wishes::Tally& tally, Stretch& best) noexcept {
    const Coach& coach = plan.coach[index];
    const bool any = wishes.total() > 0;
    std::uint32_t first = coach.begin;
    std::uint32_t inside = 0;
    std::uint64_t runs = 0;
    for (std::uint32_t last = coach.begin; last < coach.end; ++last) {
        if (plan.run[last] == 0) continue;
        if (inside == 0) first = last;
        runs += plan.run[last];
        if (any) wishes.add(tally, last);
        if (++inside < size) continue;
        Rank rank;
        rank.span = last - first;
        rank.runs = plan.best_fit() ? runs : 0;
        rank.distance = distance(plan.start, first, plan.map.seats);
        if (rank.span <= best.rank.span) {
            if (any) rank.unhonoured = wishes.total() - wishes.honoured(tally);
            if (rank.better_than(best.rank)) best = {rank, index, first};
        }
        runs -= plan.run[first];
        if (any) wishes.remove(tally, first);
        --inside;
        ++first;
        while (first < last && plan.run[first] == 0) ++first;
    }
    for (; any && inside > 0; ++first) {
        if (plan.run[first] == 0) continue;
        wishes.remove(tally, first);
        --inside;
    }
}

// The tightest stretch of `size` free seats in any one coach.
template <typename Wishes>
Stretch find_stretch(const Plan& plan, const Wishes& wishes, std::uint32_t size,
                     typename Wishes::Tally& tally) noexcept {
    Stretch best;
    for (std::uint32_t i = 0; i < plan.coaches; ++i) {
        if (plan.coach[i].free >= size) slide_over_coach(plan, wishes, i, size, tally, best);
    }
    return best;
}

// Is any seat in a row?
bool has_rows(const Plan& plan) noexcept {
    const SeatGeometry* geometry = plan.geometry;
    return geometry != nullptr &&
           std::any_of(geometry, geometry + plan.map.seats,
                       [](const SeatGeometry& seat) noexcept { return seat.row != 0; });
}

// Free seats of one coach, from `first` to `last`, that honour as many wishes as the whole coach
// can.
struct WishedStretch {
    Rank rank;
    std::uint32_t first = 0;
    std::uint32_t last = 0;

    // Here wishes go before the span: the party is in one coach in any case.
    bool worse_than(const Rank& other) const noexcept {
        if (other.unhonoured != rank.unhonoured) return other.unhonoured < rank.unhonoured;
        return other.better_than(rank);
    }
};

// Keeps the shortest such stretch of a coach, with at least as many free seats as the party needs.
template <typename Wishes>
void look_for_wishes(const Plan& plan, const Wishes& wishes, const Coach& coach,
                     WishedStretch& best) noexcept {
    typename Wishes::Tally all;
    for (std::uint32_t seat = coach.begin; seat < coach.end; ++seat) {
        if (plan.run[seat] != 0) wishes.add(all, seat);
    }
    const std::uint32_t most = wishes.honoured(all);
    Rank rank;
    rank.unhonoured = wishes.total() - most;
    if (most == 0 || rank.unhonoured > best.rank.unhonoured) return;
    typename Wishes::Tally tally;
    std::uint32_t first = coach.begin;
    std::uint32_t inside = 0;
    std::uint64_t runs = 0;
    for (std::uint32_t last = coach.begin; last < coach.end; ++last) {
        if (plan.run[last] == 0) continue;
        wishes.add(tally, last);
        runs += plan.run[last];
        ++inside;
        if (inside < plan.request.party || wishes.honoured(tally) < most) continue;
        while (true) {  // as long as the first seat is not needed
            while (plan.run[first] == 0) ++first;
            if (inside == plan.request.party) break;
            wishes.remove(tally, first);
            if (wishes.honoured(tally) < most) {
                wishes.add(tally, first);
                break;
            }
            runs -= plan.run[first];
            --inside;
            ++first;
        }
        rank.span = last - first;
        rank.runs = plan.best_fit() ? runs : 0;
        rank.distance = distance(plan.start, first, plan.map.seats);
        if (best.worse_than(rank)) best = {rank, first, last};
    }
}

// Plans the seats of a stretch that honour wishes; how many, in ascending order.
std::uint32_t take_wished(Plan& plan, const SameWish& wish, const WishedStretch& in) noexcept {
    std::uint32_t planned = 0;
    for (std::uint32_t seat = in.first; seat <= in.last && planned < plan.request.party; ++seat) {
        if (plan.run[seat] != 0 && wish.honours(seat)) plan.chosen[planned++] = seat;
    }
    return planned;
}

template <typename Wishes>
std::uint32_t take_wished(Plan& plan, const Wishes& wishes, const WishedStretch& in) noexcept {
    Matching matching;
    std::uint32_t planned = 0;
    for (std::uint32_t seat = in.first; seat <= in.last && planned < plan.request.party; ++seat) {
        if (plan.run[seat] == 0) continue;
        if (matching.add(seat, [&](std::uint32_t at) noexcept { return wishes.suits(at); })) {
            plan.chosen[planned++] = seat;
        }
    }
    return planned;
}

// The whole party in one coach, in seats that honour as many wishes as any coach with room can.
// False if no coach has room, or none can honour a wish.
template <typename Wishes>
bool plan_wishes(Plan& plan, const Wishes& wishes) noexcept {
    const std::uint32_t party = plan.request.party;
    WishedStretch best;
    best.rank.unhonoured = UINT32_MAX;
    for (std::uint32_t i = 0; i < plan.coaches; ++i) {
        if (plan.coach[i].free >= party) look_for_wishes(plan, wishes, plan.coach[i], best);
    }
    if (best.rank.unhonoured == UINT32_MAX) return false;
    const std::uint32_t wished = take_wished(plan, wishes, best);
    std::uint32_t planned = wished;
    std::uint32_t next = 0;  // of the wished ones, which are in ascending order
    for (std::uint32_t seat = best.first; planned < party; ++seat) {
        if (plan.run[seat] == 0) continue;
        if (next < wished && plan.chosen[next] == seat) {
            ++next;
        } else {
            plan.chosen[planned++] = seat;
        }
    }
    std::sort(plan.chosen, plan.chosen + planned);
    return true;
}

template <typename Wishes>
void take_stretch(Plan& plan, const Wishes& wishes, std::uint32_t first, std::uint32_t size,
                  std::uint32_t& planned, typename Wishes::Tally& tally) noexcept {
    for (std::uint32_t seat = first; size > 0; ++seat) {
        if (plan.run[seat] == 0) continue;
        plan.chosen[planned++] = seat;
        if (wishes.total() > 0) wishes.add(tally, seat);
        --size;
    }
}

// Of the coaches from `at` on that have as many free seats as coach `at`, the one that honours most
// wishes together with what is planned already.
template <typename Wishes>
std::uint32_t most_honoured_coach(const Plan& plan, const Wishes& wishes, std::uint32_t at,
                                  const typename Wishes::Tally& tally) noexcept {
    std::uint32_t best = at;
    std::uint32_t best_honoured = wishes.honoured(tally);
    if (best_honoured == wishes.total()) return at;
    const std::uint32_t end = std::min(plan.coaches, at + kMaxEqualCoaches);
    for (std::uint32_t i = at; i < end && plan.coach[i].free == plan.coach[at].free; ++i) {
        typename Wishes::Tally with = tally;
        for (std::uint32_t seat = plan.coach[i].begin; seat < plan.coach[i].end; ++seat) {
            if (plan.run[seat] != 0) wishes.add(with, seat);
        }
        const std::uint32_t count = wishes.honoured(with);
        if (count > best_honoured) {
            best = i;
            best_honoured = count;
        }
    }
    return best;
}

// In few coaches: whole coaches, the emptiest first, until one coach holds the rest.
template <typename Wishes>
void plan_anywhere(Plan& plan, const Wishes& wishes, typename Wishes::Tally& tally) noexcept {
    const std::uint32_t seats = plan.map.seats;
    std::sort(plan.coach, plan.coach + plan.coaches, [&](const Coach& a, const Coach& b) noexcept {
        if (a.free != b.free) return a.free > b.free;
        return distance(plan.start, a.begin, seats) < distance(plan.start, b.begin, seats);
    });
    std::uint32_t planned = 0;
    for (std::uint32_t at = 0; at < plan.coaches && planned < plan.request.party; ++at) {
        const std::uint32_t need = plan.request.party - planned;
        if (plan.coach[at].free >= need) {
            const Stretch rest = find_stretch(plan, wishes, need, tally);
            take_stretch(plan, wishes, rest.first, need, planned, tally);
            break;
        }
        if (wishes.total() > 0) {
            std::swap(plan.coach[at], plan.coach[most_honoured_coach(plan, wishes, at, tally)]);
        }
        take_stretch(plan, wishes, plan.coach[at].begin, plan.coach[at].free, planned, tally);
        plan.coach[at].free = 0;
    }
    std::sort(plan.chosen, plan.chosen + planned);
}

// Chooses the party's seats in ascending order; false if too few are free.
template <typename Wishes>
bool plan_party(Plan& plan, const Wishes& wishes) noexcept {
    const std::uint32_t party = plan.request.party;
    if (survey(plan) < party) return false;
    if (plan_row(plan, wishes)) return true;
    const bool wishes_first = !Wishes::kOfLetters || !has_rows(plan);
    if (wishes.total() > 0 && wishes_first && plan_wishes(plan, wishes)) return true;
    typename Wishes::Tally tally;
    const Stretch stretch = find_stretch(plan, wishes, party, tally);
    if (stretch.coach == UINT32_MAX) {
        plan_anywhere(plan, wishes, tally);
    } else {
        std::uint32_t planned = 0;
        take_stretch(plan, wishes, stretch.first, party, planned, tally);
    }
    return true;
}

bool plan_together(Plan& plan) noexcept {
    const SeatRequest& request = plan.request;
    switch (kind_of_wishes(plan.geometry, request)) {
        case WishKind::kSame:
            return plan_party(plan, SameWish(plan.geometry, request));
        case WishKind::kAny:
            return plan_party(plan, AnyWishes(plan.geometry, request));
        default:
            return plan_party(plan, LetterWishes(plan.geometry, request));
    }
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
    // All seats whose run is shorter than `longest` are chosen, and `rest` of those whose run is
    // `longest`.
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

}  // namespace

std::size_t party_scratch_bytes(std::uint32_t seats, std::uint32_t party) noexcept {
    return align8(std::size_t{party} * sizeof(std::uint32_t)) +
           align8(std::size_t{seats} * sizeof(Coach)) +
           align8(std::size_t{seats} * sizeof(std::uint16_t));
}

const std::uint32_t* choose_party(const SeatMap& map, const SeatGeometry* geometry,
                                  const SeatRequest& request, std::uint32_t start,
                                  void* scratch) noexcept {
    auto* at = static_cast<unsigned char*>(scratch);
    auto* chosen = reinterpret_cast<std::uint32_t*>(at);
    at += align8(std::size_t{request.party} * sizeof(std::uint32_t));
    auto* coach = reinterpret_cast<Coach*>(at);
    at += align8(std::size_t{map.seats} * sizeof(Coach));
    auto* run = reinterpret_cast<std::uint16_t*>(at);
    Plan plan{map, geometry, request, start, 0, chosen, coach, run};
    return (request.apart ? plan_apart(plan) : plan_together(plan)) ? chosen : nullptr;
}

}  // namespace ticketpool
