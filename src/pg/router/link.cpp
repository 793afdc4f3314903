// Calls a node through PL/Proxy, and tells what its errors mean (link.hpp).
#include "router/link.hpp"

#include "server/arrays.hpp"
#include "server/settings.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "executor/executor.h"
#include "utils/fmgroids.h"
#include "utils/syscache.h"
#include "utils/timeout.h"
}

namespace ticketpool {
namespace {

constexpr const char* kSchema = "ticketpool_router";
constexpr int kMaxNode = 127;

// ---------------------------------------------------------------------------------------------
// The PL/Proxy functions
// ---------------------------------------------------------------------------------------------

// By Proxy.
enum Proxy { kNodeCall, kNodeCallRead, kNodesCall, kNodesCallRead, kProxies };
constexpr const char* kProxyNames[] = {"node_call", "node_call_read", "nodes_call",
                                       "nodes_call_read"};
static_assert(lengthof(kProxyNames) == kProxies);

// Void after any function or schema has changed.
constinit FmgrInfo proxies[kProxies]{};
constinit uint64_t changes = 0;

void on_change(Datum, SystemCache, uint32) {
    changes++;
    for (FmgrInfo& proxy : proxies) {
        proxy.fn_oid = InvalidOid;
    }
}

Oid find_proxy(Proxy which) {
    const bool several = which >= kNodesCall;
    const Oid one[] = {INT4OID, TEXTOID, TEXTARRAYOID, TEXTARRAYOID};
    const Oid many[] = {INT4ARRAYOID, TEXTARRAYOID, TEXTOID, TEXTARRAYOID};
    const Oid schema = get_namespace_oid(kSchema, true);
    oidvector* types = buildoidvector(several ? many : one, 4);
    const Oid function = OidIsValid(schema)
                             ? GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
                                               CStringGetDatum(kProxyNames[which]),
                                               PointerGetDatum(types), ObjectIdGetDatum(schema))
                             : InvalidOid;
    if (!OidIsValid(function)) {
        ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION),
                        errmsg("function %s.%s is missing", kSchema, kProxyNames[which]),
                        errdetail("It is part of extension ticketpool_router."),
                        errhint("Create the extension again.")));
    }
    return function;
}

const FmgrInfo* proxy_function(Proxy which) {
    static constinit bool registered = false;
    if (!registered) {
        CacheRegisterSyscacheCallback(PROCOID, on_change, 0);
        CacheRegisterSyscacheCallback(NAMESPACEOID, on_change, 0);
        registered = true;
    }
    FmgrInfo* kept = &proxies[which];
    if (!OidIsValid(kept->fn_oid)) {
        const uint64_t before = changes;
        const Oid function = find_proxy(which);
        FmgrInfo found;
        fmgr_info_cxt(function, &found, TopMemoryContext);
        *kept = found;
        if (before != changes) {
            kept->fn_oid = InvalidOid;
            return proxy_function(which);
        }
    }
    return kept;
}

// ---------------------------------------------------------------------------------------------
// A limit for the wait. PL/Proxy waits for a node without one. Its own cancelling asks the node's
// server, and waits for that without a limit, too, if the server is frozen; but it does so only for
// an error that is a cancelled query. So the time-out cancels the call, and while that error is
// being raised, it becomes another one. PL/Proxy then drops the connection at its next call.
//
// A cancelled query (a user's, a statement_timeout) would wait for a frozen server in the same way,
// and nothing could end that. So the node is not asked to stop either: the error becomes another
// one, and a cancelled query again once PL/Proxy has let it through. What the node was sent may
// still be carried out.
// ---------------------------------------------------------------------------------------------

constinit volatile sig_atomic_t overdue = 0;
constinit volatile sig_atomic_t cancelled_here = 0;
constinit int timeout_id = -1;
constinit bool left_running = false;  // cancelled, and the node was not told

void on_timeout(void) {
    overdue = 1;
    if (!QueryCancelPending) {
        cancelled_here = 1;
        QueryCancelPending = true;
    }
    InterruptPending = true;
    SetLatch(MyLatch);
}

// "name(4): [database] REMOTE ERROR: message": the message. One of the node may contain anything,
// so the first place counts. null: it is not the node's.
const char* remote_message(const char* message) {
    const char* start = message == nullptr ? nullptr : strstr(message, "] REMOTE ");
    const char* colon = start == nullptr ? nullptr : strstr(start, ": ");
    return colon == nullptr ? nullptr : colon + 2;
}

