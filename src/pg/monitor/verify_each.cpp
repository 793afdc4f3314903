// What ticket_verify and item_verify share: which ids they look at, and how often.
#include "monitor/verify_each.hpp"

#include "pool/announcement.hpp"
#include "pool/shared_memory.hpp"
#include "server/errors.hpp"
#include "server/progress.hpp"
#include "server/table_scan.hpp"

namespace ticketpool {

// All ids, as of now.
static int64_t* list_ids(Oid table, Oid index, AttrNumber column, size_t* count) {
    size_t room = 1024;
    int64_t* ids = static_cast<int64_t*>(palloc(room * sizeof(int64_t)));
    *count = 0;
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, table, index, snapshot);
    while (reader_next(&reader)) {
        if (*count == room) {
            room *= 2;
            ids = static_cast<int64_t*>(repalloc_huge(ids, room * sizeof(int64_t)));
        }
        ids[(*count)++] = row_int64(reader.row, column);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
    return ids;
}

Datum verify_each(FunctionCallInfo fcinfo, const AllIds& all, Verify verify) {
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    const bool required = !PG_ARGISNULL(0);
    int64_t one = required ? PG_GETARG_INT64(0) : 0;
    int64_t* ids = &one;
    size_t count = 1;
    const Progress progress = progress_begin(all.command, ProgressPhase::kListing);
    if (!required) {
        ids = list_ids(catalog.*all.table, catalog.*all.index, all.column, &count);
    }
    MemoryContext context =
        AllocSetContextCreate(CurrentMemoryContext, "ticketpool verify", ALLOCSET_DEFAULT_SIZES);
    progress_phase(progress, ProgressPhase::kComparing, static_cast<int64_t>(count));
    for (size_t i = 0; i < count; i++) {
        CHECK_FOR_INTERRUPTS();
        MemoryContext caller = MemoryContextSwitchTo(context);
        progress_departure(progress, ids[i]);
        verify(catalog, ids[i], required, result);
        end_announcement();
        MemoryContextSwitchTo(caller);
        MemoryContextReset(context);
        progress_done(progress, static_cast<int64_t>(i) + 1);
    }
    progress_end(progress);
    MemoryContextDelete(context);
    return 0;
}

void report_problem(ReturnSetInfo* result, int64_t id, const char* problem) {
    Datum values[] = {Int64GetDatum(id), CStringGetTextDatum(problem)};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void pause_before_look(int i) {
    constexpr long kFirstPauseMicros = 500;
    CHECK_FOR_INTERRUPTS();
    pg_usleep(kFirstPauseMicros << Min(i, 9));
}

}  // namespace ticketpool
