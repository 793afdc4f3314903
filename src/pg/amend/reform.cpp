// ticket_reform: a departure gets the seats of another formation, and its tickets seats there.
//
// In one transaction:
//
// 1. The formation is checked and kept as a layout, as by ticket_open. The departure's row is
//    locked: one change of the departure at a time.
// 2. The departure in memory is barred (SeatChange::kBarred, seq_cst; undone by rollback). Whoever
//    announces it from now on reads this, and claims nothing new (load/reforming.hpp: waits a
//    second at most, then TK003). Its sale words stay, so counts are the old ones, and a closed
//    departure stays closed.
// 3. This session waits for all who announced or pinned it before. All that they have claimed is in
//    rows that are committed, or given back. Prepared transactions: 55006.
// 4. The live rows are locked, in the order in which all sessions lock an order's rows, and then
//    the open reservations. A session that had locked such a row before goes on as ever, also with
//    claims for that very ticket (another seat, by ticket_reseat or by hand): it ends before this
//    step does, and step 5 reads what it has committed. A session that comes later waits for the
//    row, and then finds the new departure. Then the state is kUnderWay: from here to the end the
//    rows say all there is.
// 5. Who sits where is planned in private memory (reform_plan.hpp). TK007 here has changed nothing.
// 6. The rows are written: the departure with its new layout, tickets, reservations. In this order
//    a subscriber of logical replication can follow them (follow/reformed.hpp). If triggers of
//    users have changed them, or others, so that they are not as planned, that is an error
//    (reform_check.hpp). Then the events. The departure in memory stays as it is, for those who
//    count.
// 7. At commit, the departure in memory is taken out of the directory, and the next session that
//    looks for it loads it from the rows.
//
// Others see the commit a moment before step 7 (commit_marks.hpp). In that moment the old departure
// is found, still kUnderWay. Buyers go on waiting. A session that gets the lock of a row that step
// 4 had locked (a refund, a payment, an expiry, a recycled quota, a withdrawal, a move) waits until
// the old departure is gone (find_settled): a release that it noted there would be lost. It waits
// for nobody else, because a lock of these rows and kUnderWay together mean that the reform has
// ended. The same holds for the moment after a rollback, in which the state is still to be stored.
//
// Sessions that have only looked at tickets that are over (a refund called again) may pin the old
// departure at any time. They have no claims or releases there, so step 7 does not wait for them:
// the old departure leaves the directory with their pins on it, and its memory is freed after them.
// Their own next call finds the new one.
//
// This transaction itself: its purchases from before are live rows, and move like others; its
// refunds from before are rows that are over. Both have entries in its ledger that end in the old
// departure, which nobody sells from any more. Afterwards it sells nothing there (TK003, also by
// hand), since it knows only the old seats; what it refunds then is again a row and an entry
// without consequences. A second reform in the same transaction plans from the rows of the first;
// only the first bars.
//
// If this process dies: before the commit, all is undone with its transaction. After it, the rows
// say all, and no memory survives a process that was killed.
//
// A departure is loaded by nobody meanwhile: it is in memory and pinned from step 2 on. On a
// standby it may be: load_by_key.cpp looks there whether the departure still has the seats that it
// was loaded with.
#include "amend/reform_check.hpp"
#include "amend/reform_plan.hpp"
#include "follow/commit_marks.hpp"
#include "load/directory.hpp"
#include "load/reforming.hpp"
#include "pool/ledger.hpp"
#include "pool/pins.hpp"
#include "pool/waiting.hpp"
#include "server/call_scan.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/progress.hpp"
#include "server/stop_point.hpp"
#include "tables/events.hpp"
#include "tables/moved_away.hpp"
#include "tables/own_writes.hpp"
#include "ticketpool/order_status.hpp"
#include "tickets/kept_parts.hpp"
#include "tickets/on_sale.hpp"
#include "waits/award.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

enum ReformArgument { kArgTrain, kArgDate, kArgFormation, kArgUnseated };
enum ResultColumn {
    kOutOrder,
    kOutTicket,
    kOutClass,
    kOutOldCoach,
    kOutOldSeat,
    kOutNewCoach,
    kOutNewSeat,
    kOutOutcome,
    kOutColumns
};

struct Reform {
    const Catalog& catalog;
    Text train;
    DateADT date;
    Text formation;
    bool refunds;  // else refuses
    int64_t departure_id;
    int64_t layout_id;
    OrderLeaf leaf;
    DepartureRow row;
    Progress progress;
};

