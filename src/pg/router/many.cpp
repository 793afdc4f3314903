// The twins of the batches: ticket_buy_many and item_buy_many.
//
// A request goes to the node that has its departure or item. If all go to one node, the batch is
// the node's own. If not:
//
//   1  Each request must have a request_id: 22023 before anything is sent.
//   2  Every node checks its requests, and sells nothing. So a malformed request fails the call
//      before anything is sold, as on one node.
//   3  Every node carries out its requests, one transaction each, all at the same time.
//
// If a node fails in 3, others may have sold: 08007. Whoever repeats the call with the same
// request_ids gets what was sold and the rest. If it answers that a departure has moved away, it
// has done nothing, and these requests are sent again, to where the departures are now.
//
// Requests count from 1 in the caller's array; each node counts its own.
#include "router/by_train.hpp"
#include "router/pursuit.hpp"
#include "router/request_fields.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/errors.hpp"
#include "server/request_array.hpp"

namespace ticketpool {
namespace {

enum class Kind { kTickets, kItems };

struct Request {
    Datum element;  // the composite, its date filled in
    bool has_request_id;
    int node;
    bool done;
};

// One node's share.
struct Share {
    int node;
    int count;
    int* numbers;  // of its requests in the caller's array, from 1
};

struct Batch {
    const Twin& twin;
    Kind kind;
    RequestArray array;
    Oid array_type;
    Request* requests;
    // Fields of a request, from 0
    int key;  // train or item_id
    int date;
    int request_id;
    Pursuit pursuit;
};

// A row of the result: where it is.
struct Row {
    int request_no;
    int order;  // the order in which rows came
    const Answer* answer;
    int first;
};

// ---------------------------------------------------------------------------------------------
// Where requests go
// ---------------------------------------------------------------------------------------------

void read_fields(const Batch& batch, int index, Datum* values, bool* nulls) {
    read_request(batch.array, index, values, nulls);
    if (batch.kind == Kind::kTickets && nulls[batch.date]) {
        values[batch.date] = DateADTGetDatum(today());
        nulls[batch.date] = false;
    }
}

int find_node(Batch* batch, const Datum* values, const bool* nulls) {
    if (batch->kind == Kind::kTickets) {
        if (nulls[batch->key]) {
            report_null("train");
        }
        return routed_node(batch->twin, text_of(values[batch->key]),
                           DatumGetDateADT(values[batch->date]));
    }
    if (nulls[batch->key]) {
        report_null("item_id");
    }
    return require_node_of_item(batch->twin.schema, DatumGetInt64(values[batch->key]));
}

void route(Batch* batch, int32_t number) {
    Request* request = &batch->requests[number - 1];
    if (request->done) {
        return;
    }
    const Size fields = static_cast<Size>(batch->array.columns->natts);
    Datum* values = static_cast<Datum*>(palloc(fields * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc(fields * sizeof(bool)));
    read_fields(*batch, number - 1, values, nulls);
    if (request->element == 0) {
        request->element = heap_copy_tuple_as_datum(
            heap_form_tuple(batch->array.columns, values, nulls), batch->array.columns);
        request->has_request_id = !nulls[batch->request_id];
    }
    request->node = find_node(batch, values, nulls);
    pfree(values);
    pfree(nulls);
}

// The shares of requests that are not done, by node in the order of their first requests.
Share* share_out(const Batch& batch, int* count) {
    Share* shares = static_cast<Share*>(palloc0(128 * sizeof(Share)));
    *count = 0;
    for (int i = 0; i < batch.array.count; i++) {
        const Request& request = batch.requests[i];
        if (request.done) {
            continue;
        }
        int at = 0;
        while (at < *count && shares[at].node != request.node) {
            at++;
        }
        Share* share = &shares[at];
        if (at == *count) {
            (*count)++;
            share->node = request.node;
            share->numbers =
                static_cast<int*>(palloc(static_cast<Size>(batch.array.count) * sizeof(int)));
        }
        share->numbers[share->count++] = i + 1;
    }
    return shares;
}

void require_request_ids(const Batch& batch) {
    for (int i = 0; i < batch.array.count; i++) {
        if (!batch.requests[i].has_request_id) {
            ereport(ERROR,
                    (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                     errmsg("request %d has no request_id", i + 1),
                     errdetail("The batch goes to several nodes, and each of them carries out its "
                               "part in a transaction of its own."),
                     errhint("Give each request a request_id, so that the call can be repeated, or "
                             "call once for each node.")));
        }
    }
}

// The share as the arguments of a node's function: text[] of one array of requests.
Datum arguments_of(const Batch& batch, const Share& share) {
    Datum* elements = static_cast<Datum*>(palloc(static_cast<Size>(share.count) * sizeof(Datum)));
    for (int i = 0; i < share.count; i++) {
        elements[i] = batch.requests[share.numbers[i] - 1].element;
    }
    const Datum array = PointerGetDatum(construct_array(
        elements, share.count, get_element_type(batch.array_type), -1, false, TYPALIGN_DOUBLE));
    Datum text = encode_value(array, batch.array_type);
    return PointerGetDatum(construct_array(&text, 1, TEXTOID, -1, false, TYPALIGN_INT));
}

// ---------------------------------------------------------------------------------------------
// Errors
// ---------------------------------------------------------------------------------------------

// "request N: …": N as the caller counts. Returns N; INT_MAX: the error is not about a request.
int renumber(const Share& share, Answer* answer) {
    const char* message = error_field(*answer, kErrorMessage);
    int number;
    int length = 0;
    if (message == nullptr || sscanf(message, "request %d%n", &number, &length) != 1 ||
        number < 1 || number > share.count) {
        return INT_MAX;
    }
    Datum* values = static_cast<Datum*>(palloc(static_cast<Size>(answer->count) * sizeof(Datum)));
    memcpy(values, answer->values, static_cast<size_t>(answer->count) * sizeof(Datum));
    const int callers = share.numbers[number - 1];
    values[kErrorMessage] =
        CStringGetTextDatum(psprintf("request %d%s", callers, message + length));
    answer->values = values;
    return callers;
}

// Raises the error about the first request that has one.
void raise_first_error(const Share* shares, Answer* answers, int count) {
    int first = -1;
    int first_number = INT_MAX;
    for (int i = 0; i < count; i++) {
        if (answers[i].sqlstate == 0) {
            continue;
        }
        const int number = renumber(shares[i], &answers[i]);
        if (first < 0 || number < first_number) {
            first = i;
            first_number = number;
        }
    }
    if (first >= 0) {
        raise_answer(answers[first]);
    }
}

// A node has failed after others have sold, or may have.
[[noreturn]] void report_half_done(const Batch& batch, const Share& share, Answer* answer) {
    renumber(share, answer);
    const char* message = error_field(*answer, kErrorMessage);
    ereport(ERROR, (errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
                    errmsg("%s was carried out in part", batch.twin.name),
                    errdetail("Node %d did not do its part: %s", answer->node,
                              message == nullptr ? "" : message),
                    errhint("Repeat the call with the same request_ids: what was sold is not sold "
                            "twice.")));
}

// ---------------------------------------------------------------------------------------------
// Carrying out
// ---------------------------------------------------------------------------------------------

Answer* ask_shares(const Batch& batch, const char* function, Datum columns, Effect effect,
                   const Share* shares, int count) {
    Answer* answers = static_cast<Answer*>(palloc0(static_cast<Size>(count) * sizeof(Answer)));
    if (count == 1) {
        answers[0] = ask_node(shares[0].node, Cluster::kPrimary, function,
                              arguments_of(batch, shares[0]), columns, effect);
        return answers;
    }
    int* nodes = static_cast<int*>(palloc(static_cast<Size>(count) * sizeof(int)));
    Datum* arguments = static_cast<Datum*>(palloc(static_cast<Size>(count) * sizeof(Datum)));
    for (int i = 0; i < count; i++) {
        nodes[i] = shares[i].node;
        arguments[i] = arguments_of(batch, shares[i]);
    }
    ask_nodes(nodes, arguments, count, Cluster::kPrimary, function, columns, effect, answers);
    return answers;
}

struct KeptRows {
    Row* rows;
    int count;
    int room;
};

void keep_rows(const Batch& batch, const Share& share, const Answer* answer, KeptRows* rows) {
    const int columns = batch.twin.column_count;
    for (int first = 0; first + columns <= answer->count; first += columns) {
        if (rows->count == rows->room) {
            rows->room = Max(64, rows->room * 2);
            const Size bytes = static_cast<Size>(rows->room) * sizeof(Row);
            rows->rows =
                static_cast<Row*>(rows->rows == nullptr ? palloc_extended(bytes, MCXT_ALLOC_HUGE)
                                                        : repalloc_huge(rows->rows, bytes));
        }
        const int number = pg_strtoint32(TextDatumGetCString(answer->values[first]));
        if (number < 1 || number > share.count) {
            ereport(ERROR, (errcode(ERRCODE_FDW_ERROR),
                            errmsg("node %d answered a request that it was not sent", share.node)));
        }
        rows->rows[rows->count] = {share.numbers[number - 1], rows->count, answer, first};
        rows->count++;
    }
}

int compare_rows(const void* a, const void* b) {
    const Row* left = static_cast<const Row*>(a);
    const Row* right = static_cast<const Row*>(b);
    return left->request_no != right->request_no ? left->request_no - right->request_no
                                                 : left->order - right->order;
}

void return_rows(FunctionCallInfo fcinfo, const Batch& batch, const KeptRows& rows) {
    const Twin& twin = batch.twin;
    begin_twin_result(fcinfo, twin);
    const ReturnSetInfo* result = reinterpret_cast<const ReturnSetInfo*>(fcinfo->resultinfo);
    if (rows.count > 1) {
        qsort(rows.rows, static_cast<size_t>(rows.count), sizeof(Row), compare_rows);
    }
    const Size natts = static_cast<Size>(twin.row->natts);
    Datum* values = static_cast<Datum*>(palloc0(natts * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc0(natts * sizeof(bool)));
    for (int i = 0; i < rows.count; i++) {
        CHECK_FOR_INTERRUPTS();
        decode_row(twin, *rows.rows[i].answer, rows.rows[i].first, values, nulls);
        values[twin.columns[0].attribute] = Int32GetDatum(rows.rows[i].request_no);
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
}

// Has one of the share's departures moved since it was looked up?
bool has_moved(const Batch& batch, const Share& share) {
    if (batch.kind != Kind::kTickets) {
        return false;
    }
    const Size fields = static_cast<Size>(batch.array.columns->natts);
    Datum* values = static_cast<Datum*>(palloc(fields * sizeof(Datum)));
    bool* nulls = static_cast<bool*>(palloc(fields * sizeof(bool)));
    bool moved = false;
    for (int i = 0; !moved && i < share.count; i++) {
        read_fields(batch, share.numbers[i] - 1, values, nulls);
        moved = route_of_train(batch.twin.schema, text_of(values[batch.key]),
                               DatumGetDateADT(values[batch.date])) != share.node;
    }
    pfree(values);
    pfree(nulls);
    return moved;
}

// Shall the share be sent again, because a departure of it is or was being moved? Waits for a
// moment if the routes are as they were.
bool may_try_again(Batch* batch, const Share& share, const Answer& answer) {
    if (!may_have_moved(answer) || has_moved(*batch, share)) {
        return may_have_moved(answer);
    }
    const TimestampTz deadline = batch->pursuit.deadline;
    if (!says_moved(answer) || (deadline != 0 && GetCurrentTimestamp() >= deadline)) {
        return false;
    }
    wait_for_move(&batch->pursuit, "a departure of the batch");
    return true;
}

bool is_any_done(const Batch& batch) {
    for (int i = 0; i < batch.array.count; i++) {
        if (batch.requests[i].done) {
            return true;
        }
    }
    return false;
}

// Sends each node its share of what is not done. Returns whether all is done then; if not,
// departures have moved.
bool carry_out(Batch* batch, KeptRows* rows) {
    do_numbered(1, batch->array.count, [&](int32_t number) { route(batch, number); });
    int count;
    const Share* shares = share_out(*batch, &count);
    if (count > 1 && !is_any_done(*batch)) {
        require_request_ids(*batch);
        const char* check = batch->kind == Kind::kTickets ? "ticket_check_many" : "item_check_many";
        Answer* checks = ask_shares(*batch, check, 0, Effect::kNone, shares, count);
        for (int i = 0; i < count; i++) {
            if (checks[i].sqlstate != 0 && may_try_again(batch, shares[i], checks[i])) {
                return false;
            }
        }
        raise_first_error(shares, checks, count);
    }
    Answer* answers = ask_shares(
        *batch, batch->twin.name, batch->twin.column_names,
        batch->requests[0].has_request_id ? Effect::kRequest : Effect::kUnknown, shares, count);
    for (int i = 0; i < count; i++) {
        if (answers[i].sqlstate == 0) {
            keep_rows(*batch, shares[i], &answers[i], rows);
            for (int j = 0; j < shares[i].count; j++) {
                batch->requests[shares[i].numbers[j] - 1].done = true;
            }
        }
    }
    bool all_done = true;
    for (int i = 0; i < count; i++) {
        if (answers[i].sqlstate == 0) {
            continue;
        }
        all_done = false;
        if (may_try_again(batch, shares[i], answers[i])) {
            continue;
        }
        if (is_any_done(*batch)) {
            report_half_done(*batch, shares[i], &answers[i]);
        }
        raise_first_error(shares, answers, count);
    }
    return all_done;
}

Datum buy_many(FunctionCallInfo fcinfo, Kind kind) {
    const Twin& twin = twin_of(fcinfo);
    require_no_transaction(twin);
    require_argument(fcinfo, 0, "requests");
    const Oid array_type = twin.arguments[0].type;
    ArrayType* array = PG_GETARG_ARRAYTYPE_P(0);
    Batch batch{twin,
                kind,
                open_requests(array, kind == Kind::kTickets ? "ticket_request" : "item_request",
                              kind == Kind::kTickets ? 10 : 5),
                array_type,
                nullptr,
                0,
                0,
                0,
                {0}};
    batch.key =
        require_field(twin, batch.array.columns, kind == Kind::kTickets ? "train" : "item_id");
    batch.date =
        kind == Kind::kTickets ? require_field(twin, batch.array.columns, "service_date") : -1;
    batch.request_id = require_field(twin, batch.array.columns, "request_id");
    batch.requests = static_cast<Request*>(MemoryContextAllocExtended(
        CurrentMemoryContext, static_cast<Size>(Max(batch.array.count, 1)) * sizeof(Request),
        MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO));
    KeptRows rows{nullptr, 0, 0};
    while (batch.array.count > 0 && !carry_out(&batch, &rows)) {
        CHECK_FOR_INTERRUPTS();
    }
    return_rows(fcinfo, batch, rows);
    return 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_ticket_batch) {
    return ticketpool::buy_many(fcinfo, ticketpool::Kind::kTickets);
}

TICKETPOOL_FUNCTION(router_item_batch) {
    return ticketpool::buy_many(fcinfo, ticketpool::Kind::kItems);
}