const char* without_prefix(const char* text, const char* prefix) {
    return text != nullptr && strncmp(text, prefix, strlen(prefix)) == 0 ? text + strlen(prefix)
                                                                         : text;
}

// A NOTICE or WARNING of the node, which PL/Proxy passes on: in the node's words.
void restore_notice() {
    MemoryContext context = MemoryContextSwitchTo(CurTransactionContext);
    const ErrorData* notice = CopyErrorData();
    MemoryContextSwitchTo(context);
    const char* message = remote_message(notice->message);
    if (notice->elevel >= ERROR || message == nullptr) {
        return;
    }
    errmsg_internal("%s", message);
    if (notice->detail != nullptr) {
        errdetail_internal("%s", without_prefix(notice->detail, "Remote detail: "));
    }
    if (notice->hint != nullptr) {
        errhint("%s", without_prefix(notice->hint, "Remote hint: "));
    }
}

void on_error(void*) {
    if (geterrcode() == ERRCODE_QUERY_CANCELED) {
        left_running = overdue == 0;
        errcode(ERRCODE_CONNECTION_FAILURE);
    }
    restore_notice();
}

void begin_wait(int milliseconds) {
    if (timeout_id < 0) {
        timeout_id = static_cast<int>(RegisterTimeout(USER_TIMEOUT, on_timeout));
    }
    overdue = 0;
    cancelled_here = 0;
    left_running = false;
    enable_timeout_after(static_cast<TimeoutId>(timeout_id), Max(milliseconds, 1));
}

// Whether the time-out has ended the call.
bool end_wait() {
    disable_timeout(static_cast<TimeoutId>(timeout_id), false);
    if (cancelled_here != 0) {
        QueryCancelPending = false;  // it came too late
    }
    const bool was_overdue = overdue != 0;
    overdue = 0;
    return was_overdue;
}

// ---------------------------------------------------------------------------------------------
// Errors of the way
// ---------------------------------------------------------------------------------------------

// The call: for messages.
struct Call {
    const char* function;
    const char* nodes;  // "node 1", "one of the nodes 1, 2"
    bool several;       // nodes: what failed on one of them may be done on the others
    Effect effect;
    int wait_ms;
};

const char* message_of_node(const char* message) {
    const char* remote = remote_message(message);
    return remote == nullptr ? message : remote;
}

const char* message_of_link(const char* message) {
    constexpr const char kPrefix[] = "PL/Proxy function ";
    if (strncmp(message, kPrefix, sizeof kPrefix - 1) != 0) {
        return message;
    }
    const char* colon = strstr(message, "): ");
    return colon == nullptr ? message : colon + 3;
}

bool is_remote(const ErrorData* error) {
    return strstr(error->message, "] REMOTE ") != nullptr;
}

// The texts after which it is certain that the node was not asked: no connection was made, or a
// pooler had none for the call. Everything else may have been carried out.
bool was_not_sent(const char* message) {
    // Errors that PL/Proxy finds itself
    if (strstr(message, "] PQconnectPoll: ") != nullptr ||
        strstr(message, "] PQconnectStart: ") != nullptr) {
        return true;
    }
    // PgBouncer's own words
    static constexpr const char* kPoolerSays[] = {
        "query_wait_timeout",
        "client_login_timeout",
        "server login has been failing",
        "server login failed",
        "pgbouncer cannot connect to server",
        "no such database",
        "no such user",
        "database does not exist",
        "no more connections allowed",
        "pooler is shutting down",
        "is disabled",
        "bouncer config error",
    };
    const char* text = message_of_node(message);
    if (text == message) {
        return false;
    }
    for (const char* words : kPoolerSays) {
        if (strstr(text, words) != nullptr) {
            return true;
        }
    }
    return false;
}

// Is it the connection that failed, and not a statement on the node?
bool is_connection_error(const ErrorData* error) {
    const int category = ERRCODE_TO_CATEGORY(error->sqlerrcode);
    return category == ERRCODE_CONNECTION_EXCEPTION || category == ERRCODE_INTERNAL_ERROR ||
           error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
           error->sqlerrcode == ERRCODE_CRASH_SHUTDOWN ||
           error->sqlerrcode == ERRCODE_CANNOT_CONNECT_NOW ||
           error->sqlerrcode == ERRCODE_DATABASE_DROPPED ||
           error->sqlerrcode == ERRCODE_IDLE_SESSION_TIMEOUT ||
           error->sqlerrcode == ERRCODE_TOO_MANY_CONNECTIONS;
}

