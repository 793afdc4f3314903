// What all selling functions share: from arguments to claimed seats to order rows.
#pragma once

#include "pool/claim.hpp"
#include "purchase/rule_call.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/order_leaf.hpp"
#include "ticketpool/order_status.hpp"
#include "tickets/ticket_purchase.hpp"

extern "C" {
#include "utils/uuid.h"
}

namespace ticketpool {

// Sells what read_purchase() has read: the rows are appended to the caller's set of rows; none:
// sold out. A request_id that was used before returns the rows of then.
void sell(FunctionCallInfo fcinfo, const Catalog& catalog, const BuyArguments& arguments,
          Purchase* purchase);

// Its parts, for exchanges, late payments and batches.
Demand demand_of(const Purchase& purchase);
void build_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  OrderValues* rows);
void write_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  ReturnSetInfo* result);

// The purchase as rules are asked about it.
RuleCall rule_call(const Purchase& purchase);

}  // namespace ticketpool