bool read_unseated(Text word) {
    if (same_text(word, {"refund", 6})) {
        return true;
    }
    if (!same_text(word, {"refuse", 6})) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
                        errmsg("\"%s\" is not a value of unseated", printable(word)),
                        errdetail("It says what becomes of tickets that find no seat."),
                        errhint("Pass 'refuse' or 'refund'.")));
    }
    return false;
}

// $1 the departure, $2 its day, and what the statement adds.
constexpr int kKeys = 2;
constexpr int kMostArguments = 6;

uint64 execute_of(const Reform& reform, const OwnWrite* own, const char* sql, int extra,
                  const Oid* extra_types, const Datum* extra_values, int expected) {
    Oid types[kMostArguments] = {INT8OID, DATEOID};
    Datum values[kMostArguments] = {Int64GetDatum(reform.departure_id),
                                    DateADTGetDatum(reform.date)};
    for (int i = 0; i < extra; i++) {
        types[kKeys + i] = extra_types[i];
        values[kKeys + i] = extra_values[i];
    }
    const int result = own == nullptr
                           ? execute_planned(sql, kKeys + extra, types, values, nullptr)
                           : execute_own(*own, true, sql, kKeys + extra, types, values, nullptr);
    if (result != expected) {
        elog(ERROR, "could not execute \"%s\": %s", sql, SPI_result_code_string(result));
    }
    return SPI_processed;
}

void lock_departure(Reform* reform) {
    if (lock_rows_of(reform->catalog.departure, reform->departure_id, reform->date,
                     "FOR NO KEY UPDATE") != 1 ||
        !read_own_departure_row(reform->catalog, reform->departure_id, &reform->row) ||
        !same_text({reform->row.train, strlen(reform->row.train)}, reform->train)) {
        report_no_departure(reform->catalog, reform->train, reform->date);
    }
    if (reform->row.status == SaleStatus::kWithdrawn) {
        ereport(ERROR, (errcode(kErrorNotOnSale),
                        errmsg("train \"%s\" of %s is withdrawn", printable(reform->train),
                               date_text(reform->date)),
                        errdetail("It does not run, and has no live tickets."),
                        errhint("Choose another train.")));
    }
}

// Steps 2 and 3. Returns the slot.
uint32_t bar(const Reform& reform) {
    const DepartureRef ref = find_at_rest(reform.catalog, reform.departure_id);
    if (ref.departure == nullptr) {
        report_no_departure(reform.catalog, reform.train, reform.date);
    }
    ledger_reserve(1);
    pin_slot(ref.slot);
    end_announcement();
    bar_claims(ref.slot);
    TICKETPOOL_STOP_POINT("reform-barred");
    return ref.slot;
}

[[noreturn]] void report_other_rows() {
    ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
                    errmsg("could not serialize access due to concurrent purchases"),
                    errdetail("Tickets or quotas changed after this transaction's snapshot was "
                              "taken."),
                    errhint("Retry the transaction, at READ COMMITTED.")));
}

// Steps 4 and 5.
ReformPlan lock_and_plan(const Reform& reform, uint32_t slot) {
    progress_phase(reform.progress, ProgressPhase::kRows);
    const LiveRowCounts locked = lock_live_rows(reform.catalog, reform.leaf, slot);
    TICKETPOOL_STOP_POINT("reform-locked");
    progress_phase(reform.progress, ProgressPhase::kPlan, static_cast<int64_t>(locked.tickets));
    const ReformPlan plan = plan_reform(reform.catalog, reform.leaf, reform.row, reform.layout_id);
    if (locked.tickets != static_cast<uint64>(plan.rider_count) ||
        locked.quotas != static_cast<uint64>(plan.aside_count)) {
        report_other_rows();
    }
    return plan;
}

void require_seats(const Reform& reform, const ReformPlan& plan) {
    const int unseated = count_unseated(plan);
    if (unseated > 0 && !reform.refunds) {
        ereport(ERROR,
                (errcode(kErrorTooFewSeats),
                 errmsg_plural("formation \"%s\" has no seat for %d ticket of train \"%s\" of %s",
                               "formation \"%s\" has no seats for %d tickets of train \"%s\" of %s",
                               static_cast<unsigned long>(unseated), printable(reform.formation),
                               unseated, printable(reform.train), date_text(reform.date)),
                 errdetail("Without a seat: %s.", list_unseated(plan)),
                 errhint("Choose a larger formation, or pass unseated => 'refund'.")));
    }
}

// ---------------------------------------------------------------------------------------------
// Step 6
// ---------------------------------------------------------------------------------------------

