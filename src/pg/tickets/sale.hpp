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

// Parts of sell(), for exchanges, late payments, batches and groups.
Demand demand_of(const Purchase& purchase);
// Claims the party's seats, whichever they are or exactly those that are named. False: sold out.
bool claim_purchase(const Purchase& purchase, Claimed* claims);
void build_orders(const Catalog& catalog, const Purchase& purchase, const Claimed* claims,
                  OrderValues* rows);

// Parts of build_orders(), for rows that another process writes. What was claimed, as the row says
// it:
struct SoldSeat {
    uint32_t class_index;
    int32_t number;  // of the seat in its class; -1: an unnumbered place
    uint32_t coach;
};
SoldSeat sold_seat(const Purchase& purchase, const Claimed& claim);
// What all tickets of the order have in common; `class_index`: of the first.
void begin_order(const Purchase& purchase, int64_t order_id, TimestampTz created_at,
                 uint32_t class_index, OrderValues* row);
// Makes a copy of that the row of one ticket, which are counted from 0.
void finish_ticket(const Purchase& purchase, uint32_t number, const SoldSeat& seat,
                   uint32_t class_of_order, OrderValues* row);

// The purchase as rules are asked about it.
RuleCall rule_call(const Purchase& purchase);

}  // namespace ticketpool
