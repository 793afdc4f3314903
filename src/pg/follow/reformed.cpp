// Follows a ticket_reform that logical replication brings: see reformed.hpp.
#include "follow/reformed.hpp"

#include "follow/by_hand.hpp"
#include "follow/commit_marks.hpp"
#include "follow/wanted.hpp"
#include "load/departure_loader.hpp"
#include "load/fill.hpp"
#include "load/reforming.hpp"
#include "pool/ledger.hpp"
#include "server/errors.hpp"
#include "server/owner_scope.hpp"
#include "server/row_origin.hpp"
#include "tables/live_rows.hpp"

extern "C" {
#include "executor/spi.h"
}

namespace ticketpool {
namespace {

struct Reformed {
    int64_t departure_id;
    Oid order_table;
    uint32_t reserved;
};

// All live tickets have a seat of their own.
void require_seats(const Reformed& reformed) {
    const Catalog& catalog = catalog_in(get_rel_namespace(reformed.order_table));
    DepartureRow row;
    OrderLeaf leaf;
    if (!read_own_departure_row(catalog, reformed.departure_id, &row) ||
        !find_order_leaf(catalog, row.service_date, &leaf)) {
        return;
    }
    Departure* departure = private_departure(catalog, row, row.layout_id);
    for_each_live_row(leaf, departure, [&](TupleTableSlot* order, const LiveTicket* ticket) {
        if (ticket == nullptr) {
            LiveTicket misfit;
            const Misfit how = read_live_ticket(order, leaf, departure, &misfit);
            report_misfit(row.departure_id, misfit, how);
        }
        if (!mark_ticket(departure, *ticket)) {
            report_taken({kNoSlot, departure}, *ticket);
        }
    });
}

void lock_rows(const Catalog& catalog, DateADT date, uint32_t slot) {
    OrderLeaf leaf;
    if (!lock_order_leaf(catalog, date, RowExclusiveLock, &leaf)) {
        leaf.direct = false;  // the partition is gone, with all orders
    }
    OwnerScope scope;
    owner_begin(catalog, &scope, RowScope::kEvery);
    SPI_connect();
    (void)lock_live_rows(catalog, leaf, slot);
    SPI_finish();
    owner_end(scope);
}

}  // namespace

bool is_reformed_elsewhere(const DepartureRow& before, const DepartureRow& after) {
    return rows_come_in_any_order() && before.departure_id == after.departure_id &&
           before.service_date == after.service_date && before.route_id == after.route_id &&
           before.layout_id != after.layout_id;
}

void follow_reform(const Catalog& catalog, const DepartureRow& before) {
    const DepartureRef ref = pin_departure(catalog, before.departure_id, Writing::kDeparture);
    if (ref.departure == nullptr) {
        stale_at_commit(catalog, before.departure_id);
        return;
    }
    bar_claims(ref.slot);
    lock_rows(catalog, before.service_date, ref.slot);
    replaced_at_commit(catalog, before.departure_id);
    want_once<Reformed, require_seats>(Reformed{before.departure_id, catalog.order, 0});
}

bool is_following_reform(uint32_t slot) {
    return rows_come_in_any_order() && ledger_is_reforming(slot) &&
           shared.slots[slot].departure()->seat_change.load(std::memory_order_relaxed) ==
               SeatChange::kUnderWay;
}

}  // namespace ticketpool
