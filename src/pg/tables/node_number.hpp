// The number of this database among many servers, and ids that end in it.
//
// ticket_node has the number; no row, or a row with 0: this database is on its own. With a number
// n, from 1 to 127, the low seven bits of every id that is drawn are n, so two databases with
// different numbers never draw the same id:
//
//   orders        date << 37 | (2^29 + s) mod 2^30 << 7 | n       2^30 numbers, then again
//   all others    2^40 + s << 7 | n                               below 2^53
//
// s is what the sequence gives, with or without a number the same. Ids that were drawn while the
// number was 0 are s itself (orders: date << 37 | s), so those of another database, from before it
// had a number, could equal ids with a number. The offsets keep them apart: until a sequence has
// given 2^29 numbers after the first number was set (orders), or 2^40 while it was 0 (others).
//
// The row is the only place that knows the number. Sequences keep their increment, since a dump has
// their last value only, and what sessions have cached of a sequence (CACHE 64) has no number in
// it. So a dump, a standby, pg_upgrade and a copy of the database have the number if they have the
// row.
//
// Protocol.
// - Writers: ticket_node_set, and whoever may write the row by hand. Each writes the row and, in
//   the same transaction, announces the change (announce_change(), by the triggers of the table).
//   At commit the row becomes visible first, then the announcement is sent, and only then the
//   writer is told that it has committed.
// - A draw first takes in all announcements that were sent. If the number that the session
//   remembers is void after that, it reads the row as of now, and reads it again if another
//   announcement came meanwhile. Then it takes a number of the sequence. So a draw that begins
//   after the writer was told uses the new number, in whatever transaction, subtransaction or
//   isolation level. A draw that runs at the same time as the commit uses one of the two. Nobody
//   waits for anybody: no lock is held from the look to the draw, and none is needed, since s is
//   unique under either number.
// - A transaction that changed the row and has not ended sees its own number, and no one else does.
//   If it rolls back, to a savepoint too, or its session dies, the server announces to the session
//   itself what it undid, and the ids that it drew are gone with its rows.
// - A long transaction of another session draws with the new number from the commit on. A prepared
//   transaction draws nothing; its rows have the number of when they were drawn.
// - A standby replays the row before the announcement, so a session that stays connected over a
//   promotion knows the number of the promotion. It cannot draw before.
// - Triggers that were switched off (a restore with --disable-triggers) announce nothing. Switching
//   them off and on again is a change of the table, which the server announces.
//
// Number 0 is final: an id with a number may have been drawn, so the number does not become 0
// again. What tells is ticket_node_drawn_seq, which is called once: a sequence, so that it is not
// undone by a rollback, costs no lock of a row, and is dumped. The first draw with a number in a
// session calls it before it draws, and then looks at the number again. ticket_node_set(0) locks
// the sequence against such calls to the end of its transaction and then looks; if it does not get
// the lock at once, a session is about to draw. So either the call comes first, and ticket_node_set
// refuses, or the look, and the session waits for the end of ticket_node_set and draws with the
// number of then.
#pragma once

#include "server/catalog.hpp"
#include "server/pg.hpp"

namespace ticketpool {

inline constexpr int kMostNodes = 127;
inline constexpr int kNodeBits = 7;

// The number as of now; 0: none.
int node_number(const Catalog& catalog);
// The same, on the way to a draw: notes that an id with a number is drawn.
int node_to_draw(const Catalog& catalog);

// The sequence bits of an order's id with a number.
int64_t numbered_order(int64_t number, int node);
// A new id from a sequence of departures, quotas, inventories or orders of items. 2200H: there are
// none left with a number.
int64_t next_id(const Catalog& catalog, Oid sequence);

}  // namespace ticketpool
