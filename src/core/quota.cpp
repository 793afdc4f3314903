#include "ticketpool/quota.hpp"

#include <new>

namespace ticketpool {

std::size_t Quota::bytes_required(uint32_t seats, int segments) noexcept {
    return sizeof(Quota) + (std::size_t{seats} * sizeof(uint32_t) + 7) / 8 * 8 +
           std::size_t{seats} * (sizeof(SeatGeometry) +
                                 static_cast<std::size_t>(words_for(segments)) * sizeof(uint64_t));
}

Quota* Quota::init_in_place(void* memory, uint32_t seats, int from, int to, int segments) noexcept {
    Quota* quota = new (memory) Quota{};
    quota->seats = seats;
    quota->from = static_cast<uint16_t>(from);
    quota->to = static_cast<uint16_t>(to);
    quota->segments = static_cast<uint16_t>(segments);
    quota->words_per_seat = static_cast<uint8_t>(words_for(segments));
    const SegmentMask outside = trip_mask(0, segments) & ~trip_mask(from, to);
    SeatMap map = quota->seat_map(nullptr);
    for (uint32_t seat = 0; seat < seats; seat++) {
        for (int word = 0; word < map.words_per_seat; word++) {
            new (&seat_word(map, seat, word)) std::atomic<uint64_t>(outside.w[word]);
        }
    }
    return quota;
}

int64_t Quota::find(uint32_t number) const noexcept {
    uint32_t low = 0;
    uint32_t high = seats;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (numbers()[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < seats && numbers()[low] == number ? int64_t{low} : -1;
}

void give_back(Quota& quota, SeatMap& own, SeatMap& departure, uint32_t seat,
               const SegmentMask& bits) noexcept {
    for (int word = 0; word < own.words_per_seat; word++) {
        if (bits.w[word] != 0) {
            seat_word(own, seat, word).fetch_and(~bits.w[word], std::memory_order_acq_rel);
        }
    }
    if (quota.closed.load(std::memory_order_acquire)) {
        move_to_departure(quota, own, departure, seat);
    }
}

void move_to_departure(Quota& quota, SeatMap& own, SeatMap& departure, uint32_t seat) noexcept {
    const SegmentMask stretch = trip_mask(quota.from, quota.to);
    for (int word = 0; word < own.words_per_seat; word++) {
        // Word by word: each claimed bit is moved by whoever claimed it, so no attempt is undone.
        const uint64_t before =
            seat_word(own, seat, word).fetch_or(stretch.w[word], std::memory_order_acq_rel);
        SegmentMask moved{};
        moved.w[word] = stretch.w[word] & ~before;
        if (moved.w[word] != 0) {
            release(departure, quota.numbers()[seat], moved);
        }
    }
}

void settle_attempt(Quota& quota, SeatMap& own, SeatMap& departure) noexcept {
    if (quota.closed.load(std::memory_order_acquire)) {
        for (uint32_t seat = 0; seat < quota.seats; seat++) {
            move_to_departure(quota, own, departure, seat);
        }
    }
}

}  // namespace ticketpool