int hint_for(Effect effect) {
    switch (effect) {
        case Effect::kRequest:
            return errhint(
                "Repeat the call with the same request_id: it sells nothing twice. If "
                "there was none, look for the order first.");
        case Effect::kAgain:
            return errhint("Repeat the call: what was done is not done twice.");
        case Effect::kNone:
        case Effect::kUnknown:
            break;
    }
    return errhint("Look whether it was done before you repeat the call.");
}

[[noreturn]] void report_unreachable(const Call& call, const char* reason) {
    ereport(ERROR, (errcode(ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION),
                    errmsg("could not reach %s for %s", call.nodes, call.function),
                    errdetail("Nothing was done: %s", reason),
                    errhint("Try again; router_status() shows which nodes answer.")));
}

[[noreturn]] void report_unknown(const Call& call, const char* reason) {
    if (call.effect == Effect::kNone) {
        report_unreachable(call, reason);
    }
    ereport(ERROR,
            (errcode(ERRCODE_TRANSACTION_RESOLUTION_UNKNOWN),
             errmsg("the answer of %s to %s is lost", call.nodes, call.function),
             errdetail("It is not known whether it was done: %s", reason), hint_for(call.effect)));
}

const char* trimmed(const char* text) {
    size_t length = strlen(text);
    while (length > 0 && isspace(static_cast<unsigned char>(text[length - 1])) != 0) {
        length--;
    }
    return pnstrdup(text, length);
}

// What PL/Proxy has raised, as what it means.
[[noreturn]] void raise_link_error(const Call& call, ErrorData* error, bool was_overdue) {
    if (was_overdue && (error->sqlerrcode == ERRCODE_CONNECTION_FAILURE ||
                        error->sqlerrcode == ERRCODE_QUERY_CANCELED)) {
        report_unknown(
            call, psprintf("no answer came within %d ms (router.call_timeout).", call.wait_ms));
    }
    if (error->message == nullptr) {
        ReThrowError(error);
    }
    if (left_running && error->sqlerrcode == ERRCODE_CONNECTION_FAILURE) {
        error->sqlerrcode = ERRCODE_QUERY_CANCELED;
        if (!is_remote(error) && call.effect != Effect::kNone) {
            report_unknown(call, "the call was cancelled while its answer was outstanding.");
        }
    }
    const char* reason = trimmed(message_of_link(message_of_node(error->message)));
    if (is_connection_error(error)) {
        if (!call.several && was_not_sent(error->message)) {
            report_unreachable(call, reason);
        }
        report_unknown(call, reason);
    }
    if (is_remote(error)) {
        error->message = pstrdup(message_of_node(error->message));
        const char* detail = without_prefix(error->detail, "Remote detail: ");
        const char* hint = without_prefix(error->hint, "Remote hint: ");
        error->detail = detail == nullptr ? nullptr : pstrdup(detail);
        error->hint = hint == nullptr ? nullptr : pstrdup(hint);
        error->context = psprintf("%s", call.nodes);
    }
    ReThrowError(error);
    pg_unreachable();
}

// ---------------------------------------------------------------------------------------------
// Calls
// ---------------------------------------------------------------------------------------------

// Calls work(), which calls a PL/Proxy function. What that raises is raised as what it means.
template <typename Work>
void through_link(const Call& call, Work work) {
    MemoryContext context = CurrentMemoryContext;
    ErrorContextCallback callback{error_context_stack, on_error, nullptr};
    // A session may have array_nulls off: then a NULL in the answer would become the text "NULL".
    const int level = Array_nulls ? 0 : NewGUCNestLevel();
    if (level != 0) {
        set_config_option("array_nulls", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
                          false);
    }
    begin_wait(call.wait_ms);
    error_context_stack = &callback;
    PG_TRY();
    { work(); }
    PG_CATCH();
    {
        const bool was_overdue = end_wait();
        error_context_stack = callback.previous;  // what is raised here is not PL/Proxy's
        MemoryContextSwitchTo(context);
        ErrorData* error = CopyErrorData();
        FlushErrorState();
        raise_link_error(call, error, was_overdue);
    }
    PG_END_TRY();
    error_context_stack = callback.previous;
    end_wait();
    if (level != 0) {
        AtEOXact_GUC(true, level);
    }
}

void require_node(int node) {
    if (node < 1 || node > kMaxNode) {
        ereport(ERROR,
                (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("node %d is out of range", node),
                 errdetail("A node has a number from 1 to %d.", kMaxNode),
                 errhint("Correct the tables of the router.")));
    }
}

