// Which way a purchase goes: by itself, or to the cashier (pool/sale_queue.hpp).
//
// A session that nobody else disturbs sells for itself: nothing is faster for one. As soon as two
// buy at the same time, the second queues. Its cashier then finds out how many there are, and while
// it keeps finding more than one (SaleDesk::rush), everybody queues, because a commit beside that
// of the group would cost the group a flush of the WAL.
#pragma once

#include "pool/sale_queue.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The desk where this call may queue. Null: it sells for itself. Where there is no cashier yet, the
// launcher is asked for one.
SaleDesk* join_group(FunctionCallInfo fcinfo);

// The caller's settings that a purchase depends on, for the cashier.
struct BuyerSettings {
    int allocation;
    int user_limit;
    int item_limit;
    int gate_ttl;
    int gate_tries;
};
BuyerSettings my_settings();
// In the cashier: they hold from now on.
void act_with(const BuyerSettings& settings);

}  // namespace ticketpool
