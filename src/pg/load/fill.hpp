// Filling departures and items in memory with what rows say.
#pragma once

#include "pool/announcement.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"
#include "tables/inventory_rows.hpp"

namespace ticketpool {

// Takes its seat and stretch; bits that are taken already stay so. False: some were.
bool mark_ticket(Departure* departure, const LiveTicket& ticket);

// Puts a quota into the departure's list; nothing of it is sold yet, and in the departure's own map
// its stretch is as it was. `maker`: see Quota.
Quota* add_quota(const DepartureRef& ref, const ReservationRow& row, uint32_t maker);

// So many lanes for the units of an inventory.
uint32_t lanes_of(const Inventory& row);
// What the row says of its stock, except how many units are free.
void describe_stock(const Inventory& row, Stock* stock);

// An empty stock for an inventory, not linked yet; evicts as needed.
Stock* new_stock(const Inventory& row);

}  // namespace ticketpool
