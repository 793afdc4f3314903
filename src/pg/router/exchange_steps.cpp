// The steps of an exchange over two nodes (exchange_steps.hpp).
#include "router/exchange_steps.hpp"

#include "router/by_id.hpp"
#include "router/far_order.hpp"
#include "router/pursuit.hpp"
#include "server/errors.hpp"
#include "server/settings.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "lib/stringinfo.h"
}

namespace ticketpool {
namespace {

constexpr int kMostAttempts = 5;

void add_to_key(StringInfo key, const char* part) {
    if (part == nullptr) {
        appendStringInfoString(key, "-|");
    } else {
        appendStringInfo(key, "%zu:%s|", strlen(part), part);
    }
}

// The request_id of the hold of an attempt, counted from 0. The first one of a caller that gave an
// id has that: then the new order has the same request_id as after an exchange on one node.
const char* request_of(const FarExchange& exchange, int attempt) {
    const char* given = exchange.argument[kArgRequest];
    if (given != nullptr && attempt == 0) {
        return given;
    }
    StringInfoData key;
    initStringInfo(&key);
    add_to_key(&key, "ticket_change");
    add_to_key(&key, id_text(exchange.order_id));
    add_to_key(&key, exchange.ticket_nos);
    for (int i = kArgTrain; i <= kArgChoice; i++) {
        add_to_key(&key, exchange.argument[i]);
    }
    add_to_key(&key, given);
    add_to_key(&key, psprintf("%d", attempt));
    const char* digest =
        TextDatumGetCString(DirectFunctionCall1(md5_text, CStringGetTextDatum(key.data)));
    return psprintf("%.8s-%.4s-%.4s-%.4s-%.12s", digest, digest + 8, digest + 12, digest + 16,
                    digest + 20);
}

}  // namespace

bool is_request_of(const FarExchange& exchange, const char* request_id) {
    for (int i = 0; request_id != nullptr && i < kMostAttempts; i++) {
        if (strcmp(request_of(exchange, i), request_id) == 0) {
            return true;
        }
    }
    return false;
}

namespace {

// {…} of an array, from a column of texts; null: NULL.
const char* array_text(const Rows& rows, int column) {
    Datum* values =
        static_cast<Datum*>(palloc0(static_cast<size_t>(Max(rows.count, 1)) * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc0(static_cast<size_t>(Max(rows.count, 1))));
    for (int i = 0; i < rows.count; i++) {
        const char* value = value_of(rows, i, column);
        nulls[i] = value == nullptr;
        values[i] = value == nullptr ? Datum{0} : CStringGetTextDatum(value);
    }
    int count = rows.count;
    int lower = 1;
    ArrayType* array =
        construct_md_array(values, nulls, 1, &count, &lower, TEXTOID, -1, false, TYPALIGN_INT);
    Oid output;
    bool is_varlena;
    getTypeOutputInfo(TEXTARRAYOID, &output, &is_varlena);
    return OidOutputFunctionCall(output, PointerGetDatum(array));
}

}  // namespace

Answer ask_old_node(FarExchange* exchange) {
    const Rows rows = ask_rows(exchange->old_node, Cluster::kPrimary, "ticket_exchange_ask",
                               {id_text(exchange->order_id), exchange->argument[kArgTickets]},
                               {"ticket_no", "user_id", "passenger_id", "seat_class", "channel"});
    if (rows.answer.sqlstate == 0 && rows.count > 0) {
        exchange->ticket_nos = array_text(rows, 0);
        exchange->user_id = value_of(rows, 0, 1);
        exchange->passengers = array_text(rows, 2);
        exchange->seat_classes = array_text(rows, 3);
        exchange->channels = array_text(rows, 4);
    }
    return rows.answer;
}

Rows hold(const FarExchange& exchange, int attempt, bool told) {
    return ask_rows(
        exchange.new_node, Cluster::kPrimary, "ticket_exchange_hold",
        {id_text(exchange.order_id), exchange.user_id, told ? exchange.ticket_nos : "{}",
         told ? exchange.passengers : "{}", told ? exchange.seat_classes : "{}",
         told ? exchange.channels : "{}", exchange.argument[kArgTrain], exchange.argument[kArgFrom],
         exchange.argument[kArgTo], exchange.argument[kArgDate], exchange.argument[kArgClass],
         exchange.argument[kArgChoice], exchange.argument[kArgTickets],
         psprintf("%d seconds", setting_exchange_ttl), request_of(exchange, attempt)},
        {"order_id", "status"}, Effect::kAgain);
}

namespace {

bool is_live(const Rows& rows) {
    const char* status = value_of(rows, 0, 1);
    return status != nullptr && (strcmp(status, "held") == 0 || strcmp(status, "sold") == 0);
}

}  // namespace

Rows hold_any(const FarExchange& exchange) {
    for (int attempt = 0; attempt < kMostAttempts; attempt++) {
        const Rows rows = hold(exchange, attempt, true);
        if (rows.count == 0 || is_live(rows)) {
            return rows;
        }
    }
    ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
                    errmsg("order " INT64_FORMAT " cannot be changed to this trip any more",
                           exchange.order_id),
                    errdetail("%d attempts at it have come to nothing.", kMostAttempts),
                    errhint("Choose another trip, class or seat.")));
}

