#include "ticketpool/place_counter.hpp"

#include <algorithm>

namespace ticketpool {

namespace {

bool claim_segment(std::atomic<uint32_t>& taken, uint32_t places) noexcept {
    uint32_t seen = taken.load(std::memory_order_relaxed);
    while (seen < places) {
        // Fails only because another claim or release of this segment succeeded.
        if (taken.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

void clear_segments(PlaceMap& map, const SegmentMask& bits, int end) noexcept {
    for (int s = 0; s < end; s++) {
        if (bits.test(s)) {
            map.taken[s].fetch_sub(1, std::memory_order_release);
        }
    }
}

}  // namespace

uint32_t count_free_places(const PlaceMap& map, int from, int to, const uint32_t* own) noexcept {
    uint32_t free = UINT32_MAX;
    for (int s = from; s < to; s++) {
        const uint32_t taken = map.taken[s].load(std::memory_order_acquire);
        const uint32_t here = map.places + (own == nullptr ? 0 : own[s]);
        free = std::min(free, here > taken ? here - taken : 0);
    }
    return free;
}

uint64_t count_free_place_segments(const PlaceMap& map) noexcept {
    uint64_t free = 0;
    for (int s = 0; s < map.segments; s++) {
        const uint32_t taken = map.taken[s].load(std::memory_order_relaxed);
        free += map.places > taken ? map.places - taken : 0;
    }
    return free;
}

bool try_claim_place(PlaceMap& map, const SegmentMask& bits) noexcept {
    const bool several = bits.popcount() > 1;
    if (several) {
        begin_attempt(*map.control);
    }
    int failed = -1;
    for (int s = 0; s < map.segments && failed < 0; s++) {
        if (bits.test(s) && !claim_segment(map.taken[s], map.places)) {
            failed = s;
        }
    }
    if (failed >= 0) {
        clear_segments(map, bits, failed);
    }
    if (several) {
        end_attempt(*map.control, failed < 0);
    }
    return failed < 0;
}

void mark_place(PlaceMap& map, const SegmentMask& bits) noexcept {
    for (int s = 0; s < map.segments; s++) {
        if (bits.test(s)) {
            map.taken[s].fetch_add(1, std::memory_order_relaxed);
        }
    }
}

void release_place(PlaceMap& map, const SegmentMask& bits) noexcept {
    clear_segments(map, bits, map.segments);
}

}  // namespace ticketpool
