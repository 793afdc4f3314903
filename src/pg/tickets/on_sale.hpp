// Is a departure on sale at this moment?
#pragma once

#include "pool/announcement.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// For those who sell. While the departure moves to another node, which takes seconds, both ereport
// 08001: nobody knows yet whether it will stay.
//
// Ereports TK003 if the departure is not on sale now, or not for this trip any more (trip_end.hpp).
void require_on_sale(const DepartureRef& ref, Trip trip);
// Ereports TK003 if the departure is not on sale now, whatever the trip.
void require_departure_on_sale(const DepartureRef& ref);
// Is the trip on sale now? Also false if the service date has no partition.
bool is_on_sale(const DepartureRef& ref, Trip trip);
// Is it sold again that a passenger had before: may he also still board and alight there?
bool may_sell_again(const DepartureRef& ref, Trip trip);

// For those who give sold and held tickets other seats, whether the departure is on sale or closed:
// ereports 08001 while it moves to another node.
void require_at_rest(const DepartureRef& ref);

// The same for those who only count: a departure that moves shows its seats as they are, until the
// move is committed.
bool shows_seats(const DepartureRef& ref);
bool shows_seats(const DepartureRef& ref, Trip trip);

}  // namespace ticketpool
