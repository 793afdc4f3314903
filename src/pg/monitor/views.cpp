// The functions behind the views ticket_pool, item_pool, ticket_inflight, ticket_pool_stat and
// ticket_progress.
#include "load/directory.hpp"
#include "pool/monitoring.hpp"
#include "pool/prepared.hpp"
#include "pool/sale_queue.hpp"
#include "pool/shared_memory.hpp"
#include "pool/stock_claim.hpp"
#include "server/errors.hpp"
#include "server/pg.hpp"
#include "server/progress.hpp"
#include "server/settings.hpp"
#include "server/table_scan.hpp"
#include "tables/inventory_rows.hpp"

namespace ticketpool {

namespace {

const char* status_name(SaleStatus status) {
    switch (status) {
        case SaleStatus::kOpen:
            return "open";
        case SaleStatus::kClosed:
            return "closed";
        case SaleStatus::kWithdrawn:
            return "withdrawn";
        case SaleStatus::kMoving:
            return "moving";
    }
    return "unknown";
}

void return_departure(const Catalog&, const DepartureRef& ref, ReturnSetInfo* result) {
    Departure* departure = ref.departure;
    uint64_t free_segments = 0;
    for (uint32_t c = 0; c < departure->layout->class_count; c++) {
        free_segments += count_free_seat_segments(departure->seat_map(c));
    }
    Datum values[] = {
        Int64GetDatum(departure->departure_id),
        text_datum(directory_train(ref)),
        DateADTGetDatum(departure->service_date),
        CStringGetTextDatum(status_name(departure->status.load(std::memory_order_relaxed))),
        Int32GetDatum(static_cast<int32_t>(departure->layout->seat_count)),
        Int32GetDatum(departure->segments),
        Int64GetDatum(static_cast<int64_t>(free_segments)),
        Int64GetDatum(departure->bytes),
        Int64GetDatum(claims_in_flight(ref.slot)),
        TimestampTzGetDatum(last_use_of(ref.slot)),
    };
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

void return_item(const Catalog& catalog, const ItemRef& ref, ReturnSetInfo* result) {
    Snapshot snapshot = take_fresh_snapshot();
    Inventories inventories;
    int64_t quantity = 0;
    read_inventories(catalog, ref.item->item_id, snapshot, nullptr, &inventories);
    drop_snapshot(snapshot);
    for (int i = 0; i < inventories.count; i++) {
        quantity = saturating_sum(quantity, inventories.rows[i].quantity);
    }
    int32_t stocks = 0;
    for (Stock* stock = ref.item->root(); stock != nullptr; stock = ref.item->after(stock)) {
        stocks += is_usable(stock) && !is_merged(ref, stock) ? 1 : 0;
    }
    Datum values[] = {Int64GetDatum(ref.item->item_id),
                      Int32GetDatum(stocks),
                      Int64GetDatum(quantity),
                      Int64GetDatum(item_remaining_units(ref)),
                      Int64GetDatum(claims_in_flight(ref.slot)),
                      Int64GetDatum(static_cast<int64_t>(ref.item->bytes.load())),
                      TimestampTzGetDatum(last_use_of(ref.slot))};
    bool nulls[lengthof(values)] = {};
    tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

// A view with a row for each departure, or each item, in memory.
template <typename Ref>
Datum view_of_slots(FunctionCallInfo fcinfo, bool (*announce)(const Catalog&, uint32_t, Ref*),
                    void (*return_row)(const Catalog&, const Ref&, ReturnSetInfo*)) {
    require_shared_memory();
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    const Catalog& catalog = catalog_of(fcinfo);
    prepared_resolve(kNoSlot);
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        Ref ref;
        CHECK_FOR_INTERRUPTS();
        if (announce(catalog, i, &ref)) {
            return_row(catalog, ref, result);
            end_announcement();
        }
    }
    return 0;
}

}  // namespace
}  // namespace ticketpool

TICKETPOOL_FUNCTION(ticket_pool) {
    using namespace ticketpool;
    return view_of_slots(fcinfo, directory_announce_slot, return_departure);
}

TICKETPOOL_FUNCTION(item_pool) {
    using namespace ticketpool;
    return view_of_slots(fcinfo, directory_announce_item, return_item);
}

TICKETPOOL_FUNCTION(ticket_inflight) {
    using namespace ticketpool;
    require_shared_memory();
    prepared_resolve(kNoSlot);
    ReturnSetInfo* result = require_set_result(fcinfo);
    InitMaterializedSRF(fcinfo, 0);
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const BackendSlot& backend = shared.backends[i];
        const uint32_t claims = backend.claims.load(std::memory_order_acquire);
        if (claims > 0) {
            Datum values[] = {Int32GetDatum(backend.pid.load(std::memory_order_relaxed)),
                              Int64GetDatum(claims),
                              TimestampTzGetDatum(backend.since.load(std::memory_order_relaxed))};
            bool nulls[lengthof(values)] = {};
            tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
        }
    }
    uint32_t count;
    const PreparedSummary* prepared = prepared_list(&count);
    for (uint32_t i = 0; i < count; i++) {
        Datum values[] = {0, Int64GetDatum(prepared[i].claims),
                          TimestampTzGetDatum(prepared[i].since)};
        bool nulls[lengthof(values)] = {true};
        tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
    }
    return 0;
}