NullableDatum argument(Datum value) {
    return {value, value == 0};
}

int sqlstate_of(Datum value) {
    const Text code = text_of(value);
    if (code.length != 5) {
        ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("a node gave an answer without meaning"),
                        errdetail("It begins with \"%s\".", printable(code)),
                        errhint("router_status() shows whether the versions agree.")));
    }
    const int state =
        MAKE_SQLSTATE(code.data[0], code.data[1], code.data[2], code.data[3], code.data[4]);
    return state == ERRCODE_SUCCESSFUL_COMPLETION ? 0 : state;
}

// `skip`: elements before the SQLSTATE.
Answer read_answer(int node, Datum array, int skip) {
    const Elements elements = elements_of(array, TEXTOID, -1, false, TYPALIGN_INT);
    if (elements.count <= skip || elements.nulls[skip]) {
        ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("node %d gave an empty answer", node)));
    }
    return {node, sqlstate_of(elements.values[skip]), elements.values + skip + 1,
            elements.nulls + skip + 1, elements.count - skip - 1};
}

const char* nodes_text(const int* nodes, int count) {
    StringInfoData text;
    initStringInfo(&text);
    appendStringInfoString(&text, count == 1 ? "node" : "one of the nodes");
    for (int i = 0; i < count; i++) {
        appendStringInfo(&text, "%s %d", i == 0 ? "" : ",", nodes[i]);
    }
    return text.data;
}

[[noreturn]] void report_no_answer(int node) {
    ereport(ERROR, (errcode(ERRCODE_FDW_ERROR), errmsg("node %d gave no answer", node),
                    errdetail("Two nodes may have the same connection string."),
                    errhint("Look at router_node and router_status().")));
}

// Fetches one answer after the other from a PL/Proxy function that returns a set.
void fetch_answers(FmgrInfo* proxy, const NullableDatum* arguments, const int* nodes, int count,
                   Answer* answers) {
    LOCAL_FCINFO(fcinfo, 4);
    ReturnSetInfo result{};
    result.type = T_ReturnSetInfo;
    result.econtext = CreateStandaloneExprContext();
    result.allowedModes = SFRM_ValuePerCall;
    InitFunctionCallInfoData(*fcinfo, proxy, 4, InvalidOid, nullptr,
                             reinterpret_cast<Node*>(&result));
    memcpy(fcinfo->args, arguments, 4 * sizeof(NullableDatum));
    for (;;) {
        result.returnMode = SFRM_ValuePerCall;
        result.isDone = ExprSingleResult;
        fcinfo->isnull = false;
        const Datum array = FunctionCallInvoke(fcinfo);
        if (result.isDone != ExprMultipleResult) {
            break;
        }
        const Elements elements = elements_of(array, TEXTOID, -1, false, TYPALIGN_INT);
        const int node = elements.count == 0 || elements.nulls[0]
                             ? 0
                             : pg_strtoint32(TextDatumGetCString(elements.values[0]));
        for (int i = 0; i < count; i++) {
            if (nodes[i] == node) {
                answers[i] = read_answer(node, array, 1);
            }
        }
    }
    FreeExprContext(result.econtext, true);
}

}  // namespace

const char* error_field(const Answer& answer, ErrorField field) {
    return field >= answer.count || answer.nulls[field] ? nullptr
                                                        : TextDatumGetCString(answer.values[field]);
}

bool says_moved(const Answer& answer) {
    if (answer.sqlstate != ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION) {
        return false;
    }
    const char* where = error_field(answer, kErrorConstraint);
    return where != nullptr &&
           (strcmp(where, "moving") == 0 || strncmp(where, "node_", strlen("node_")) == 0);
}

Answer ask_node(int node, Cluster cluster, const char* function, Datum arguments, Datum columns,
                Effect effect, int share) {
    require_node(node);
    FmgrInfo proxy;
    fmgr_info_copy(&proxy,
                   const_cast<FmgrInfo*>(
                       proxy_function(cluster == Cluster::kPrimary ? kNodeCall : kNodeCallRead)),
                   CurrentMemoryContext);
    LOCAL_FCINFO(fcinfo, 4);
    InitFunctionCallInfoData(*fcinfo, &proxy, 4, InvalidOid, nullptr, nullptr);
    fcinfo->args[0] = {Int32GetDatum(node), false};
    fcinfo->args[1] = {CStringGetTextDatum(function), false};
    fcinfo->args[2] = argument(arguments);
    fcinfo->args[3] = argument(columns);
    Datum array = 0;
    through_link({function, psprintf("node %d", node), false, effect, setting_call_timeout / share},
                 [&] { array = FunctionCallInvoke(fcinfo); });
    if (fcinfo->isnull) {
        report_no_answer(node);
    }
    return read_answer(node, array, 0);
}

