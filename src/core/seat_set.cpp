// Claims a set of named seats of several classes as one attempt: see seat_set.hpp.
#include "ticketpool/seat_set.hpp"

#include <algorithm>

namespace ticketpool {

namespace {

bool is_several_words(const SetPiece* pieces, std::uint32_t count) noexcept {
    int words = 0;
    for (std::uint32_t i = 0; i < count && words < 2; ++i) words += pieces[i].bits.touched_words();
    return words > 1;
}

// Calls use(control) with the control of each class once.
template <typename Use>
void for_each_class(const SetPiece* pieces, std::uint32_t count, Use use) noexcept {
    for (std::uint32_t i = 0; i < count; ++i) {
        if (i == 0 || pieces[i].map.control != pieces[i - 1].map.control) {
            use(*pieces[i].map.control);
        }
    }
}

}  // namespace

void sort_set(SetPiece* pieces, std::uint32_t count) noexcept {
    std::sort(pieces, pieces + count, [](const SetPiece& a, const SetPiece& b) noexcept {
        return a.source != b.source ? a.source < b.source : a.seat < b.seat;
    });
}

bool try_claim_set(const SetPiece* pieces, std::uint32_t count, void (*half_way)()) noexcept {
    const bool several = is_several_words(pieces, count);
    if (several) for_each_class(pieces, count, begin_attempt);
    std::uint32_t done = 0;
    for (; done < count; ++done) {
        SeatMap map = pieces[done].map;
        if (!try_claim(map, pieces[done].seat, pieces[done].bits)) break;
        if (done == 0 && count > 1 && half_way != nullptr) half_way();
    }
    const bool taken = done == count;
    while (!taken && done > 0) {
        --done;
        SeatMap map = pieces[done].map;
        release(map, pieces[done].seat, pieces[done].bits);
    }
    if (several) {
        for_each_class(pieces, count,
                       [&](ClassControl& control) noexcept { end_attempt(control, taken); });
    }
    return taken;
}

Status claim_set_once(const SetPiece* pieces, std::uint32_t count, std::uint32_t* lost_races,
                      void (*half_way)()) noexcept {
    for (std::uint32_t i = 0; i < count; ++i) {
        const Status look = look_carefully(*pieces[i].map.control, [&]() noexcept {
            return seat_is_free(pieces[i].map, pieces[i].seat, pieces[i].bits);
        });
        if (look != Status::kOk) return look;
    }
    if (try_claim_set(pieces, count, half_way)) return Status::kOk;
    if (lost_races != nullptr) ++*lost_races;
    return Status::kLookAgain;
}

}  // namespace ticketpool
