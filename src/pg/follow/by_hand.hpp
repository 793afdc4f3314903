// What others write into ticket_order by hand: INSERT, UPDATE, DELETE, MERGE, COPY, TRUNCATE, and
// rows that logical replication applies.
//
// A row trigger on ticket_order, which every partition inherits and which also fires under
// session_replication_role = replica, reduces each event to at most two steps:
//
//   the old row was live    its claim is released at commit, as a refund releases it
//   the new row is live     exactly its seat and stretch is claimed at once, as by a purchase, or
//                           taken over from a release of this transaction
//
// A row is in the table before its trigger has claimed its seat. In between, no session can take
// the row for a sold ticket: the row is uncommitted, and if the claim fails, it never commits. A
// departure that is loaded in between is loaded without the row, and the claim is entered there.
//
// The events of one statement come row by row, so the seat that a row wants may be freed by a later
// row of the same statement (two passengers change seats). A claim that fails is therefore kept,
// private to this transaction, until the last event of its statement has fired (wanted.hpp). Then
// it is tried again, and refused (23P01) if the seat is still taken.
//
// A row whose departure does not exist, or has no stop list or seats yet, is accepted, because a
// restore writes the tables in any order. The transaction that writes, changes or deletes such a
// row holds the lock of orphans (arrival_locks.hpp). A session that inserts a departure waits for
// that lock, and the other way round, so a departure is never loaded without an order that commits
// later.
#pragma once

#include "pool/announcement.hpp"
#include "server/catalog.hpp"
#include "server/pg.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

// What of a departure is written, as to its getting other seats meanwhile (reforming.hpp).
enum class Writing {
    kDeparture,  // the departure itself, whose row this session has locked
    kLocked,     // what a reform has to lock first: a ticket that was live, a row of the departure
    kNew         // what it would not see: waits, and then ereports TK003
};

// The departure, pinned; null if it does not exist, or its stop list or seats do not exist yet.
DepartureRef pin_departure(const Catalog& catalog, int64_t departure_id, Writing writing);

// 23514: the live ticket does not fit its departure. 23P01: its seat is taken.
[[noreturn]] void report_misfit(int64_t departure_id, const LiveTicket& ticket, Misfit misfit);
[[noreturn]] void report_taken(const DepartureRef& ref, const LiveTicket& ticket);

// From the commit on, the worker has something to do at the time in this column, unless it is NULL.
void note_deadline(TupleTableSlot* row, AttrNumber column);

}  // namespace ticketpool
