// ticket_refund: sold tickets become refunded; their seats are free once the transaction has
// committed, and for the transaction itself at once.
//
// The departure is pinned before the rows change, so that nobody, not even this session, rebuilds
// it from rows of a refund whose release is still to come. Two refunds of one order meet at its
// rows' locks; the second sees what the first did.
#include "directory.hpp"
#include "errors.hpp"
#include "ledger.hpp"
#include "order_rows.hpp"
#include "sale.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

struct Ticket {
    int32_t ticket_no;
    bool refundable;  // sold; otherwise refunded already
    uint32_t class_index;
    int64_t seat;     // -1: the departure does not have it
    SegmentMask bits;
};

struct Order {
    int64_t order_id;
    DateADT service_date;
    int64_t departure_id;
    const char *relation;
    Ticket *tickets;
    int count;
    int refundable;
};

[[noreturn]] void report_no_order(int64_t order_id) {
    ereport(ERROR, (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " does not exist", order_id),
                    errdetail("No row of ticket_order has this order_id."), errhint("Check the order_id.")));
}

[[noreturn]] void report_state(int64_t order_id, int32_t ticket_no, const char *status) {
    ereport(ERROR, (errcode(kErrorOrder), errmsg("ticket %d of order " INT64_FORMAT " cannot be refunded", ticket_no, order_id),
                    errdetail("Its status is \"%s\".", status), errhint("Only sold tickets can be refunded.")));
}

Datum column(uint64 row, int number, bool *is_null) {
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, is_null);
}

Text text_column(uint64 row, int number) {
    bool is_null;
    const Datum value = column(row, number, &is_null);
    return is_null ? Text{"", 0} : text_of(value);
}

int32_t int_column(uint64 row, int number) {
    bool is_null;
    return DatumGetInt32(column(row, number, &is_null));
}

// Locks and reads the tickets: all of the order, or the named ones, in order of number.
bool lock_tickets(Order *order, const char *relation, Datum ticket_nos, bool all) {
    const char *sql = psprintf(
        "SELECT departure_id, service_date, ticket_no, status, seat_class, coach, seat, from_stop, to_stop FROM %s "
        "WHERE order_id = $1 AND ($2 IS NULL OR ticket_no = ANY ($2)) ORDER BY ticket_no FOR NO KEY UPDATE",
        relation);
    Oid types[] = {INT8OID, INT4ARRAYOID};
    Datum values[] = {Int64GetDatum(order->order_id), ticket_nos};
    if (SPI_execute_with_args(sql, 2, types, values, all ? " n" : "  ", false, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read order " INT64_FORMAT, order->order_id);
    }
    order->relation = relation;
    order->count = static_cast<int>(SPI_processed);
    return order->count > 0;
}

// An id leads to its partition; one that names none (or another's) is looked for in all of them.
void find_order(const Catalog &catalog, Order *order, Datum ticket_nos, bool all) {
    OrderLeaf leaf;
    if (find_order_leaf(catalog, date_of_order(order->order_id), &leaf) &&
        lock_tickets(order, qualified_name(leaf.relation), ticket_nos, all)) {
        // With policies on the table itself the rows have to be changed through it.
        if (!leaf.direct) {
            order->relation = qualified_name(catalog.order);
        }
        return;
    }
    if (!lock_tickets(order, qualified_name(catalog.order), ticket_nos, all)) {
        report_no_order(order->order_id);
    }
}

int compare_tickets(const void *a, const void *b) {
    const int32_t left = *static_cast<const int32_t *>(a);
    const int32_t right = *static_cast<const int32_t *>(b);
    return left < right ? -1 : left > right;
}

// Every named ticket must be there.
void check_ticket_nos(const Order &order, Datum ticket_nos) {
    ArrayType *array = DatumGetArrayTypeP(ticket_nos);
    const int count = ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array));
    int32_t *wanted = static_cast<int32_t *>(palloc(static_cast<size_t>(Max(count, 1)) * sizeof(int32_t)));
    memcpy(wanted, ARR_DATA_PTR(array), static_cast<size_t>(count) * sizeof(int32_t));
    qsort(wanted, static_cast<size_t>(count), sizeof(int32_t), compare_tickets);
    int found = 0;
    for (int i = 0; i < count; i++) {
        if (i > 0 && wanted[i] == wanted[i - 1]) {
            continue;
        }
        while (found < order.count && int_column(static_cast<uint64>(found), 3) < wanted[i]) {
            found++;
        }
        if (found == order.count || int_column(static_cast<uint64>(found), 3) != wanted[i]) {
            ereport(ERROR, (errcode(kErrorOrder), errmsg("order " INT64_FORMAT " has no ticket %d", order.order_id, wanted[i]),
                            errdetail("Tickets of an order count from 1."), errhint("Leave ticket_nos out for all tickets.")));
        }
    }
}

int stop_index(const Route *route, int32_t stop_no) {
    for (uint32_t i = 0; i < route->stop_count; i++) {
        if (route->stops()[i].stop_no == stop_no) {
            return static_cast<int>(i);
        }
    }
    return -1;
}

void locate(const Departure *departure, uint64 row, Ticket *ticket) {
    const Layout *layout = departure->layout.get();
    const Text seat_class = text_column(row, 5);
    const Text coach = text_column(row, 6);
    const Text seat = text_column(row, 7);
    const int class_index = layout->find_class(seat_class.data, seat_class.length);
    const int from = stop_index(departure->route.get(), int_column(row, 8));
    const int to = stop_index(departure->route.get(), int_column(row, 9));
    if (class_index < 0 || from < 0 || to <= from) {
        return;
    }
    ticket->class_index = static_cast<uint32_t>(class_index);
    ticket->seat = layout->find_seat(ticket->class_index, coach.data, coach.length, seat.data, seat.length);
    ticket->bits = trip_mask(from, to);
}