TICKETPOOL_FUNCTION(ticket_pool_stat) {
    using namespace ticketpool;
    require_shared_memory();
    TupleDesc columns;
    if (get_call_result_type(fcinfo, nullptr, &columns) != TYPEFUNC_COMPOSITE) {
        elog(ERROR, "return type must be a row type");
    }
    uint64_t sums[6] = {};
    for (uint32_t i = 0; i < shared.control->backend_count; i++) {
        const Counters& counters = shared.backends[i].counters;
        const std::atomic<uint64_t>* const members[] = {&counters.buys,      &counters.refunds,
                                                        &counters.sold_outs, &counters.lost_races,
                                                        &counters.rebuilds,  &counters.evictions};
        for (size_t m = 0; m < lengthof(members); m++) {
            sums[m] += members[m]->load(std::memory_order_relaxed);
        }
    }
    int64_t departures = 0;
    int64_t items = 0;
    for (uint32_t i = 0; i < shared.control->slot_count; i++) {
        const DirectorySlot& slot = shared.slots[i];
        if (state_of(slot.version.load(std::memory_order_acquire)) == SlotState::kReady) {
            (slot.has_item() ? items : departures)++;
        }
    }
    LWLockAcquire(shared.control->lock, LW_SHARED);
    const size_t used = shared.arena.total_bytes() - shared.arena.free_bytes();
    LWLockRelease(shared.control->lock);
    uint64_t groups = 0;
    uint64_t group_sales = 0;
    for (int i = 0; i < kMaxDesks; i++) {
        groups += shared.desks[i].groups.load(std::memory_order_relaxed);
        group_sales += shared.desks[i].sales.load(std::memory_order_relaxed);
    }
    Datum values[15];
    bool nulls[lengthof(values)] = {};
    for (size_t m = 0; m < lengthof(sums); m++) {
        values[m] = Int64GetDatum(static_cast<int64_t>(sums[m]));
    }
    values[6] = Int64GetDatum(departures);
    values[7] = Int64GetDatum(static_cast<int64_t>(used));
    values[8] = Int64GetDatum(int64_t{setting_memory_kb} * 1024);
    values[9] = Int64GetDatum(items);
    values[10] = CStringGetTextDatum(page_kind_name(shared.control->pages));
    values[11] = Int64GetDatum(static_cast<int64_t>(shared.control->page_bytes));
    values[12] = Int64GetDatum(static_cast<int64_t>(groups));
    values[13] = Int64GetDatum(static_cast<int64_t>(group_sales));
    nulls[14] = groups == 0;
    values[14] = Float8GetDatum(
        groups == 0 ? 0 : static_cast<double>(group_sales) / static_cast<double>(groups));
    PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(columns, values, nulls)));
}

TICKETPOOL_FUNCTION(ticket_progress) {
    using namespace ticketpool;
    require_shared_memory();
    return return_progress(fcinfo);
}
