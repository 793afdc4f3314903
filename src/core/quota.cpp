// The memory of a quota, and what is given back to it or moved to its departure: see quota.hpp.
#include "ticketpool/quota.hpp"

#include <new>

namespace ticketpool {

std::size_t Quota::bytes_required(uint32_t seats, int segments) noexcept {
    return sizeof(Quota) + seat_map_bytes(seats, segments) +
           std::size_t{seats} * (sizeof(SeatGeometry) + sizeof(uint32_t));
}

Quota* Quota::init_in_place(void* memory, uint32_t seats, int from, int to, int segments) noexcept {
    Quota* quota = new (memory) Quota{};
    quota->seats = seats;
    quota->from = static_cast<uint16_t>(from);
    quota->to = static_cast<uint16_t>(to);
    quota->segments = static_cast<uint16_t>(segments);
    SeatMap map = quota->seat_map(nullptr);
    init_seats(map, trip_mask(0, segments) & ~trip_mask(from, to));
    return quota;
}

int64_t Quota::find(uint32_t number) noexcept {
    const uint32_t* in_class = numbers();
    uint32_t low = 0;
    uint32_t high = seats;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (in_class[middle] < number) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < seats && in_class[low] == number ? int64_t{low} : -1;
}

WishWords Quota::in_own_numbers(const WishWords& words) noexcept {
    WishWords own = words;
    for (uint32_t& seat : own.seat) {
        const int64_t number = seat == kNotInMap ? -1 : find(seat);
        seat = number < 0 ? kNotInMap : static_cast<uint32_t>(number);
    }
    return own;
}

void give_back(Quota& quota, SeatMap& own, SeatMap& departure, uint32_t seat,
               const SegmentMask& bits) noexcept {
    release(own, seat, bits);
    if (quota.closed.load(std::memory_order_acquire)) {
        move_to_departure(quota, own, departure, seat);
    }
}

void move_to_departure(Quota& quota, SeatMap& own, SeatMap& departure, uint32_t seat) noexcept {
    // Each claimed bit is moved by the process that claimed it, so no attempt is undone.
    const SegmentMask moved = take_free(own, seat, trip_mask(quota.from, quota.to));
    release(departure, quota.numbers()[seat], moved);
}

void settle_attempt(Quota& quota, SeatMap& own, SeatMap& departure) noexcept {
    if (quota.closed.load(std::memory_order_acquire)) {
        for (uint32_t seat = 0; seat < quota.seats; seat++) {
            move_to_departure(quota, own, departure, seat);
        }
    }
}

}  // namespace ticketpool
