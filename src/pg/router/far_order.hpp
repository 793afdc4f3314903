// An order that may be on any node, as an exchange over two nodes looks at it.
#pragma once

#include "router/ask.hpp"

namespace ticketpool {

// An order's tickets as ticket_get returns them, and the node that has them; 0: none has.
struct Tickets {
    int node;
    Rows rows;
};
enum TicketColumn { kTicketNo, kStatus, kChangedTo, kRequestId, kUserId };

Tickets find_order(const char* schema, int64_t order_id);

bool has_status(const Tickets& tickets, const char* status);
bool is_cancelled(const Tickets& tickets);
bool take_back(int old_node, int64_t order_id, int64_t new_order);

}  // namespace ticketpool
