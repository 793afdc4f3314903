// Is a call alone in its transaction, so that nothing after it can fail or have an effect?
//
// What such a call does may be committed by another process, before the caller's own transaction
// ends (group sale, pool/sale_queue.hpp). An error of the caller after that would tell the client
// that nothing was sold. So each of these must be known for sure; otherwise the answer is no.
//
//   the statement    a SELECT of plain columns from the call and from nothing else, for the client
//                    itself. It is not in a transaction block, a function, a subtransaction or a
//                    cursor, not COPY, EXPLAIN, EXECUTE or CREATE TABLE AS, and no row limit could
//                    leave its portal open
//   before it        nothing: no other Execute of a pipeline, no transaction id, no use of temporary
//                    tables. Its arguments call no volatile function, and none of the user's
//   after it         the commit follows. In the simple protocol the statement is the only one of
//                    its query. In the extended protocol the Sync has been received: it is the next
//                    message in the buffer
//   the rows         reach the client as they are: text that has to be converted to the client's
//                    encoding might have no equivalent there. Their columns have types of the
//                    extension's own tables, in a format that the server knows
//   the transaction  is READ COMMITTED and may write; triggers fire as usual, and no replication
//                    origin is set
//
// What nobody can exclude (a lack of memory, another extension that refuses to commit) ends the
// connection: see wait_for_sale().
#pragma once

#include "server/pg.hpp"

extern "C" {
#include "nodes/execnodes.h"
}

namespace ticketpool {

// The part of the question that costs little.
bool may_be_alone(const ScanState& node);
// All of it, for the node that makes the call; `call` is its expression.
bool is_alone(const ScanState& node, FuncExpr* call);

void install_alone_hook();

}  // namespace ticketpool
