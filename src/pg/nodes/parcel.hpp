// A departure that moves to another node travels as a parcel: a row of ticket_parcel on either
// side, and its rows as JSON in ticket_parcel_part.
//
// Each step is one local transaction, and repeating one changes nothing:
//
//   step               | source: 'out' | target: 'in' |
//   -------------------+---------------+--------------+------------------------------------------
//   ticket_move_out    | packed        | -            | the departure, its quotas and orders are
//                      |               |              | taken out of their tables, into the parts
//   ticket_parcel_put  | packed        | coming       | the parts are copied, one by one
//   ticket_move_ready  | handed        | coming       | from here on only the target decides
//   ticket_move_in     | handed        | arrived      | the rows are in their tables: the point of
//                      |               |              | no return
//   ticket_move_done   | done          | arrived      | the parts are dropped
//   -------------------+---------------+--------------+------------------------------------------
//   ticket_move_refuse | any           | refused      | this parcel can never be brought in again
//   ticket_move_back   | (no row)      | any          | undoes 'packed' at once, and 'handed' only
//                      |               |              | if the target has refused the parcel
//
// So the rows are live on one node at most, whatever dies when and whoever repeats what:
//
//   - Whoever calls ticket_move_in has called ticket_move_ready before. A parcel that was taken
//     back has no row, so ticket_move_ready fails. A parcel that is handed can be taken back only
//     after ticket_move_refuse, which excludes ticket_move_in by the row of the target's parcel.
//   - Each step locks the row of its parcel, so two callers of one step come one after the other.
//   - The rows of a parcel are kept on both sides after the move: the target's, because it is the
//     answer to "has it arrived?", the source's for "it has moved away" (moved_away.hpp).
//
// If a process dies: its transaction is rolled back, and the parcels say how far the move has come.
// Whoever finishes it asks both sides (ticket_parcel_state).
#pragma once

#include "server/catalog.hpp"
#include "server/owner_scope.hpp"
#include "server/pg.hpp"
#include "tables/moved_away.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/uuid.h"
}

namespace ticketpool {

// How long a step waits for transactions of others.
inline constexpr int kMoveWaitMillis = 4000;

// What the rows of a part are rows of. In this order they are packed and brought in.
enum PartKind {
    kPartRoute,
    kPartRouteCall,
    kPartLayout,
    kPartCoach,
    kPartDeparture,
    kPartReservation,
    kPartOrder,
    kPartQuestion,
    kPartGate,
    kPartKinds
};

struct PartShape {
    const char* name;
    Oid Catalog::*table;
    const char* own_number;  // a column that counts on each node by itself: it does not travel
};
extern const PartShape part_shapes[kPartKinds];

// What a parcel is about, as its row says.
struct Parcel {
    pg_uuid_t id;
    bool found;
    bool out;
    const char* state;
    const char* train;  // null: nothing has come of it so far
    int64_t departure_id;
    DateADT service_date;
    int32_t to_node;
    int32_t parts;
};

// 22023 if the text is not JSON.
void require_json(const char* argument, Datum value);

bool is_state(const Parcel& parcel, const char* state);
// Its train and day, for ticket_progress; empty if they are not known.
Text name_of_parcel(const Parcel& parcel);

// Runs `body` as the owner, inside SPI. No lock is waited for longer than kMoveWaitMillis, and
// values are written and read in one way, whatever the caller's settings.
void parcel_begin(const Catalog& catalog, OwnerScope* scope);
void parcel_end(const OwnerScope& scope);

// Reads the row of the parcel, and locks it.
Parcel lock_parcel(const Catalog& catalog, const pg_uuid_t& id);
void set_parcel_state(const Catalog& catalog, const pg_uuid_t& id, const char* state);
// Drops the parts of a parcel.
void drop_parts(const Catalog& catalog, const pg_uuid_t& id);
// Drops a parcel, and what was kept of it.
void drop_parcel(const Catalog& catalog, const pg_uuid_t& id);

// 42704: there is no such parcel.
[[noreturn]] void report_no_parcel(const pg_uuid_t& id);
// 55000: its state does not allow the step.
[[noreturn]] void report_parcel_state(const Parcel& parcel, const char* hint);

// The columns with which rows of a kind travel, quoted, in the order of the table: all except those
// that the server computes and the own number.
const char* travelling_columns(const Catalog& catalog, PartKind kind);

// Brings the rows of a parcel, whose parts are all here, into their tables. Returns the departure's
// id.
int64_t bring_in(const Catalog& catalog, const Parcel& parcel);

// The columns of all kinds, as JSON; and 55000 if a node that sends these columns sends one that
// this node cannot keep.
const char* columns_of_node(const Catalog& catalog);
void require_columns(const Catalog& catalog, Datum columns);

}  // namespace ticketpool
