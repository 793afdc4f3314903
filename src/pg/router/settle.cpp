// router_settle: finishes or undoes the exchanges over two nodes that were left halfway. What they
// may be like is told at the top of far_exchange.cpp.
#include "router/far_order.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"
#include "server/subtransaction.hpp"

namespace ticketpool {
namespace {

struct Settle {
    ReturnSetInfo* result;
    const char* schema;  // quoted
};

void report_settled(const Settle& settle, int64_t order_id, int64_t new_order, const char* status) {
    const Datum values[] = {Int64GetDatum(order_id), Int64GetDatum(new_order),
                            CStringGetTextDatum(status)};
    const bool nulls[] = {false, false, false};
    tuplestore_putvalues(settle.result->setResult, settle.result->setDesc,
                         const_cast<Datum*>(values), const_cast<bool*>(nulls));
}

void warn_unsettled(int64_t order_id, int64_t new_order, const char* reason) {
    ereport(WARNING, (errmsg("the exchange of order " INT64_FORMAT " for order " INT64_FORMAT
                             " is still unfinished",
                             order_id, new_order),
                      errdetail("%s", reason), errhint("Call router_settle again.")));
}

// Finishes one exchange. Returns what has become of the new order; null: it is still unfinished,
// and a WARNING says why. Raises what the nodes raise.
const char* settle_one(const Settle& settle, int old_node, int64_t order_id, int64_t new_order) {
    const Tickets bought = find_order(settle.schema, new_order);
    if (bought.node == 0) {
        warn_unsettled(order_id, new_order, "No node has the new order.");
        return nullptr;
    }
    if (is_cancelled(bought)) {
        if (!take_back(old_node, order_id, new_order)) {
            warn_unsettled(order_id, new_order,
                           "The new order is cancelled, and the old seats are sold.");
            return nullptr;
        }
        return "undone";
    }
    const char* status = value_of(bought.rows, 0, kStatus);
    if (has_status(bought, "held") || has_status(bought, "expired")) {
        const Rows paid = call_rows(bought.node, Cluster::kPrimary, "ticket_confirm",
                                    {id_text(new_order)}, {"status"}, Effect::kAgain);
        if (paid.count == 0) {
            warn_unsettled(order_id, new_order, "The hold has run out, and its seats are sold.");
            return nullptr;
        }
        status = value_of(paid, 0, 0);
    }
    (void)call_rows(old_node, Cluster::kPrimary, "ticket_settled",
                    {id_text(order_id), id_text(new_order)}, {}, Effect::kAgain);
    return status;
}

// A node that does not answer, or an exchange that can't be finished, stops no other.
void settle_node(const Settle& settle, int node) {
    Rows rows;
    const ErrorData* failed = try_rows(node, Cluster::kPrimary, "ticket_unsettled", {},
                                       {"order_id", "changed_to"}, Effect::kNone, &rows);
    if (failed != nullptr) {
        ereport(WARNING, (errmsg("node %d was not asked for unfinished exchanges", node),
                          errdetail("%s", reason_of(failed)),
                          errhint("Call router_settle again when it answers.")));
        return;
    }
    for (int i = 0; i < rows.count; i++) {
        CHECK_FOR_INTERRUPTS();
        const int64_t order_id = number_of(rows, i, 0);
        const int64_t new_order = number_of(rows, i, 1);
        const char* status = nullptr;
        ErrorData* error = in_subtransaction([&] {
            status = settle_one(settle, node, order_id, new_order);
            return true;
        });
        if (error != nullptr && error->sqlerrcode == ERRCODE_QUERY_CANCELED) {
            ReThrowError(error);
        }
        if (error != nullptr) {
            warn_unsettled(order_id, new_order, reason_of(error));
        } else if (status != nullptr) {
            report_settled(settle, order_id, new_order, status);
        }
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_settle) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_no_transaction(twin);
    Settle settle{require_set_result(fcinfo), twin.schema};
    InitMaterializedSRF(fcinfo, 0);
    const NodeList nodes = all_nodes(settle.schema);
    for (int i = 0; i < nodes.count; i++) {
        settle_node(settle, nodes.nodes[i]);
    }
    return 0;
}