Datum array_of(Datum* values, bool* nulls, int count, Oid type, int16 length, bool by_value,
               char align) {
    int dims[] = {count};
    int bounds[] = {1};
    return PointerGetDatum(
        construct_md_array(values, nulls, 1, dims, bounds, type, length, by_value, align));
}

// What becomes of a live ticket that finds no seat.
OrderStatus end_of(const Rider& rider) {
    static_assert(may_become(OrderStatus::kSold, OrderStatus::kRefunded) &&
                  may_become(OrderStatus::kHeld, OrderStatus::kCancelled));
    return rider.held ? OrderStatus::kCancelled : OrderStatus::kRefunded;
}

// The riders with this fate as arrays: order ids, ticket numbers, and coaches and seats for those
// that move, else the status.
int list_riders(const ReformPlan& plan, RiderFate fate, Datum arrays[4]) {
    const size_t room = static_cast<size_t>(Max(plan.rider_count, 1));
    Datum* values[4];
    for (Datum*& of_column : values) {
        of_column =
            static_cast<Datum*>(MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(Datum)));
    }
    bool* no_seat = static_cast<bool*>(palloc0(room));
    int count = 0;
    for (int i = 0; i < plan.rider_count; i++) {
        const Rider& rider = plan.riders[i];
        if (rider.fate != fate) {
            continue;
        }
        values[0][count] = Int64GetDatum(rider.order_id);
        values[1][count] = Int32GetDatum(rider.ticket_no);
        if (fate == RiderFate::kMoved) {
            values[2][count] = new_coach(plan, rider);
            values[3][count] = new_seat(plan, rider, &no_seat[count]);
        } else {
            values[2][count] = CStringGetTextDatum(status_name(end_of(rider)));
        }
        count++;
    }
    if (count > 0) {
        arrays[0] =
            array_of(values[0], nullptr, count, INT8OID, 8, FLOAT8PASSBYVAL, TYPALIGN_DOUBLE);
        arrays[1] = array_of(values[1], nullptr, count, INT4OID, 4, true, TYPALIGN_INT);
        arrays[2] = array_of(values[2], nullptr, count, TEXTOID, -1, false, TYPALIGN_INT);
    }
    if (count > 0 && fate == RiderFate::kMoved) {
        arrays[3] = array_of(values[3], no_seat, count, TEXTOID, -1, false, TYPALIGN_INT);
    }
    return count;
}

// `columns`: how many arrays there are, $3 to $6. `set`, `list` and `is_written` are parts of the
// statement, whose rows are t and v; the last says whether a row is as the statement wrote it.
void write_tickets(const Reform& reform, const ReformPlan& plan, RiderFate fate, OwnChange change,
                   int columns, const char* set, const char* list, const char* is_written) {
    constexpr Oid kTypes[] = {INT8ARRAYOID, INT4ARRAYOID, TEXTARRAYOID, TEXTARRAYOID};
    Datum arrays[4];
    const int count = list_riders(plan, fate, arrays);
    if (count == 0) {
        return;
    }
    const char* sql = psprintf(
        "UPDATE %s AS t SET %s, changed_at = now() FROM %s "
        "WHERE t.departure_id = $1 AND t.service_date = $2 AND t.order_id = v.order_id "
        "AND t.ticket_no = v.ticket_no AND t.status IN ('held', 'sold') RETURNING %s",
        qualified_name(reform.leaf.direct ? reform.leaf.relation : reform.catalog.order), set, list,
        is_written);
    const OwnWrite write{change, reform.departure_id, 0, nullptr};
    if (execute_of(reform, &write, sql, columns, kTypes, arrays, SPI_OK_UPDATE_RETURNING) !=
        static_cast<uint64>(count)) {
        report_not_written(sql);
    }
    require_as_written(reform.catalog.order, 1);
}

// The quota's seats, in the order of the train.
Datum seats_of(const ReformPlan& plan, const Aside& aside) {
    const Layout* layout = plan.departure->layout.get();
    uint32_t* numbers = static_cast<uint32_t*>(palloc(Max(aside.count, 1u) * sizeof(uint32_t)));
    uint32_t count = 0;
    for (uint32_t i = 0; i < aside.named; i++) {
        if (aside.number[i] != kNoNumber) {
            numbers[count++] = aside.number[i];
        }
    }
    qsort(numbers, count, sizeof(uint32_t), compare_numbers);
    Datum* names = static_cast<Datum*>(palloc(Max(count, 1u) * sizeof(Datum)));
    for (uint32_t i = 0; i < count; i++) {
        names[i] = seat_name(layout, static_cast<uint32_t>(aside.class_index), numbers[i]);
    }
    return array_of(names, nullptr, static_cast<int>(count), TEXTOID, -1, false, TYPALIGN_INT);
}

