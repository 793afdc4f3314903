// Finding the node again after what a call was for has moved.
//
// A move (router_move) takes the departure off its node, brings it to the other one, and then
// writes the new routes; sessions of this router and of others see them some time later. Meanwhile
// calls go to the old node. It knows what has left it, and answers with SQLSTATE 08001: "is being
// moved", or "has moved" and to which node (the constraint field: node_N). Nothing was done. So the
// call
//
//   - is made again where the routes now say, if they have changed;
//   - is made on the node that was named. As long as that one does not know the departure (TK001)
//     or the order (TK005), these have not arrived yet;
//   - is made again on the old node after a moment, in case the move was undone;
//
// and so on for kMoveWaitMs. All other answers hold, whichever node gave them. Of a node that the
// routes name, TK001 and TK005 hold too, unless the routes have changed meanwhile; TK001 only if it
// is given twice, because a departure may leave and come back while the node looks for it.
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

// The node that a "moved away" names, if the router knows that node; else 0.
int node_named_by(const char* schema, const Answer& answer);

}  // namespace ticketpool
