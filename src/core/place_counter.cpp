// Counts, takes and gives back unnumbered places: see place_counter.hpp.
#include "ticketpool/place_counter.hpp"

#include <algorithm>

namespace ticketpool {

namespace {

// How many of `count` places the pool has to give on segment s, where own refunds hold own[s].
uint32_t from_pool(uint32_t count, const uint32_t* own, int s) noexcept {
    const uint32_t held = own == nullptr ? 0 : own[s];
    return count > held ? count - held : 0;
}

bool claim_segment(std::atomic<uint32_t>& taken, uint32_t count, uint32_t places) noexcept {
    uint32_t seen = taken.load(std::memory_order_relaxed);
    while (seen <= places && count <= places - seen) {
        // Fails only because another claim or release of this segment succeeded.
        if (taken.compare_exchange_weak(seen, seen + count, std::memory_order_acq_rel,
                                        std::memory_order_relaxed)) {
            return true;
        }
    }
    return false;
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

bool try_claim_places(PlaceMap& map, int from, int to, uint32_t count,
                      const uint32_t* own) noexcept {
    const bool several = to - from > 1;
    if (several) {
        begin_attempt(*map.control);
    }
    int done = from;
    while (done < to && (from_pool(count, own, done) == 0 ||
                         claim_segment(map.taken[done], from_pool(count, own, done), map.places))) {
        done++;
    }
    for (int s = from; done < to && s < done; s++) {
        map.taken[s].fetch_sub(from_pool(count, own, s), std::memory_order_release);
    }
    if (several) {
        end_attempt(*map.control, done == to);
    }
    return done == to;
}

void mark_place(PlaceMap& map, const SegmentMask& bits) noexcept {
    for (int s = 0; s < map.segments; s++) {
        if (bits.test(s)) {
            map.taken[s].fetch_add(1, std::memory_order_relaxed);
        }
    }
}

void release_place(PlaceMap& map, const SegmentMask& bits) noexcept {
    for (int s = 0; s < map.segments; s++) {
        if (bits.test(s)) {
            map.taken[s].fetch_sub(1, std::memory_order_release);
        }
    }
}

}  // namespace ticketpool
