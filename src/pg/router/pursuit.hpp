// Finding the node again after what a call was for has moved.
//
// A move (router_move) marks the departure in router_moving, brings it to the other node, writes
// the new routes and takes the mark away in one transaction. A call that looks while the mark is
// there waits. A call that has looked before may reach the old node too late: that node then says
// that the departure has moved away (08001), or, if it is looked for by an id, that it has no such
// order (TK005). Such an answer may also mean just what it says. So the routes are read again: if
// they are as they were and nothing is being moved, the answer holds, else the call is made again.
// An answer that is an error has changed nothing on the node.
#pragma once

#include "router/link.hpp"
#include "server/pg.hpp"

namespace ticketpool {

constexpr int kMoveWaitMs = 8000;
constexpr int kMovePollMs = 50;

struct Pursuit {
    TimestampTz deadline;  // 0: nothing has moved so far
};

// Waits for a moment, and ereports 08001 if it has waited for long enough. `what`: for the message,
// "departure of train G1 on 2026-12-01".
void wait_for_move(Pursuit* pursuit, const char* what);

// Might the answer be due to a move?
bool may_have_moved(const Answer& answer);

}  // namespace ticketpool
