// Reads the rows of a departure whose transaction is prepared: see undecided.hpp.
#include "load/undecided.hpp"

#include "server/table_scan.hpp"

namespace ticketpool {

namespace {

void read_tickets(const Catalog& catalog, const Departure* departure, Undecided* undecided) {
    OrderLeaf leaf;
    if (!find_order_leaf(catalog, departure->service_date, &leaf)) {
        return;
    }
    TableReader reader;
    reader_open(&reader, leaf.relation, leaf.live(), SnapshotAny);
    reader_key_int64(&reader, departure->departure_id);
    for_each_undecided(&reader, [&](TransactionId xid, bool after) {
        LiveTicket ticket;
        if (read_live_ticket(reader.row, leaf, departure, &ticket) == Misfit::kNone) {
            UndecidedTicket* noted = append(&undecided->tickets, &undecided->ticket_count);
            *noted = UndecidedTicket{xid, after, reader.row->tts_tid, ticket};
        }
    });
}

void read_quotas(const Catalog& catalog, const Departure* departure, Undecided* undecided) {
    TableReader reader;
    reader_open(&reader, catalog.reservation, catalog.reservation_open, SnapshotAny);
    reader_key_int64(&reader, departure->departure_id);
    for_each_undecided(&reader, [&](TransactionId xid, bool after) {
        ReservationRow row;
        if (read_reservation(reader.row, departure, &row)) {
            UndecidedQuota* noted = append(&undecided->quotas, &undecided->quota_count);
            *noted = UndecidedQuota{xid, after, false, reader.row->tts_tid, row, nullptr};
        }
    });
}

void read_status(const Catalog& catalog, const Departure* departure, Undecided* undecided) {
    TableReader reader;
    reader_open(&reader, catalog.departure, catalog.departure_pkey, SnapshotAny);
    reader_key_int64(&reader, departure->departure_id);
    for_each_undecided(&reader, [&](TransactionId xid, bool after) {
        if (after) {
            undecided->closer = xid;
            undecided->status = sale_status_of_row(reader.row);
        }
    });
}

bool all_in_progress(const Undecided& undecided) {
    return all_in_progress(undecided.tickets, undecided.ticket_count) &&
           all_in_progress(undecided.quotas, undecided.quota_count) &&
           (!TransactionIdIsValid(undecided.closer) || TransactionIdIsInProgress(undecided.closer));
}

int compare_tids(const void* a, const void* b) {
    return ItemPointerCompare(
        const_cast<ItemPointer>(&static_cast<const UndecidedTicket*>(a)->tid),
        const_cast<ItemPointer>(&static_cast<const UndecidedTicket*>(b)->tid));
}

// If a row was changed and is still open (its release_at was changed by hand), its two versions are
// one quota, not two.
void pair_quotas(Undecided* undecided) {
    for (size_t i = 0; i < undecided->quota_count; i++) {
        for (size_t j = 0; j < undecided->quota_count; j++) {
            UndecidedQuota* a = &undecided->quotas[i];
            UndecidedQuota* b = &undecided->quotas[j];
            if (a->after && !b->after && a->xid == b->xid &&
                a->row.reservation_id == b->row.reservation_id) {
                a->unchanged = true;
                b->unchanged = true;
            }
        }
    }
}

}  // namespace

void read_undecided(const Catalog& catalog, const Departure* departure, Undecided* undecided) {
    do {
        CHECK_FOR_INTERRUPTS();
        *undecided = Undecided{};
        read_tickets(catalog, departure, undecided);
        read_quotas(catalog, departure, undecided);
        read_status(catalog, departure, undecided);
    } while (!all_in_progress(*undecided));
    pair_quotas(undecided);
    if (undecided->ticket_count > 0) {
        qsort(undecided->tickets, undecided->ticket_count, sizeof(UndecidedTicket), compare_tids);
    }
}

bool is_noted_ticket(const Undecided& undecided, const ItemPointerData& tid) {
    UndecidedTicket key{};
    key.tid = tid;
    return undecided.ticket_count > 0 && bsearch(&key, undecided.tickets, undecided.ticket_count,
                                                 sizeof(UndecidedTicket), compare_tids) != nullptr;
}

bool is_noted_quota(const Undecided& undecided, const ItemPointerData& tid) {
    for (size_t i = 0; i < undecided.quota_count; i++) {
        if (ItemPointerEquals(const_cast<ItemPointer>(&undecided.quotas[i].tid),
                              const_cast<ItemPointer>(&tid))) {
            return true;
        }
    }
    return false;
}

}  // namespace ticketpool
