// Which way a purchase goes: by itself, or to the cashier (pool/sale_queue.hpp).
//
// A session that nobody else disturbs sells for itself: nothing is faster for one. As soon as two
// buy at the same time, the second queues. The cashier then finds out how many there are, and while
// it keeps finding more than one (SaleDesk::rush), everybody queues, because a commit beside that
// of the group would cost the group a flush of the WAL.
//
// Sharing a commit has to be worth the way to the cashier and back. That is so from two callers a
// group on if the commit is flushed; with synchronous_commit off, only in a crowd. So the cashier
// looks at the mean of its last groups. If it is too small, everybody sells apart for a second
// (SaleDesk::apart_until), and then it is tried again.
#pragma once

#include "pool/sale_queue.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The desk where this call may queue. Null: it sells for itself. Where there is no cashier yet, the
// launcher is asked for one.
SaleDesk* join_group(FunctionCallInfo fcinfo);

// For a second after the cashier has refused a request, this session looks whether there is enough
// left before it queues: the ordinary way says "sold out" at once.
bool was_refused_lately();
void note_refused();

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
