// What others write into ticket_order by hand: INSERT, UPDATE, DELETE, MERGE, COPY, TRUNCATE, and
// rows that logical replication applies.
//
// A row trigger on ticket_order, which every partition inherits and which also fires under
// session_replication_role = replica, reduces each event to at most two steps:
//
//   the old row was live    its claim is released at commit, like a refund's
//   the new row is live     exactly its seat and stretch is claimed at once, like a purchase's, or
//                           taken over from an own release of this transaction
//
// A row is in the table before its trigger has claimed for it. Nobody can take it for sold in
// between: it is uncommitted, and where the claim fails it never commits. A departure that is
// loaded meanwhile is loaded without the row, and the claim is entered there.
//
// Events of one statement come row by row, so the seat that a row wants may be freed by a later row
// of the same statement (two passengers change seats). A claim that fails therefore waits, private
// to this transaction, until the last event of its statement has fired: then it is tried again, and
// refused (23P01) if the seat is taken by somebody else. Statements end in ExecutorFinish, COPY,
// or, where logical replication has applied rows, before commit. Events fire one trigger level
// deeper than their statement runs, and that is how a statement's end knows which claims are its
// own.
//
// A row whose departure does not exist, or has no stop list or seats yet, is accepted: a restore
// brings tables in any order. The transaction that writes, changes or deletes it holds a lock
// (orphans) that whoever inserts a departure waits for, and the other way round, so a departure is
// never loaded without an order that commits later.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

// The departure, pinned; null: there is none, or its stop list or seats are still to come.
DepartureRef pin_departure(const Catalog& catalog, int64_t departure_id);

// The worker has something to do at the row's time in this column, unless it is NULL.
void note_deadline(TupleTableSlot* row, AttrNumber column);

}  // namespace ticketpool
