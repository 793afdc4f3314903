// Reads what there is to tell of events, and tells it (event_news.hpp).
#include "worker/event_news.hpp"

#include "server/owner_scope.hpp"
#include "server/plans.hpp"

extern "C" {
#include "access/transam.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "utils/xid8.h"
}

namespace ticketpool {

namespace {

Datum result_column(int column, bool* is_null) {
    return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, is_null);
}

bool is_true(int column) {
    bool is_null;
    const Datum value = result_column(column, &is_null);
    return !is_null && DatumGetBool(value);
}

}  // namespace

// ORDER BY with LIMIT, not EXISTS: the indexes are used, however few rows are expected.
EventNews read_event_news(const Catalog& catalog, uint64_t told_xmin) {
    const char* table = qualified_name(catalog.event);
    const char* sql = psprintf(
        "SELECT (SELECT max(event_id) FROM %s), h.xmin, "
        "(SELECT xid FROM %s WHERE xid >= $1 ORDER BY xid, event_id LIMIT 1) < h.xmin, "
        "(SELECT xid >= h.xmin AND at > clock_timestamp() - interval '1 minute' FROM %s "
        "ORDER BY xid DESC, event_id DESC LIMIT 1) "
        "FROM (SELECT pg_snapshot_xmin(pg_current_snapshot())) AS h (xmin)",
        table, table, table);
    Oid types[] = {XID8OID};
    Datum values[] = {FullTransactionIdGetDatum(FullTransactionIdFromU64(told_xmin))};
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    if (execute_planned(sql, 1, types, values, nullptr) != SPI_OK_SELECT || SPI_processed != 1) {
        elog(ERROR, "could not read what there is to tell of events");
    }
    bool is_null;
    EventNews news{};
    const Datum highest = result_column(1, &is_null);
    news.highest = is_null ? 0 : DatumGetInt64(highest);
    news.horizon = U64FromFullTransactionId(DatumGetFullTransactionId(result_column(2, &is_null)));
    news.readable = is_true(3);
    news.unreadable = is_true(4);
    SPI_finish();
    owner_end(scope);
    return news;
}

void notify_of_events(const EventNews& news) {
    Async_Notify("ticketpool", psprintf(INT64_FORMAT, news.highest));
}

}  // namespace ticketpool
