// Ends options of waits, and the waits that have no open option left: see wait_ends.hpp.
#include "tables/wait_ends.hpp"

#include "pool/deadlines.hpp"
#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/settings.hpp"
#include "server/subtransaction.hpp"
#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"
#include "tables/events.hpp"
#include "tables/own_writes.hpp"
#include "tables/wait_queue.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {

const char* end_of_option_sql(const char* from_stop, const char* deadline, const char* zone) {
    return psprintf(
        "least(%s, d.closes_at, ((d.service_date + coalesce(r.departs[array_position(r.stop_nos, "
        "%s)], r.arrives[array_position(r.stop_nos, %s)])) AT TIME ZONE %s) - "
        "coalesce(greatest(extract(epoch FROM d.sale_margin), 0)::float8 * interval '1 s', '0'))",
        deadline, from_stop, from_stop, zone);
}

Datum name_of_sale_timezone() {
    return CStringGetTextDatum(pg_get_timezone_name(sale_timezone()));
}

namespace {

// Around statements that see every row, whatever the policies on their tables are.
void every_row_begin(const Catalog& catalog, OwnerScope* scope) {
    owner_begin(catalog, scope, RowScope::kEvery);
    SPI_connect();
}

void every_row_end(const OwnerScope& scope) {
    SPI_finish();
    owner_end(scope);
}

Datum column(uint64 row, int number, bool* is_null) {
    return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number, is_null);
}

// bigint[] of one.
Datum array_of(int64_t id) {
    Datum element = Int64GetDatum(id);
    return PointerGetDatum(construct_array(&element, 1, INT8OID, 8, true, TYPALIGN_DOUBLE));
}

// ---------------------------------------------------------------------------------------------
// Ending, with the waits locked
// ---------------------------------------------------------------------------------------------

// One row for each wait of which an option has ended: its last one, and the status that the wait
// has got; NULL: it goes on.
const char* ending_sql(const Catalog& catalog) {
    return psprintf(
        "WITH due AS (SELECT o.wait_id, o.option_no, CASE WHEN d.status IS DISTINCT FROM 'open' OR "
        "d.closes_at <= o.ends_at THEN 'closed' ELSE 'expired' END AS status FROM %s AS o LEFT "
        "JOIN %s AS d USING (departure_id) WHERE o.wait_id = ANY ($1) AND o.status = 'waiting' AND "
        "(o.ends_at <= $2 OR d.status IS DISTINCT FROM 'open')), "
        "ended AS (UPDATE %s AS o SET status = due.status FROM due WHERE o.wait_id = "
        "due.wait_id AND o.option_no = due.option_no RETURNING o.wait_id, o.option_no, "
        "o.departure_id, o.status), "
        "latest AS (SELECT DISTINCT ON (wait_id) * FROM ended ORDER BY wait_id, status = 'expired' "
        "DESC, option_no DESC), "
        "done AS (UPDATE %s AS w SET status = latest.status, changed_at = now() FROM latest WHERE "
        "w.wait_id = latest.wait_id AND w.status = 'waiting' AND NOT EXISTS (SELECT FROM %s AS o "
        "WHERE o.wait_id = w.wait_id AND o.status = 'waiting' AND NOT EXISTS (SELECT FROM ended "
        "AS e WHERE e.wait_id = o.wait_id AND e.option_no = o.option_no)) RETURNING w.wait_id, "
        "w.status) "
        "SELECT latest.wait_id, latest.departure_id, done.status FROM latest LEFT JOIN done USING "
        "(wait_id) ORDER BY latest.wait_id",
        qualified_name(catalog.wait_option), qualified_name(catalog.departure),
        qualified_name(catalog.wait_option), qualified_name(catalog.wait),
        qualified_name(catalog.wait_option));
}

// An event for each wait of the result that is over.
void write_end_events(const Catalog& catalog) {
    TicketEvent* events = static_cast<TicketEvent*>(
        MemoryContextAllocHuge(CurrentMemoryContext, Max(SPI_processed, 1) * sizeof(TicketEvent)));
    int count = 0;
    for (uint64 i = 0; i < SPI_processed; i++) {
        bool goes_on;
        bool is_null;
        const Datum status = column(i, 3, &goes_on);
        if (!goes_on) {
            const bool expired = same_text(text_of(status), {"expired", 7});
            events[count++] = TicketEvent{expired ? "wait_expired" : "wait_closed",
                                          0,
                                          0,
                                          DatumGetInt64(column(i, 2, &is_null)),
                                          DatumGetInt64(column(i, 1, &is_null)),
                                          nullptr};
        }
    }
    if (count > 0) {
        write_events(catalog, events, count);
    }
    pfree(events);
}