// Takes the rows over from SPI. With all tickets named by NULL, those that were exchanged or given
// up otherwise are left out, as long as there is one to refund.
void read_tickets(Order *order, const Departure *departure, bool all) {
    order->tickets = static_cast<Ticket *>(SPI_palloc(static_cast<size_t>(order->count) * sizeof(Ticket)));
    int kept = 0;
    for (int i = 0; i < order->count; i++) {
        const uint64 row = static_cast<uint64>(i);
        Ticket ticket{int_column(row, 3), same_text(text_column(row, 4), {"sold", 4}), 0, -1, SegmentMask{}};
        if (!ticket.refundable && !same_text(text_column(row, 4), {"refunded", 8})) {
            if (!all || (i == order->count - 1 && kept == 0)) {
                report_state(order->order_id, ticket.ticket_no, printable(text_column(row, 4)));
            }
            continue;
        }
        if (departure != nullptr) {
            locate(departure, row, &ticket);
        }
        order->refundable += ticket.refundable ? 1 : 0;
        order->tickets[kept++] = ticket;
    }
    order->count = kept;
}

Datum ticket_array(const Order &order, bool only_refundable) {
    Datum *numbers = static_cast<Datum *>(palloc(static_cast<size_t>(order.count) * sizeof(Datum)));
    int count = 0;
    for (int i = 0; i < order.count; i++) {
        if (!only_refundable || order.tickets[i].refundable) {
            numbers[count++] = Int32GetDatum(order.tickets[i].ticket_no);
        }
    }
    return PointerGetDatum(construct_array(numbers, count, INT4OID, 4, true, TYPALIGN_INT));
}

void execute(const char *sql, const Order &order, bool only_refundable, int expected) {
    Oid types[] = {INT8OID, INT4ARRAYOID, DATEOID};
    Datum values[] = {Int64GetDatum(order.order_id), ticket_array(order, only_refundable), DateADTGetDatum(order.service_date)};
    if (SPI_execute_with_args(sql, 3, types, values, "   ", false, 0) != expected) {
        elog(ERROR, "could not refund order " INT64_FORMAT, order.order_id);
    }
}

void refund(const Catalog &catalog, Order *order, Datum ticket_nos, bool all, ReturnSetInfo *result) {
    find_order(catalog, order, ticket_nos, all);
    if (!all) {
        check_ticket_nos(*order, ticket_nos);
    }
    bool is_null;
    order->departure_id = DatumGetInt64(column(0, 1, &is_null));
    order->service_date = DatumGetDateADT(column(0, 2, &is_null));
    ledger_reserve(static_cast<size_t>(order->count));
    SPITupleTable *locked = SPI_tuptable;
    const DepartureRef ref = directory_find_id(catalog, order->departure_id);
    if (ref.departure != nullptr) {
        ledger_pin(ref.slot);
    }
    directory_done();
    SPI_tuptable = locked;
    read_tickets(order, ref.departure, all);
    if (order->refundable > 0) {
        execute(psprintf("UPDATE %s SET status = 'refunded', changed_at = now() WHERE order_id = $1 AND ticket_no = ANY ($2) "
                         "AND service_date = $3",
                         order->relation),
                *order, true, SPI_OK_UPDATE);
        if (SPI_processed != static_cast<uint64>(order->refundable)) {
            ereport(ERROR, (errcode(ERRCODE_TRIGGERED_ACTION_EXCEPTION),
                            errmsg("order " INT64_FORMAT " was not refunded", order->order_id),
                            errdetail("A trigger or a policy on ticket_order left rows out."),
                            errhint("Let a trigger raise an error where a refund may not happen.")));
        }
    }
    execute(psprintf("SELECT * FROM %s WHERE order_id = $1 AND ticket_no = ANY ($2) AND service_date = $3 ORDER BY ticket_no",
                     order->relation),
            *order, false, SPI_OK_SELECT);
    return_spi_rows(result);
    for (int i = 0; i < order->count; i++) {
        const Ticket &ticket = order->tickets[i];
        if (ticket.refundable && ticket.seat >= 0) {
            ledger_add_release(ref.slot, ticket.class_index, static_cast<uint32_t>(ticket.seat), ticket.bits);
        }
    }
    count(shared.mine->counters.refunds, static_cast<uint64_t>(order->refundable));
}

void check_list(FunctionCallInfo fcinfo) {
    ArrayType *array = PG_GETARG_ARRAYTYPE_P(1);
    if (ARR_NDIM(array) != 1) {
        ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("ticket_nos is not a list of ticket numbers"),
                        errdetail("It has %d dimensions.", ARR_NDIM(array)), errhint("Leave it out for all tickets.")));
    }
    if (array_contains_nulls(array)) {
        ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("ticket_nos may not contain NULL"),
                        errdetail("Each element names one ticket."), errhint("Leave it out for all tickets.")));
    }
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_refund) {
    using namespace ticketpool;
    require_shared_memory();
    require_argument(fcinfo, 0, "order_id");
    PreventCommandIfReadOnly("ticket_refund()");
    const bool all = PG_ARGISNULL(1);
    if (!all) {
        check_list(fcinfo);
    }
    Order order{};
    order.order_id = PG_GETARG_INT64(0);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog &catalog = catalog_of(fcinfo);
    OwnerScope scope;
    owner_begin(catalog, &scope);
    SPI_connect();
    refund(catalog, &order, all ? 0 : PG_GETARG_DATUM(1), all, reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo));
    SPI_finish();
    owner_end(scope);
    return 0;
}
