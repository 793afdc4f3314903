// What all functions that sell tickets share: from a purchase to claimed seats to order rows.
#pragma once

#include "pool/claim.hpp"
#include "purchase/rule_call.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"
#include "tickets/ticket_purchase.hpp"

namespace ticketpool {

// Sells what read_purchase() has read and appends the rows to the caller's result set; no rows:
// sold out. If the request_id was used before, the rows of the first call are returned.
void sell(FunctionCallInfo fcinfo, const Catalog& catalog, const BuyArguments& arguments,
          Purchase* purchase);

// Parts of sell(), for exchanges, late payments and batches.
Demand demand_of(const Purchase& purchase);
void build_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  OrderValues* rows);

// The purchase as rules are asked about it.
RuleCall rule_call(const Purchase& purchase);

}  // namespace ticketpool
