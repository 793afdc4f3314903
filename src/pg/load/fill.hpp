// Filling departures and items in memory with what rows say.
#pragma once

#include "pool/announcement.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"
#include "tables/inventory_rows.hpp"

namespace ticketpool {

// Takes the ticket's seat over its trip; bits that are taken already stay taken. False: some were.
bool mark_ticket(Departure* departure, const LiveTicket& ticket);

// Puts a quota into the departure's list. Nothing of the quota is sold yet, and its stretch in the
// departure's own map stays as it was. `maker`: see Quota.
Quota* add_quota(const DepartureRef& ref, const ReservationRow& row, uint32_t maker);

// How many lanes the stock of an inventory gets.
uint32_t lanes_of(const Inventory& row);
// Copies into the stock what the row says, except how many units are free.
void describe_stock(const Inventory& row, Stock* stock);

// A new empty stock for an inventory, not linked yet. Evicts if memory is needed.
Stock* new_stock(const Inventory& row);

}  // namespace ticketpool
