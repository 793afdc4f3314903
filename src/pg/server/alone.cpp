// Decides whether a call is alone in its transaction: see alone.hpp.
#include "server/alone.hpp"

extern "C" {
#include "access/transam.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "replication/origin.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "utils/lsyscache.h"
#include "utils/portal.h"

// libpq/libpq.h includes the headers of GSSAPI and OpenSSL, which need not be installed.
#if PG_VERSION_NUM >= 170000
ssize_t pq_buffer_remaining_data(void);
#else
bool pq_buffer_has_data(void);
#endif
int pq_peekbyte(void);
void pq_startmsgread(void);
void pq_endmsgread(void);
}

namespace ticketpool {
namespace {

// The innermost run of the executor. A stale one, after an error, is of a query that has ended; the
// next query with the same address goes through the hook again.
struct Run {
    const QueryDesc* query;
    uint64_t count;  // rows at most; 0: all
};
constinit Run current_run{};
constinit ExecutorRun_hook_type next_hook = nullptr;

#if PG_VERSION_NUM >= 180000
void note_run(QueryDesc* query, ScanDirection direction, uint64 count) {
    const Run outer = current_run;
    current_run = {query, count};
    next_hook != nullptr ? next_hook(query, direction, count)
                         : standard_ExecutorRun(query, direction, count);
    current_run = outer;
}
#else
void note_run(QueryDesc* query, ScanDirection direction, uint64 count, bool once) {
    const Run outer = current_run;
    current_run = {query, count};
    next_hook != nullptr ? next_hook(query, direction, count, once)
                         : standard_ExecutorRun(query, direction, count, once);
    current_run = outer;
}
#endif

// Is there a client? A background worker may send rows to somebody, too, but it need not end a
// transaction after a statement.
bool has_client() {
    return MyProcPort != nullptr && whereToSendOutput == DestRemote;
}

// The portal of a client's own statement has no name: cursors, of SQL and of SPI, must have one.
bool is_clients_own(const Portal portal, const EState* estate) {
    return portal != nullptr && portal->name[0] == '\0' && portal->strategy == PORTAL_ONE_SELECT &&
           list_length(portal->stmts) == 1 && portal->queryDesc != nullptr &&
           portal->queryDesc->estate == estate && current_run.query == portal->queryDesc &&
           current_run.count == 0 &&
           (portal->queryDesc->dest->mydest == DestRemote ||
            portal->queryDesc->dest->mydest == DestRemoteExecute);
}

// A column of the extension's own tables has one of these types. Their output cannot fail, as text
// or binary; that of another type may do anything, or be missing.
bool is_plain_type(Oid type) {
    switch (type) {
        case INT4OID:
        case INT8OID:
        case TEXTOID:
        case DATEOID:
        case TIMESTAMPTZOID:
        case UUIDOID:
            return true;
        default:
            return false;
    }
}

bool has_plain_columns(const List* targets) {
    ListCell* cell;
    foreach (cell, targets) {
        const Expr* column = lfirst_node(TargetEntry, cell)->expr;
        if (!IsA(column, Var) || !is_plain_type(reinterpret_cast<const Var*>(column)->vartype)) {
            return false;
        }
    }
    return true;
}

// The server looks at the formats that the client asks for when it sends the first row.
bool has_known_formats(const Portal portal) {
    bool known = true;
    for (int i = 0; portal->formats != nullptr && i < portal->tupDesc->natts; i++) {
        known = known && (portal->formats[i] == 0 || portal->formats[i] == 1);
    }
    return known;
}

// Is the node all that the statement does?
bool is_whole_statement(const ScanState& node) {
    const EState* estate = node.ps.state;
    const PlannedStmt* statement = estate->es_plannedstmt;
    const Plan* plan = node.ps.plan;
    return statement->planTree == plan && statement->commandType == CMD_SELECT &&
           !statement->hasModifyingCTE && statement->subplans == NIL &&
           statement->rowMarks == NIL && plan->qual == NIL && plan->initPlan == NIL &&
           estate->es_instrument == 0 && has_plain_columns(plan->targetlist);
}

bool is_loud_function(Oid function, void*) {
    return function >= FirstNormalObjectId || func_volatile(function) == PROVOLATILE_VOLATILE;
}

// Does the expression call anything that may have an effect? A user's function may, whatever it was
// declared as, and so may the check of a domain.
bool is_loud(Node* node, void* context) {
    if (node == nullptr) {
        return false;
    }
    if (IsA(node, CoerceToDomain) || IsA(node, NextValueExpr) ||
        check_functions_in_node(node, is_loud_function, context)) {
        return true;
    }
#if PG_VERSION_NUM >= 160000
    return expression_tree_walker(node, is_loud, context);
#else
    void (*const any)() = reinterpret_cast<void (*)()>(is_loud);
    return expression_tree_walker(node, reinterpret_cast<bool (*)()>(any), context);
#endif
}

bool has_quiet_arguments(const List* arguments) {
    ListCell* cell;
    foreach (cell, arguments) {
        Node* argument = static_cast<Node*>(lfirst(cell));
        if (!IsA(argument, Const) && !IsA(argument, Param) && is_loud(argument, nullptr)) {
            return false;
        }
    }
    return true;
}

bool is_fresh_transaction() {
    return !IsTransactionBlock() && GetCurrentTransactionNestLevel() == 1 &&
           XactIsoLevel == XACT_READ_COMMITTED && !XactReadOnly && MyXactFlags == 0 &&
           !TransactionIdIsValid(GetTopTransactionIdIfAny());
}

// Does the commit mean to others what a commit of the cashier's would? The rows of a session with a
// replication origin carry it.
bool is_ordinary_session() {
    return SessionReplicationRole == SESSION_REPLICATION_ROLE_ORIGIN &&
           replorigin_session_origin == InvalidRepOriginId;
}

bool has_more_arrived() {
#if PG_VERSION_NUM >= 170000
    return pq_buffer_remaining_data() > 0;
#else
    return pq_buffer_has_data();
#endif
}

// Has the client's Sync arrived, right behind the Execute?
bool is_sync_next() {
    if (!has_more_arrived()) {
        return false;
    }
    pq_startmsgread();
    const bool sync = pq_peekbyte() == 'S';
    pq_endmsgread();
    return sync;
}

// The simple protocol hides its portals from pg_cursors; the extended one does not.
bool is_commit_next(const Portal portal) {
    return !portal->visible || is_sync_next();
}

bool is_text_sent_as_it_is() {
    const int client = pg_get_client_encoding();
    return client == GetDatabaseEncoding() || client == PG_SQL_ASCII;
}

}  // namespace

bool may_be_alone(const ScanState& node) {
    return has_client() && is_clients_own(ActivePortal, node.ps.state) && is_fresh_transaction();
}

bool is_alone(const ScanState& node, FuncExpr* call) {
    return may_be_alone(node) && is_whole_statement(node) && has_known_formats(ActivePortal) &&
           is_ordinary_session() && is_text_sent_as_it_is() && has_quiet_arguments(call->args) &&
           is_commit_next(ActivePortal);
}

void install_alone_hook() {
    next_hook = ExecutorRun_hook;
    ExecutorRun_hook = note_run;
}

}  // namespace ticketpool