// Ends what is over of these waits, whose rows are locked. Returns whether anything was.
bool end_locked(const Catalog& catalog, Datum wait_ids) {
    Oid types[] = {INT8ARRAYOID, TIMESTAMPTZOID};
    Datum values[] = {wait_ids, TimestampTzGetDatum(GetCurrentTimestamp())};
    execute_own_now(catalog.wait_option, ending_sql(catalog), 2, types, values, nullptr,
                    SPI_OK_SELECT);
    const bool ended = SPI_processed > 0;
    write_end_events(catalog);
    return ended;
}

// Computes the ends of these open options again: of a wait or of a departure, as `condition` says.
void compute_ends(const Catalog& catalog, const char* condition, Datum value, Oid type) {
    Oid types[] = {type, TEXTOID};
    Datum values[] = {value, name_of_sale_timezone()};
    const char* sql = psprintf(
        "UPDATE %s AS o SET ends_at = e.ends_at FROM (SELECT o.wait_id, o.option_no, %s AS ends_at "
        "FROM %s AS o JOIN %s AS w USING (wait_id) JOIN %s AS d USING (departure_id) JOIN %s AS r "
        "USING (route_id) WHERE o.status = 'waiting' AND %s) AS e WHERE o.wait_id = e.wait_id AND "
        "o.option_no = e.option_no AND o.ends_at IS DISTINCT FROM e.ends_at",
        qualified_name(catalog.wait_option), end_of_option_sql("o.from_stop", "w.deadline", "$2"),
        qualified_name(catalog.wait_option), qualified_name(catalog.wait),
        qualified_name(catalog.departure), qualified_name(catalog.route), condition);
    execute_own_now(catalog.wait_option, sql, 2, types, values, nullptr, SPI_OK_UPDATE);
}

// Locks the waits that have an open option on the departure, as far as nobody else has them locked:
// bigint[]. False: there are none.
bool lock_waits_for(const Catalog& catalog, int64_t departure_id, Datum* wait_ids) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(departure_id)};
    const char* sql = psprintf(
        "SELECT array_agg(wait_id) FROM (SELECT w.wait_id FROM %s AS w WHERE w.status = 'waiting' "
        "AND w.wait_id IN (SELECT o.wait_id FROM %s AS o WHERE o.departure_id = $1 AND o.status = "
        "'waiting') ORDER BY w.wait_id FOR UPDATE SKIP LOCKED) AS l",
        qualified_name(catalog.wait), qualified_name(catalog.wait_option));
    execute_own_now(catalog.wait, sql, 1, types, values, nullptr, SPI_OK_SELECT);
    bool is_null;
    *wait_ids = column(0, 1, &is_null);
    return !is_null;
}

// What failed with the waits for a departure is left to the worker.
void report_left(int64_t departure_id, ErrorData* error) {
    rethrow_cancel(error);
    if (error->sqlerrcode != ERRCODE_T_R_SERIALIZATION_FAILURE) {
        ereport(WARNING,
                (errcode(error->sqlerrcode),
                 errmsg("waits for departure " INT64_FORMAT " stay as they are for now: %s",
                        departure_id, error->message),
                 errhint("The worker tries again.")));
    }
    FreeErrorData(error);
}

// Does something with the waits for a departure in a subtransaction. Whatever fails there stays as
// it is: the worker comes back to it.
template <typename Work>
void with_waits_for(const Catalog& catalog, int64_t departure_id, Work work) {
    OwnerScope scope;
    every_row_begin(catalog, &scope);
    ErrorData* error = in_subtransaction([&] {
        Datum wait_ids;
        if (lock_waits_for(catalog, departure_id, &wait_ids)) {
            work(wait_ids);
        }
        return true;
    });
    if (error != nullptr) {
        report_left(departure_id, error);  // here: it is in the memory of SPI
    }
    every_row_end(scope);
}

