// Seats for a party: see claim_seats().
#pragma once

#include <cstddef>
#include <cstdint>

#include "ticketpool/allocation.hpp"

namespace ticketpool {

// Bytes of scratch, 8-byte aligned, that choose_party() needs.
std::size_t party_scratch_bytes(std::uint32_t seats, std::uint32_t party) noexcept;

// Chooses request.party seats, ascending, in `scratch`; null if too few are free. Its loads suit a
// careful look. `start`: where the cyclic order of seats begins.
const std::uint32_t* choose_party(const SeatMap& map, const SeatGeometry* geometry,
                                  const SeatRequest& request, std::uint32_t start,
                                  void* scratch) noexcept;

}  // namespace ticketpool