// A quota without a seat is given back.
void write_quota(const Reform& reform, const ReformPlan& plan, const Aside& aside) {
    const Oid types[] = {INT8OID, INT4OID, TEXTARRAYOID};
    const Datum values[] = {Int64GetDatum(aside.reservation_id),
                            Int32GetDatum(static_cast<int32_t>(aside.count)),
                            aside.count > 0 ? seats_of(plan, aside) : 0};
    const char* table = qualified_name(reform.catalog.reservation);
    const char* sql =
        aside.count > 0
            ? psprintf(
                  "UPDATE %s AS r SET seats = $4, seat_list = $5 FROM %s AS old WHERE "
                  "r.departure_id = $1 AND r.service_date = $2 AND r.reservation_id = $3 AND "
                  "old.reservation_id = $3 RETURNING r.reservation_id = $3 AND r.seats = $4 AND "
                  "r.seat_list = $5 AND (r.departure_id, r.service_date, r.seat_class, r.channel, "
                  "r.from_stop, r.to_stop, r.status) = (old.departure_id, old.service_date, "
                  "old.seat_class, old.channel, old.from_stop, old.to_stop, old.status)",
                  table, table)
            : psprintf(
                  "UPDATE %s SET status = 'recycled' WHERE departure_id = $1 AND service_date "
                  "= $2 AND reservation_id = $3 RETURNING status = 'recycled'",
                  table);
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, reform.catalog.reservation};
    if (execute_of(reform, &write, sql, aside.count > 0 ? 3 : 1, types, values,
                   SPI_OK_UPDATE_RETURNING) != 1) {
        report_not_written(sql);
    }
    require_as_written(reform.catalog.reservation, 1);
    if (aside.count < aside.named) {
        ereport(
            NOTICE,
            (errmsg("reservation " INT64_FORMAT " of channel \"%s\" has %u of its %u seats left",
                    aside.reservation_id, printable(aside.channel), aside.count, aside.named),
             errdetail("Formation \"%s\" has no more free ones of class \"%s\" for it.",
                       printable(reform.formation), printable(aside.seat_class))));
    }
}

void write_departure(const Reform& reform) {
    const Oid types[] = {INT8OID, TEXTOID};
    const Datum values[] = {Int64GetDatum(reform.layout_id), text_datum(reform.formation)};
    const char* table = qualified_name(reform.catalog.departure);
    const char* sql = psprintf(
        "UPDATE %s AS d SET layout_id = $3, formation = $4 FROM %s AS old "
        "WHERE d.departure_id = $1 AND d.service_date = $2 AND old.departure_id = $1 RETURNING "
        "d.layout_id = $3 AND d.formation = $4 AND (d.route_id, d.status) = (old.route_id, "
        "old.status)",
        table, table);
    const OwnWrite write{OwnChange::kOther, 0, 0, nullptr, reform.catalog.departure};
    if (execute_of(reform, &write, sql, 2, types, values, SPI_OK_UPDATE_RETURNING) != 1) {
        report_not_written(sql);
    }
    require_as_written(reform.catalog.departure, 1);
}

const char* detail_of_move(const ReformPlan& plan, const Rider& rider) {
    bool no_seat = false;
    const Datum seat = new_seat(plan, rider, &no_seat);
    return detail_of({{"old_coach", rider.coach},
                      {"old_seat", rider.seat},
                      {"new_coach", text_of(new_coach(plan, rider))},
                      {"new_seat", no_seat ? Text{nullptr, 0} : text_of(seat)}});
}

// A hold that finds no seat is "refunded", too: so one kind says that the trip is lost.
void write_events_of_plan(const Reform& reform, const ReformPlan& plan) {
    const size_t room = static_cast<size_t>(Max(plan.rider_count, 1));
    TicketEvent* events = static_cast<TicketEvent*>(
        MemoryContextAllocHuge(CurrentMemoryContext, room * sizeof(TicketEvent)));
    int count = 0;
    for (int i = 0; i < plan.rider_count; i++) {
        const Rider& rider = plan.riders[i];
        const int64_t order_id = rider.order_id;
        if (rider.fate == RiderFate::kMoved) {
            events[count++] = {"moved",
                               order_id,
                               rider.ticket_no,
                               reform.departure_id,
                               0,
                               detail_of_move(plan, rider)};
        } else if (rider.fate == RiderFate::kUnseated) {
            const Text status = text_of(std::string_view(status_name(end_of(rider))));
            events[count++] = {"refunded",          order_id, rider.ticket_no,
                               reform.departure_id, 0,        detail_of({{"status", status}})};
        }
    }
    write_events(reform.catalog, events, count);
}

