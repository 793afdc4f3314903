// Counting, shared with search.
#pragma once

#include "directory.hpp"
#include "pg.hpp"
#include "ticketpool/matrix.hpp"

namespace ticketpool {

// Seats of the class that this transaction could buy over the trip.
uint32_t remaining_of_class(const DepartureRef &ref, uint32_t class_index, Trip trip);

}  // namespace ticketpool
