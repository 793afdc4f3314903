// Decides whether a call is alone in its transaction: see alone.hpp.
#include "server/alone.hpp"

extern "C" {
#include "commands/trigger.h"
#include "executor/execdesc.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "tcop/dest.h"
#include "tcop/pquery.h"
#include "utils/portal.h"

// libpq/libpq.h includes the headers of GSSAPI and OpenSSL, which need not be installed.
bool pq_buffer_has_data(void);
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

// The portal of a client's own statement has no name: cursors, of SQL and of SPI, must have one.
bool is_clients_own(const Portal portal, const EState* estate) {
    return portal != nullptr && portal->name[0] == '\0' && portal->strategy == PORTAL_ONE_SELECT &&
           list_length(portal->stmts) == 1 && portal->queryDesc != nullptr &&
           portal->queryDesc->estate == estate && current_run.query == portal->queryDesc &&
           current_run.count == 0 &&
           (portal->queryDesc->dest->mydest == DestRemote ||
            portal->queryDesc->dest->mydest == DestRemoteExecute);
}

bool has_plain_columns(const List* targets) {
    ListCell* cell;
    foreach (cell, targets) {
        if (!IsA(lfirst_node(TargetEntry, cell)->expr, Var)) {
            return false;
        }
    }
    return true;
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

bool has_quiet_arguments(const List* arguments) {
    ListCell* cell;
    foreach (cell, arguments) {
        Node* argument = static_cast<Node*>(lfirst(cell));
        if (!IsA(argument, Const) && !IsA(argument, Param) &&
            contain_volatile_functions(argument)) {
            return false;
        }
    }
    return true;
}

bool is_fresh_transaction() {
    return !IsTransactionBlock() && GetCurrentTransactionNestLevel() == 1 &&
           XactIsoLevel == XACT_READ_COMMITTED && !XactReadOnly &&
           (MyXactFlags & XACT_FLAGS_PIPELINING) == 0 &&
           !TransactionIdIsValid(GetTopTransactionIdIfAny());
}

// Has the client's Sync arrived, right behind the Execute?
bool is_sync_next() {
    if (!pq_buffer_has_data()) {
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

bool is_alone(const ScanState& node, FuncExpr* call) {
    return is_clients_own(ActivePortal, node.ps.state) && is_whole_statement(node) &&
           is_fresh_transaction() && SessionReplicationRole == SESSION_REPLICATION_ROLE_ORIGIN &&
           is_text_sent_as_it_is() && has_quiet_arguments(call->args) &&
           is_commit_next(ActivePortal);
}

void install_alone_hook() {
    next_hook = ExecutorRun_hook;
    ExecutorRun_hook = note_run;
}

}  // namespace ticketpool