namespace {

void cancel_hold(int node, int64_t order_id) {
    Rows rows;
    (void)try_rows(node, Cluster::kPrimary, "ticket_cancel", {id_text(order_id)}, {"status"},
                   Effect::kAgain, &rows);
}

// May another session that makes the same exchange have done step 2? If the old node does not say,
// it may.
bool may_be_fenced(const FarExchange& exchange, int64_t new_order) {
    Rows rows;
    const ErrorData* error =
        try_rows(exchange.old_node, Cluster::kPrimary, "ticket_get", {id_text(exchange.order_id)},
                 {"changed_to"}, Effect::kNone, &rows);
    bool fenced = error != nullptr || rows.answer.sqlstate != 0;
    for (int i = 0; !fenced && i < rows.count; i++) {
        fenced = number_of(rows, i, 0) == new_order;
    }
    return fenced;
}

}  // namespace

void give_up(const FarExchange& exchange, int64_t new_order) {
    if (!may_be_fenced(exchange, new_order)) {
        cancel_hold(exchange.new_node, new_order);
    }
}

bool is_passing(int sqlstate) {
    const int category = ERRCODE_TO_CATEGORY(sqlstate);
    return category == ERRCODE_TO_CATEGORY(ERRCODE_T_R_SERIALIZATION_FAILURE) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_LOCK_NOT_AVAILABLE) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_INSUFFICIENT_RESOURCES) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) ||
           category == ERRCODE_TO_CATEGORY(ERRCODE_INTERNAL_ERROR);
}

Answer change_away(const FarExchange& exchange, int64_t new_order) {
    const char* arguments[] = {id_text(exchange.order_id), id_text(new_order), exchange.ticket_nos};
    const char* columns[] = {"status"};
    return ask_node(exchange.old_node, Cluster::kPrimary, "ticket_change_away",
                    text_array(arguments, 3), text_array(columns, 1), Effect::kAgain);
}

namespace {

[[noreturn]] void report_unfinished(int64_t order_id, int64_t new_order, const char* reason) {
    ereport(ERROR, (errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
                    errmsg("the exchange of order " INT64_FORMAT " for order " INT64_FORMAT
                           " is not finished",
                           order_id, new_order),
                    errdetail("The old tickets are changed, the new ones not paid yet. %s", reason),
                    errhint("Repeat the call, or call router_settle: both finish it.")));
}

// Step 4. If it fails, by a cancel too, router_settle does it: the caller has its tickets.
void mark_settled(int old_node, int64_t order_id, int64_t new_order) {
    (void)in_subtransaction([&] {
        (void)call_rows(old_node, Cluster::kPrimary, "ticket_settled",
                        {id_text(order_id), id_text(new_order)}, {}, Effect::kAgain);
        return true;
    });
}

// Step 3, wherever the new order is: its departure may be on its way to another node.
Answer pay(const FarExchange& exchange, int new_node, int64_t new_order) {
    const char* id = id_text(new_order);
    Pursuit pursuit{0};
    for (;;) {
        const Answer answer =
            ask_node(new_node, Cluster::kPrimary, "ticket_confirm", text_array(&id, 1),
                     exchange.twin->column_names, Effect::kAgain);
        if (!says_moved(answer)) {
            return answer;
        }
        wait_for_move(&pursuit, psprintf("order %s", id));
        const Tickets bought = find_order(exchange.twin->schema, new_order);
        new_node = bought.node != 0 ? bought.node : new_node;
    }
}

// Step 3, or the way back: no rows, if the new departure was withdrawn meanwhile. Returns why it is
// neither paid nor undone; null: it is.
const char* pay_or_undo(const FarExchange& exchange, int new_node, int64_t new_order,
                        Answer* answer) {
    *answer = pay(exchange, new_node, new_order);
    if (answer->sqlstate == 0) {
        return answer->count > 0 ? nullptr : "The hold has run out, and its seats are sold.";
    }
    if (answer->sqlstate == kErrorOrder &&
        is_cancelled(find_order(exchange.twin->schema, new_order)) &&
        take_back(exchange.old_node, exchange.order_id, new_order)) {
        *answer = Answer{answer->node, 0, nullptr, nullptr, 0};
        return nullptr;
    }
    return error_field(*answer, kErrorMessage);
}

}  // namespace

Answer confirm(const FarExchange& exchange, int new_node, int64_t new_order) {
    Answer answer{};
    const char* reason = nullptr;
    const ErrorData* error = in_subtransaction([&] {
        reason = pay_or_undo(exchange, new_node, new_order, &answer);
        return true;
    });
    if (error != nullptr) {
        reason = reason_of(error);
    }
    if (reason != nullptr) {
        report_unfinished(exchange.order_id, new_order, reason);
    }
    if (answer.count > 0) {
        mark_settled(exchange.old_node, exchange.order_id, new_order);
    }
    return answer;
}

}  // namespace ticketpool
