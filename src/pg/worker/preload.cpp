// ticket_preload(), and what a background worker does after a start if ticketpool.preload is on.
//
// After a start the pool is empty, and the first session that asks for a departure loads it. Here
// the same loads are done for all departures on sale, one after the other. Others sell meanwhile: a
// session that asks for a departure that is not in memory yet loads it itself.
#include "worker/preload.hpp"

#include "load/directory.hpp"
#include "pool/shared_memory.hpp"
#include "server/owner_scope.hpp"
#include "tables/departure_rows.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

// A tenth of the memory is left for sessions that ask for something else.
bool is_nearly_full() {
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const bool full = shared.arena.free_bytes() < shared.arena.total_bytes() / 10;
    LWLockRelease(shared.control->lock);
    return full;
}

}  // namespace

void preload_list(const Catalog& catalog, PreloadList* list) {
    *list = PreloadList{};
    list->progress = progress_begin(ProgressCommand::kPreload, ProgressPhase::kListing);
    MemoryContext context = CurrentMemoryContext;
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    const char* sql = psprintf(
        "SELECT departure_id FROM %s WHERE service_date BETWEEN CURRENT_DATE - 1 AND DATE "
        "'2000-01-01' + %d AND status = 'open' ORDER BY service_date, departure_id",
        qualified_name(catalog.departure), kLastServiceDate);
    if (SPI_execute(sql, true, 0) != SPI_OK_SELECT) {
        elog(ERROR, "could not read the departures");
    }
    list->count = SPI_processed;
    list->ids = static_cast<int64_t*>(
        MemoryContextAllocHuge(context, Max(list->count, 1) * sizeof(int64_t)));
    for (uint64_t i = 0; i < list->count; i++) {
        bool is_null;
        list->ids[i] =
            DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1, &is_null));
    }
    SPI_finish();
    owner_end(scope);
    progress_phase(list->progress, ProgressPhase::kLoading, static_cast<int64_t>(list->count));
}

const char* text_of_full_pool(const PreloadList& list) {
    return psprintf(_("\"ticketpool.memory\" is nearly full: " INT64_FORMAT " of " UINT64_FORMAT
                      " departures on sale were not loaded"),
                    preload_left(list), list.count);
}

bool preload_some(const Catalog& catalog, PreloadList* list, uint64_t limit) {
    const uint64_t end = Min(list->count, list->next + limit);
    while (list->next < end) {
        CHECK_FOR_INTERRUPTS();
        const int64_t id = list->ids[list->next];
        progress_departure(list->progress, id);
        if (!directory_has(catalog, id)) {
            if (is_nearly_full()) {
                return false;
            }
            const DepartureRef ref = directory_find_id(catalog, id);
            list->loaded += ref.departure != nullptr ? 1 : 0;
            end_announcement();
        }
        progress_done(list->progress, static_cast<int64_t>(++list->next));
    }
    return list->next < list->count;
}

}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_preload) {
    using namespace ticketpool;
    require_shared_memory();
    const Catalog& catalog = catalog_of(fcinfo);
    PreloadList list;
    preload_list(catalog, &list);
    (void)preload_some(catalog, &list, list.count);
    progress_end(list.progress);
    if (preload_left(list) > 0) {
        ereport(NOTICE, (errmsg_internal("%s", text_of_full_pool(list)),
                         errhint("Raise \"ticketpool.memory\".")));
    }
    PG_RETURN_INT64(list.loaded);
}
