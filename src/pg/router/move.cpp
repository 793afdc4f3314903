// router_move: takes a departure with its orders from one node to another.
//
// Nothing on the router says that a move is under way. The nodes do: while the departure is on its
// way, it is a parcel on the node that it leaves (nodes/parcel.hpp). So each step is one
// transaction of one node, and a router that dies leaves everything that the next call needs:
//
//   1 source  ticket_move_out     the departure is in a parcel, and on sale nowhere
//   2         ticket_parcel_part, ticket_parcel_put: the parts are copied
//   3 source  ticket_move_ready   from here on only the target decides
//   4 target  ticket_move_in      the departure is on sale there: the point of no return
//   5 source  ticket_move_done    the parts are dropped
//   6 router  the new routes, in the caller's own transaction
//
//   died or failed | state                      | then
//   ---------------+----------------------------+----------------------------------------------
//   before 1       | as before                  |
//   in or after 1  | parcel "packed", nothing   | taken back at once; if the router died, the next
//                  | on the target              | call goes on, or takes it back if it is for
//                  |                            | another node
//   in 3, answer   | "packed" or "handed"       | the target refuses the parcel for good, and it is
//   lost           |                            | taken back at once
//   after 3, in 4  | parcel "handed", arrived   | the next call repeats 4. If the target answers
//                  | or not                     | with an error, it refuses the parcel for good,
//                  |                            | which is taken back
//   after 4 or 5   | the routes are old         | sessions follow the source's answer to the
//                  |                            | target (pursuit.hpp); the next call writes the
//                  |                            | routes
//
// A call begins with what all nodes say of the departure. Two calls for one departure come one
// after the other on one router (an advisory lock). On two routers they may meet: each step may be
// made twice and decides once.
#include "router/admin.hpp"
#include "router/ask.hpp"
#include "router/routes.hpp"
#include "router/twin.hpp"
#include "server/advisory_locks.hpp"
#include "server/errors.hpp"
#include "server/progress.hpp"
#include "server/subtransaction.hpp"

extern "C" {
#include "executor/spi.h"
#include "utils/fmgrprotos.h"
#include "utils/uuid.h"
}

