// The live rows of a departure, one after the other.
#pragma once

#include "server/table_scan.hpp"
#include "tables/departure_rows.hpp"

namespace ticketpool {

// Calls `visit(TupleTableSlot* row, const LiveTicket* ticket)` with each live row of the departure
// that a fresh snapshot sees. `ticket` is null if the row does not fit the departure.
template <typename Visit>
void for_each_live_row(const OrderLeaf& leaf, const Departure* departure, Visit visit) {
    TableReader reader;
    Snapshot snapshot = take_fresh_snapshot();
    reader_open(&reader, leaf.relation, leaf.live(), snapshot);
    reader_key_int64(&reader, departure->departure_id);
    while (reader_next(&reader)) {
        LiveTicket ticket;
        const bool fits = read_live_ticket(reader.row, leaf, departure, &ticket) == Misfit::kNone;
        visit(reader.row, fits ? &ticket : nullptr);
    }
    reader_close(&reader);
    drop_snapshot(snapshot);
}

}  // namespace ticketpool