// ---------------------------------------------------------------------------------------------
// Looking
// ---------------------------------------------------------------------------------------------

void add_wait(EndedWaits* waits, int64_t wait_id, TimestampTz since) {
    if (waits->count == waits->room) {
        waits->room = Max(waits->room * 2, size_t{64});
        const Size bytes = waits->room * sizeof(EndedWait);
        waits->wait = static_cast<EndedWait*>(waits->wait == nullptr
                                                  ? MemoryContextAllocHuge(waits->context, bytes)
                                                  : repalloc_huge(waits->wait, bytes));
    }
    waits->wait[waits->count++] = EndedWait{wait_id, since};
}

bool is_sold(const Catalog& catalog, int64_t departure_id) {
    DepartureRow row;
    return read_own_departure_row(catalog, departure_id, &row) && row.status == SaleStatus::kOpen;
}

}  // namespace

bool end_wait(const Catalog& catalog, int64_t wait_id) {
    Oid types[] = {INT8OID};
    Datum values[] = {Int64GetDatum(wait_id)};
    const char* sql = psprintf("SELECT FROM %s WHERE wait_id = $1 FOR UPDATE NOWAIT",
                               qualified_name(catalog.wait));
    execute_own_now(catalog.wait, sql, 1, types, values, nullptr, SPI_OK_SELECT);
    // The times of a departure may have changed while the wait was locked.
    compute_ends(catalog, "o.wait_id = $1", Int64GetDatum(wait_id), INT8OID);
    return end_locked(catalog, array_of(wait_id));
}

void have_sale_looked_at(const Catalog& catalog, int64_t departure_id) {
    if (has_waiters(catalog, departure_id)) {
        sale_change_at_commit();
    }
}

void end_options_of(const Catalog& catalog, int64_t departure_id) {
    if (!has_waiters(catalog, departure_id)) {
        return;
    }
    sale_change_at_commit();
    // What the server would note for SERIALIZABLE could fail the transaction.
    if (!IsolationIsSerializable()) {
        with_waits_for(catalog, departure_id,
                       [&](Datum wait_ids) { (void)end_locked(catalog, wait_ids); });
    }
}

void follow_times_of(const Catalog& catalog, int64_t departure_id) {
    if (!has_waiters(catalog, departure_id)) {
        return;
    }
    sale_change_at_commit();
    with_waits_for(catalog, departure_id, [&](Datum wait_ids) {
        compute_ends(catalog, "o.wait_id = ANY ($1)", wait_ids, INT8ARRAYOID);
    });
}

TimestampTz find_expired_waits(const Catalog& catalog, size_t most, EndedWaits* waits) {
    const TimestampTz now = GetCurrentTimestamp();
    TimestampTz next = INT64_MAX;
    TableReader reader;
    open_now(&reader, catalog.wait_option, catalog.wait_option_end);
    while (next == INT64_MAX && reader_next(&reader)) {
        bool is_null;
        const Datum value = row_value(reader.row, kOptEnds, &is_null);
        if (is_null) {
            break;  // ends with the sale of its departure, and so do the rest
        }
        const TimestampTz ends_at = DatumGetTimestampTz(value);
        if (ends_at > now || waits->count >= most) {
            next = ends_at;
        } else if (waits->count == 0 ||
                   waits->wait[waits->count - 1].wait_id != row_int64(reader.row, kOptWait)) {
            add_wait(waits, row_int64(reader.row, kOptWait), ends_at);
        }
    }
    close_now(&reader);
    return next;
}

void find_closed_waits(const Catalog& catalog, size_t most, EndedWaits* waits) {
    int64_t departure_id = INT64_MIN;
    const TimestampTz now = GetCurrentTimestamp();
    while (waits->count < most && next_waited_departure(catalog, departure_id, &departure_id)) {
        CHECK_FOR_INTERRUPTS();
        if (is_sold(catalog, departure_id)) {
            continue;
        }
        TableReader reader;
        open_now(&reader, catalog.wait_option, catalog.wait_option_queue);
        reader_key_int64(&reader, departure_id);
        while (waits->count < most && reader_next(&reader)) {
            add_wait(waits, row_int64(reader.row, kOptWait), now);
        }
        close_now(&reader);
    }
}

}  // namespace ticketpool