namespace ticketpool {
namespace {

struct Move {
    RouterTables tables;
    const char* schema;
    Text train_name;
    DateADT service_date;
    const char* train;
    const char* date;
    Progress progress;
};

// What the nodes say of the departure.
struct Whereabouts {
    int here;            // the node that has it, or 0
    int source, target;  // of a parcel that is on its way; source 0: there is none
    const char* parcel;
    bool handed;
};

Rows ask_parcels(const Move& move, int node) {
    return call_rows(node, Cluster::kPrimary, "ticket_parcel_state", {move.train, move.date},
                     {"parcel", "direction", "state", "to_node"});
}

// Each was opened by itself. Only the one that the routes name is sold through the router.
[[noreturn]] void report_twice(const Move& move, int one, int other) {
    ereport(ERROR,
            (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
             errmsg("train \"%s\" of %s is on nodes %d and %d", move.train, move.date, one, other),
             errdetail("Each of them has opened a departure of this name."),
             errhint("Withdraw and delete one of them first.")));
}

// A node that does not answer may have the departure: then the call fails.
Whereabouts find_departure(const Move& move) {
    Whereabouts found{};
    const NodeList nodes = all_nodes(move.schema);
    for (int i = 0; i < nodes.count; i++) {
        const Rows rows = ask_parcels(move, nodes.nodes[i]);
        for (int row = 0; row < rows.count; row++) {
            const char* direction = value_of(rows, row, 1);
            const char* state = value_of(rows, row, 2);
            if (strcmp(direction, "here") == 0) {
                if (found.here != 0) {
                    report_twice(move, found.here, nodes.nodes[i]);
                }
                found.here = nodes.nodes[i];
            } else if (strcmp(direction, "out") == 0 && strcmp(state, "done") != 0) {
                found.source = nodes.nodes[i];
                found.target = static_cast<int>(number_of(rows, row, 3));
                found.parcel = value_of(rows, row, 0);
                found.handed = strcmp(state, "handed") == 0;
            }
        }
    }
    return found;
}

void step(int node, const char* function, std::initializer_list<const char*> arguments) {
    (void)call_rows(node, Cluster::kPrimary, function, arguments, {}, Effect::kAgain);
}

// An error that says nothing of the departure: the same call may succeed a moment later.
bool is_passing(int sqlstate) {
    return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || sqlstate == ERRCODE_T_R_DEADLOCK_DETECTED ||
           sqlstate == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

// Calls a step again if it did not get a lock in time. Between two calls the sale goes on.
constexpr int kTries = 4;
constexpr long kPauseMicros = 200000;
Rows patient_step(int node, const char* function, std::initializer_list<const char*> arguments) {
    for (int i = 1;; i++) {
        const Rows rows =
            ask_rows(node, Cluster::kPrimary, function, arguments, {}, Effect::kAgain);
        if (rows.answer.sqlstate == 0) {
            return rows;
        }
        if (i == kTries || !is_passing(rows.answer.sqlstate)) {
            raise_answer(rows.answer);
        }
        CHECK_FOR_INTERRUPTS();
        pg_usleep(kPauseMicros);
    }
}

void copy_parts(const Move& move, int source, int target, const char* parcel) {
    progress_phase(move.progress, ProgressPhase::kCopying);
    for (int part = 0;; part++) {
        CHECK_FOR_INTERRUPTS();
        progress_done(move.progress, part);
        const char* number = psprintf("%d", part);
        const Rows rows = call_rows(source, Cluster::kPrimary, "ticket_parcel_part",
                                    {parcel, number}, {"kind", "rows"});
        if (rows.count == 0) {
            return;
        }
        step(target, "ticket_parcel_put",
             {parcel, number, value_of(rows, 0, 0), value_of(rows, 0, 1)});
    }
}

// Does what it can: nothing depends on it.
void try_step(int node, const char* function, const char* parcel) {
    Rows rows;
    (void)try_rows(node, Cluster::kPrimary, function, {parcel}, {}, Effect::kAgain, &rows);
}

// The departure goes on being sold on the source. Returns the error if it does not.
ErrorData* try_take_back(const Whereabouts& way, const char* refused) {
    return in_subtransaction([&] {
        (void)patient_step(way.source, "ticket_move_back", {way.parcel, refused});
        return true;
    });
}

// The caller raises an error, which says why the departure was to be taken back.
void warn_off_sale(const Move& move, const Whereabouts& way, const ErrorData* failed) {
    ereport(WARNING,
            (errmsg("train \"%s\" of %s is still off node %d", move.train, move.date, way.source),
             errdetail("%s", reason_of(failed)),
             errhint("Nobody can buy until router_move has been called again.")));
}

// From here on the target never brings the parcel in. False: it has, or it does not answer.
bool try_refuse(const Whereabouts& way) {
    Rows rows;
    (void)try_rows(way.target, Cluster::kPrimary, "ticket_move_refuse", {way.parcel}, {},
                   Effect::kAgain, &rows);
    const char* refused = rows.count == 0 ? nullptr : value_of(rows, 0, 0);
    return refused != nullptr && refused[0] == 't';
}

// Steps 2 and 3. If one fails, the departure stays, and its error is returned. Step 3 may have been
// carried out although it failed: then the parcel can be taken back only after the target has
// refused it.
ErrorData* hand_over(const Move& move, const Whereabouts& way) {
    ErrorData* error = in_subtransaction([&] {
        copy_parts(move, way.source, way.target, way.parcel);
        progress_phase(move.progress, ProgressPhase::kHandingOver);
        step(way.source, "ticket_move_ready", {way.parcel});
        return true;
    });
    if (error == nullptr) {
        return nullptr;
    }
    const ErrorData* failed = try_take_back(way, "false");
    if (try_refuse(way) && failed != nullptr) {
        failed = try_take_back(way, "true");
    }
    if (failed != nullptr) {
        warn_off_sale(move, way, failed);
        ReThrowError(error);
    }
    return error;
}

// Steps 4 and 5. An error of the target, not of the way there, is final: the departure stays, and
// the error is returned.
Answer bring_in(const Move& move, const Whereabouts& way) {
    Answer answer{};
    progress_phase(move.progress, ProgressPhase::kBringingIn);
    for (int i = 1;; i++) {
        answer = ask_rows(way.target, Cluster::kPrimary, "ticket_move_in", {way.parcel}, {},
                          Effect::kAgain)
                     .answer;
        if (answer.sqlstate == 0 || i == kTries || !is_passing(answer.sqlstate)) {
            break;
        }
        CHECK_FOR_INTERRUPTS();
        pg_usleep(kPauseMicros);
    }
    if (answer.sqlstate != 0) {
        const Rows refused = patient_step(way.target, "ticket_move_refuse", {way.parcel});
        const char* is_refused = value_of(refused, 0, 0);
        if (is_refused != nullptr && is_refused[0] == 't') {
            const ErrorData* failed = try_take_back(way, "true");
            if (failed != nullptr) {
                warn_off_sale(move, way, failed);
                raise_answer(answer);
            }
            return answer;
        }
    }
    step(way.source, "ticket_move_done", {way.parcel});
    return Answer{};
}

// Ends what an earlier call has left. If its parcel was refused then already (55000), that is no
// error of this call.
void finish_earlier(const Move& move, const Whereabouts& way, int node) {
    if (!way.handed && way.target != node) {
        (void)patient_step(way.source, "ticket_move_back", {way.parcel, "false"});
        (void)try_refuse(way);
        return;
    }
    ErrorData* error = way.handed ? nullptr : hand_over(move, way);
    if (error != nullptr) {
        if (error->sqlerrcode != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE) {
            ReThrowError(error);
        }
        FreeErrorData(error);
        return;
    }
    const Answer answer = bring_in(move, way);
    if (answer.sqlstate != 0 && answer.sqlstate != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE) {
        raise_answer(answer);
    }
}

const char* new_parcel() {
    return DatumGetCString(
        DirectFunctionCall1(uuid_out, DirectFunctionCall1(gen_random_uuid, Datum{0})));
}

void move_departure(const Move& move, int source, int target) {
    const Rows columns = call_rows(source, Cluster::kPrimary, "ticket_move_columns", {}, {});
    (void)call_rows(target, Cluster::kPrimary, "ticket_move_check",
                    {move.train, move.date, value_of(columns, 0, 0)}, {});
    const Whereabouts way{0, source, target, new_parcel(), false};
    const char* number = psprintf("%d", target);
    progress_phase(move.progress, ProgressPhase::kPacking);
    ErrorData* error = in_subtransaction([&] {
        (void)patient_step(source, "ticket_move_out", {way.parcel, move.train, move.date, number});
        return true;
    });
    if (error != nullptr) {
        // It may have been done, and the answer was lost.
        try_step(source, "ticket_move_back", way.parcel);
        ReThrowError(error);
    }
    error = hand_over(move, way);
    if (error != nullptr) {
        ReThrowError(error);
    }
    const Answer answer = bring_in(move, way);
    if (answer.sqlstate != 0) {
        raise_answer(answer);
    }
}

// ---------------------------------------------------------------------------------------------
// Routes
// ---------------------------------------------------------------------------------------------

// The train is on the node on that day only: the day after goes on as it was.
void write_train(const Move& move, int node) {
    const int before = route_of_train(move.schema, move.train_name, move.service_date);
    const int after = route_of_train(move.schema, move.train_name, move.service_date + 1);
    if (before == node) {
        return;
    }
    const Oid types[] = {TEXTOID, DATEOID, INT4OID};
    const Datum day[] = {text_datum(move.train_name), DateADTGetDatum(move.service_date),
                         Int32GetDatum(node)};
    const Datum next[] = {text_datum(move.train_name), DateADTGetDatum(move.service_date + 1),
                          Int32GetDatum(after)};
    if (after != 0) {
        run(psprintf("INSERT INTO %s (train, from_date, node) VALUES ($1, $2, $3) "
                     "ON CONFLICT (train, from_date) DO NOTHING",
                     move.tables.train),
            3, types, next);
    }
    run(psprintf("INSERT INTO %s (train, from_date, node) VALUES ($1, $2, $3) "
                 "ON CONFLICT (train, from_date) DO UPDATE SET node = EXCLUDED.node",
                 move.tables.train),
        3, types, day);
}

void write_moved(const Move& move, int node, int source, const char* parcel) {
    const Rows homes = call_rows(source, Cluster::kPrimary, "ticket_parcel_homes", {parcel},
                                 {"node", "service_date"});
    const Oid types[] = {INT4OID, TEXTOID, INT4OID};
    for (int i = 0; i < homes.count; i++) {
        const int born = static_cast<int>(number_of(homes, i, 0));
        if (born == node) {
            continue;  // looked for there anyway
        }
        const Datum values[] = {Int32GetDatum(born), CStringGetTextDatum(value_of(homes, i, 1)),
                                Int32GetDatum(node)};
        run(psprintf("INSERT INTO %s (node, service_date, to_node) "
                     "VALUES ($1, $2::pg_catalog.date, $3) ON CONFLICT DO NOTHING",
                     move.tables.moved),
            3, types, values);
    }
}

// What the tables have to say for sessions to find the departure on the node, and its orders:
// wherever these were before, by the parcels that are still known. A parcel that is still coming
// somewhere is what an attempt has left that was undone: it is refused, which drops its parts.
void write_routes(const Move& move, int node) {
    progress_phase(move.progress, ProgressPhase::kRoutes);
    const NodeList nodes = all_nodes(move.schema);
    for (int i = 0; i < nodes.count; i++) {
        const Rows parcels = ask_parcels(move, nodes.nodes[i]);
        for (int row = 0; row < parcels.count; row++) {
            const char* parcel = value_of(parcels, row, 0);
            if (strcmp(value_of(parcels, row, 1), "out") == 0) {
                write_moved(move, node, nodes.nodes[i], parcel);
            } else if (strcmp(value_of(parcels, row, 2), "coming") == 0) {
                try_step(nodes.nodes[i], "ticket_move_refuse", parcel);
            }
        }
    }
    write_train(move, node);
    note_departure(move.tables, node, move.train, move.date);
}

void lock_move(const Move& move) {
    const uint64_t hash =
        text_hash(move.train_name) * 31 + static_cast<uint32_t>(move.service_date);
    const LOCKTAG tag = advisory_tag(AdvisoryLock::kMove, static_cast<uint32_t>(hash >> 32),
                                     static_cast<uint32_t>(hash));
    LockAcquire(&tag, ExclusiveLock, false, false);
}

void move_to(const Move& move, int node) {
    lock_move(move);
    Whereabouts found = find_departure(move);
    if (found.source != 0) {
        finish_earlier(move, found, node);
        found = find_departure(move);
    }
    if (found.here == 0) {
        ereport(ERROR, (errcode(kErrorNoDeparture),
                        errmsg("train \"%s\" has no departure on %s", move.train, move.date),
                        errdetail("No node has it."),
                        errhint("Put the departure on sale with ticket_open.")));
    }
    if (found.here != node) {
        move_departure(move, found.here, node);
    }
    write_routes(move, node);
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(router_move) {
    using namespace ticketpool;
    const Twin& twin = twin_of(fcinfo);
    require_no_transaction(twin);
    require_argument(fcinfo, 0, "train");
    require_argument(fcinfo, 1, "service_date");
    require_argument(fcinfo, 2, "node");
    Move move{};
    move.tables = router_tables(fcinfo);
    move.schema = twin.schema;
    move.train_name = text_of(PG_GETARG_DATUM(0));
    move.service_date = PG_GETARG_DATEADT(1);
    move.train = TextDatumGetCString(PG_GETARG_DATUM(0));
    move.date = TextDatumGetCString(encode_value(PG_GETARG_DATUM(1), DATEOID));
    move.progress = progress_begin(ProgressCommand::kRouterMove, ProgressPhase::kFinding,
                                   train_and_day(move.train_name, move.service_date));
    SPI_connect();
    require_node(move.tables, PG_GETARG_INT32(2));
    move_to(move, PG_GETARG_INT32(2));
    SPI_finish();
    progress_end(move.progress);
    PG_RETURN_VOID();
}

TICKETPOOL_FUNCTION(router_progress) {
    return ticketpool::return_progress(fcinfo);
}