void raise_answer(const Answer& answer) {
    const auto field = [&answer](ErrorField which) {
        return const_cast<char*>(error_field(answer, which));
    };
    ErrorData error{};
    error.elevel = ERROR;
    error.sqlerrcode = answer.sqlstate;
    error.message = field(kErrorMessage);
    error.detail = field(kErrorDetail);
    error.hint = field(kErrorHint);
    const char* context = field(kErrorContext);
    error.context = context == nullptr ? psprintf("node %d", answer.node)
                                       : psprintf("%s\nnode %d", context, answer.node);
    error.schema_name = field(kErrorSchema);
    error.table_name = field(kErrorTable);
    error.column_name = field(kErrorColumn);
    error.datatype_name = field(kErrorDatatype);
    error.constraint_name = field(kErrorConstraint);
    error.filename = __FILE__;
    error.lineno = __LINE__;
    error.funcname = __func__;
    error.assoc_context = CurrentMemoryContext;
    ThrowErrorData(&error);
    pg_unreachable();
}

Answer call_node(int node, Cluster cluster, const char* function, Datum arguments, Datum columns,
                 Effect effect) {
    const Answer answer = ask_node(node, cluster, function, arguments, columns, effect);
    if (answer.sqlstate != 0) {
        raise_answer(answer);
    }
    return answer;
}

Answer ask_either(int node, const char* function, Datum arguments, Datum columns, int share) {
    Answer answer{};
    ErrorData* error = in_subtransaction([&] {
        answer = ask_node(node, Cluster::kRead, function, arguments, columns, Effect::kNone, share);
        return true;
    });
    if (error == nullptr) {
        return answer;
    }
    if (error->sqlerrcode != ERRCODE_SQLCLIENT_UNABLE_TO_ESTABLISH_SQLCONNECTION) {
        ReThrowError(error);
    }
    return ask_node(node, Cluster::kPrimary, function, arguments, columns, Effect::kNone, share);
}

void ask_nodes(const int* nodes, const Datum* arguments, int count, Cluster cluster,
               const char* function, Datum columns, Effect effect, Answer* answers, int share) {
    Datum* numbers = static_cast<Datum*>(palloc(static_cast<Size>(count) * sizeof(Datum)));
    Datum* lists = static_cast<Datum*>(palloc(static_cast<Size>(count) * sizeof(Datum)));
    for (int i = 0; i < count; i++) {
        require_node(nodes[i]);
        numbers[i] = Int32GetDatum(nodes[i]);
        lists[i] = CStringGetTextDatum(OidOutputFunctionCall(F_ARRAY_OUT, arguments[i]));
        answers[i] = Answer{};
    }
    const NullableDatum values[] = {
        {PointerGetDatum(construct_array(numbers, count, INT4OID, 4, true, TYPALIGN_INT)), false},
        {PointerGetDatum(construct_array(lists, count, TEXTOID, -1, false, TYPALIGN_INT)), false},
        {CStringGetTextDatum(function), false},
        argument(columns)};
    FmgrInfo proxy;
    fmgr_info_copy(&proxy,
                   const_cast<FmgrInfo*>(
                       proxy_function(cluster == Cluster::kPrimary ? kNodesCall : kNodesCallRead)),
                   CurrentMemoryContext);
    through_link(
        {function, nodes_text(nodes, count), count > 1, effect, setting_call_timeout / share},
        [&] { fetch_answers(&proxy, values, nodes, count, answers); });
    for (int i = 0; i < count; i++) {
        if (answers[i].node == 0) {
            report_no_answer(nodes[i]);
        }
    }
}

Datum text_array(const char* const* values, int count) {
    Datum* texts = static_cast<Datum*>(palloc(static_cast<Size>(Max(count, 1)) * sizeof(Datum)));
    for (int i = 0; i < count; i++) {
        texts[i] = CStringGetTextDatum(values[i]);
    }
    return PointerGetDatum(construct_array(texts, count, TEXTOID, -1, false, TYPALIGN_INT));
}

}  // namespace ticketpool
