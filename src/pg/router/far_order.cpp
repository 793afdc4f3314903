// Finds an order, wherever it is, and gives the old tickets of an exchange back.
#include "router/far_order.hpp"

#include "router/by_id.hpp"
#include "router/pursuit.hpp"

namespace ticketpool {

// A node that does not answer may have it: that is an error if no other node has it. One that is
// being moved is waited for.
Tickets find_order(const char* schema, int64_t order_id) {
    Pursuit pursuit{0};
    for (;;) {
        const OrderPlace place = look_for_order(
            schema, order_id, {"ticket_no", "status", "changed_to", "request_id", "user_id"});
        if (place.node != 0) {
            return {place.node, place.rows};
        }
        if (place.failed != nullptr) {
            ReThrowError(place.failed);
        }
        if (place.left == 0) {
            return {0, place.rows};
        }
        wait_for_move(&pursuit, psprintf("order " INT64_FORMAT, order_id));
    }
}

bool has_status(const Tickets& tickets, const char* status) {
    for (int i = 0; i < tickets.rows.count; i++) {
        if (strcmp(value_of(tickets.rows, i, kStatus), status) == 0) {
            return true;
        }
    }
    return false;
}

// Are all tickets of the order cancelled? That is for ever.
bool is_cancelled(const Tickets& tickets) {
    int cancelled = 0;
    for (int i = 0; i < tickets.rows.count; i++) {
        cancelled += strcmp(value_of(tickets.rows, i, kStatus), "cancelled") == 0 ? 1 : 0;
    }
    return cancelled > 0 && cancelled == tickets.rows.count;
}

// Gives the old tickets back. Right only if the new order is cancelled. False: it did not work, and
// may be tried again.
bool take_back(int old_node, int64_t order_id, int64_t new_order) {
    Rows rows;
    const ErrorData* error =
        try_rows(old_node, Cluster::kPrimary, "ticket_change_back",
                 {id_text(order_id), id_text(new_order)}, {"status"}, Effect::kAgain, &rows);
    return error == nullptr && rows.count > 0;
}

}  // namespace ticketpool
