// What the unit tests share: a class of seats in plain memory, and a naive model to compare with.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "ticketpool/allocation.hpp"
#include "ticketpool/kernels.hpp"
#include "ticketpool/seat_map.hpp"

namespace ticketpool {

// Every test runs the kernels that a server on this machine would use.
inline const bool kernels_chosen = (kernels_init(), true);

inline SegmentMask all_segments(int segments) {
    return trip_mask(0, segments);
}

inline SegmentMask random_mask(std::mt19937_64& random, int segments, int percent) {
    SegmentMask mask;
    for (int i = 0; i < segments; ++i) {
        if (static_cast<int>(random() % 100) < percent) mask.set(i);
    }
    return mask;
}

struct alignas(kLineBytes) Line {
    char bytes[kLineBytes];
};

// Exactly as long as requested, so that the address sanitizer notices reads past the end.
struct AlignedDelete {
    void operator()(char* bytes) const { ::operator delete[](bytes, std::align_val_t{kLineBytes}); }
};
using AlignedBytes = std::unique_ptr<char[], AlignedDelete>;

// Sets the words of a seat to `taken` while nobody else uses it.
inline void set_seat(SeatMap& map, std::uint32_t seat, const SegmentMask& taken) {
    release(map, seat, all_segments(map.segments));
    take_free(map, seat, taken);
}

// One class of one departure. The geometry, unless a test sets its own, is coaches of `rows` rows
// with the letters given; first and last letter at a window, the others at an aisle.
class Train {
  public:
    Train(std::uint32_t seats, int segments, int rows = 4, const std::string& letters = "ABCDF")
        // A class may begin in the middle of a line, and nothing behind what a scan may read is
        // ours.
        : begin_(segments % 2 == 0 ? 0 : kVectorBytes),
          words_(
              new (std::align_val_t{kLineBytes}) char[begin_ + seat_map_bytes(seats, segments)]) {
        // What follows the last seat, as a scan might misread it: a free seat, or runs of one and
        // two segments.
        std::memset(words_.get(), seats % 2 == 0 ? 0 : 0x5A,
                    begin_ + seat_map_bytes(seats, segments));
        map = seat_map_at(words_.get() + begin_, &control, seats, segments);
        init_seats(map, SegmentMask{});
        const auto width = static_cast<std::uint32_t>(letters.size());
        const std::uint32_t coach = width * static_cast<std::uint32_t>(rows);
        for (std::uint32_t seat = 0; seat < seats; ++seat) {
            const std::uint32_t place = seat % width;
            const bool window = place == 0 || place == width - 1;
            geometry.push_back({static_cast<std::uint16_t>(seat / coach),
                                static_cast<std::uint16_t>(seat % coach / width + 1),
                                static_cast<std::uint8_t>(letters[place]),
                                window ? kWindow : kAisle, 0});
        }
    }

    void take(std::uint32_t seat) { take(seat, all_segments(map.segments)); }
    void take(std::uint32_t seat, const SegmentMask& bits) { take_free(map, seat, bits); }
    void take_all() {
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) take(seat);
    }
    void take_all_but(const std::vector<std::uint32_t>& kept) {
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            bool keep = false;
            for (const std::uint32_t k : kept) keep = keep || k == seat;
            if (!keep) take(seat);
        }
    }
    void fill(std::mt19937_64& random, int percent) {
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            take(seat, random_mask(random, map.segments, percent));
        }
    }

    SeatRequest request(int from, int to, std::uint32_t party = 1,
                        Allocation policy = Allocation::kBestFit) const {
        SeatRequest wanted;
        wanted.trip = trip_mask(from, to);
        wanted.from = from;
        wanted.to = to;
        wanted.party = party;
        wanted.policy = policy;
        return wanted;
    }

    // Claims, and leaves the result in `claims` and `lost_races`.
    Status claim(const SeatRequest& wanted) {
        claims.assign(wanted.party, SeatClaim{});
        std::vector<std::uint64_t> scratch(
            scratch_bytes(map.seats, wanted.party, map.words_per_seat) / 8);
        return claim_seats(map, geometry.data(), wanted, scratch.data(), claims.data(),
                           &lost_races);
    }

    SeatMap map{};
    ClassControl control{};
    std::vector<SeatGeometry> geometry;
    std::vector<SeatClaim> claims;
    std::uint32_t lost_races = 0;

  private:
    std::size_t begin_;
    AlignedBytes words_;
};

inline SeatChoice choice_of(const char* text, std::uint32_t passengers) {
    SeatChoice choice;
    ChoiceWords words;
    parse_seat_choice(text, std::strlen(text), passengers, ChoiceVocabulary{}, &choice, &words);
    return choice;
}

// A class's words for tests: the properties 'quiet', 'lower', 'x' and, if asked for, 'window';
// coach 01 has the seats 1A to 9A, numbered from 0, and coach a/b has the seat 7, number 20.
inline ChoiceVocabulary test_vocabulary(const char* letters = nullptr, bool has_window = false) {
    const auto has_property = [](const void* context, WordText word) noexcept {
        const std::string_view text(word.data, word.length);
        return text == "quiet" || text == "lower" || text == "x" ||
               (context != nullptr && text == "window");
    };
    const auto find_seat = [](const void*, WordText coach, WordText label) noexcept {
        const std::string_view name(coach.data, coach.length);
        const std::string_view seat(label.data, label.length);
        if (name == "a/b" && seat == "7") return std::int64_t{20};
        const bool is_seat =
            name == "01" && seat.size() == 2 && seat[0] >= '1' && seat[0] <= '9' && seat[1] == 'A';
        return is_seat ? std::int64_t{seat[0] - '1'} : std::int64_t{-1};
    };
    static const bool window = true;
    return {letters, has_window ? &window : nullptr, has_property, find_seat};
}

// The same class as a table of booleans, written to be obviously right.
struct NaiveTrain {
    explicit NaiveTrain(const SeatMap& map)
        : segments(map.segments), taken(map.seats, std::vector<bool>(map.segments)) {
        for (std::uint32_t seat = 0; seat < map.seats; ++seat) {
            const SegmentMask mask = load_seat(map, seat);
            for (int i = 0; i < segments; ++i) taken[seat][i] = mask.test(i);
        }
    }

    bool is_free(std::uint32_t seat, int from, int to) const {
        for (int i = from; i < to; ++i) {
            if (taken[seat][i]) return false;
        }
        return true;
    }
    std::uint32_t count(int from, int to) const {
        std::uint32_t free = 0;
        for (std::uint32_t seat = 0; seat < taken.size(); ++seat) free += is_free(seat, from, to);
        return free;
    }
    int run(std::uint32_t seat, int from, int to) const {
        while (from > 0 && !taken[seat][from - 1]) --from;
        while (to < segments && !taken[seat][to]) ++to;
        return to - from;
    }

    int segments;
    std::vector<std::vector<bool>> taken;
};

}  // namespace ticketpool
