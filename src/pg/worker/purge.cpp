// Deletes events, and waits that are over, after ticketpool.event_days.
//
// Events are looked for among those with the smallest numbers, which are the oldest but for a few
// seconds (numbers are drawn when events are written, not when they are committed). So no index by
// time is needed, and a look that finds nothing to do reads some thousand rows, whatever the size
// of the table. An older one behind them is found once they are gone.
//
// Nothing here waits: rows and tables that other sessions have locked are left for the next time.
#include "worker/purge.hpp"

#include "server/owner_scope.hpp"
#include "server/plans.hpp"
#include "server/settings.hpp"
#include "server/table_scan.hpp"
#include "tables/own_writes.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {

namespace {

constexpr int kMostEvents = 3000;
constexpr int kMostWaits = 500;  // each with its options

bool try_lock_tables(const Catalog& catalog) {
    return try_lock_relations({catalog.wait, catalog.wait_option, catalog.event}, RowExclusiveLock);
}

// True: some were deleted, so there may be more.
bool purge_events(const Catalog& catalog) {
    const char* table = qualified_name(catalog.event);
    const char* sql = psprintf(
        "DELETE FROM %s WHERE event_id = ANY (ARRAY(SELECT event_id FROM %s WHERE event_id = ANY "
        "(ARRAY(SELECT event_id FROM %s ORDER BY event_id LIMIT $2)) AND at < clock_timestamp() - "
        "make_interval(days => $1) FOR UPDATE SKIP LOCKED))",
        table, table, table);
    Oid types[] = {INT4OID, INT4OID};
    Datum values[] = {Int32GetDatum(setting_event_days), Int32GetDatum(kMostEvents)};
    execute_own_on(catalog.event, sql, 2, types, values, nullptr, SPI_OK_DELETE);
    return SPI_processed > 0;
}

// The ids of waits that are over, an array; locks their rows.
Datum find_old_waits(const Catalog& catalog, bool* found) {
    const char* sql = psprintf(
        "SELECT array_agg(wait_id) FROM (SELECT wait_id FROM %s WHERE status <> 'waiting' AND "
        "changed_at < clock_timestamp() - make_interval(days => $1) ORDER BY changed_at LIMIT $2 "
        "FOR UPDATE SKIP LOCKED) AS over",
        qualified_name(catalog.wait));
    Oid types[] = {INT4OID, INT4OID};
    Datum values[] = {Int32GetDatum(setting_event_days), Int32GetDatum(kMostWaits)};
    if (execute_planned(sql, 2, types, values, nullptr) != SPI_OK_SELECT || SPI_processed != 1) {
        elog(ERROR, "could not read which waits are over");
    }
    bool is_null;
    const Datum ids = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &is_null);
    *found = !is_null;
    return ids;
}

// The same of waits, with their options.
bool purge_waits(const Catalog& catalog) {
    bool found;
    Oid types[] = {INT8ARRAYOID};
    Datum values[] = {find_old_waits(catalog, &found)};
    if (!found) {
        return false;
    }
    for (const Oid table : {catalog.wait_option, catalog.wait}) {
        const char* sql =
            psprintf("DELETE FROM %s WHERE wait_id = ANY ($1)", qualified_name(table));
        execute_own_on(table, sql, 1, types, values, nullptr, SPI_OK_DELETE);
    }
    return SPI_processed > 0;
}

}  // namespace

PurgeResult purge_some(const Catalog& catalog) {
    if (!try_lock_tables(catalog)) {
        return PurgeResult::kLocked;
    }
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    const bool more_events = purge_events(catalog);
    const bool more_waits = purge_waits(catalog);
    SPI_finish();
    owner_end(scope);
    return more_events || more_waits ? PurgeResult::kMore : PurgeResult::kDone;
}

}  // namespace ticketpool