void write_plan(const Reform& reform, const ReformPlan& plan) {
    progress_phase(reform.progress, ProgressPhase::kWriting, plan.rider_count);
    write_departure(reform);
    write_tickets(reform, plan, RiderFate::kUnseated, OwnChange::kEnd, 3, "status = v.status",
                  "unnest($3, $4, $5) AS v (order_id, ticket_no, status)", "t.status = v.status");
    write_tickets(reform, plan, RiderFate::kMoved, OwnChange::kMove, 4,
                  "coach = v.coach, seat = v.seat",
                  "unnest($3, $4, $5, $6) AS v (order_id, ticket_no, coach, seat)",
                  "t.coach = v.coach AND t.seat IS NOT DISTINCT FROM v.seat");
    for (int q = 0; q < plan.aside_count; q++) {
        if (plan.asides[q].changed) {
            write_quota(reform, plan, plan.asides[q]);
        }
    }
    require_as_planned(reform.catalog, reform.leaf, plan, reform.layout_id);
    write_events_of_plan(reform, plan);
    replaced_at_commit(reform.catalog, reform.departure_id);
    TICKETPOOL_STOP_POINT("reform-written");
}

void return_riders(const ReformPlan& plan, ReturnSetInfo* result) {
    for (int i = 0; i < plan.rider_count; i++) {
        const Rider& rider = plan.riders[i];
        const bool moved = rider.fate == RiderFate::kMoved;
        if (!moved && rider.fate != RiderFate::kUnseated) {
            continue;
        }
        Datum values[kOutColumns];
        bool nulls[kOutColumns] = {};
        values[kOutOrder] = Int64GetDatum(rider.order_id);
        values[kOutTicket] = Int32GetDatum(rider.ticket_no);
        values[kOutClass] = text_datum(rider.seat_class);
        values[kOutOldCoach] = text_datum(rider.coach);
        nulls[kOutOldSeat] = rider.seat.data == nullptr;
        values[kOutOldSeat] = nulls[kOutOldSeat] ? 0 : text_datum(rider.seat);
        nulls[kOutNewCoach] = !moved;
        values[kOutNewCoach] = moved ? new_coach(plan, rider) : 0;
        nulls[kOutNewSeat] = !moved;
        values[kOutNewSeat] = moved ? new_seat(plan, rider, &nulls[kOutNewSeat]) : 0;
        values[kOutOutcome] = CStringGetTextDatum(moved ? "moved" : status_name(end_of(rider)));
        tuplestore_putvalues(result_rows(result), result->setDesc, values, nulls);
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_reform) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, kArgTrain, "train");
    require_argument(fcinfo, kArgDate, "service_date");
    require_argument(fcinfo, kArgFormation, "formation");
    require_argument(fcinfo, kArgUnseated, "unseated");
    PreventCommandIfReadOnly("ticket_reform()");
    ReturnSetInfo* result = require_set_result(fcinfo);
    begin_result(fcinfo);
    const Catalog& catalog = catalog_of(fcinfo);
    Reform reform{catalog,
                  text_of(PG_GETARG_DATUM(kArgTrain)),
                  PG_GETARG_DATEADT(kArgDate),
                  text_of(PG_GETARG_DATUM(kArgFormation)),
                  read_unseated(text_of(PG_GETARG_DATUM(kArgUnseated))),
                  0,
                  0,
                  OrderLeaf{},
                  DepartureRow{},
                  Progress{}};
    reform.progress = progress_begin(ProgressCommand::kReform, ProgressPhase::kClaims,
                                     train_and_day(reform.train, reform.date));
    lock_orders(catalog, RowExclusiveLock);
    reform.departure_id = require_departure_id(catalog, reform.train, reform.date);
    refuse_prepared_change(catalog, reform.departure_id);
    if (!lock_order_leaf(catalog, reform.date, RowExclusiveLock, &reform.leaf)) {
        require_order_leaf(catalog, reform.date);
    }
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    reform.layout_id = keep_formation(catalog, reform.formation);
    lock_departure(&reform);
    const uint32_t slot = bar(reform);
    const ReformPlan plan = lock_and_plan(reform, slot);
    require_seats(reform, plan);
    write_plan(reform, plan);
    progress_phase(reform.progress, ProgressPhase::kServing);
    if (shows_seats({slot, shared.slots[slot].departure()})) {
        serve_planned(catalog, plan.departure);
    }
    return_riders(plan, result);
    SPI_finish();
    owner_end(scope);
    progress_end(reform.progress);
    return 0;
}
