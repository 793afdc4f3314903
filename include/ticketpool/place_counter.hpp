// Unnumbered places of one coach: how many are taken on each segment.
//
// A place has no identity, so a trip fits as long as no segment of it is full; nothing is lost to
// fragmentation. A claim over several segments is an attempt of several pieces and follows the
// protocol of seat_map.hpp with the class's ClassControl: segments in ascending order, all or none.
#pragma once

#include <atomic>
#include <cstdint>

#include "ticketpool/seat_map.hpp"
#include "ticketpool/segment_mask.hpp"

namespace ticketpool {

// A view; `taken` is shared.
struct PlaceMap {
    std::atomic<uint32_t>* taken;  // places taken on segment 0 .. segments - 1
    ClassControl* control;
    uint32_t places;
    int segments;
};

// Places that could be bought over the trip. own[s] (may be null): places that the caller's own
// refunds will free on segment s.
uint32_t count_free_places(const PlaceMap& map, int from, int to, const uint32_t* own) noexcept;

// Free places summed over all segments.
uint64_t count_free_place_segments(const PlaceMap& map) noexcept;

// Takes `count` places over the trip, all or none, but on segment s only what own[s] (may be null)
// does not cover.
bool try_claim_places(PlaceMap& map, int from, int to, uint32_t count,
                      const uint32_t* own) noexcept;

// Takes one place on each segment of `bits`, even beyond the limit; used to load what is sold.
void mark_place(PlaceMap& map, const SegmentMask& bits) noexcept;

// Gives one place on each segment of `bits` back. Cannot fail.
void release_place(PlaceMap& map, const SegmentMask& bits) noexcept;

}  // namespace ticketpool
