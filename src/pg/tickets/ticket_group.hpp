// Purchases of tickets in a group: what a session hands to the cashier, how the cashier carries it
// out, and what the session makes of the answer.
//
// The session has resolved names, and has the departure announced until it has its answer. The
// cashier announces it for itself, because the session may die. It claims the seats and writes the
// rows; the session builds the same rows again, to return them, from the seats that the answer has.
//
// What does not fit goes the ordinary way: parties of more than kMostInGroup, wishes for properties
// or very seats, rules of the user's own, and tables that need the executor.
#pragma once

#include "purchase/group_sale.hpp"
#include "server/catalog.hpp"
#include "tables/order_leaf.hpp"
#include "tickets/ticket_purchase.hpp"

namespace ticketpool {

// For sell(), before names are resolved: may the purchase go to the cashier? *leaf: where its rows
// will be.
bool may_sell_in_group(const Catalog& catalog, const Purchase& purchase, OrderLeaf* leaf);
// Afterwards: true if it was sold by the cashier, and its rows are in the result set. False: the
// departure is still announced.
bool sell_in_group(SaleDesk* desk, FunctionCallInfo fcinfo, const Catalog& catalog,
                   const OrderLeaf& leaf, const Purchase& purchase);

// The schema of the extension that the request was made with.
Oid schema_of_tickets(const SaleSlot& slot);

// In the cashier's transaction: sells what the slots ask for, as far as it can be done without
// waiting, and writes the rows and the answers. sold[i]: it was. *at is the place of the one
// that is being carried out, or -1, so that an error can be blamed on it.
void carry_out_tickets(const Catalog& catalog, SaleSlot* const* slots, const int* places, int count,
                       bool* sold, volatile int* at);

}  // namespace ticketpool
